"""Ask a hub as hubferry does, and look at all that an error says."""

from __future__ import annotations

import contextlib
import ssl
import traceback

import pytest

from hubferry.errors import HubferryError
from hubferry.hubs.http.client import HubClient, Request


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextlib.asynccontextmanager
async def asking(endpoint, token=None):
    ours = HubClient(endpoint, token, side="source", login=lambda token: {"Authorization": f"Bearer {token}"})
    try:
        yield ours
    finally:
        await ours.close()


async def failing(endpoint):
    """What comes out when `endpoint` cannot be asked."""
    async with asking(endpoint) as ours:
        with pytest.raises(HubferryError) as failed:
            await ours.ask(Request("GET", endpoint + "/", {}))
    return failed.value


def secure(server, host="127.0.0.1"):
    return f"https://{host}:{server.port}"


def everything(error):
    """All that is ever written of an error, whatever is in its chain."""
    text = "".join(traceback.format_exception(error))
    while error is not None:
        text += f"{error!r} {error} {vars(error)!r} {error.args!r}"
        error = error.__cause__ or error.__context__
    return text

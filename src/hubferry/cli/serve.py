"""`hubferry serve`: a hub for this machine or network."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from pathlib import Path

import click

from hubferry.errors import UsageError
from hubferry.i18n import _

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command("serve")
@click.argument("store", type=click.Path(path_type=Path, file_okay=False), default="hub")
@click.option("--port", type=click.IntRange(0, 65535), default=8787, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--writable", is_flag=True)
@click.option("--token", envvar="HUBFERRY_TOKEN", default=None)
@click.option("--json", "as_json", is_flag=True)
def command(store: Path, port: int, host: str, token: str | None, *, writable: bool, as_json: bool) -> None:
    """Serve the repositories below STORE."""
    if host not in _LOOPBACK and not token:
        raise UsageError(_("a hub that others can reach needs a token"))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(store, host, port, token, writable=writable, as_json=as_json))


async def _serve(
    store: Path, host: str, port: int, token: str | None, *, writable: bool, as_json: bool
) -> None:
    from hubferry.serve import Credential, Policy, Store, create_application  # aiohttp is heavy
    from hubferry.serve.server import start

    credentials = [Credential(token)] if token else []
    application = create_application(
        Store(store), Policy(credentials, writable=writable, anonymous_reads=host in _LOOPBACK)
    )
    running = await start(application, host, port)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    click.echo(
        json.dumps({"url": running.url, "host": host, "port": running.port}) if as_json else running.url
    )
    await stopped.wait()
    await running.stop()

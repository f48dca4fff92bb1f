"""How many requests Hugging Face answers in a window of time, and the headers in which it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.serve.addresses import client_address
from hubferry.serve.hub import hub_of, token_of
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.windows import Allowance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_ALLOWANCE: web.RequestKey[Allowance] = web.RequestKey("allowance", Allowance)
_NOT_COUNTED = ("/healthz", "/api/v1/", "/openapi/", "/storage/", "/api/resolve-cache/")
"""ModelScope's dialect, and where a counted request was sent on to."""


@web.middleware
async def count_requests(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Count a request of the Hugging Face dialect, and refuse one too many."""
    hub = hub_of(request)
    rates = hub.strict.rates
    if rates is not None and not request.path.startswith(_NOT_COUNTED):
        token, resolving = token_of(request), "/resolve/" in request.path
        name = "resolvers" if resolving else "api"
        most = rates.most(resolving=resolving, anonymous=token is None)
        whose = f"token {token}" if token is not None else f"address {client_address(request)}"
        allowance = hub.memory.windows.count(name, whose, most, rates.seconds)
        request[_ALLOWANCE] = allowance
        if allowance.exceeded:
            raise Refusal(
                Reason.RATE,
                f"We had to rate limit you, you hit the quota of {most} {name} requests per "
                f"{rates.seconds / 60:g} minutes period. Upgrade to a PRO user or Team/Enterprise "
                "organization account (https://hf.co/pricing) to get higher limits. "
                "See https://huggingface.co/docs/hub/rate-limits",
            )
    return await handler(request)


async def tell_allowance(request: web.Request, response: web.StreamResponse) -> None:
    """Say in an answer what is left (draft-ietf-httpapi-ratelimit-headers)."""
    allowance = request.get(_ALLOWANCE)
    rates = hub_of(request).strict.rates
    if allowance is not None and rates is not None:
        response.headers["RateLimit"] = f'"{allowance.name}";r={allowance.left};t={allowance.wait}'
        policy = f'"fixed window";"{allowance.name}";q={allowance.most};w={max(1, round(rates.seconds))}'
        response.headers["RateLimit-Policy"] = policy

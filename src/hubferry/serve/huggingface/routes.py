"""What the routes of the Hugging Face dialect share: how they name repositories, pages and times."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from hubferry.serve.addresses import absolute
from hubferry.serve.exchange import json_answer, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from hubferry.serve.repository import Repository

NAME = "{repo:[^/]+(?:/[^/]+)?}"
REPO = f"/api/{{kind:models|datasets}}/{NAME}"


def web_address(request: web.Request, repository: Repository) -> str:
    """Return the repository's page."""
    prefix = "/datasets" if repository.record.kind == "dataset" else ""
    return absolute(request, f"{prefix}/{repository.record.repo_id}")


def iso_time(seconds: float) -> str:
    """Return a time as Hugging Face writes it."""
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def window(request: web.Request, page: int) -> slice:
    """Return which part of a list the request asks for: `cursor` is where, `limit` at most how many."""
    start = number(request, "cursor", 0)
    return slice(start, start + max(1, min(page, number(request, "limit", page))))


def next_page(request: web.Request, part: slice, total: int) -> dict[str, str]:
    """Return the Link header that leads on, nothing on the last page (huggingface_hub.utils._pagination)."""
    if part.stop >= total:
        return {}
    asked = [(name, value) for name, value in request.query.items() if name != "cursor"]
    query = urlencode([*asked, ("cursor", str(part.stop))])
    return {"Link": f'<{absolute(request, quote(request.path))}?{query}>; rel="next"'}


def page_answer(
    request: web.Request,
    part: slice,
    shown: Sequence[object],
    total: int,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return one page of a list."""
    return json_answer(shown, headers={**(headers or {}), **next_page(request, part, total)})

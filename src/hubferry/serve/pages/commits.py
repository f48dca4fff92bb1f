"""The history of a repository, and what one commit changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING

from hubferry.serve.pages.around import around
from hubferry.serve.pages.lists import page_number
from hubferry.serve.pages.showing import show
from hubferry.serve.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from hubferry.serve.pages.sources import Change, Shown
    from hubferry.serve.records import FileRecord

A_PAGE = 50
_CHANGES_A_PAGE = 200
_MOST_DIFFS, _LARGEST_TEXT, _MOST_LINES = 20, 32 << 10, 800
"""Files of a commit whose lines are compared; bytes and lines of each: that takes their square."""
_LONGEST_LINE = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison; `kind` is `+`, `-`, `@` or a blank."""

    kind: str
    text: str


async def show_commits(request: web.Request, shown: Shown) -> web.StreamResponse:
    """Show the commits that lead to a revision, newest first."""
    page = page_number(request)
    heads, more = await shown.history((page - 1) * A_PAGE, A_PAGE)
    return await show(
        request, "commits.html", heads=heads, more=more, page=page, **await around(request, shown, "history")
    )


async def show_commit(request: web.Request, shown: Shown) -> web.StreamResponse:
    """Show what a commit changed."""
    found = await shown.changes()
    head, changes = found if found is not None else (await shown.head(), ())
    last = max(1, -(-len(changes) // _CHANGES_A_PAGE))
    page = min(page_number(request), last)
    part = changes[(page - 1) * _CHANGES_A_PAGE : page * _CHANGES_A_PAGE]
    diffs = await _diffs(shown, part) if await shown.may_read() else {}
    return await show(
        request,
        "commit.html",
        change=head,
        known=found is not None,
        changes=part,
        total=len(changes),
        added=sum(one.before is None for one in changes),
        removed=sum(one.after is None for one in changes),
        diffs=diffs,
        page=page,
        last=last,
        **await around(request, shown, "history"),
    )


async def _diffs(shown: Shown, changes: Sequence[Change]) -> dict[str, list[Line]]:
    """Return the lines that differ, of the first small texts."""
    found: dict[str, list[Line]] = {}
    for change in changes:
        if len(found) >= _MOST_DIFFS:
            break
        before, after = await _text(shown, change.before), await _text(shown, change.after)
        if before is not None and after is not None and before != after:
            found[change.path] = await asyncio.to_thread(_compared, before, after)
    return found


async def _text(shown: Shown, file: FileRecord | None) -> str | None:
    """Return a small text; the empty one for no file, None for what is no small text."""
    if file is None:
        return ""
    if file.size > _LARGEST_TEXT or file.lfs:
        return None
    try:
        content = await shown.read_before(file)
        return None if b"\0" in content else content.decode()
    except (UnicodeDecodeError, Refusal, OSError):
        return None


def _compared(before: str, after: str) -> list[Line]:
    old, new = before.splitlines()[:_MOST_LINES], after.splitlines()[:_MOST_LINES]
    lines = list(unified_diff(old, new, lineterm="", n=3))[2:]
    return [Line(line[:1], line[1:][:_LONGEST_LINE]) for line in lines[:_MOST_LINES]]

"""Models in words and as JSON."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hubferry.cache.words import state_name
from hubferry.cli import output
from hubferry.cli.cells import padded, width
from hubferry.commits import commit_of, listing_digest_of
from hubferry.i18n import _, ngettext
from hubferry.units import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.cache.listing import CachedModel
    from hubferry.cache.problem import Problem


def state_word(model: CachedModel) -> str:
    """Return a listed model's state in a word."""
    return _("link") if model.link_to is not None and not model.usage.bytes else state_name(model.state)


def day(timestamp: float) -> str:
    """Return the local date of seconds since 1970."""
    return time.strftime("%Y-%m-%d", time.localtime(moment(timestamp)))


def counted(models: Sequence[CachedModel]) -> str:
    """Return how many models these are, in words."""
    return ngettext("{count} model", "{count} models", len(models)).format(count=len(models))


def shortened(text: str, columns: int | None) -> str:
    """Return `text` in no more than `columns` of a terminal, without its middle; as it is for None."""
    if columns is None or width(text) <= columns:
        return text
    first, last = list(text[: len(text) // 2]), list(text[len(text) // 2 :])
    while first and width("".join((*first, *last))) >= columns:
        if len(first) >= len(last):
            first.pop()
        else:
            last.pop(0)
    return "".join((*first, "…", *last))


def aligned(rows: Sequence[Sequence[str]], *, right: Iterable[int] = (), keep: bool = False) -> list[str]:
    """Return rows as lines whose columns stand below each other.

    Args:
        rows: Cells; each row has as many as the first.
        right: Numbers of the columns that end, rather than begin, at the same place.
        keep: Whether all lines are equally wide, for what comes behind them.
    """
    columns = [max(map(width, column)) for column in zip(*rows, strict=True)]
    ends = frozenset(right)
    lines = []
    for row in rows:
        line = "  ".join(
            padded(cell, columns[number], right=number in ends) for number, cell in enumerate(row)
        )
        lines.append(line if keep else line.rstrip())
    return lines


def model_document(model: CachedModel, sharing: Sequence[str] = ()) -> dict[str, object]:
    """Return a model as JSON takes it: integer bytes, ISO 8601 times; `sharing` names who shares with it."""
    ref = model.ref
    return {
        "name": model.name,
        "repository": None if ref is None else ref.repo_id,
        "hub": None if ref is None else ref.hub,
        "type": None if ref is None else ref.repo_type,
        "revision": model.judged.revision,
        "named": None if ref is None else ref.named,
        "commit": None if ref is None else commit_of(ref.hub, model.commit),
        "listing_digest": None if ref is None else listing_digest_of(ref.hub, model.commit),
        "path": str(model.path),
        "root": str(model.root),
        "state": model.state.value,
        "size": model.disk,
        "frees": model.frees,
        "content": model.size,
        "files": model.files,
        "last_use": output.iso_time(model.used),
        "pinned": model.pinned,
        "published": list(model.published),
        "shared_with": list(sharing),
        "shared_bytes": model.disk - model.frees,
        "link_to": model.link_to,
        "problems": [problem_document(problem) for problem in model.problems],
    }


def problem_document(problem: Problem) -> dict[str, str]:
    """Return a problem as JSON takes it."""
    return {"path": problem.path, "kind": problem.kind.value, "what": problem.what, "hint": problem.hint}

"""A repository's own page: its card, what its bytes are, how to get it."""

from __future__ import annotations

import asyncio
import re
import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hubferry import cards, front_matter, i18n
from hubferry.pages import Share, prose, quantities, reader_of
from hubferry.pages.application import link
from hubferry.serve.addresses import absolute
from hubferry.serve.pages import weights
from hubferry.serve.pages.around import around, said_revision
from hubferry.serve.pages.parts import Summary, summed_up
from hubferry.serve.pages.showing import show
from hubferry.serve.pages.using import ways
from hubferry.serve.recent import Recent
from hubferry.serve.refusal import Refusal

if TYPE_CHECKING:
    from aiohttp import web
    from markupsafe import Markup

    from hubferry.serve.pages.sources import Shown

_FRONT = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
_MOST_HEADERS, _HEADER, _ALL_HEADERS = 48, 2 << 20, 24 << 20
"""Files whose headers are read for the count of parameters, and bytes: of one, of all."""
_MOST_TAGS, _MOST_ROWS, _LONGEST_VALUE = 60, 60, 400
_COUNTED: Recent[tuple[str, str], dict[str, int]] = Recent(2_000)
_SUMMED: Recent[tuple[str, str], Summary] = Recent(2_000)


@dataclass(frozen=True, slots=True)
class Card:
    """A card as a page shows it.

    Attributes:
        facts: What its front matter says, as texts, in its order.
        text: The rest as markup.
        shortened: Whether not all of the text is there.
    """

    facts: tuple[tuple[str, str], ...]
    text: Markup
    tags: tuple[str, ...] = ()
    license: str | None = None
    task: str | None = None
    shortened: bool = False


async def show_card(request: web.Request, shown: Shown) -> web.StreamResponse:
    """Show a repository."""
    card = await _card(request, shown)
    summary = await asyncio.to_thread(_summary, shown)
    counted = await _parameters(shown) if await shown.may_read() else {}
    language = reader_of(request).language
    with i18n.speaking(language):
        shares = summary.shares()
    place = shown.place
    return await show(
        request,
        "card.html",
        card=card,
        summary=summary,
        shares=shares,
        parameters=sum(counted.values()),
        dtypes=[Share(name, count, quantities.about(count)) for name, count in counted.items()],
        readable=await shown.may_read(),
        license=(card.license if card else None) or shown.license,
        ways=ways(
            absolute(request, ""),
            place.repo_id,
            place.kind or "model",
            said_revision(shown),
            dialect=place.dialect,
        ),
        **await around(request, shown, "card"),
    )


def _summary(shown: Shown) -> Summary:
    key = _key(shown)
    known = _SUMMED.get(key)
    if known is None:
        known = summed_up(shown.tree.files)
        _SUMMED.put(key, known, 1)
    return known


def _key(shown: Shown) -> tuple[str, str]:
    """Return what a commit is remembered by: it never changes."""
    return f"{shown.entry.origin}{shown.entry.kind}/{shown.entry.repo_id}", shown.commit


async def _card(request: web.Request, shown: Shown) -> Card | None:
    file = shown.tree.get(cards.NAME)
    if file is None or not await shown.may_read():
        return None
    try:
        content = await shown.read(cards.NAME, 0, min(file.size, cards.LARGEST))
    except Refusal:
        return None
    base = f"{shown.place.base}/%s/{shown.commit}/"
    page = link(request, base % "blob")
    raw = None if shown.place.dialect == "ms" else link(request, base % "resolve")
    language = reader_of(request).language
    return await asyncio.to_thread(_made, content, page, raw, language)


def _made(content: bytes, page: str, raw: str | None, language: str) -> Card:
    text = content.decode(errors="replace")
    front, body = split(text)
    with i18n.speaking(language):
        markup = prose.prose(body, page, raw)
    return Card(
        _facts(front),
        markup,
        cards.tags_of(content)[:_MOST_TAGS],
        cards.license_of(content),
        cards.pipeline_of(content),
        len(body) > prose.LARGEST,
    )


def split(text: str) -> tuple[str, str]:
    """Return what stands in the front matter of a card, empty where it has none, and the rest."""
    front = _FRONT.match(text)
    return (front["yaml"], text[front.end() :]) if front else ("", text)


def _facts(text: str) -> tuple[tuple[str, str], ...]:
    """Return what the front matter says; of what cannot be read nothing."""
    facts = front_matter.facts(text)
    return tuple((str(key)[:100], _said(value)) for key, value in list(facts.items())[:_MOST_ROWS])


def _said(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, (str, int, float)) for one in value):
        text = ", ".join(str(one) for one in value)
    elif isinstance(value, (dict, list)):
        text = _structured(value)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def _structured(value: Any) -> str:
    """Return nested values in short; an alias of YAML may stand for a lot more than its own length."""
    shown = reprlib.Repr()
    shown.maxlevel, shown.maxlist, shown.maxdict, shown.maxstring = 3, 12, 12, 80
    return shown.repr(value)


async def _parameters(shown: Shown) -> dict[str, int]:
    """Return how many numbers the safetensors of a commit have, by type; nothing where that is not told.

    A repository of several variants would be counted as the sum of them: it counts those of the folder that
    has the first one alone.
    """
    key = _key(shown)
    known = _COUNTED.get(key)
    if known is not None:
        return known
    found: dict[str, int] = {}
    left = _ALL_HEADERS
    for path in await asyncio.to_thread(_of_one_folder, shown):
        file = shown.tree.require(path)
        try:
            header = await weights.read_weights(path, file.size, _reading(shown, path), min(left, _HEADER))
        except Refusal:
            return {}
        if header is None or left <= 0:
            return {}
        left -= len(header.tensors) * 100
        for dtype, count in header.by_dtype.items():
            found[dtype] = found.get(dtype, 0) + count
    _COUNTED.put(key, found, 1)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _of_one_folder(shown: Shown) -> list[str]:
    paths = [path for path in shown.tree.files if path.endswith(weights.SAFETENSORS)]
    if not paths:
        return []
    folder = min(paths, key=lambda path: (path.count("/"), path)).rpartition("/")[0]
    chosen = sorted(path for path in paths if path.rpartition("/")[0] == folder)
    if shown.here is not None and not shown.here.issuperset(chosen):
        return []  # reading them would fetch them
    return chosen if len(chosen) <= _MOST_HEADERS else []


def _reading(shown: Shown, path: str) -> Any:
    async def read(start: int, count: int) -> bytes:
        return await shown.read(path, start, count)

    return read

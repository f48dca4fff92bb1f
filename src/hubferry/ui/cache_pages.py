"""What fills the disk, and one model of it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hubferry.cache.contents import StoredFile, contents
from hubferry.cache.foreign import is_ours
from hubferry.cache.words import standing_name
from hubferry.i18n import _, ngettext
from hubferry.pages import Share
from hubferry.pages.quantities import count as counted
from hubferry.typed import as_typed
from hubferry.ui import cache_view
from hubferry.ui.site import off_loop, show, site_of
from hubferry.units import size

if TYPE_CHECKING:
    from aiohttp import web

    from hubferry.cache.listing import CachedModel
    from hubferry.ui.cache_view import Cache, Label, Row, Tone
    from hubferry.ui.settings import Settings

_MOST_SHARING = 10
_FILES_A_PAGE = 500
_DIGITS = 9
_SAID = re.compile(r"(?:removed|pruned-(?P<count>[0-9]{1,9}))-(?P<freed>[0-9]{1,18})")
_TONES: dict[str, Tone] = {"verified": "good", "changed": "warn", "stale": "warn", "missing": "bad"}
WIDE, NARROW = (1000, 340), (340, 460)
"""Sizes of the map on a screen and on a phone: the letters in it are as large as everywhere."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file of a model, with what is known of it in a word."""

    file: StoredFile
    state: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that is shown of one model.

    Attributes:
        row: As it is listed.
        there: What it is, or what the link leads to.
        ours: Whether something may be written into it.
        files: Some of them, by path.
        count: How many there are.
        shares: What its bytes are.
        sharing: Other models that have some of its bytes.
        commands: How to get it, each with what it does.
        hindrance: Why it cannot be removed, in a sentence.
    """

    row: Row
    there: CachedModel
    ours: bool
    files: tuple[FileRow, ...]
    count: int
    shares: list[Share]
    sharing: tuple[CachedModel, ...]
    commands: tuple[tuple[str, str], ...]
    hindrance: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """The cache as one page shows it."""

    cache: Cache
    rows: list[Row]
    wide: list[Label]
    narrow: list[Label]


async def show_cache(request: web.Request) -> web.Response:
    """Show the map and the table."""
    order = request.query.get("sort", "size")
    order = order if order in cache_view.ORDERS else "size"
    wanted = request.query.get("q", "")[:200]
    shown = await off_loop(request, _look, site_of(request).settings, order, wanted)
    return await show(
        request,
        "cache.html",
        shown=shown,
        order=order,
        wanted=wanted,
        wide=WIDE,
        narrow=NARROW,
        notice=_notice(request.query.get("said", ""), request.query.get("about", "")[:300]),
    )


def _notice(said: str, about: str) -> str | None:
    """Return what was done before this page was sent for, as its address says; None where it says nothing."""
    found = _SAID.fullmatch(said)
    if found is None:
        return None
    freed = size(int(found["freed"]))
    if found["count"] is None:
        return _("{model} was removed; {size} are free again.").format(model=about, size=freed)
    many = int(found["count"])
    return ngettext(
        "{count} model was removed; {size} are free again.",
        "{count} models were removed; {size} are free again.",
        many,
    ).format(count=counted(many), size=freed)


def _look(settings: Settings, order: str, wanted: str) -> Shown:
    cache = cache_view.look(settings)
    rows = cache_view.chosen(cache.rows, order, wanted)
    return Shown(cache, rows, cache_view.treemap(rows, *WIDE), cache_view.treemap(rows, *NARROW))


async def show_model(request: web.Request) -> web.Response:
    """Show one model."""
    site = site_of(request)
    wanted = request.query.get("page", "")
    page = max(1, int(wanted)) if wanted.isascii() and wanted.isdecimal() and len(wanted) < _DIGITS else 1
    model = await off_loop(request, _model, site.settings, *wanted_of(request), page)
    check = site.checks.of(model.row.model)
    return await show(
        request,
        "model.html",
        model=model,
        check=check,
        page=page,
        pages=max(1, -(-model.count // _FILES_A_PAGE)),
        said=request.query.get("said", ""),
    )


def wanted_of(request: web.Request) -> tuple[str, str | None]:
    """Return the name of the model in the address, and of its root where that is said."""
    return request.match_info["name"], request.query.get("root") or None


def _model(settings: Settings, name: str, root: str | None, page: int) -> Model:
    cache = cache_view.look(settings)
    row = cache_view.find(cache, name, root)
    there = cache_view.described(row)
    files = contents(there.path.resolve() if there.link_to is not None else there.path)
    shown = files[(page - 1) * _FILES_A_PAGE : page * _FILES_A_PAGE]
    return Model(
        row,
        there,
        is_ours(row.model),
        tuple(
            FileRow(one, standing_name(one.standing), _TONES.get(one.standing.value, "plain"))
            for one in shown
        ),
        len(files),
        _shares(files),
        cache.listing.sharing(row.model, _MOST_SHARING),
        tuple(_commands(row.model)),
        cache_view.hindrance(row.model),
    )


def _shares(files: list[StoredFile]) -> list[Share]:
    """Return what a model's bytes are, by kind of file; the largest kinds first, then the rest."""
    sums: dict[str, int] = {}
    for file in files:
        name = file.path.rpartition("/")[2]
        dot = name.rfind(".")
        kind = name[dot:].lower() if 0 < dot >= len(name) - 13 else _("without a suffix")
        sums[kind] = sums.get(kind, 0) + file.size
    kinds = sorted(sums.items(), key=lambda item: -item[1])
    first, rest = kinds[:6], sum(amount for _kind, amount in kinds[6:])
    parts = [*first, (_("others"), rest)] if rest else first
    return [Share(kind, float(amount), size(amount)) for kind, amount in parts if amount]


def _commands(model: CachedModel) -> list[tuple[str, str]]:
    path = str(model.path)
    commands = [
        (_("Use it in Python"), f"AutoModel.from_pretrained({path!r})"),
        (_("Where it is"), shlex.join(["cd", path])),
    ]
    if model.ref is None or model.ref.hub == "dir":
        return commands
    ref = as_typed(model.ref)
    plain = str(replace(ref, revision=model.judged.revision))
    commands.append((_("Get it, or bring it up to date"), shlex.join(["hubferry", "fetch", plain])))
    commands.append(
        (_("Copy it to another hub"), shlex.join(["hubferry", "copy", plain, f"ms:my-org/{ref.name}"]))
    )
    return commands

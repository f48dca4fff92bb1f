"""The models of the cache as the pages show them."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hubferry.cache import roots as cache_roots
from hubferry.cache import words
from hubferry.cache.check import State
from hubferry.cache.clean import is_held, is_only_read
from hubferry.cache.listing import CachedModel, Listing, followed, list_models
from hubferry.commits import commit_of
from hubferry.errors import HubferryError, NotFoundError
from hubferry.i18n import _, ngettext
from hubferry.ui.treemap import Tile, squarify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.ui.settings import Settings

Tone = Literal["good", "warn", "bad", "plain"]
Order = Literal["size", "name", "used", "state"]
ORDERS: tuple[Order, ...] = ("size", "name", "used", "state")
_TONES: dict[State, Tone] = {
    State.WHOLE: "good",
    State.PART: "good",
    State.PARTIAL: "warn",
    State.MIXED: "warn",
    State.BROKEN: "bad",
}
_WORST_FIRST = (
    State.BROKEN,
    State.MIXED,
    State.PARTIAL,
    State.UNKNOWN,
    State.ABSENT,
    State.PART,
    State.WHOLE,
)
_SMALLEST = 0.004
"""Part of the whole below which a model has no tile of its own."""
_MOST_TILES = 80
_LETTER = 8.2
_FEWEST, _LOWEST = 7, 24
"""Letters that a line of a tile has at least, and the height below which there is none."""
_WIDE_LETTER = 13.0
_FIRST_CJK = 0x2E80


@dataclass(frozen=True, slots=True)
class Row:
    """One model.

    Attributes:
        model: As it was listed.
        root: Tells its root from the others.
        state: In a word.
        tone: Whether that is good.
        twice: Whether another root has one of the same name.
    """

    model: CachedModel
    root: str
    state: str
    tone: Tone
    twice: bool = False

    @property
    def shared(self) -> int:
        """Bytes that stay when it goes, since somebody else has them as well."""
        return self.model.usage.shared

    @property
    def commit(self) -> str | None:
        """The commit it holds, where its hub names one."""
        ref = self.model.ref
        return None if ref is None else commit_of(ref.hub, self.model.commit)


@dataclass(frozen=True, slots=True)
class Label:
    """A tile with what is written in it; `row` is None for all the small ones together."""

    tile: Tile
    row: Row | None
    title: str
    lines: tuple[str, ...]
    size: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Cache:
    """Everything that is shown of the caches."""

    listing: Listing
    rows: tuple[Row, ...]
    roots: tuple[Path, ...]

    def needing(self) -> tuple[Row, ...]:
        """Return the models that a person should look at: what is wrong with them is known."""
        return tuple(row for row in self.rows if row.tone in ("warn", "bad"))


def look(settings: Settings) -> Cache:
    """List what is in the cache. Blocks.

    Raises:
        HubferryError: A root must not or cannot be read.
    """
    places = cache_roots.all_roots() if settings.roots is None else settings.roots
    listing = list_models(places)
    names = Counter(model.name for model in listing.models)
    rows = tuple(_row(model, twice=names[model.name] > 1) for model in listing.models)
    return Cache(listing, rows, places)


def _row(model: CachedModel, *, twice: bool = False) -> Row:
    is_link = model.link_to is not None and not model.usage.bytes
    word = _("link") if is_link else words.state_name(model.state)
    tone: Tone = "plain" if is_link else _TONES.get(model.state, "plain")
    return Row(model, root_name(model.root), word, tone, twice)


def root_name(root: Path) -> str:
    """Return what tells a root from the others in an address."""
    return hashlib.sha256(str(root).encode(errors="surrogatepass")).hexdigest()[:8]


def chosen(rows: Sequence[Row], order: str, wanted: str = "") -> list[Row]:
    """Return the rows that have a word in their names, in an order."""
    word = wanted.strip().lower()
    found = [row for row in rows if word in row.model.title.lower() or word in row.model.name.lower()]
    found.sort(key=lambda row: row.model.title.lower())
    if order == "size":
        found.sort(key=lambda row: -row.model.disk)
    elif order == "used":
        found.sort(key=lambda row: -row.model.used)
    elif order == "state":
        found.sort(key=lambda row: _WORST_FIRST.index(row.model.state))
    return found


def find(cache: Cache, name: str, root: str | None) -> Row:
    """Return the model of that very name.

    Raises:
        NotFoundError: There is none, or there are several and nothing says which.
    """
    fitting = [row for row in cache.rows if row.model.name == name and root in (None, row.root)]
    if not fitting:
        message = _("no model in the cache is called {name}").format(name=name)
        raise NotFoundError(message, side="cache", hint="hubferry cache list")
    return fitting[0]


def described(row: Row) -> CachedModel:
    """Return a listed model, of a link what it leads to.

    Raises:
        DiskError: It leads nowhere.
    """
    return followed(row.model)


def hindrance(model: CachedModel) -> str | None:
    """Return why a model cannot be removed at the moment, in a sentence; None where it can."""
    try:
        if is_only_read(model):
            return _("It is in a place that this account only reads.")
        if is_held(model):
            return _("A transfer is at work on it.")
    except HubferryError as error:
        return error.sentence
    return None


def treemap(rows: Sequence[Row], width: int, height: int) -> list[Label]:
    """Return the tiles of the models, the largest first; many small ones are one tile."""
    sized = sorted((row for row in rows if row.model.disk > 0), key=lambda row: -row.model.disk)
    whole = sum(row.model.disk for row in sized)
    shown = [row for row in sized[:_MOST_TILES] if row.model.disk >= _SMALLEST * whole]
    rest = sized[len(shown) :]
    amounts = [float(row.model.disk) for row in shown]
    left = sum(row.model.disk for row in rest)
    if rest:
        amounts.append(max(float(left), whole * _SMALLEST))
    order = sorted(range(len(amounts)), key=lambda at: -amounts[at])
    tiles = dict(zip(order, squarify([amounts[at] for at in order], width, height), strict=True))
    labels = [_label(tiles[at], row) for at, row in enumerate(shown)]
    if rest:
        title = ngettext("{count} more model", "{count} more models", len(rest)).format(count=len(rest))
        tile = tiles[len(shown)]
        labels.append(Label(tile, None, title, _lines(tile, title, left, ""), left, len(rest)))
    return labels


def _label(tile: Tile, row: Row) -> Label:
    return Label(
        tile, row, row.model.title, _lines(tile, row.model.title, row.model.disk, row.state), row.model.disk
    )


def _lines(tile: Tile, title: str, size: int, state: str) -> tuple[str, ...]:
    """Return what fits into a tile: the name, perhaps in two lines, then its size and state."""
    from hubferry.units import size as written

    room = tile.width - 16
    if room < _FEWEST * _LETTER or tile.height < _LOWEST:
        return ()
    owner, slash, name = title.rpartition("/")
    whole = _width(title) <= room
    names = [title] if whole or not slash else [owner + slash, name]
    facts = [f"{written(size)} · {state}" if state else written(size)]
    if _width(facts[0]) > room:
        facts = [written(size)]
    wanted = [*names, *facts] if tile.height >= 18 * (len(names) + 1) + 8 else names[-1:]
    return tuple(_cut(line, room) for line in wanted)


def _width(text: str) -> float:
    return sum(_WIDE_LETTER if ord(letter) >= _FIRST_CJK else _LETTER for letter in text)


def _cut(text: str, room: float) -> str:
    if _width(text) <= room:
        return text
    while text and _width(text) + _LETTER > room:
        text = text[:-1]
    return f"{text}…"

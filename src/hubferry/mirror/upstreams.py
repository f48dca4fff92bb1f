"""Which hub answers which clients, under which names, and what nobody may ask for. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, get_args

from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Dialect = Literal["hf", "ms"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")


@dataclass(frozen=True, slots=True)
class Upstream:
    """The hub that clients of one dialect are answered from.

    Attributes:
        dialect: What the clients speak.
        hub: What the hub speaks.
        endpoint: Where it is; empty where no hub is asked.
    """

    dialect: Dialect
    hub: Dialect
    endpoint: str

    @property
    def translated(self) -> bool:
        """Whether the answers of one dialect are made from the other."""
        return self.dialect != self.hub


def parse(words: Iterable[str], endpoint_of: Callable[[Dialect], str]) -> tuple[Upstream, ...]:
    """Read `hf`, `hf=URL`, `hf=ms` and `hf=ms=URL`; the latter two answer one dialect from the other.

    Args:
        words: As they were typed.
        endpoint_of: Where a hub is that is named without an address.

    Raises:
        UsageError: One is no upstream, or a dialect has two.
    """
    split = [_split(word) for word in words]
    given = {hub: url for dialect, hub, url in split if url and hub == dialect}
    found: dict[Dialect, Upstream] = {}
    for dialect, hub, url in split:
        if dialect in found:
            message = _("--upstream: {dialect} has two hubs").format(dialect=dialect)
            raise UsageError(message, hint="hubferry serve --upstream hf --upstream ms")
        endpoint = url or given.get(hub) or endpoint_of(hub)
        found[dialect] = Upstream(dialect, hub, endpoint.rstrip("/"))
    return tuple(found.values())


def _split(word: str) -> tuple[Dialect, Dialect, str]:
    dialect, _equals, rest = word.strip().partition("=")
    hub, _equals, url = rest.partition("=") if rest.partition("=")[0] in DIALECTS else (dialect, "", rest)
    if dialect not in DIALECTS or hub not in DIALECTS or (url and "://" not in url):
        message = _("“{word}” is no upstream").format(word=word)
        raise UsageError(
            message, hint="--upstream hf, --upstream hf=https://hub.example.org, --upstream hf=ms"
        )
    return _dialect(dialect), _dialect(hub), url


def _dialect(word: str) -> Dialect:
    return "ms" if word == "ms" else "hf"


@dataclass(frozen=True, slots=True)
class Names:
    """How a repository is called at the hub of the other dialect, where that differs.

    Attributes:
        exact: By whole name.
        owners: By owner: the owner there, of all of whose repositories the names are otherwise the same.
    """

    exact: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    def there(self, name: str) -> str:
        """Return what the hub calls what clients call `name`."""
        owner, slash, rest = name.partition("/")
        renamed = self.owners.get(owner)
        return self.exact.get(name) or (f"{renamed}{slash}{rest}" if renamed and slash else name)


def read_names(text: str, place: str) -> Names:
    """Read a table of names: a line each, what clients say and what the hub says; `owner/*` for all of one.

    Raises:
        UsageError: A line is none; it is named.
    """
    names = Names()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        parts = [part.split("/") for part in words]
        stars = [part[1:] == ["*"] for part in parts]
        plain = all(_NAME.fullmatch(name) for part in parts for name in part if name != "*")
        if len(words) != 2 or len(set(stars)) != 1 or not plain:  # noqa: PLR2004  # here and there
            message = _("{place}, line {number}: two names are expected").format(place=place, number=number)
            raise UsageError(message, hint="meta-llama/Llama-3.2-1B LLM-Research/Llama-3.2-1B")
        if stars[0]:
            names.owners[parts[0][0]] = parts[1][0]
        else:
            names.exact[words[0]] = words[1]
    return names


@dataclass(frozen=True, slots=True)
class Choice:
    """Which repositories may be asked for: patterns of names such as `Qwen/*`, in any case.

    Attributes:
        allow: One of these must fit; empty means all.
        deny: None of these may.
    """

    allow: Sequence[str] = ()
    deny: Sequence[str] = ()

    def permits(self, *names: str) -> bool:
        """Return whether a repository with these names, here and at the hub, may be asked for."""
        refused = any(_fits(pattern, name) for pattern in self.deny for name in names)
        return not refused and (not self.allow or any(_fits(p, name) for p in self.allow for name in names))


def _fits(pattern: str, name: str) -> bool:
    """Return whether a name, or its owner where the pattern has no slash, fits."""
    said, name = pattern.lower(), name.lower()
    return fnmatchcase(name if "/" in said else name.partition("/")[0], said)

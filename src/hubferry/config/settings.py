"""What a configuration file says, as values. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hubferry.model import HubName

TokenKind = Literal["env", "file", "command", "clear"]
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where a hub's token comes from.

    Attributes:
        kind: An environment variable, a file, a command that prints it, or the configuration file itself.
        words: The variable, the path, or the command's words; for `clear` the token. Never shown in `repr`.
    """

    kind: TokenKind
    words: tuple[str, ...] = field(repr=False)

    @property
    def shown(self) -> str:
        """What may be said of it: of a command its name alone, since its words may be secrets."""
        return "" if self.kind == "clear" else self.words[0]


@dataclass(frozen=True, slots=True)
class HubSettings:
    """One hub of the file.

    Attributes:
        name: What stands before the colon.
        kind: Which protocol it speaks.
        endpoint: Where it is, as `normal_endpoint` writes it; None for the usual place of `hf` and `ms`.
        token: Where its token comes from; None where the file does not say.
        insecure: Whether the token may travel there over plain http.
        concurrency: Most connections at once, None for no limit of its own.
        line: Of the table in the file, None where it cannot be told.
        commits_per_hour: Most commits there, by everything that runs; None for no limit.
        said: The keys that the file has; the others are as they are by default.
    """

    name: str
    kind: HubName
    endpoint: str | None = None
    token: TokenSource | None = None
    insecure: bool = False
    concurrency: int | None = None
    line: int | None = None
    commits_per_hour: int | None = None
    said: frozenset[str] = frozenset()

    @property
    def is_usual(self) -> bool:
        """Whether it is one of the two hubs that everybody knows, perhaps by a mirror."""
        return self.name == self.kind


@dataclass(frozen=True, slots=True)
class Default:
    """What an option is unless the command line, or a variable, says otherwise."""

    value: bool | int | str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of a file; empty where there is none.

    Attributes:
        path: The file that was read, None where none was.
        hubs: By name.
        defaults: By the option's long name, with `_`.
    """

    path: Path | None = None
    hubs: Mapping[str, HubSettings] = field(default_factory=dict)
    defaults: Mapping[str, Default] = field(default_factory=dict)

    @property
    def named(self) -> tuple[HubSettings, ...]:
        """The hubs that only the file knows, in its order."""
        return tuple(hub for hub in self.hubs.values() if not hub.is_usual)

    def called(self, kind: HubName, endpoint: str) -> HubSettings | None:
        """Return the named hub of this kind at an endpoint, None where there is none."""
        same = (hub for hub in self.named if hub.kind == kind and hub.endpoint == normal_endpoint(endpoint))
        return next(same, None)


def normal_endpoint(endpoint: str) -> str:
    """Return an endpoint in the one way in which two that are the same are written the same."""
    endpoint = endpoint.strip().rstrip("/")
    try:
        parts = urlsplit(endpoint)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return endpoint
    host = f"[{host}]" if ":" in host else host
    where = host if port in (None, _PORTS.get(parts.scheme)) else f"{host}:{port}"
    return f"{parts.scheme}://{where}{parts.path}"

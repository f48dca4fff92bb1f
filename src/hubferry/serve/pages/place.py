"""What the address of a page names. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

RESERVED = frozenset({
    "-", "api", "datasets", "favicon.ico", "healthz", "metrics", "models", "openapi", "robots.txt", "spaces",
    "storage", "xet",
})  # fmt: skip
"""First words of addresses that are no owners."""
VIEWS = frozenset({"tree", "blob", "commits", "commit"})
_SAFE = "@:+=,~!$&'()*"
_MOST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Place:
    """What a reader asks for.

    Attributes:
        owner: Whose repositories, where no repository is named.
        repo_id: Which repository; empty for a list.
        kind: `model` or `dataset`; of a list None for both.
        view: `card`, or one of `VIEWS`.
        revision: As it was written; None for the default branch.
        path: Below the repository; empty for its root.
        dialect: `ms` for an address of ModelScope's, else `hf`.
    """

    owner: str = ""
    repo_id: str = ""
    kind: str | None = None
    view: str = "card"
    revision: str | None = None
    path: str = ""
    dialect: str = "hf"

    @property
    def base(self) -> str:
        """The repository's own address, not escaped."""
        if self.kind == "dataset":
            return f"/datasets/{self.repo_id}"
        return f"/models/{self.repo_id}" if self.dialect == "ms" else f"/{self.repo_id}"


def read_place(raw_path: str) -> Place | None:
    """Return what an address names, None if it can be no page's."""
    words = raw_path.strip("/").split("/") if raw_path.strip("/") else []
    if len(words) > _MOST_WORDS or (raw_path != "/" and raw_path.startswith("//")):
        return None
    try:
        words = [unquote(word, errors="strict") for word in words]
    except UnicodeDecodeError:
        return None
    kind, dialect = "model", "hf"
    if words[:1] == ["datasets"]:
        kind, words = "dataset", words[1:]
    elif words[:1] == ["models"]:
        dialect, words = "ms", words[1:]
    elif not words:
        return Place()
    if not words:
        return Place(kind=kind)
    if words[0] in RESERVED or (dialect == "ms" and len(words) == 1):
        return None
    return _below(words, kind, dialect)


def _below(words: list[str], kind: str, dialect: str) -> Place | None:
    """Return what the words after the kind name."""
    if len(words) == 1:
        return Place(owner=words[0], repo_id=words[0], kind=kind, dialect=dialect)
    named = 1 if words[1] in VIEWS and len(words) > 2 and words[2] not in VIEWS else 2  # noqa: PLR2004  # a name alone
    repo_id, rest = "/".join(words[:named]), words[named:]
    if dialect == "ms" and rest:
        return (
            Place(repo_id=repo_id, kind=kind, dialect=dialect)
            if rest[0] not in VIEWS
            else _view(repo_id, kind, rest, dialect)
        )
    return _view(repo_id, kind, rest, dialect) if rest else Place(repo_id=repo_id, kind=kind, dialect=dialect)


def _view(repo_id: str, kind: str, rest: list[str], dialect: str) -> Place | None:
    view, revision, path = rest[0], "/".join(rest[1:2]), "/".join(rest[2:])
    if view not in VIEWS or not revision or (view == "blob") > bool(path):
        return None
    if view in ("commits", "commit") and path:
        return None
    return Place("", repo_id, kind, view, revision, path, dialect)


def escaped(word: str) -> str:
    """Return a name of a revision as one word of an address, its slashes too."""
    return quote(word, safe=_SAFE)

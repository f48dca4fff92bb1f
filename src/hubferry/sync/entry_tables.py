"""A line of `sync:` becomes an `Entry`, with the defaults laid under it key by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from hubferry.entries import ALLOWABLE
from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.names.rules import Names
from hubferry.options import Card
from hubferry.sync import schedules
from hubferry.sync.mistakes import said_of
from hubferry.sync.nodes import Items, Scalar, Table, truth
from hubferry.sync.repositories import UnknownHubError
from hubferry.sync.spec import Deletion, Entry, Selection, Visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hubferry.sync.nodes import Node
    from hubferry.sync.repositories import Place, Places
    from hubferry.sync.values import Values

DEFAULT_KEYS = (
    "tags", "branches", "include", "exclude", "delete", "visibility", "license", "card", "allow", "message",
    "keep_going", "cache", "schedule",
)  # fmt: skip
ENTRY_KEYS = ("name", "source", "target", "repos", *DEFAULT_KEYS)
NAMES_KEYS = ("allow", "deny")
REPOS_KEYS = (
    "allow", "deny", "newer_than", "larger_than", "smaller_than", "tags", "pipeline", "limit",
)  # fmt: skip
DELETE_KEYS = ("max",)
KEEP = "never"
MOST_REPOSITORIES = 100_000
_LONGEST_NAME = 200
VISIBLE: tuple[Visible, ...] = get_args(Visible)
CARDS: tuple[Card, ...] = get_args(Card)


class EntryTables:
    """Read the tables of `sync:` and `defaults:`."""

    def __init__(self, values: Values, places: Places) -> None:
        """Read values by `values`, sources and targets by `places`."""
        self._values = values
        self._mistakes = values.mistakes
        self._places = places
        self._readers: Mapping[str, Callable[[Node, str], Any]] = {
            "tags": self._names,
            "branches": self._names,
            "include": values.globs,
            "exclude": values.globs,
            "delete": self._deletion,
            "visibility": lambda node, key: values.choice(node, key, VISIBLE),
            "license": values.line,
            "card": lambda node, key: values.choice(node, key, CARDS),
            "allow": lambda node, key: values.choices(node, key, sorted(ALLOWABLE)),
            "message": values.text,
            "keep_going": values.flag,
            "cache": values.flag,
            "schedule": lambda node, key: schedules.read(node, key, values),
        }

    def defaults(self, node: Node | None) -> dict[str, Any]:
        """Return what entries are unless they say otherwise, by their fields."""
        if node is None:
            return {}
        if not isinstance(node, Table):
            self._mistakes.add(node.position, _("{key} is a table").format(key="defaults"))
            return {}
        self._values.only(node, DEFAULT_KEYS, "defaults")
        return self._said(node)

    def _said(self, table: Table) -> dict[str, Any]:
        return {key: read(node, key) for key, read in self._readers.items() if (node := table.get(key))}

    def entry(
        self, node: Node, defaults: Mapping[str, Any]
    ) -> tuple[Entry, Place | None, Place | None] | None:
        """Return an entry with its source and target; None where there is nothing to make one of."""
        if not isinstance(node, Table):
            self._mistakes.add(node.position, _("a line of sync is a table: {source: …, target: …}"))
            return None
        self._values.only(node, ENTRY_KEYS, "sync")
        source, target = self._ends(node)
        fields = {**defaults, **self._said(node)}
        if source is not None and source.is_folder:
            self._no_history(node, fields)
        texts = source.text if source else "", target.text if target else ""
        name = self._name(node) if "name" in node.pairs else texts[0]
        entry = Entry(name or "", *texts, repos=self._repos(node, source), position=node.position, **fields)
        return entry, source, target

    def _name(self, table: Table) -> str | None:
        node = table.get("name")
        name = None if node is None else self._values.line(node, "name")
        if node is not None and name is not None and (name.startswith("-") or len(name) > _LONGEST_NAME):
            message = _("name is what --only takes: not begun with “-”, {most} characters at most")
            self._mistakes.add(node.position, message.format(most=_LONGEST_NAME))
        return name

    def _ends(self, table: Table) -> tuple[Place | None, Place | None]:
        source = self._end(table, "source", self._places.source)
        target = self._end(table, "target", lambda text: self._places.target(text, source))
        if source and target and source.repository == target.repository:
            self._mistakes.add(table.pairs["target"].value.position, _("source and target are the same"))
        return source, target

    def _end(self, table: Table, key: str, understood: Callable[[str], Place]) -> Place | None:
        node = table.get(key)
        if node is None:
            self._mistakes.add(table.position, _("this line of sync does not say its {key}").format(key=key))
            return None
        text = self._values.line(node, key)
        try:
            return None if text is None else understood(text)
        except UsageError as error:
            self._mistakes.add(node.position, said_of(key, error.message), error.hint)
        except UnknownHubError:
            pass
        return None

    def _no_history(self, table: Table, fields: dict[str, Any]) -> None:
        """Take tags and branches of a folder for a mistake, and those that the defaults have for none."""
        for key in ("tags", "branches"):
            node = table.get(key)
            if node is not None and fields.get(key) is not None:
                message = _("{key}: the source is a folder, which has none").format(key=key)
                self._mistakes.add(node.position, message)
            fields[key] = None

    def _names(self, node: Node, key: str) -> Names | None:
        """Return which tags or branches to take; None for none."""
        said = truth(node)
        if said is not None:
            return Names() if said else None
        if isinstance(node, Table):
            self._values.only(node, NAMES_KEYS, key)
            return Names(*self._rules(node))
        if isinstance(node, Items) and not node.items:
            message = _("{key}: an empty list takes nothing; true takes all, false none").format(key=key)
            self._mistakes.add(node.position, message)
        if isinstance(node, Scalar) and node.is_ambiguous:
            message = _("{key} is true, false, a list of expressions, or {{allow: […], deny: […]}}")
            self._mistakes.add(node.position, message.format(key=key))
            return None
        return Names(self._values.expressions(node, key))

    def _rules(self, table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
        found = []
        for word in NAMES_KEYS:
            node = table.get(word)
            found.append(() if node is None else self._values.expressions(node, word))
            if word == "allow" and isinstance(node, Items) and not node.items:
                message = _("an empty allow takes nothing; leave it out to take all")
                self._mistakes.add(node.position, message)
        return found[0], found[1]

    def _deletion(self, node: Node, key: str) -> Deletion:
        """Return what may be deleted: nothing, or no more than a cap."""
        if isinstance(node, Scalar) and node.text == KEEP:
            return Deletion()
        if isinstance(node, Table):
            self._values.only(node, DELETE_KEYS, key)
            most = node.get("max")
            if most is not None:
                return Deletion(wanted=True, most=self._values.cap(most, "max"))
            if node.pairs:  # a wrong key is named already
                return Deletion()
        hint = _("delete: {max: 10%}, or {max: 100%} for whatever the source lacks")
        if truth(node) is False:
            hint = "delete: never"
        message = _("{key} is never, or says at most how much: {{max: 10%}}, {{max: 20}}").format(key=key)
        self._mistakes.add(node.position, message, hint)
        return Deletion()

    def _repos(self, table: Table, source: Place | None) -> Selection | None:
        pattern = source is not None and source.is_pattern
        node = table.get("repos")
        if node is None:
            return Selection() if pattern else None
        if source is not None and not pattern:
            message = _("repos chooses among an owner's repositories, and the source is one")
            self._mistakes.add(table.pairs["repos"].position, message, "source: hf:owner/*")
        if not isinstance(node, Table):
            self._mistakes.add(node.position, _("{key} is a table").format(key="repos"))
            return None
        self._values.only(node, REPOS_KEYS, "repos")
        return self._selection(node)

    def _selection(self, table: Table) -> Selection:
        allow, deny = self._rules(table)
        values, get = self._values, table.get
        moment, age = (
            values.moment_or_age(node, "newer_than") if (node := get("newer_than")) else (None, None)
        )
        larger = values.size(node, "larger_than") if (node := get("larger_than")) else None
        smaller = values.size(node, "smaller_than") if (node := get("smaller_than")) else None
        if larger is not None and smaller is not None and larger > smaller:
            position = table.pairs["smaller_than"].value.position
            self._mistakes.add(
                position, _("nothing is larger than larger_than and smaller than smaller_than")
            )
        return Selection(
            allow,
            deny,
            newer_than=moment,
            age=age,
            larger_than=larger,
            smaller_than=smaller,
            tags=values.lines(node, "tags") if (node := get("tags")) else (),
            pipeline=values.line(node, "pipeline") if (node := get("pipeline")) else None,
            limit=values.number(node, "limit", 1, MOST_REPOSITORIES) if (node := get("limit")) else None,
        )

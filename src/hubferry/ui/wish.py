"""What a person asks for in the form of a copy, and how that is said to the command. No I/O."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.options import Access, Options
from hubferry.typed import at_revision
from hubferry.units import read_size

if TYPE_CHECKING:
    from collections.abc import Mapping

Visible = Literal["source", "private", "public"]
_VISIBLE: tuple[Visible, ...] = ("source", "private", "public")
_USER_IN_ADDRESS = re.compile(r"://[^/\s]*@")
_LARGEST = 4096
_MOST_PATTERNS = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """A copy as it was asked for; tokens are none of it: those of the environment and of logins are used.

    Attributes:
        source: As a person types it.
        destination: Likewise.
        revision: A branch, tag or commit of the source; empty for what the source says.
        include: Globs of paths to take, a line each.
        exclude: Globs to leave out, a line each.
        visibility: Who may read a destination that has to be created; `public` also lets hidden content out.
        rate: Most bytes a second in each direction, as `20M`; empty for no limit.
    """

    source: str
    destination: str
    revision: str = ""
    include: str = ""
    exclude: str = ""
    visibility: Visible = "source"
    rate: str = ""

    @property
    def as_fields(self) -> dict[str, str]:
        """Its words as a form has them."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @property
    def _valued(self) -> list[tuple[str, str]]:
        """The options that have a value."""
        found = [("--revision", self.revision)] if self.revision else []
        found += [("--include", pattern) for pattern in _lines(self.include)]
        found += [("--exclude", pattern) for pattern in _lines(self.exclude)]
        return found + ([("--bwlimit", self.rate)] if self.rate else [])

    @property
    def _flags(self) -> list[str]:
        return [] if self.visibility == "source" else [f"--{self.visibility}"]

    @property
    def arguments(self) -> list[str]:
        """The words behind `hubferry`, such that none from the form can be taken for an option."""
        valued = [f"{option}={value}" for option, value in self._valued]
        return ["copy", *valued, *self._flags, "--", self.source, self.destination]

    @property
    def typed(self) -> str:
        """The command as it would be typed."""
        valued = [word for pair in self._valued for word in pair]
        return shlex.join(["hubferry", "copy", self.source, self.destination, *valued, *self._flags])

    def asked(self) -> tuple[str, str, Options]:
        """Return source, destination and options as the library takes them.

        Raises:
            UsageError: The words cannot be meant.
        """
        source, endpoint = self.source, None
        if self.revision:
            source, endpoint = at_revision(source, self.revision)
        rate = read_size(self.rate) if self.rate else None
        options = Options(
            include=tuple(_lines(self.include)),
            exclude=tuple(_lines(self.exclude)),
            visibility=None if self.visibility == "source" else self.visibility,
            fetch_rate=rate,
            send_rate=rate,
            source=Access(endpoint=endpoint),
        )
        return source, self.destination, options


NAMES = tuple(one.name for one in fields(Wish))


def read(form: Mapping[str, str]) -> Wish:
    """Return what a form asks for.

    Raises:
        UsageError: Something is missing, or cannot be meant.
    """
    words = {one.name: form.get(one.name, "").strip()[:_LARGEST] for one in fields(Wish)}
    asked = words.pop("visibility")
    visibility = next((one for one in _VISIBLE if one == asked), "source")
    wish = Wish(**words, visibility=visibility)  # type: ignore[arg-type]  # every other word is any text
    for text, name in ((wish.source, _("From")), (wish.destination, _("Destination"))):
        if not text:
            raise UsageError(_("{field} is empty").format(field=name), hint="hf:org/name")
        if _USER_IN_ADDRESS.search(text):
            raise UsageError(
                _("an address with an account in it is not taken here"),
                hint=_("set the token in the environment, and start `hubferry ui` again"),
            )
        if not text.isprintable():
            raise UsageError(_("{field} has letters that cannot be seen").format(field=name))
    if wish.rate and not read_size(wish.rate):
        message = _("{value!r} is not a size such as 20M").format(value=wish.rate)
        raise UsageError(message, hint="20M")
    if max(len(_lines(wish.include)), len(_lines(wish.exclude))) > _MOST_PATTERNS:
        raise UsageError(_("more than {count} patterns are too many").format(count=_MOST_PATTERNS))
    return wish


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]

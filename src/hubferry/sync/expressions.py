r"""Regular expressions of a mirror file: only those that come to an end on every name.

Python tries every way to match, and some expressions have more ways than there is time: `(a+)+b`. A hub's
names are other people's data, so the expressions are bounded where they are read:

- 200 characters at most; no back references, no conditions.
- A repeated group has alternatives or repetitions inside only where it begins with a fixed character that
  nothing else in it matches, and has one repetition of a kind and nothing that may be there or not, so that
  there is one way to cut a name into its repetitions: `(\.\d+)*`.
- At most three repetitions may share the same characters among them, a `.*` at the very end not counted,
  which never fails; and at most eight pieces may be there or not.

So a name of n characters is matched in some n³ steps at most; the longest names have a few hundred.
"""

from __future__ import annotations

import re
import sys
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from hubferry.i18n import _

_LONGEST = 200
_MOST_REPEATS = 3
_MOST_OPTIONS = 8
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_ATOMS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_INSIDE = {"SUBPATTERN": -1, "ATOMIC_GROUP": None, "ASSERT": 1, "ASSERT_NOT": 1}
"""Where the parser keeps what a group holds: the last, the thing itself, the second."""
_Tree = Any


@dataclass(frozen=True, slots=True)
class WrongExpression:
    """Why an expression is not taken.

    Attributes:
        message: In a translated sentence.
        at: How far behind its begin, None for the whole.
        hint: What to write instead.
    """

    message: str
    at: int | None = None
    hint: str | None = None


class _EndlessError(Exception):
    """There may be no end to it."""


def wrong(expression: str) -> WrongExpression | None:
    """Return what is wrong with an expression that a whole name has to match; None where nothing is."""
    if len(expression) > _LONGEST:
        message = _("an expression has {most} characters at most").format(most=_LONGEST)
        return WrongExpression(message, hint=_("several expressions say the same: any of them will do"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python only warns of means something else in a later one
            re.compile(expression)
            tree = _parser().parse(expression)
        flags = tree.state.flags
        _Bounds(flags & re.IGNORECASE).take(tree, is_last=True)
    except re.error as error:
        return WrongExpression(_("no regular expression: {reason}").format(reason=error.msg), error.pos)
    except _EndlessError:
        message = _(
            "this expression may take for ever: repetitions inside of repetitions, or too many of them "
            "that match the same characters"
        )
        return WrongExpression(message, hint=_("write it as several, or shorter ones: .*-GGUF"))
    except (Warning, OverflowError, RecursionError) as error:
        return WrongExpression(_("no regular expression: {reason}").format(reason=error))
    return None


def _parser() -> Any:
    return import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")


@dataclass(slots=True)
class _Bounds:
    """Walk over a parsed expression, and stop where it has too many ways to match.

    Attributes:
        ignores_case: Whether letters match in both cases.
        most_repeats: How many of `open` there may be.
        most_options: How many `options`.
        open: The repetitions so far that could go on over everything that stands behind them.
        options: Pieces so far that may be there or not.
    """

    ignores_case: int = 0
    most_repeats: int = _MOST_REPEATS
    most_options: int = _MOST_OPTIONS
    open: list[_Tree] = field(default_factory=list)
    options: int = 0

    def take(self, tree: _Tree, *, is_last: bool) -> None:
        """Walk over a sequence; `is_last` says that nothing but the end of the name comes behind it."""
        for number, (operation, value) in enumerate(tree):
            self._one(str(operation), value, is_last=is_last and number == len(tree) - 1)

    def _one(self, operation: str, value: _Tree, *, is_last: bool) -> None:
        if operation in _ATOMS:
            if operation == "LITERAL":
                self.open = [one for one in self.open if _matches(one, value, self.ignores_case)]
        elif operation in _REPEATS:
            self._repeat(*value, is_last=is_last)
        elif operation == "BRANCH":
            self._branch(value[1])
        elif operation in _INSIDE:
            place = _INSIDE[operation]
            self.take(value if place is None else value[place], is_last=is_last and operation == "SUBPATTERN")
        elif operation != "AT":
            raise _EndlessError  # a reference, a condition, or what a later Python has

    def _repeat(self, least: int, most: Any, body: _Tree, *, is_last: bool) -> None:
        most = int(most)
        is_atom = len(body) == 1 and str(body[0][0]) in _ATOMS
        if most <= 1:
            self.options += least == 0
            if self.options > self.most_options:
                raise _EndlessError
            before = list(self.open)
            self.take(body, is_last=is_last)
            self.open = max(before, self.open, key=len)
        elif is_atom:
            if least == most:
                return
            if not (is_last and str(body[0][0]) == "ANY" and least <= 1):
                self.open.append(body[0])
        else:
            if _is_manifold(body):
                if not _is_set_off(body, self.ignores_case):
                    raise _EndlessError
                # what matches a repetition in two ways matches thirty of them in two to the thirtieth
                _Bounds(self.ignores_case, most_repeats=1, most_options=0).take(body, is_last=False)
            before = list(self.open)
            self.take(body, is_last=False)
            self.open = [*max(before, self.open, key=len), *([] if least == most else [("ANY", None)])]
        if len(self.open) > self.most_repeats:
            raise _EndlessError

    def _branch(self, branches: _Tree) -> None:
        before, longest = list(self.open), list(self.open)
        for branch in branches:
            self.open = list(before)
            self.take(branch, is_last=False)
            longest = max(longest, self.open, key=len)
        self.open = longest


def _elements(tree: _Tree) -> list[tuple[str, _Tree]]:
    """Return everything that a sequence has, also inside of its groups."""
    found: list[tuple[str, _Tree]] = []
    for operation, value in tree:
        name = str(operation)
        found.append((name, value))
        if name in _REPEATS:
            found += _elements(value[2])
        elif name == "BRANCH":
            for branch in value[1]:
                found += _elements(branch)
        elif name in _INSIDE:
            place = _INSIDE[name]
            found += _elements(value if place is None else value[place])
    return found


def _is_manifold(body: _Tree) -> bool:
    return any(name in _REPEATS or name == "BRANCH" for name, _value in _elements(body))


def _is_set_off(body: _Tree, ignores_case: int) -> bool:
    """Return whether a sequence begins with a character that nothing else in it matches."""
    name, value = str(body[0][0]), body[0][1]
    while name == "SUBPATTERN" and len(body) == 1:
        body = value[-1]
        if not len(body):
            return False
        name, value = str(body[0][0]), body[0][1]
    if name != "LITERAL" or any(one == "BRANCH" for one, _value in _elements(body)):
        return False
    others = [one for one in _elements(body[1:]) if one[0] in _ATOMS]
    return not any(_matches(one, value, ignores_case) for one in others)


def _matches(element: tuple[Any, _Tree], code: int, ignores_case: int) -> bool:
    """Return whether an element matches a character, itself or (to be safe) in its other case."""
    character = chr(code)
    cases = {character, character.lower(), character.upper()} if ignores_case else {character}
    return any(_is_matched(str(element[0]), element[1], ord(one)) for one in cases if len(one) == 1)


def _is_matched(name: str, value: _Tree, code: int) -> bool:
    if name == "LITERAL":
        return bool(value == code)
    if name == "NOT_LITERAL":
        return bool(value != code)
    if name == "IN":
        parts = [(str(part), inner) for part, inner in value]
        hit = any(_is_in(part, inner, code) for part, inner in parts)
        return hit != any(part == "NEGATE" for part, _inner in parts)
    return True


def _is_in(part: str, inner: _Tree, code: int) -> bool:
    if part == "LITERAL":
        return bool(inner == code)
    if part == "RANGE":
        return bool(inner[0] <= code <= inner[1])
    if part != "CATEGORY":
        return False
    letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[str(inner).rpartition("_")[2]]
    return re.fullmatch("\\" + (letter.upper() if "_NOT_" in str(inner) else letter), chr(code)) is not None

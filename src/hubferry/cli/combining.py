"""Options that do nothing without another one, or beside it: refused, with the line to type instead.

An option says so where it is declared: `combined(click.option("--max-delete", …), needs=("--delete",))`. What
is named is an option (`--delete`), one with the word that it has to have (`--runner ray`), or an argument
(`SOURCE`). Only what was typed is refused: a value of the configuration file or of a variable is there for
every command.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")
_TYPED = "hubferry.typed"
"""Where a context keeps the words that were typed."""


def combined(
    *decorators: Callable[[Any], Any], needs: Sequence[str] = (), excludes: Sequence[str] = ()
) -> Callable[[Decorated], Decorated]:
    """Add options that each need one of some others, and exclude every one of some others.

    Args:
        *decorators: The options, in the order in which they appear.
        needs: What has to be there, one of it; behind an option's name stands what to type with it.
        excludes: What must not be there.
    """

    def mark(parameter: Any) -> None:
        parameter.needs = (*needs_of(parameter), *needs)
        parameter.excludes = (*excludes_of(parameter), *excludes)

    return marked(decorators, mark)


def marked(
    decorators: Sequence[Callable[[Any], Any]], mark: Callable[[Any], None]
) -> Callable[[Decorated], Decorated]:
    """Make one decorator of several, which calls `mark` with each option that they add."""

    def decorate(function: Decorated) -> Decorated:
        before = list(getattr(function, "__click_params__", ()))
        for decorator in reversed(decorators):
            function = decorator(function)
        for parameter in getattr(function, "__click_params__", ()):
            if not any(parameter is one for one in before):
                mark(parameter)
        return function

    return decorate


def needs_of(parameter: click.Parameter) -> tuple[str, ...]:
    """Return what an option needs, one of it; empty for nothing."""
    found: tuple[str, ...] = getattr(parameter, "needs", ())
    return found


def excludes_of(parameter: click.Parameter) -> tuple[str, ...]:
    """Return what an option excludes."""
    found: tuple[str, ...] = getattr(parameter, "excludes", ())
    return found


def refuse(context: click.Context, typed: Sequence[str]) -> None:
    """Refuse the first option that was typed and would do nothing.

    Args:
        context: Of the command, its words read.
        typed: Those words.

    Raises:
        UsageError: With the line that does something.
    """
    context.meta[_TYPED] = tuple(typed)
    for parameter in context.command.params:
        name = _typed_name(context, parameter, typed)
        if name is None:
            continue
        needed = needs_of(parameter)
        if needed and not any(_is_there(context, one, typed) for one in needed):
            raise idle(context, name, needed)
        for other in excludes_of(parameter):
            if _is_there(context, other, typed):
                message = _("{one} and {other} exclude each other").format(one=name, other=other)
                raise UsageError(message, hint=_line(context, _without(parameter, typed)))


def typed_options(context: click.Context) -> list[str]:
    """Return the names of the options that were typed, each by its long one."""
    source = context.get_parameter_source
    return [
        max(one.opts, key=len)
        for one in context.command.params
        if isinstance(one, click.Option)
        and source(str(one.name)) is ParameterSource.COMMANDLINE
        and (not _is_shared(context, one) or any(_written(one, context.meta[_TYPED])))
    ]


def idle(context: click.Context, name: str, needed: Sequence[str]) -> UsageError:
    """Return the error for an option that does nothing without one of some others."""
    typed = context.meta[_TYPED]
    others = _(" or ").join(_shown(context, one) for one in needed)
    message = _("{option} does nothing without {others}").format(option=name, others=others)
    parameter, _name, word = _named(context, needed[0])
    added = word.split() if isinstance(parameter, click.Argument) else needed[0].split()
    return UsageError(message, hint=_line(context, [*typed, *added]))


def _line(context: click.Context, words: Sequence[str]) -> str:
    return shlex.join([*context.command_path.split(), *words])


def _named(context: click.Context, text: str) -> tuple[click.Parameter, str, str]:
    """Return the parameter that a rule names, its name, and the word that stands behind that."""
    name, _blank, word = text.partition(" ")
    for parameter in context.command.params:
        names = [*parameter.opts, *parameter.secondary_opts]
        if name in names or (isinstance(parameter, click.Argument) and parameter.human_readable_name == name):
            return parameter, name, word
    raise LookupError(text)


def _shown(context: click.Context, text: str) -> str:
    """Return what a rule names: with the word behind it where just that one is meant."""
    parameter, name, _word = _named(context, text)
    return text if isinstance(parameter.type, click.Choice) else name


def _is_there(context: click.Context, text: str, typed: Sequence[str]) -> bool:
    """Return whether something holds, wherever it comes from; of what has a default, whether it was typed."""
    parameter, name, word = _named(context, text)
    value = context.params.get(str(parameter.name))
    if word and isinstance(parameter.type, click.Choice):
        return bool(value == word)
    if context.get_parameter_source(str(parameter.name)) is ParameterSource.DEFAULT:
        return False
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return name in typed if _is_shared(context, parameter) else bool(value)
    return value is not None


def _is_shared(context: click.Context, parameter: click.Parameter) -> bool:
    """Return whether several options set one value, or one option has two words: `--cache/--no-cache`."""
    several = sum(one.name == parameter.name for one in context.command.params) > 1
    return several or bool(parameter.secondary_opts)


def _typed_name(context: click.Context, parameter: click.Parameter, typed: Sequence[str]) -> str | None:
    """Return the option's name where it was typed, None where it was not."""
    if not isinstance(parameter, click.Option) or not (needs_of(parameter) or excludes_of(parameter)):
        return None
    if context.get_parameter_source(str(parameter.name)) is not ParameterSource.COMMANDLINE:
        return None
    written = next(_written(parameter, typed), None)
    if written is None and _is_shared(context, parameter):
        return None
    return written or parameter.opts[-1]


def _written(parameter: click.Parameter, typed: Sequence[str]) -> Iterator[str]:
    """Yield the names of an option among the words before `--`."""
    for word in typed:
        if word == "--":
            return
        if word.partition("=")[0] in parameter.opts:
            yield word.partition("=")[0]


def _without(parameter: click.Parameter, typed: Sequence[str]) -> list[str]:
    """Return the words of a command line without an option, and without its value."""
    left, words = [], list(typed)
    takes_value = isinstance(parameter, click.Option) and not parameter.is_flag
    while words:
        word = words.pop(0)
        if word.partition("=")[0] not in parameter.opts:
            left.append(word)
        elif takes_value and "=" not in word and words and not words[0].startswith("-"):
            words.pop(0)
    return left

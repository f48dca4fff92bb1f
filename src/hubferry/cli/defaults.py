"""What the configuration file says an option is, unless the command line or a variable says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hubferry import config
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.config import Default

COMMANDS = frozenset({"copy", "fetch", "repair"})
"""Those whose options the file may set: they are the ones that move bytes."""
_BY_ROOT = "cache_dir"
"""Where models are kept is read where that is decided, as HUBFERRY_CACHE is."""


def of(command: click.Command) -> dict[str, Any]:
    """Return the defaults of a command by the names of its parameters, for click's `default_map`.

    Raises:
        UsageError: The file has a mistake, or a value that its option does not take.
    """
    if command.name not in COMMANDS:
        return {}
    given = config.current().defaults
    found: dict[str, Any] = {}
    for parameter in command.params:
        default = given.get(parameter.name or "")
        if default is not None and parameter.name not in (None, _BY_ROOT):
            check(parameter, default)
            found[str(parameter.name)] = default.value
    return found


def mistakes(command: click.Command, given: Mapping[str, Default]) -> list[UsageError]:
    """Return what is wrong with these defaults, as far as they are this command's."""
    wrong = []
    for parameter in command.params:
        default = given.get(parameter.name or "")
        try:
            if default is not None:
                check(parameter, default)
        except UsageError as error:
            wrong.append(error)
    return wrong


def check(parameter: click.Parameter, default: Default) -> None:
    """Refuse a value that an option would not take.

    Raises:
        UsageError: With the file, the line, and what the option says.
    """
    try:
        if parameter.name == "visibility":
            click.Choice(["private"]).convert(default.value, None, None)
        else:
            parameter.type.convert(default.value, None, None)
    except click.UsageError as error:
        path = config.place().path
        where = str(path) if default.line is None else f"{path}:{default.line}"
        message = _("{where}: {key}: {reason}")
        reason = error.format_message() if not isinstance(error, click.BadParameter) else error.message
        raise UsageError(
            message.format(where=where, key=parameter.name, reason=reason), path=where
        ) from error

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

    A key of the file is the long name of an option, with `_`.

    Raises:
        UsageError: The file has a mistake, or a value that its option does not take.
    """
    if command.name not in COMMANDS:
        return {}
    found: dict[str, Any] = {}
    for key, default in config.current().defaults.items():
        parameter = _parameter(command, key)
        if parameter is not None and key != _BY_ROOT:
            check(parameter, key, default)
            found[str(parameter.name)] = default.value
    return found


def _parameter(command: click.Command, key: str) -> click.Parameter | None:
    """Return the option that a key means, None where the command has none."""
    word = f"--{key.replace('_', '-')}"
    return next((one for one in command.params if word in one.opts), None)


def mistakes(command: click.Command, given: Mapping[str, Default]) -> list[UsageError]:
    """Return what is wrong with these defaults, as far as they are this command's."""
    wrong = []
    for key, default in given.items():
        parameter = _parameter(command, key)
        try:
            if parameter is not None:
                check(parameter, key, default)
        except UsageError as error:
            wrong.append(error)
    return wrong


def check(parameter: click.Parameter, key: str, default: Default) -> None:
    """Refuse a value that an option would not take.

    Raises:
        UsageError: With the file, the line, and what the option says.
    """
    try:
        parameter.type.convert(default.value, None, None)
    except click.UsageError as error:
        path = config.place().path
        where = str(path) if default.line is None else f"{path}:{default.line}"
        message = _("{where}: {key}: {reason}")
        reason = error.format_message() if not isinstance(error, click.BadParameter) else error.message
        raise UsageError(message.format(where=where, key=key, reason=reason), path=where) from error

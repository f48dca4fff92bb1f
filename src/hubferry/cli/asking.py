"""Ask a person before something is removed: anything but yes is no."""

from __future__ import annotations

import sys

from hubferry.errors import UsageError

_YES = ("y", "yes", "是")


def require_terminal(message: str, command: str) -> None:
    """Refuse where there is nobody to ask; the `command` would ask nothing.

    Raises:
        UsageError: With the message.
    """
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(message, hint=command)


def is_answered_with_yes() -> bool:
    """Return whether the next line that is typed says yes."""
    return sys.stdin.readline().strip().lower() in _YES

"""What an examination of one file can say."""

from __future__ import annotations

from enum import Enum


class FlawError(Exception):
    """Report a file that is not what its own header says; the translated message follows the file's name."""


class UnclearError(Exception):
    """Report a file that is too odd or too long to be proven by a quick look; nothing speaks against it."""


class Evidence(str, Enum):
    """How much a look at a file's header proved."""

    PROVEN = "proven"
    """Its own tables account for its length: a byte that is cut off would have been noticed."""

    PLAUSIBLE = "plausible"
    """It looks like what it is named, but its format does not say how long it has to be."""

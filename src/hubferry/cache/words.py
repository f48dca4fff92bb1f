"""What is known of models and files, each in a word."""

from __future__ import annotations

from hubferry.cache.check import State
from hubferry.cache.contents import Standing
from hubferry.cache.retention import Reason
from hubferry.i18n import _


def state_name(state: State) -> str:
    """Return a model's state in a word."""
    return {
        State.WHOLE: _("whole"),
        State.PART: _("part, as asked"),
        State.PARTIAL: _("partial"),
        State.MIXED: _("mixed"),
        State.BROKEN: _("broken"),
        State.UNKNOWN: _("unknown"),
        State.ABSENT: _("absent"),
    }[state]


def standing_name(standing: Standing) -> str:
    """Return what is known of a file in a word."""
    return {
        Standing.VERIFIED: _("verified"),
        Standing.CHANGED: _("changed"),
        Standing.UNKNOWN: _("unknown"),
        Standing.STALE: _("of another commit"),
        Standing.FOREIGN: _("not of the commit"),
        Standing.MISSING: _("missing"),
    }[standing]


def reason_name(reason: Reason) -> str:
    """Return why pruning lets a model go, in a few words."""
    return {
        Reason.PARTIAL: _("not finished"),
        Reason.OLD: _("not used for long"),
        Reason.SURPLUS: _("newer ones are kept"),
        Reason.SIZE: _("the cache is too large"),
    }[reason]

"""What is known of models and files, each in a word."""

from __future__ import annotations

from hubferry.cache.check import State
from hubferry.cache.contents import Standing
from hubferry.cache.retention import Reason
from hubferry.i18n import N_, _

_STATES = {
    State.WHOLE: N_("whole"),
    State.PART: N_("part, as asked"),
    State.PARTIAL: N_("partial"),
    State.MIXED: N_("mixed"),
    State.BROKEN: N_("broken"),
    State.UNKNOWN: N_("unknown"),
    State.ABSENT: N_("absent"),
}
_STANDINGS = {
    Standing.VERIFIED: N_("verified"),
    Standing.CHANGED: N_("changed"),
    Standing.UNKNOWN: N_("unknown"),
    Standing.STALE: N_("of another commit"),
    Standing.FOREIGN: N_("not of the commit"),
    Standing.MISSING: N_("missing"),
}
_REASONS = {
    Reason.PARTIAL: N_("not finished"),
    Reason.OLD: N_("not used for long"),
    Reason.SURPLUS: N_("newer ones are kept"),
    Reason.SIZE: N_("the cache is too large"),
}


def state_name(state: State) -> str:
    """Return a model's state in a word."""
    return _(_STATES[state])


def standing_name(standing: Standing) -> str:
    """Return what is known of a file in a word."""
    return _(_STANDINGS[standing])


def reason_name(reason: Reason) -> str:
    """Return why pruning lets a model go, in a few words."""
    return _(_REASONS[reason])

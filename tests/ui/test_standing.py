"""What a page shows stands still while the page is written, in a thread of its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from hubferry.ui.checks import Check, Checks
from hubferry.ui.plans import Planned, Plans
from hubferry.ui.receipt_view import Holding, Holdings

MODEL = SimpleNamespace(path=Path("model"))


@pytest.mark.parametrize(
    ("kept", "live", "found", "field"),
    [
        (Plans(), Planned("name", None, 0.0), lambda plans: plans.find("name"), "plan"),
        (Checks(), Check(MODEL, 0.0, 1), lambda checks: checks.of(MODEL), "ended"),
        (Checks(), Check(MODEL, 0.0, 1), lambda checks: checks.running[0], "ended"),
        (Holdings(), Holding(0.0), lambda holdings: holdings.of("name"), "check"),
    ],
    ids=["a plan", "a verification", "those that run", "a receipt"],
)
def test_what_is_shown_is_as_it_was_when_the_page_was_begun(kept, live, found, field):
    kept._all["name" if not isinstance(kept, Checks) else "model"] = live
    shown = found(kept)
    setattr(live, field, 1.0)
    assert getattr(shown, field) is None


def test_what_is_not_known_is_none():
    assert (Plans().find("name"), Checks().of(MODEL), Holdings().of("name")) == (None, None, None)

"""The numbers that docs/reliability.md states are those of the tests that are there."""

from __future__ import annotations

import pytest
from tests.fault.matrix import AT_A_ROUTE, CLEAN, FIXED, IN_A_PHASE, PHASES, PUBLISH, ROOT, count, table


@pytest.fixture(scope="module")
def cells():
    return count()


def test_every_phase_meets_its_faults(cells):
    assert len(cells) >= 66
    assert cells.total() >= 150
    assert {phase for phase, _fault in cells} == set(PHASES)
    for phase in PHASES:
        assert {"SIGKILL", "SIGINT", "SIGTERM"} <= {fault for one, fault in cells if one == phase}, phase
    for phase in (PUBLISH, CLEAN):
        assert {"ENOSPC", "EIO", "EACCES", "EMFILE"} <= {fault for one, fault in cells if one == phase}


def test_the_matrix_names_no_test_that_is_gone():
    sources = "".join(path.read_text() for path in (ROOT / "tests" / "fault").glob("test_*.py"))
    assert [name for name in (*FIXED, *IN_A_PHASE, *AT_A_ROUTE) if f"def {name}(" not in sources] == []


def test_the_documented_count_is_the_real_one(cells):
    assert table(cells) in (ROOT / "docs" / "reliability.md").read_text()

"""What the threat model says is shown by a test that there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/threat-model.md"


def test_every_test_that_the_threat_model_names_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 30
    assert sorted(named - there) == []


def test_every_row_of_an_attack_names_a_test():
    tables = PAGE.read_text(encoding="utf-8").split("| may try | then | test |\n")[1:]
    rows = [row for table in tables for row in table.split("\n\n")[0].splitlines()[1:]]
    assert len(rows) > 25
    assert [row for row in rows if "`test_" not in row] == []

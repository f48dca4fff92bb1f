"""The tutorial runs as it is written: its commands are typed into a shell, and its answers are what came.

`WRITE_TRANSCRIPTS=1 pytest tests/docs/test_tutorial.py` takes new answers into the pages.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from tests.docs.shell import BLOCK, Shell, commands, with_answers

ROOT = Path(__file__).parents[2]
PAGES = {"en": ROOT / "docs/tutorial.md", "zh": ROOT / "docs/zh/tutorial.md"}


def shell(place, language):
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TMPDIR", "SystemRoot")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    home = place / "home"
    home.mkdir()
    return Shell(place, {**kept, "PATH": path, "HOME": str(home), "HUBFERRY_LANG": language})


def plain(answer):
    """Stand in for what differs from day to day: commits, dates, times, rates."""
    answer = re.sub(r"\b[0-9a-f]{12}(?:[0-9a-f]{28})?\b", "<commit>", answer)
    answer = re.sub(r"\d{8}T\d{6}\.\d+Z|\d{4}-\d\d-\d\d(T[\d:]+Z)?|\b\d\d:\d\d(:\d\d)?\b", "<clock>", answer)
    answer = re.sub(r"\d+(\.\d+)? (s\b|秒)", "<time>", answer)
    return re.sub(r"\d+(\.\d+)? [KMG]?i?B/(s|秒)|/<time>", "<rate>", answer)


@pytest.mark.slow
@pytest.mark.parametrize("language", sorted(PAGES))
def test_every_command_of_the_tutorial_prints_what_the_page_says(language, tmp_path):
    page = PAGES[language]
    text = page.read_text(encoding="utf-8")
    typed = shell(tmp_path, language).type(commands(text))
    said = with_answers(text, [answer.replace(str(tmp_path / "home"), "~") for answer in typed])
    if os.environ.get("WRITE_TRANSCRIPTS"):
        page.write_text(said, encoding="utf-8")
    assert [plain(block) for block in BLOCK.findall(text)] == [plain(block) for block in BLOCK.findall(said)]


def test_both_languages_type_the_same():
    assert len({tuple(commands(page.read_text(encoding="utf-8"))) for page in PAGES.values()}) == 1

"""What is drawn: it fits, whatever the terminal and the names, and tells one file from another."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubferry.cli import cells, frame, live
from hubferry.cli.tally import Meter, Snapshot
from hubferry.events import Retrying
from hubferry.i18n import set_language

MIB = 1024 * 1024
UNICODE = frame.Glyphs()
WALL = 1_000_000.0
SHARDS = tuple(f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3))
NAMES = st.text("abcz0123456789-_./模型😀é\u0301…", min_size=1, max_size=80)


@pytest.fixture(autouse=True)
def english():
    set_language("en")
    yield
    set_language(None)


def snapshot(names=SHARDS, waiting=None, total=4800 * MIB):
    flight = tuple(("fetch", name, Meter(total, total // 3)) for name in names)
    return Snapshot(Meter(3 * total, total), Meter(3 * total, total // 2), 1, 12, flight, waiting)


def drawn(columns, names=SHARDS, lines=24, glyphs=UNICODE, **more):
    return frame.lines(snapshot(names, **more), frame.Space(columns, lines, glyphs), WALL)


@pytest.mark.parametrize("columns", range(40, 201))
def test_shards_are_told_apart_in_every_width(columns):
    files = [line for line in drawn(columns) if "↓" in line]
    assert len(files) == 3
    for number, line in enumerate(files, 1):
        assert f"{number:05}-of-00003" in line


@pytest.mark.parametrize("columns", range(40, 201, 5))
def test_the_bar_gives_way_before_a_name_is_shortened(columns):
    lines = drawn(columns)
    if any("…" in line for line in lines):
        assert all("━" not in line for line in lines if "↓" in line)
    else:
        assert any("━" in line for line in lines)


@settings(max_examples=40)
@given(
    columns=st.integers(20, 200), lines=st.integers(4, 50), names=st.lists(NAMES, max_size=14, unique=True)
)
def test_no_line_is_as_wide_as_the_terminal_and_no_frame_as_high(columns, lines, names):
    set_language("en")
    waiting = Retrying("模型 " * 40, "no connection", 1, 5.0, "refused", WALL + 5)
    for glyphs in (UNICODE, frame.PLAIN):
        frames = drawn(columns, tuple(names), lines, glyphs, waiting=waiting)
        assert all(cells.width(line) < columns for line in frames)
        assert len(frames) <= max(lines - 1, 6)


def test_the_way_to_the_first_line_is_counted_in_lines_of_the_window_as_it_is_now():
    """Terminals break lines anew when they get narrower."""
    drawing = object.__new__(live.LiveLines)
    drawing._drawn = ["x" * 79, "y" * 20, "模" * 30]
    assert drawing._up(80) == "\r\x1b[2A"
    assert drawing._up(40) == "\r\x1b[4A"
    drawing._drawn = []
    assert drawing._up(80) == "\r"


def test_the_total_comes_first_and_then_each_direction():
    lines = drawn(80)
    assert lines[0] == "1 of 12 files"
    assert [line.split()[0] for line in lines[1:3]] == ["fetched", "sent"]


def test_what_is_waited_for_is_said_whole_at_forty_columns():
    waiting = Retrying(SHARDS[1], "127.0.0.1:9: no connection", 3, 20.0, "refused", WALL + 12)
    lines = drawn(40, (), waiting=waiting)
    said = "".join(lines[3:]).replace(" ", "")
    assert re.fullmatch(rf"waitinguntil.*\(12s\),thenretry3:{SHARDS[1]}:127.0.0.1:9:noconnection", said)


def test_names_of_several_folders_stay_apart_in_few_cells():
    names = [f"{folder}/diffusion_pytorch_model.safetensors" for folder in ("transformer", "vae", "unet")]
    names += [f"text_encoder{more}/model.safetensors" for more in ("", "_2", "_3")]
    short = cells.shortened(names, 18, "…")
    assert len(set(short)) == len(names)
    assert all(cells.width(name) <= 18 for name in short)


@given(st.lists(NAMES, max_size=8), st.integers(3, 60))
def test_a_shortened_name_fits_and_one_that_fits_is_not_shortened(names, width):
    for name, short in zip(names, cells.shortened(names, width, "…"), strict=True):
        assert cells.width(short) <= width
        assert short == name or cells.width(name) > width


def test_chinese_letters_take_two_cells():
    assert cells.width("模型.json") == 9
    assert cells.head("模型.json", 3) == "模"
    assert cells.tail("模型", 3) == "型"
    assert cells.padded("模型", 6) == "模型  "


def test_a_text_is_broken_at_blanks_and_ends_where_the_lines_do():
    assert cells.wrapped("one two three four", 9, 3, "…") == ["one two", "three", "four"]
    assert cells.wrapped("one two three four", 9, 2, "…") == ["one two", "three fo…"]
    assert cells.wrapped("等待另一个任务", 6, 3, "…") == ["等待另", "一个任", "务"]


def test_a_terminal_without_unicode_gets_letters_that_it_has():
    lines = drawn(60, ("模型-00001-of-00003.safetensors",), glyphs=frame.PLAIN)
    shown = frame.Space(60, 24, frame.PLAIN, lambda text: text.encode("ascii", "replace").decode())
    lines = frame.lines(snapshot(("模型-00001-of-00003.bin",)), shown, WALL)
    assert all(line.isascii() for line in lines)

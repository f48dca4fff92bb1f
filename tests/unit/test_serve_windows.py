"""The windows in which a strict hub counts."""

from __future__ import annotations

from hubferry.serve.windows import Windows


def test_a_window_begins_with_its_first_event_and_allows_so_many():
    now = [100.0]
    windows = Windows(lambda: now[0])
    assert [windows.count("requests", "me", 2, 60).exceeded for _each in range(3)] == [False, False, True]
    now[0] = 130.5
    assert windows.count("requests", "me", 2, 60).wait == 30
    assert not windows.count("requests", "you", 2, 60).exceeded
    now[0] = 160.0
    assert windows.count("requests", "me", 2, 60).left == 1


def test_what_was_counted_in_windows_that_have_ended_is_forgotten():
    now = [0.0]
    windows = Windows(lambda: now[0])
    windows.count("commits", "me", 5, 1e6)
    for number in range(20_000):
        now[0] += 1.0
        windows.count("requests", f"made up {number}", 10, 60)
    assert len(windows._open) <= 1100
    assert windows.count("commits", "me", 5, 1e6).left == 3

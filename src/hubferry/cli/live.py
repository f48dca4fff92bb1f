"""Lines that redraw themselves on a terminal: one for the whole, one for each large file in flight."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from hubferry.cli import output
from hubferry.cli.waiting import waiting_words
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.cli.tally import Meter, Snapshot, Tally
    from hubferry.events import Direction

_ARROWS: dict[Direction, str] = {"fetch": "↓", "send": "↑"}
_ASCII_ARROWS: dict[Direction, str] = {"fetch": "<", "send": ">"}
_MOST_LINES = 12
_SMALL_FILE = 1024 * 1024
"""Files under this many bytes come and go too fast to read."""
_PER_SECOND = 5
_BAR_COLUMNS = 20


class LiveLines:
    """Draw a tally several times a second in a thread of rich's, whatever the rate of events."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._console = Console(stderr=True, highlight=False, emoji=False, markup=False)
        self._arrows = _ASCII_ARROWS if self._console.options.ascii_only else _ARROWS
        self._live = Live(
            get_renderable=self._draw,
            console=self._console,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def say(self, sentence: str) -> None:
        """Print a line above the ones that redraw."""
        self._console.print(Text(sentence))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the lines away while somebody else prints."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    def stop(self) -> None:
        """Take the lines off the terminal."""
        self._live.stop()

    def _draw(self) -> Group:
        now = self._tally.snapshot(time.monotonic())
        room = max(1, min(_MOST_LINES, self._console.height - 4))
        large = [one for one in now.flight if one[2].total >= _SMALL_FILE]
        grid = Table.grid(
            Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            Column(width=_BAR_COLUMNS),
            Column(justify="right", no_wrap=True),
            Column(justify="right", no_wrap=True),
            Column(justify="right", no_wrap=True),
            padding=(0, 1),
            expand=True,
        )
        for direction in ("fetch", "send"):
            meter = now.fetch if direction == "fetch" else now.send
            if meter.total:
                self._row(grid, self._whole(direction, now), meter)
        for direction, path, meter in large[:room]:
            self._row(grid, f"  {self._arrows[direction]} {output.visible(path)}", meter)
        if now.waiting is None:
            return Group(grid)
        words = waiting_words(now.waiting, max(0.0, now.waiting.until - time.time()))
        return Group(grid, Text(output.presentable(words), no_wrap=True, overflow="ellipsis"))

    def _whole(self, direction: Direction, now: Snapshot) -> str:
        counted = _("{done} of {files} files").format(done=now.files_done, files=now.files)
        word = _("fetched") if direction == "fetch" else _("sent")
        alone = direction == "send" or not now.send.total
        return f"{word} ({counted})" if alone else word

    @staticmethod
    def _row(grid: Table, name: str, meter: Meter) -> None:
        left = meter.seconds_left
        grid.add_row(
            Text(name),
            ProgressBar(total=max(meter.total, 1), completed=meter.done, width=_BAR_COLUMNS),
            Text(f"{output.size(meter.done)}/{output.size(meter.total)}"),
            Text(f"{output.size(round(meter.rate))}/s"),
            Text("-" if left is None else output.duration(left)),
        )

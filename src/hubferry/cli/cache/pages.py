"""Show a long text page by page where a person reads it on a terminal; print it anywhere else."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import click

from hubferry.cli import output

if TYPE_CHECKING:
    from collections.abc import Sequence


def show(lines: Sequence[str], *, paged: bool = True) -> None:
    """Print lines, through the pager of the environment when they do not fit on the terminal."""
    text = "\n".join(lines)
    if paged and _wants_pages(len(lines)):
        os.environ.setdefault("LESS", "FRX")  # colours as they are, and no pager for what fits
        click.echo_via_pager(output.presentable(text) + "\n")
    else:
        output.data(text)


def _wants_pages(count: int) -> bool:
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    dull = os.environ.get("TERM") == "dumb" or os.environ.get("PAGER") == ""
    return terminal and not dull and count >= shutil.get_terminal_size().lines

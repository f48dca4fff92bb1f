"""Hubs for the tests of this folder; others import `servers` for theirs."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

sys.path.insert(
    0, str(Path(__file__).parent)
)  # importlib mode leaves the folder out, and tests share `servers`

from typing import TYPE_CHECKING

from servers import TestHub, running_hub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[TestHub]:
    """A writable hub of this test's own."""
    with running_hub(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def make_hub(tmp_path: Path) -> Iterator[Callable[..., TestHub]]:
    """Start as many hubs as a test needs; keywords go to `running_hub`."""
    with contextlib.ExitStack() as stack:
        count = 0

        def make(**options) -> TestHub:
            nonlocal count
            count += 1
            return stack.enter_context(running_hub(tmp_path / f"hub-{count}", **options))

        yield make

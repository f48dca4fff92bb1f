"""Hubs for the tests of this folder; others import `servers` for theirs."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(
    0, str(Path(__file__).parent)
)  # importlib mode leaves the folder out, and tests share `servers`

# the SDKs read these when they are imported, in this process too
_HOME = tempfile.mkdtemp(prefix="hubferry-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

from servers import running_hub, sdk_environment  # noqa: E402  # after the path is known

_ENVIRONMENT = sdk_environment(Path(_HOME))
for _name in set(os.environ) - set(_ENVIRONMENT):
    del os.environ[_name]
os.environ.update(_ENVIRONMENT)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers import TestHub


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


def pytest_configure(config) -> None:
    # huggingface_hub 2.4 hands a file to httpx in a way that httpx wants spelled differently
    config.addinivalue_line("filterwarnings", "ignore:Use 'content=:DeprecationWarning")

"""A real browser for the tests of this folder, and hubs whose pages it opens.

A test fails on any console error, page error or request to another origin, whatever else it checks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))  # importlib mode leaves the folder out
sys.path.insert(0, str(Path(__file__).parent))

from servers import running_hub  # after the path is known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

try:
    from playwright import sync_api as playwright
except ImportError:  # `make test-browser` installs it
    playwright, collect_ignore_glob = None, ["test_*.py"]

CHROMIUM = (
    os.environ.get("HUBFERRY_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
_SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
WIDE, PHONE = 1280, 360


def pytest_collection_modifyitems(items):
    if CHROMIUM is None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="there is no Chromium: make test-browser installs it"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as the distribution has it."""
    with playwright.sync_playwright() as engine:
        running = engine.chromium.launch(executable_path=CHROMIUM, args=_SWITCHES)
        yield running
        running.close()


class Tabs:
    """Opens pages, and remembers what went wrong in any of them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.expected: tuple[str, ...] = ()

    def open(self, address: str, *, width: int = WIDE, language: str = "en", **options) -> Page:
        """Open an address in a browser of its own: no cookie is there."""
        options.setdefault("color_scheme", "light")
        context = self._browser.new_context(
            viewport={"width": width, "height": 800},
            locale={"zh": "zh-CN", "en": "en-US"}[language],
            accept_downloads=True,
            **options,
        )
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        page = context.new_page()
        own = urlsplit(address).netloc
        page.on("console", lambda said: self._note(f"console: {said.text}") if said.type == "error" else None)
        page.on("pageerror", lambda error: self._note(f"page: {error}"))
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda asked: self._asked(asked.url, own))
        page.goto(address)
        return page

    def _note(self, fault: str) -> None:
        if not any(words in fault for words in self.expected):
            self.faults.append(fault)

    def _asked(self, address: str, own: str) -> None:
        self.requests.append(address)
        if urlsplit(address).scheme not in ("data", "blob") and urlsplit(address).netloc != own:
            self.faults.append(f"another origin is asked: {address}")

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def tabs(browser, request) -> Iterator[Tabs]:
    """Tabs of this test; whatever went wrong in one fails it."""
    for server in {"make_hub", "mirror"}.intersection(request.fixturenames):
        request.getfixturevalue(
            server
        )  # so that it ends after the tabs, which may still ask it for something
    opened = Tabs(browser)
    yield opened
    opened.close()
    assert opened.faults == []


@pytest.fixture
def make_hub(tmp_path: Path) -> Iterator[Callable]:
    """Start hubs; keywords go to `running_hub`."""
    with contextlib.ExitStack() as stack:
        count = 0

        def make(**options):
            nonlocal count
            count += 1
            return stack.enter_context(running_hub(tmp_path / f"hub-{count}", **options))

        yield make


@pytest.fixture
def hub(make_hub):
    """A writable hub of this test's own."""
    return make_hub()

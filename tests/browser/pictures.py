"""Take the pictures of the documentation: to docs/images, unless HUBFERRY_IMAGES says where to."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from playwright.sync_api import Page

LARGEST = 150 << 10
SOMEBODY = "/home/you"
"""Stands in pictures for the folder in which the tests have put somebody's home."""
_REPLACE = """([place, name]) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(place, name);
}"""


@dataclass(frozen=True)
class Shot:
    """A picture: its name, the page, in which language and by which light."""

    name: str
    path: str
    language: str = "en"
    light: str = "light"


def take(
    shots: Iterable[Shot],
    origin: str,
    *,
    way_in: str = "/",
    home: Path | None = None,
    prepare: Callable[[Page, Shot], None] = lambda _page, _shot: None,
) -> None:
    """Take pictures of pages, each in a browser of its own, which comes by `way_in`."""
    folder = Path(os.environ.get("HUBFERRY_IMAGES") or Path(__file__).parents[2] / "docs" / "images")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as engine:
        browser = engine.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for shot in shots:
            context = browser.new_context(
                viewport={"width": 1280, "height": 720},
                locale={"zh": "zh-CN", "en": "en-US"}[shot.language],
                color_scheme=shot.light,
            )
            page = context.new_page()
            page.goto(origin + way_in)
            page.wait_for_url(f"{origin}/")  # the key leads on by itself
            page.goto(origin + shot.path)
            prepare(page, shot)
            if home is not None:
                page.evaluate(_REPLACE, [str(home), SOMEBODY])
            picture = page.screenshot(path=folder / f"{shot.name}.png")
            assert len(picture) <= LARGEST, (shot.name, len(picture))
            context.close()
        browser.close()

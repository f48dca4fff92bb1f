"""Write the pictures of the documentation: `make screenshots`, to docs/images unless HUBFERRY_IMAGES says."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "hub"), str(HERE)]

import worlds  # noqa: E402  # after the path is known
from servers import running_hub  # noqa: E402

LARGEST = 150 << 10
_DAY = 86_400.0
SHOTS = (
    ("hub-first-page", "/", "en", "light"),
    ("hub-model", "/lab/quill-120m", "en", "light"),
    ("hub-model-zh-dark", "/lab/quill-120m", "zh", "dark"),
    ("hub-files", "/lab/quill-120m/tree/main", "en", "light"),
    ("hub-tensors", "/lab/quill-120m/blob/main/model.safetensors", "en", "light"),
)


def _past(store):
    """Let the laboratory's repositories be some days old."""
    now, add, count = time.time(), store.add, 0

    def earlier(*words, **more):
        nonlocal count
        count += 1
        with patch("time.time", return_value=now - _DAY * (23.4 / count)):
            return add(*words, **more)

    with patch.object(store, "add", earlier):
        worlds.fill(store)


def main() -> None:
    from playwright.sync_api import sync_playwright

    folder = Path(os.environ.get("HUBFERRY_IMAGES") or HERE.parents[1] / "docs" / "images")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, running_hub(Path(place) / "hub", port=8787) as hub:
        _past(hub.store)
        with sync_playwright() as engine:
            browser = engine.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
            )
            for name, path, language, theme in SHOTS:
                context = browser.new_context(
                    viewport={"width": 1280, "height": 720},
                    locale={"zh": "zh-CN", "en": "en-US"}[language],
                    color_scheme=theme,
                )
                page = context.new_page()
                page.goto(hub.url + path, wait_until="networkidle")
                target = folder / f"{name}.png"
                page.screenshot(path=target)
                context.close()
                size = target.stat().st_size
                print(f"{target} {size // 1024} KiB")
                if size > LARGEST:
                    raise SystemExit(f"{target} is larger than {LARGEST} bytes")
            browser.close()


if __name__ == "__main__":
    main()

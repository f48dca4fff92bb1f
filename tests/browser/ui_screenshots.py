"""Write the pictures of `hubferry ui`, as part of `make screenshots`; HUBFERRY_IMAGES may say where to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "hub"), str(HERE.parent / "cli"), str(HERE)]

from desks import publish  # noqa: E402
from servers import running_hub, sdk_environment  # noqa: E402

import models  # noqa: E402  # after the path is known

LARGEST = 150 << 10
MIB = 1 << 20
MODELS = {
    "lab/quill-8b": (3, 12),
    "lab/quill-120m": (1, 1),
    "orchard/plum-vl-7b": (4, 7),
    "orchard/plum-embed": (1, 3),
    "harbour/kite-flow": (2, 9),
    "harbour/kite-flow-lite": (1, 6),
    "meadow/lark-4b": (2, 3),
}
MIRRORS = """\
version: 1
defaults: {schedule: "0 3 * * *"}
sync:
  - {name: embed, source: hf:orchard/plum-embed, target: ms:my-lab/plum-embed}
  - {name: lark, source: hf:meadow/lark-4b, target: ms:my-lab/lark-4b, schedule: {every: 6h}}
"""
SHOTS = (
    ("ui-overview", "/", "en", "light"),
    ("ui-cache", "/cache", "en", "light"),
    ("ui-cache-zh-dark", "/cache", "zh", "dark"),
    ("ui-model", "/cache/lab_quill_8b", "en", "light"),
    ("ui-plan", "/copy?source=hf:lab/quill-8b&destination=ms:my-lab/quill-8b", "en", "light"),
    ("ui-mirrors", "/sync", "en", "light"),
)


@contextmanager
def machine(place: Path):
    """A machine with a cache, a mirror file that has run, and `hubferry ui`; yields its address."""
    with running_hub(place / "source") as source, running_hub(place / "destination") as destination:
        home = place / "home"
        environment = sdk_environment(home, hf=source, ms=destination)
        environment |= {"HUBFERRY_CONFIG": "none", "LANG": "C.UTF-8"}

        def ferry(*words):
            subprocess.run(
                [sys.executable, "-m", "hubferry", *words], env=environment, cwd=home, check=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

        for name, (shards, size) in MODELS.items():
            folder = models.transformers_model(place / name, shards=shards, shard_size=size * MIB)
            publish(source, folder, name)
            ferry("fetch", f"hf:{name}", "--quiet")
        ferry("cache", "pin", "quill-8b")
        ferry("copy", "hf:harbour/kite-flow-lite", "ms:my-lab/kite-flow-lite", "--quiet")
        (home / "mirrors.yaml").write_text(MIRRORS)
        for _night in range(3):
            ferry("sync", "run", "mirrors.yaml", "--quiet")
        (home / "cache" / "orchard_plum_vl_7b" / "config.json").unlink()
        yield from pages(environment, home)


def pages(environment, home):
    with subprocess.Popen(
        [sys.executable, "-m", "hubferry", "ui", "--json", "--port", "0", "--sync", "mirrors.yaml"],
        env=environment, cwd=home, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def main() -> None:
    from playwright.sync_api import sync_playwright

    folder = Path(os.environ.get("HUBFERRY_IMAGES") or HERE.parents[1] / "docs" / "images")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, machine(Path(place)) as address, sync_playwright() as engine:
        browser = engine.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for name, path, language, theme in SHOTS:
            context = browser.new_context(
                viewport={"width": 1280, "height": 800},
                locale={"zh": "zh-CN", "en": "en-US"}[language],
                color_scheme=theme,
            )
            page = context.new_page()
            page.goto(address)
            page.goto(address.partition("/?")[0] + path)
            if name == "ui-plan":
                page.locator("main button.main").click()
                page.locator("dl.figures").wait_for()
            picture = page.screenshot(path=folder / f"{name}.png")
            assert len(picture) <= LARGEST, (name, len(picture))
            context.close()
        browser.close()


if __name__ == "__main__":
    main()

"""`hubferry ui` in a real browser: what a newcomer finds, what a click does, what a hostile name does not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from looking import assert_sound, overflow
from servers import Seams, running_hub, sdk_environment

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from desks import publish, stored

import models

MIB = 1 << 20
MIRRORS = """\
version: 1
receipts: ./receipts
sync:
  - {name: small, source: hf:org/small, target: ms:mine/small, schedule: "0 3 * * *"}
  - {name: lost, source: hf:org/lost, target: ms:mine/lost}
"""
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp'


@dataclass
class Machine:
    """Somebody's machine with a cache, mirrors and receipts, and `hubferry ui` on it."""

    home: Path
    environment: dict[str, str] = field(repr=False)
    address: str = ""
    destination: object = None
    gate: threading.Event = field(default_factory=threading.Event)
    slow: bool = False
    """Whether its source hands out 2 MiB, and nothing more before the gate is opened."""

    @property
    def origin(self) -> str:
        return self.address.partition("/?")[0]

    def ferry(self, *words: str, code: int | None = 0) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "hubferry", *words], env=self.environment, cwd=self.home,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert code in (None, done.returncode), done.stderr


@contextlib.contextmanager
def shown(machine):
    """Run the pages for a machine."""
    with subprocess.Popen(
        [sys.executable, "-m", "hubferry", "ui", "--json", "--port", "0"],
        env=machine.environment,
        cwd=machine.home,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            machine.address = json.loads(process.stdout.readline())["url"]
            yield machine
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """One machine for all tests of this file: each has a model of its own to do something to."""
    place, opened, gone = tmp_path_factory.mktemp("machine"), threading.Event(), []

    async def pace(_request, direction, count):
        if direction == "out" and count > 4096 and one.slow:
            gone.append(count)
            if sum(gone) > 2 * MIB:
                await asyncio.to_thread(opened.wait)

    with (
        running_hub(place / "source", seams=Seams(pace=pace)) as source,
        running_hub(place / "destination") as destination,
    ):
        home = place / "home"
        environment = sdk_environment(home, hf=source, ms=destination)
        environment |= {"HUBFERRY_CONFIG": "none", "LANG": "C.UTF-8", "HUBFERRY_RETRIES": "3"}
        one = Machine(home, environment, destination=destination, gate=opened)
        for name, size in (
            ("small", 32 << 10),
            ("model", 256 << 10),
            ("mended", 64 << 10),
            ("large", 4 * MIB),
        ):
            folder = models.transformers_model(place / name, shards=2, shard_size=size)
            publish(source, folder, f"org/{name}")
            if name in ("model", "mended"):
                one.ferry("fetch", f"hf:org/{name}", "--quiet")
        (home / "mirrors.yaml").write_text(MIRRORS)
        one.ferry("sync", "run", "mirrors.yaml", "--quiet", code=None)
        with shown(one):
            yield one
        opened.set()


def enter(tabs, machine, path="/", **options):
    """Open a page as whoever has the printed address, which leads on by itself."""
    page = tabs.open(machine.address, **options)
    page.wait_for_url(machine.origin + "/")
    if path != "/":
        page.goto(machine.origin + path)
    return page


def test_a_newcomer_finds_how_big_a_model_is_whether_it_is_whole_where_from_and_how_to_get_it(tabs, machine):
    page = enter(tabs, machine)
    page.get_by_role("link", name="org/model", exact=True).first.click()
    page.get_by_role("heading", name="org/model").wait_for()
    text = page.inner_text("main")
    for words in ("on the disk", "whole", "Hugging Face", "hubferry fetch hf:org/model", "verified"):
        assert words in text, words
    assert re.search(r"on the disk\s+\d+\.\d KiB", text)
    page.locator("button.copy:not([hidden])").first.click()
    page.locator("button.copy.done").wait_for()


def test_who_comes_from_the_file_that_a_browser_is_told_of_gets_in(tabs, machine, tmp_path):
    way = tmp_path / "way.html"
    way.write_text(f'<!doctype html><meta http-equiv="refresh" content="0;url={machine.address}">')
    tabs.expected = ("401",)
    page = tabs.open(machine.origin + "/copy")
    page.goto(way.as_uri())
    page.wait_for_url(machine.origin + "/")
    page.get_by_role("heading", name="Disk").wait_for()
    tabs.faults.remove(f"another origin is asked: {way.as_uri()}")


def test_the_map_of_the_cache_is_reached_and_followed_by_keyboard(tabs, machine):
    page = enter(tabs, machine, "/cache")
    for _time in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label') || ''").startswith("org/model,"):
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="org/model").wait_for()


def test_a_copy_is_planned_started_stopped_and_resumed_in_the_page(tabs, machine):
    page = enter(tabs, machine, "/copy")
    page.get_by_label("From", exact=True).fill("hf:org/large")
    page.get_by_label("Destination", exact=True).fill("ms:mine/large")
    page.get_by_role("button", name="Plan").click()
    page.get_by_text("will be created as public").wait_for()
    assert "8.0 MiB" in page.inner_text("main")
    machine.slow = True
    page.get_by_role("button", name="Start the copy").click()
    page.locator(".badge", has_text="moving").wait_for()
    page.get_by_text(re.compile(r"[12]\.\d MiB of 8\.0 MiB")).first.wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Resume").wait_for()
    assert "stopped" in page.inner_text("main")
    machine.gate.set()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Done, and proven").wait_for()
    assert "config.json" in stored(machine.destination, "mine/large")
    page.goto(machine.origin + "/transfers")
    text = page.inner_text("main")
    assert "stopped" in text
    assert "done" in text


def test_a_model_is_pinned_verified_repaired_and_removed_by_clicks(tabs, machine):
    directory = machine.home / "cache" / "org_mended"
    weights = min(directory.glob("*.safetensors"))
    good, status = weights.read_bytes(), weights.stat()
    weights.unlink()
    weights.write_bytes(good[:-1] + b"?")
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    page = enter(tabs, machine, "/cache/org_mended")
    page.get_by_role("button", name=re.compile("^Pin")).click()
    page.get_by_role("button", name="Take the pin away").click()
    page.get_by_role("button", name=re.compile("^Verify")).click()
    page.get_by_text("wrong or missing").first.wait_for()
    page.get_by_role("button", name=re.compile("^Repair")).click()
    page.get_by_text("Done.").wait_for()
    assert weights.read_bytes() == good
    page.goto(machine.origin + "/cache/org_mended")
    page.get_by_role("link", name="Remove it…").click()
    assert re.search(r"removing it frees\s+[\d.]+ KiB", page.inner_text("main"))
    assert directory.is_dir()
    page.get_by_role("button", name=re.compile("^Remove it, and free")).click()
    page.get_by_text("org/mended was removed").wait_for()
    assert not directory.exists()


PATHS = (
    "/", "/cache", "/cache/org_model", "/cache/org_model/clean", "/prune?keep=1", "/transfers", "/copy",
    "/sync", "/sync/runs/1", "/receipts", "/nothing",
)  # fmt: skip
DARK = ("/", "/cache", "/cache/org_model", "/sync")
"""Pages on which every colour occurs."""


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_page_fits_and_keeps_nobody_out(tabs, machine, width, language):
    bright = width == 1280
    thorough = (
        PATHS if (bright, language) == (True, "en") else DARK if (bright, language) == (False, "zh") else ()
    )
    tabs.expected = ("404",)
    light = "light" if bright else "dark"
    page = enter(tabs, machine, width=width, language=language, color_scheme=light)
    for path in PATHS:
        page.goto(machine.origin + path)
        (assert_sound if path in thorough else assert_fits)(page)
        assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-CN"}[language]
    page.goto(machine.origin + "/receipts")
    page.locator("tbody a").first.click()
    (assert_sound if thorough is PATHS else assert_fits)(page)
    page.goto(machine.origin + "/copy?source=hf:org/model&destination=ms:mine/model&revision=main")
    page.locator("main button.main").click()
    page.locator("dl.figures").wait_for()
    (assert_sound if thorough is PATHS else assert_fits)(page)


def assert_fits(page) -> None:
    assert overflow(page) <= 0, page.url


def test_hostile_names_of_models_and_mirror_files_do_nothing(tabs, machine):
    models.transformers_model(machine.home / "cache" / HOSTILE.replace("/", "∕"), shards=1, shard_size=4096)
    folder = machine.home / '"><script>alert(3)<'
    folder.mkdir()
    (folder / "mirrors.yaml").write_text(
        "version: 1\nsync:\n"
        "  - {name: '<b onclick=alert(4)>x', source: hf:org/small, target: ms:mine/other}\n"
    )
    machine.ferry("sync", "run", str(folder / "mirrors.yaml"), "--quiet", code=None)
    page = enter(tabs, machine)
    for path in ("/", "/cache", "/sync", "/transfers", "/prune?keep=0", "/receipts"):
        page.goto(machine.origin + path)
        assert page.locator("main img, main script, main [onclick], main [onerror]").count() == 0, path
        assert "\u202e" not in page.inner_text("main")
    page.goto(machine.origin + "/cache?q=img")
    page.locator("tbody a").first.click()
    assert page.locator("main img, main script").count() == 0


def test_a_page_of_another_origin_changes_nothing_and_reads_nothing(tabs, machine, make_hub):
    page = enter(tabs, machine, "/cache/org_model")
    form = page.locator("form[action$='/pin']")
    token = form.locator("input[name=form_token]").get_attribute("value")
    elsewhere = page.context.new_page()
    elsewhere.goto(make_hub().url + "/")  # the same browser, another port: another origin
    elsewhere.evaluate(
        """([action, token]) => {
            const form = document.createElement("form");
            form.method = "post"; form.action = action;
            for (const [name, value] of [["form_token", token], ["pinned", "yes"]]) {
                const field = document.createElement("input");
                field.name = name; field.value = value; form.append(field);
            }
            document.body.append(form); form.submit();
        }""",
        [f"{machine.origin}/cache/org_model/pin", token],
    )
    elsewhere.wait_for_load_state()
    page.goto(machine.origin + "/cache/org_model")
    assert page.get_by_role("button", name=re.compile("^Pin")).count() == 1


def test_without_a_script_every_page_says_and_does_the_same(tabs, machine):
    page = enter(tabs, machine, "/copy", java_script_enabled=False)
    page.get_by_label("From", exact=True).fill("hf:org/model")
    page.get_by_label("Destination", exact=True).fill("ms:mine/model")
    page.get_by_role("button", name="Plan").click()
    for _time in range(100):
        if page.get_by_role("button", name="Start the copy").count():
            break
        page.get_by_role("link", name="Look again").click()
    page.get_by_role("button", name="Start the copy").click()
    for _time in range(600):
        if "Done, and proven" in page.inner_text("main"):
            break
        page.reload()
    assert "verified:" in page.inner_text("main")


def test_an_idle_page_asks_for_nothing(tabs, machine):
    page = enter(tabs, machine, "/transfers")
    page.wait_for_load_state("networkidle")
    before = len(tabs.requests)
    page.wait_for_timeout(5000)  # nothing is decided by it: a page that asks more often is found sooner
    assert len(tabs.requests) == before

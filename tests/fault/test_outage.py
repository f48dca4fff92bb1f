"""A hub whose process is really gone for a while, and what a person sees of a wait."""

from __future__ import annotations

import contextlib
import json
import signal
from urllib.parse import urlsplit

import pytest
from faults import answer
from servers import TestHub, hub_process, sdk_environment
from worlds import SOURCE, drawn, sha256

from hubferry import api
from hubferry.events import FileDone, FileStarted, Retrying
from hubferry.options import Access, Options
from hubferry.serve import Store

CONTENT = {
    "README.md": b"---\nlicense: mit\n---\n",
    "config.json": b"{}",
    "model.safetensors": drawn(3_000_000, "outage"),
}
MORE_THAN_BEFORE = 7
"""Failures in a row that ended a run when tries were counted."""


class Outage:
    """Kills a hub's process at an event, and starts it again on its port when it was missed long enough."""

    def __init__(self, root, at, start):
        self.root = root
        self.at = at
        self.start = start
        self.hub = start(root)
        self.port = str(urlsplit(self.hub.url).port)
        self.most = 0
        self.over = False

    def listen(self, event):
        if self.at(event) and not self.most:
            self.most = 1
            self.hub.kill()
        if isinstance(event, Retrying) and not self.over:
            self.most = max(self.most, event.attempt)
            if event.attempt >= MORE_THAN_BEFORE:
                self.over = True
                self.start(self.root, "--port", self.port)


@pytest.fixture
def start(tmp_path):
    """Start hubs as processes; all of them end with the test."""
    with contextlib.ExitStack() as stack:
        environment = sdk_environment(tmp_path / "home")
        yield lambda root, *options: stack.enter_context(hub_process(root, *options, environment=environment))


MOMENTS = {
    "source-in-a-file": ("source", lambda event: isinstance(event, FileStarted)),
    "destination-before-the-commit": (
        "destination",
        lambda event: isinstance(event, FileDone) and event.direction == "send",
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_hub_that_was_killed_and_comes_back_is_waited_for(tmp_path, start, monkeypatch, moment):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.005")
    monkeypatch.delenv("HUBFERRY_RETRIES", raising=False)
    side, at = MOMENTS[moment]
    roots = {name: tmp_path / name for name in ("source", "destination")}
    store = Store(roots["source"])
    store.create("org/model", license="mit")
    store.add("org/model", CONTENT)
    outage = Outage(roots[side], at, start)
    other = start(roots["destination" if side == "source" else "source"])
    hubs = (outage.hub, other) if side == "source" else (other, outage.hub)
    wish = Options(
        source=Access(hubs[0].token, hubs[0].url),
        destination=Access(hubs[1].token, hubs[1].url),
        cache_root=tmp_path / "cache",
    )
    report = api.copy(SOURCE, "ms:mine/model", wish, outage.listen)
    assert outage.over
    assert report.verified
    assert len(report.commits) == 1
    published = TestHub(hubs[1].url, Store(roots["destination"])).store.find("mine/model")
    files = published.tree(published.resolve(None)).files
    assert {path: file.sha256 for path, file in files.items()} == {
        path: sha256(content) for path, content in CONTENT.items()
    }


def test_a_wait_is_shown_and_ends_at_once_with_ctrl_c(world):
    world.source_faults.plan(answer(429, b""), "hf:tree", times=None)
    with world.started("fetch", SOURCE, HUBFERRY_RETRIES="9", HUBFERRY_RETRY_WAIT="1000") as process:
        line = ""
        while "waiting until" not in line:
            line = process.stderr.readline()
            assert line
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert "HTTP 429" in line


def test_a_quiet_run_says_nothing_of_its_waits_and_json_stays_json(world):
    world.source_faults.plan(answer(429, b"", Retry_After="0"), "hf:tree")
    done = world.command("fetch", SOURCE, "--quiet", "--json")
    assert done.code == 0, done.said
    assert done.err == ""
    json.loads(done.out)


def test_a_pause_of_half_an_hour_ends_the_command_at_once_with_the_time_to_come_again(world):
    world.destination_faults.plan(answer(429, b"", Retry_After="1800"), "ms:batch", times=None)
    done = world.command()
    assert done.code == 5
    assert "hint: Come again after " in done.err
    assert world.commits() == 0

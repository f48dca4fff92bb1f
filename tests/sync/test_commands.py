"""`hubferry sync` as it is typed: real processes, signals, a kill in the middle, and what is said."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from mirrored import small_model

import forked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MIB = 1024 * 1024


class Typed:
    """Somebody who types, in the home of a world."""

    def __init__(self, world) -> None:
        self.world = world

    def file(self, text: str, name: str = "hubferry-sync.yaml") -> None:
        (self.world.home / name).write_text("version: 1\n" + text)

    def sync(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return forked.run(
            self.command(words), env=self.world.environment | environment, cwd=self.world.home,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def begun(self, *words: str) -> subprocess.Popen[str]:
        return forked.Popen(
            self.command(words), env=self.world.environment, cwd=self.world.home,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @staticmethod
    def command(words: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "hubferry", "sync", *words]


@pytest.fixture
def typed(world) -> Iterator[Typed]:
    return Typed(world)


def until(question, seconds: float = 60.0):
    """Return what a question answers as soon as that is true."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return answer


def test_a_run_says_what_was_copied_and_a_second_one_that_all_is_the_same(typed):
    typed.world.publish("org/a")
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a}\n")
    first, second = typed.sync("run"), typed.sync("run")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "copied" in first.stdout
    assert "1 commit" in first.stdout
    assert second.stdout.startswith("1 the same")


def test_a_failure_ends_with_9_and_says_which_and_what_to_type(typed):
    typed.world.publish("org/a")
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a}\n- {source: hf:org/gone, target: ms:mine/b}\n")
    ended = typed.sync("run")
    assert ended.returncode == 9
    assert "hf:org/gone" in ended.stdout
    assert "hint:" in ended.stdout
    assert "1 copied, 1 failed" in ended.stdout


def test_json_is_one_document_and_quiet_says_nothing_else(typed):
    typed.world.publish("org/a")
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a}\n")
    ended = typed.sync("run", "--json", "--quiet")
    document = json.loads(ended.stdout)
    assert document["good"] is True
    assert [one["status"] for one in document["repositories"]] == ["copied"]
    assert ended.stderr == ""


def test_progress_as_json_names_the_repository_on_every_line(typed):
    typed.world.publish("org/a")
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a}\n")
    lines = [json.loads(line) for line in typed.sync("run", "--progress", "json").stderr.splitlines()]
    assert [line["event"] for line in lines] == ["expanded", "planned", "ended"]
    assert lines[1]["source"] == lines[2]["source"] == "hf:org/a"


def test_a_mistake_in_the_file_is_named_with_its_line_and_nothing_runs(typed):
    typed.file("sync:\n- {sorce: hf:org/a, target: ms:mine/a}\n")
    ended = typed.sync("run")
    assert ended.returncode == 2
    assert "hubferry-sync.yaml:3:4" in ended.stderr
    assert "source" in ended.stderr


def test_without_a_file_it_says_how_to_get_one(typed):
    ended = typed.sync("run")
    assert ended.returncode == 2
    assert "hubferry sync init" in ended.stderr


def test_a_run_that_is_killed_goes_on_where_it_stopped_and_is_in_the_history(typed):
    world = typed.world
    for name in ("a", "b"):
        world.publish(f"org/{name}", small_model(name, 8 * MIB))
    typed.file('jobs: 1\nsync:\n- {source: "hf:org/*", target: "ms:mine/{name}"}\n')
    running = typed.begun("run", "--bwlimit", "4M:off")
    until(lambda: any(world.home.rglob("*.part")))
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert typed.sync("run").returncode == 0
    for name in ("a", "b"):
        assert world.held(f"mine/{name}") == world.original(f"org/{name}")
    assert world.target.requests.commits == 2
    said = typed.sync("history")
    assert "broken off" in said.stdout
    assert "finished" in said.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_ends_cleanly_and_remembers_what_it_broke_off(typed, number):
    world = typed.world
    world.publish("org/a", small_model("a", 8 * MIB))
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a}\n")
    running = typed.begun("run", "--bwlimit", "1M:off")
    until(lambda: any(world.home.rglob("*.part")))
    running.send_signal(number)
    _out, said = running.communicate(timeout=60)
    assert running.returncode == -number
    assert "interrupted" in said
    assert "Traceback" not in said
    assert world.target.requests.commits == 0
    history = json.loads(typed.sync("history", "--json").stdout)
    assert [run["state"] if "state" in run else run["how"] for run in history["runs"]] == ["stopped"]


def test_a_second_run_of_the_file_is_refused_at_once(typed):
    world = typed.world
    world.publish("org/a", small_model("a", 8 * MIB))
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a}\n")
    running = typed.begun("run", "--bwlimit", "1M:off")
    until(lambda: any(world.home.rglob("*.part")))
    second = typed.sync("run")
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert second.returncode == 8
    assert "another run" in second.stderr


class Watching:
    """A `watch` that runs, and its metrics."""

    def __init__(self, typed: Typed) -> None:
        self.process = typed.begun("watch", "--listen", "127.0.0.1:0")
        stderr = self.process.stderr
        assert stderr is not None
        line = until(stderr.readline)
        self.address = line.split()[-1].removesuffix("/metrics")

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def number(self, name: str) -> float:
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def end(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return "".join(self.process.communicate(timeout=60))


def test_watch_runs_at_the_start_counts_reads_again_and_ends_with_0(typed):
    world = typed.world
    world.publish("org/a")
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a, schedule: {every: 1d, at_start: true}}\n")
    watching = Watching(typed)
    until(lambda: watching.number('hubferry_sync_runs_total{result="good"}') == 1)
    assert world.held("mine/a") == world.original("org/a")
    assert watching.number("hubferry_sync_commits_total") == 1
    assert watching.number("hubferry_sync_next_run_timestamp_seconds") > time.time()
    assert watching.get("/healthz")[0] == 200

    typed.file("sync:\n- {sorce: hf:org/a}\n")
    watching.process.send_signal(signal.SIGHUP)
    until(lambda: watching.get("/healthz")[0] == 503)
    assert watching.number("hubferry_sync_file_wrong") == 1
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a, schedule: {every: 2d}}\n")
    watching.process.send_signal(signal.SIGHUP)
    until(lambda: watching.get("/healthz")[0] == 200)

    said = watching.end()
    assert watching.process.returncode == 0
    assert "Traceback" not in said


def test_watch_that_is_stopped_in_the_middle_of_a_run_loses_nothing(typed):
    world = typed.world
    world.publish("org/a", small_model("a", 8 * MIB))
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a, schedule: {at_start: true}}\n")
    running = typed.begun("watch", "--bwlimit", "1M:off")
    until(lambda: any(world.home.rglob("*.part")))
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 0
    assert world.target.requests.commits == 0
    assert typed.sync("run").returncode == 0
    assert world.held("mine/a") == world.original("org/a")


def test_watch_without_any_schedule_is_refused(typed):
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a}\n")
    ended = typed.sync("watch")
    assert ended.returncode == 2
    assert "schedule" in ended.stderr


def test_an_address_that_cannot_be_listened_at_is_refused(typed):
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a, schedule: {every: 1d}}\n")
    port = typed.world.target.url.rpartition(":")[2]
    for address in (f"127.0.0.1:{port}", "nowhere", "127.0.0.1:99999"):
        ended = typed.sync("watch", "--listen", address)
        assert ended.returncode == 2, ended.stderr
        assert "--listen" in ended.stderr


def test_no_token_is_in_what_is_said_kept_or_counted(typed):
    world = typed.world
    world.publish("org/a")
    typed.file("sync:\n- {source: hf:org/a, target: ms:mine/a}\n- {source: hf:org/gone, target: ms:mine/b}\n")
    ended = typed.sync("run", "-vv", "--receipts", "receipts")
    for token in (world.source.token, world.target.token):
        assert token not in ended.stdout + ended.stderr
        for path in world.home.rglob("*"):
            if path.is_file():
                assert token.encode() not in path.read_bytes(), path
    assert any((world.home / "receipts").rglob("*.json"))


@pytest.mark.parametrize("command", ["run", "watch"])
def test_receipts_that_could_not_be_written_are_refused_before_anything_moves(typed, world, command):
    (world.home / "file").write_bytes(b"")
    typed.file(
        "receipts: ./file/receipts\n"
        "sync: [{source: hf:org/a, target: ms:mine/a, schedule: {at_start: true}}]\n"
    )
    ended = typed.sync(command)
    assert ended.returncode == 7, ended.stderr
    assert f"{world.home / 'file' / 'receipts'} cannot be written: Not a directory" in ended.stderr
    assert not any(world.home.rglob("*.sqlite"))

"""What moves anywhere on this machine is seen by whoever looks, and being seen costs and breaks nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from desks import KIB, ROOT, publish

import models

MIB = 1024 * 1024
SIMPLE = str(ROOT / "scripts/simple_hf_to_ms.py")


def board(desk):
    return desk.inside("transfers", "--json", check_code=0).json()


def seen(desk, fits):
    """Look until a running transfer fits."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for one in board(desk)["running"]:
            if fits(one):
                return one
        time.sleep(0.1)
    raise AssertionError(board(desk))


def started(desk, *words):
    return subprocess.Popen(
        [sys.executable, *words], env=desk.environment, cwd=desk.home,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def state(desk):
    return desk.home / ".local" / "state" / "hubferry" / "transfers"


def test_a_copy_is_seen_while_it_runs_and_known_for_broken_off_when_it_was_killed(slow_desk):
    process = started(slow_desk, "-m", "hubferry", "copy", "hf:org/model", "ms:mine/model", "--quiet")
    try:
        one = seen(slow_desk, lambda one: one["fetch"]["done"] > MIB)
    finally:
        process.kill()
        process.wait()
    assert (one["program"], one["pid"], one["state"]) == ("hubferry copy", process.pid, "moving")
    assert (one["source"], one["destination"]) == ("hf:org/model", "ms:mine/model")
    assert one["fetch"]["total"] >= 16 * MIB
    assert any(part["path"].endswith(".safetensors") for part in one["in_flight"])
    after = board(slow_desk)
    assert after["running"] == []
    assert [(gone["id"], gone["state"]) for gone in after["finished"]] == [(one["id"], "broken-off")]
    assert list((state(slow_desk) / "running").iterdir()) == []


def test_a_copy_that_is_stopped_in_good_order_says_so_itself(slow_desk):
    process = started(
        slow_desk, "-m", "hubferry", "copy", "hf:org/model", "ms:mine/model", "--progress", "json"
    )
    one = seen(slow_desk, lambda one: one["fetch"]["done"] > MIB)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM
    after = board(slow_desk)
    assert [(gone["id"], gone["state"], gone["error"]) for gone in after["finished"]] == [
        (one["id"], "stopped", None)
    ]


def test_the_older_scripts_and_runs_of_mirror_files_are_seen_as_well(desk, model):
    (desk.home / "mirrors.yaml").write_text(
        "version: 1\nsync:\n  - {source: hf:org/model, target: ms:mine/synced}\n"
    )
    desk.script("scripts/simple_hf_to_ms.py", "org/model", "mine/model", check_code=0)
    desk.inside("sync", "run", "mirrors.yaml", check_code=0)
    desk.inside("fetch", "hf:org/model", check_code=0)
    done = board(desk)["finished"]
    assert [(one["program"], one["state"]) for one in done] == [
        ("hubferry fetch", "done"), ("hubferry sync run", "done"), ("simple_hf_to_ms.py", "done"),
    ]  # fmt: skip
    fetch, run, script = done
    assert (fetch["source"], fetch["destination"]) == ("hf:org/model", None)
    assert run["source"].endswith("mirrors.yaml")
    assert run["files"] == {"done": 1, "total": 1}
    assert run["of_repositories"]
    assert (script["source"], script["destination"]) == ("hf:org/model", "ms:mine/model")
    assert script["send"]["done"] == script["send"]["total"] > 0


def test_a_run_of_a_mirror_file_that_proved_less_than_all_is_no_success(desk, model):
    (desk.home / "mirrors.yaml").write_text(
        "version: 1\nsync:\n  - {source: hf:org/model, target: ms:mine/synced}\n"
        "  - {source: hf:org/nothing, target: ms:mine/nothing}\n"
    )
    desk.inside("sync", "run", "mirrors.yaml", "--quiet", check_code=9)
    (one,) = board(desk)["finished"]
    assert (one["state"], one["error"]) == ("failed", "1 repository is not proven")


def test_a_failure_is_kept_with_its_sentence_and_no_token_is_anywhere(desk):
    token = desk.source.token
    desk.inside("copy", "hf:org/nothing", "ms:mine/model", "--quiet", check_code=3)
    (one,) = board(desk)["finished"]
    assert one["state"] == "failed"
    assert "org/nothing" in one["error"]
    written = [path for path in state(desk).rglob("*") if path.is_file()]
    assert written
    for path in written:
        assert token not in path.read_text()
        assert desk.destination.token not in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
    folders = (state(desk), state(desk) / "running", state(desk) / "finished")
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


@pytest.mark.parametrize("place", ["file", "full"])
def test_a_state_directory_that_cannot_be_written_only_means_not_to_be_seen(desk, model, tmp_path, place):
    if place == "file":
        (tmp_path / "state").write_text("no directory")
        where = tmp_path / "state"
    else:
        where = tmp_path / "full"
        (where / "hubferry" / "transfers").mkdir(parents=True)
        (where / "hubferry" / "transfers" / "running").symlink_to("/dev/full")
    done = desk.inside("copy", "hf:org/model", "ms:mine/model", environment={"XDG_STATE_HOME": str(where)})
    assert done.code == 0, done.said
    assert "Traceback" not in done.said
    assert desk.published()


def test_nothing_that_somebody_put_there_is_believed_or_removed(desk):
    running = state(desk) / "running"
    running.mkdir(parents=True)
    (running / "odd").mkdir()
    (running / "odd" / "said.json").write_text('{"id": 3}')
    (running / "odd" / "mine.txt").write_text("keep")
    (running / "pipe").mkdir()
    os.mkfifo(running / "pipe" / "said.json")
    (running / "link").symlink_to(desk.home)
    finished = state(desk) / "finished"
    finished.mkdir()
    (finished / "9.json").write_text(json.dumps([[]] * 1000))
    assert board(desk) == {"schema": 1, "running": [], "finished": []}
    assert (running / "odd" / "mine.txt").read_text() == "keep"
    assert desk.ferry("transfers").err == "nothing runs at the moment\n"


def test_small_runs_say_little(desk, tmp_path):
    """One word at the begin, one at the end, and one a second between: counted, not timed."""
    publish(desk.source, models.transformers_model(tmp_path / "m", shards=1, shard_size=4 * KIB), "org/model")
    for _time in range(3):
        desk.inside("copy", "hf:org/model", "ms:mine/model", "--quiet", check_code=0)
    assert len(board(desk)["finished"]) == 3
    assert len(list((state(desk) / "finished").iterdir())) == 3


@pytest.mark.parametrize("words", [("copy", "./nothing", "C:/models"), ("apply", "nothing.jsonl")])
def test_what_is_refused_for_what_was_typed_is_no_transfer(desk, words):
    assert desk.ferry(*words).code in (2, 3)
    assert not state(desk).exists()

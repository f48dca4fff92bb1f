"""What a run tells while it goes: a person at a terminal, a program, a log; and of one that is resumed."""

from __future__ import annotations

import json
import re
import signal
import sys

import pytest
from desks import KIB, publish
from terminal import terminal

MIB = 1024 * 1024
PAIR = ("hf:org/model", "ms:mine/model")


def ferry(desk, *words, **size):
    return terminal([sys.executable, "-m", "hubferry", *words], desk.environment, desk.home, **size)


def interrupted(desk, *words):
    """Run until the hub says nothing more, then press Ctrl-C."""
    with ferry(desk, *words) as screen:
        screen.wait_for(lambda text: re.search(r"fetched .* [1-9]\.\d MiB/16\.0 MiB", text))
        screen.type(b"\x03")
        assert screen.end() == -signal.SIGINT


def test_a_resumed_run_says_what_is_here_and_counts_only_what_comes_now(slow_desk, valve):
    interrupted(slow_desk, "fetch", "hf:org/model")
    valve.open()
    planned = slow_desk.ferry("fetch", "hf:org/model", "--progress", "json")
    lines = [json.loads(line) for line in planned.err.splitlines()]
    plan = next(line for line in lines if line["event"] == "planned")
    last = [line for line in lines if line["event"] == "progress"][-1]
    assert plan["here_bytes"] > MIB // 4
    assert 16 * MIB < plan["here_bytes"] + plan["fetch_bytes"] < 16.1 * MIB
    assert last["fetch"]["total"] == last["fetch"]["done"] == plan["fetch_bytes"]
    assert last["files"]["done"] == last["files"]["total"] == 2


def test_a_resumed_run_tells_a_person_so_in_the_plan_and_in_the_sum(slow_desk, valve):
    interrupted(slow_desk, "copy", *PAIR)
    valve.open()
    shown = slow_desk.ferry("copy", *PAIR, "--dry-run").out
    done = slow_desk.ferry("copy", *PAIR)
    assert re.search(r"here already: \d\.\d MiB \(10 whole files, and \d\.\d MiB of others\)", done.err)
    fetched = re.search(r"plan: 12 files, fetch (\d+\.\d MiB), send 16.0 MiB", done.err)[1]
    assert float(fetched.split()[0]) < 15.5
    assert f"fetch {fetched}, send 16.0 MiB" in shown
    assert f"fetched {fetched}, sent 16.0 MiB" in done.out


def test_the_scripts_tell_resuming_as_resuming_and_not_as_damage(slow_desk, valve):
    words = ("scripts/simple_hf_to_ms.py", "org/model", "mine/model", "--verify-only")
    environment = {name: value for name, value in slow_desk.environment.items() if name != "HUBFERRY_CACHE"}
    from desks import ROOT

    with terminal([sys.executable, ROOT / words[0], *words[1:]], environment, slow_desk.home) as screen:
        screen.wait_for(lambda text: re.search(r"已下载 .* [1-9]\.\d MiB/16\.0 MiB", text))
        screen.type(b"\x03")
        assert screen.end() == -signal.SIGINT
    assert "已中断；已下载的内容会保留" in screen.text
    valve.open()
    done = slow_desk.script(*words)
    assert done.code == 0, done.said
    assert re.search(r"⏬ 上次下载尚未完成：已有 \d\.\d MiB，将从断点继续", done.out)
    assert "不完整" not in done.out
    assert re.search(r"✅ 校验通过: 12 个文件，16\.0 MiB，提交", done.out)


@pytest.mark.parametrize(
    ("columns", "locale"),
    [(40, "C"), (60, "zh_CN.UTF-8"), (80, "en_US.UTF-8"), (200, "C")],
)
def test_one_frame_stays_in_place_whatever_the_terminal_shows(slow_desk, columns, locale):
    """Frame after frame is drawn while nothing moves: there is one, and it is gone in the end."""
    slow_desk.environment |= {"LANG": locale, "HUBFERRY_LANG": "en"}
    with ferry(slow_desk, "fetch", "hf:org/model", columns=columns) as screen:
        screen.wait_for(lambda text: "00002-of-00002" in text)
        before = screen.drawn.count(b"of 12 files")
        while screen.drawn.count(b"of 12 files") < before + 4:
            assert screen.read(1)
        assert screen.text.count("of 12 files") == 1
        assert screen.text.count("00001-of-00002") == screen.text.count("00002-of-00002") == 1
        assert ("↓" in screen.text) == (locale == "en_US.UTF-8")
        screen.type(b"\x03")
        assert screen.end() == -signal.SIGINT
    assert "of 12 files" not in screen.text
    assert "00001-of" not in screen.text


def test_the_frame_follows_a_window_that_changes_its_size(slow_desk):
    with ferry(slow_desk, "fetch", "hf:org/model", columns=100) as screen:
        screen.wait_for(lambda text: "00002-of-00002" in text)
        screen.resize(60)
        before = screen.drawn.count(b"of 12 files")
        while screen.drawn.count(b"of 12 files") < before + 3:
            assert screen.read(1)
        assert screen.text.count("of 12 files") == 1
        assert screen.text.count("00001-of-00002") == 1


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (("--progress", "plain"), {}),
        ((), {"TERM": "dumb"}),
        ((), {"HUBFERRY_PROGRESS": "plain"}),
        (("--progress", "bar"), {"TERM": "dumb"}),
        (("--progress", "none"), {}),
    ],
)
def test_plain_lines_are_whole_lines_without_escapes(slow_desk, valve, words, environment):
    valve.open()
    slow_desk.environment |= environment | {"NO_COLOR": "1"}
    with ferry(slow_desk, "fetch", "hf:org/model", *words) as screen:
        assert screen.end() == 0
    assert b"\x1b" not in screen.drawn
    assert "plan: 12 files" in screen.text


def test_a_program_gets_lines_of_json_and_nothing_else_on_stderr(desk, model):
    done = desk.ferry("copy", *PAIR, "--progress", "json", "--quiet")
    assert done.code == 0, done.said
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert all((line["version"], set(line) > {"version", "time", "event"}) == (1, True) for line in lines)
    told = [line["event"] for line in lines]
    assert told[:2] == ["resolved", "resolved"]
    assert told[-3:] == ["progress", "committed", "finished"] or told[-2:] == ["progress", "finished"]
    assert lines[-1]["verified"] is True
    commits = [line["commit"] is None for line in lines if line["event"] == "resolved"]
    assert sorted(commits) == [False, True, True]  # both sides are asked at once


def test_keys_of_the_lines_are_those_of_the_page_whatever_the_language(desk, model):
    from desks import ROOT

    page = (ROOT / "docs/progress.md").read_text(encoding="utf-8")
    desk.environment["HUBFERRY_LANG"] = "zh"
    said = desk.ferry("copy", *PAIR, "--progress", "json").err
    said += desk.ferry("copy", "hf:org/absent", PAIR[1], "--progress", "json").err
    said += desk.ferry(
        "fetch", "hf:org/other", "--progress", "json",
        environment={"HF_ENDPOINT": "http://127.0.0.1:9", "HUBFERRY_RETRIES": "2"},
    ).err  # fmt: skip
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert {"resolved", "planned", "progress", "committed", "finished", "retrying", "error"} <= {
        line["event"] for line in lines
    }
    for line in lines:
        row = next(row for row in page.splitlines() if row.startswith(f"| `{line['event']}`"))
        for key in set(line) - {"version", "time", "event"}:
            assert f"`{key}`" in row, (line["event"], key)


@pytest.mark.parametrize("command", ["ls", "info"])
def test_a_look_says_what_it_waits_for_and_its_errors_in_lines_of_json_too(desk, model, command):
    done = desk.inside(command, "hf:org/model", "--progress", "json", check_code=0)
    assert (done.err, bool(done.out)) == ("", True)
    words = {"HF_ENDPOINT": "http://127.0.0.1:9", "HUBFERRY_RETRIES": "1", "HUBFERRY_RETRY_WAIT": "0.01"}
    done = desk.inside(command, "hf:org/model", "--progress", "json", environment=words)
    assert [json.loads(line)["event"] for line in done.err.splitlines()] == ["retrying", "error"]


def test_an_error_is_a_line_of_json_too_and_the_last_one(desk):
    done = desk.ferry("copy", "hf:org/absent", PAIR[1], "--progress", "json")
    assert done.code == 3
    last = json.loads(done.err.splitlines()[-1])
    assert (last["event"], last["kind"], last["exit_code"]) == ("error", "NotFoundError", 3)


def test_lines_about_progress_are_few_however_many_files_move(desk, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number}.bin").write_bytes(bytes([number % 251]) * KIB)
    publish(desk.source, folder, "org/many")
    done = desk.ferry("fetch", "hf:org/many", "--progress", "json")
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert done.code == 0
    assert sum(line["event"] != "progress" for line in lines) <= 4
    assert all(len(line.get("in_flight", ())) <= 20 for line in lines)


def test_verbose_tells_decisions_and_twice_verbose_the_requests(desk, model):
    once = desk.ferry("copy", *PAIR, "-v").err
    assert re.search(
        r"INFO hubferry.run: fetch\+send model-00001-of-00002.safetensors \(blob, fetches\)", once
    )
    assert re.search(r"INFO hubferry.run: fetched model-00001-of-00002.safetensors \(\d+ bytes\)", once)
    assert "DEBUG" not in once
    twice = desk.ferry("copy", *PAIR, "-vv").err
    assert re.search(r"DEBUG hubferry.hubs.http.client: GET http://\S+ 200 \d\.\d{3} s", twice)


def test_a_log_file_has_everything_and_is_added_to(desk, model):
    for _run in range(2):
        done = desk.ferry("copy", *PAIR, "--log-file", "run.log", "--quiet")
        assert (done.code, done.err) == (0, "")
    log = (desk.home / "run.log").read_text()
    assert log.count("INFO hubferry.run: plan: fetch") == 2
    assert "POST http" in log
    assert "signature" not in log
    assert desk.source.token not in log


def test_a_log_file_that_cannot_be_written_is_an_error_before_anything_moves(desk, model):
    done = desk.ferry("copy", *PAIR, "--log-file", "absent/run.log")
    assert done.code == 7
    assert desk.source.requests.records == []


def test_a_retry_names_its_file_and_the_log_says_why(desk, model):
    environment = {"MODELSCOPE_ENDPOINT": "http://127.0.0.1:9", "HUBFERRY_RETRIES": "1"}
    done = desk.ferry("copy", *PAIR, "-v", environment=environment)
    assert done.code == 5
    assert re.search(
        r"INFO hubferry.run: retry 1 in \d\.\d+ s \(\w+\): looking at ms:mine/model: 127.0.0.1:9", done.err
    )


def test_the_scripts_log_level_debug_tells_requests_and_its_default_does_not(desk, model):
    words = ("scripts/hf_to_modelscope_transfer.py", "--hf-model", "org/model", "--ms-model", "mine/model")
    assert "DEBUG" not in desk.script(*words, "--verify-only").err
    done = desk.script(*words, "--log-level", "DEBUG")
    assert "DEBUG hubferry.hubs.http.client: GET " in done.err
    assert "INFO hubferry.run: " in done.err
    assert desk.source.token not in done.said


def test_a_verification_is_one_line_that_fits_too(desk):
    """Of a verification that is under way by a path that is longer than the terminal is wide."""
    program = (
        "from hubferry.cli.cache.reading import follow_reading\n"
        "from hubferry.events import FileStarted, Progress\n"
        "with follow_reading() as listen:\n"
        "    for number in range(40):\n"
        "        listen(FileStarted('verify', '模型/' * 30 + f'model-{number:05}-of-00040.safetensors', 9))\n"
        "        listen(Progress('verify', 'x', 1))\n"
        "        __import__('time').sleep(0.02)\n"
        "    input()\n"
    )
    environment = desk.environment | {"TERM": "xterm", "LANG": "en_US.UTF-8", "PYTHONIOENCODING": "utf-8"}
    with terminal([sys.executable, "-c", program], environment, desk.home, columns=60) as screen:
        screen.wait_for(lambda text: "-of-00040" in text)
        while screen.drawn.count(b"\x1b[K") < 3:
            assert screen.read(5)
        assert len(screen.text.splitlines()) == 1
        screen.type(b"\n")
        assert screen.end() == 0

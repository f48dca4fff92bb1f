"""What the command costs to start, and what it prints on every kind of terminal, pipe and encoding."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from desks import publish, stored

import forked
import models

PAIR = ("hf:org/model", "ms:mine/model")
HEAVY = (
    "aiohttp",
    "huggingface_hub",
    "modelscope_hub",
    "requests",
    "httpx",
    "rich",
    "asyncio",
    "yaml",
    "babel",
)


@pytest.mark.parametrize(
    "words", [("--version",), ("--help",), ("copy", "--help"), ("cache", "list"), ("cache", "dir")]
)
def test_a_command_imports_only_what_it_needs(desk, words):
    program = (
        "import sys\n"
        f"sys.argv = ['hubferry', *{list(words)!r}]\n"
        "from hubferry.__main__ import main\n"
        "code = main()\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(code, loaded, file=sys.stderr)\n"
    )
    done = desk.run(sys.executable, "-c", program)
    assert done.err.splitlines()[-1] == "0 []", done.said


def test_version_is_one_line(desk):
    done = desk.ferry("--version")
    assert re.fullmatch(r"hubferry \d+\.\d+\.\d+\S*\n", done.out)


def test_nothing_typed_is_answered_with_the_help(desk):
    done = desk.ferry()
    assert done.code == 2
    assert "Usage: hubferry" in done.err
    assert done.out == ""


@pytest.mark.parametrize("command", ["copy", "fetch", "check", "serve", "doctor", "demo"])
def test_every_help_has_examples(desk, command):
    out = desk.ferry(command, "--help").out
    assert "Examples:" in out
    assert f"hubferry {command}" in out.split("Examples:")[1]


def test_help_names_the_environment_variables(desk):
    out = desk.ferry("--help").out
    for variable in ("HF_TOKEN", "MODELSCOPE_API_TOKEN", "HUBFERRY_CACHE", "HUBFERRY_LANG", "HF_HUB_OFFLINE"):
        assert variable in out


@pytest.mark.parametrize(
    "environment", [{"HUBFERRY_LANG": "zh"}, {"LANG": "zh_CN.UTF-8"}, {"LC_ALL": "zh_CN.UTF-8"}]
)
def test_help_and_errors_speak_chinese_when_asked_to(desk, environment):
    out = desk.ferry("copy", "--help", environment=environment).out
    assert "用法:" in out
    assert "选项:" in out
    assert "示例:" in out
    assert "显示本帮助并退出。" in out
    err = desk.ferry("copy", "--fast", environment=environment).err
    assert "错误：没有选项 '--fast'。" in err
    assert "提示：hubferry copy --help" in err


def test_english_is_spoken_when_it_is_asked_for_under_a_chinese_locale(desk):
    out = desk.ferry(
        "--help", environment={"LANG": "zh_CN.UTF-8", "LANGUAGE": "zh_CN", "HUBFERRY_LANG": "en"}
    ).out
    assert "Usage:" in out
    assert out.isascii()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "utf-8"])
def test_no_encoding_stops_a_command_and_chinese_is_spoken_where_it_can_be_shown(desk, encoding):
    environment = {"PYTHONIOENCODING": encoding, "HUBFERRY_LANG": "zh"}
    for words in (("doctor", "--offline"), ("cache", "list")):
        done = desk.ferry(*words, environment=environment)
        assert done.code in (0, 4), done.said
        assert "Traceback" not in done.said
    done = desk.ferry("--help", environment=environment, encoding=encoding, errors="strict")
    assert done.code == 0
    assert ("用法" in done.out) == (encoding in ("gbk", "utf-8"))


def test_file_names_of_any_script_are_shown_or_stood_in_for(desk):
    desk.source.store.add("org/model", {"模型 😀.json": b"{}", "config.json": b"{}"})
    for encoding in ("ascii", "gbk", "utf-8"):
        done = desk.ferry("copy", *PAIR, "--dry-run", environment={"PYTHONIOENCODING": encoding})
        assert done.code == 0, done.said
    assert "模型 😀.json" in done.out


def test_what_a_hub_calls_its_files_cannot_command_the_terminal(desk):
    desk.source.store.add("org/model", {"a\u202eb.json": b"{}", "config.json": b"{}"})
    out = desk.ferry("copy", *PAIR, "--dry-run").out
    assert "\u202e" not in out
    assert "\\u202e" in out


def test_it_runs_without_home_and_language_as_cron_does(desk, model, tmp_path):
    done = desk.ferry(
        "copy", *PAIR, unset=("HOME", "USERPROFILE", "LANG", "TERM", "PYTHONIOENCODING", "HF_HOME"),
        environment={"HUBFERRY_CACHE": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.code == 0, done.said
    assert len(stored(desk.destination, "mine/model")) == 12


def test_a_reader_that_leaves_early_is_no_error(desk, model):
    line = f'"{sys.executable}" -m hubferry copy hf:org/model ms:mine/model --dry-run | head -1'
    done = desk.run("sh", "-c", line)
    assert done.code == 0
    assert "org/model" in done.out
    assert "Broken" not in done.err
    assert "Traceback" not in done.err


def test_a_copy_goes_on_when_nobody_reads_what_it_says(desk, model):
    line = f'"{sys.executable}" -m hubferry copy hf:org/model ms:mine/model 2>&1 >/dev/null | true'
    desk.run("sh", "-c", line)
    assert len(stored(desk.destination, "mine/model")) == 12


def test_an_answer_that_cannot_be_written_is_an_error(desk):
    command = f'unset PYTHONUNBUFFERED; "{sys.executable}" -m hubferry --help > /dev/full'
    done = desk.run("sh", "-c", command)
    assert done.code == 7
    assert "error:" in done.err
    assert "Traceback" not in done.err
    assert "ignored" not in done.err  # what Python says when it tries once more at exit


def on_a_terminal(desk, *words, **variables):
    """Run the command with a pseudo-terminal as stderr; return its exit code and everything it drew."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in desk.environment.items() if name != "NO_COLOR"} | variables
    process = forked.Popen(
        [sys.executable, "-m", "hubferry", *words],
        env=environment, cwd=desk.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    drawn = bytearray()

    def read():
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                return
            if not piece:
                return
            drawn.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    process.communicate(timeout=60)
    reader.join(10)
    os.close(ours)
    return process.returncode, drawn.decode("utf-8", "replace")


@pytest.fixture
def large(desk, tmp_path):
    folder = models.transformers_model(tmp_path / "large", shards=2, shard_size=4 << 20)
    publish(desk.source, folder, "org/model")
    return folder


def test_on_a_terminal_lines_redraw_for_the_whole_and_for_each_large_file(desk, large):
    code, drawn = on_a_terminal(desk, "copy", *PAIR, "--bwlimit", "6M", TERM="xterm-256color", COLUMNS="120")
    assert code == 0, drawn
    assert "\x1b[" in drawn
    assert "fetched" in drawn
    assert re.search(r"\d+ of 12 files", drawn)
    assert "model-00001-of-00002.safetensors" in drawn
    assert "MiB/s" in drawn


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_a_plain_terminal_gets_no_colours(desk, model, variables):
    code, drawn = on_a_terminal(desk, "copy", *PAIR, "--dry-run", **variables)
    assert code == 0
    code, drawn = on_a_terminal(desk, "copy", "--fast", **variables)
    assert code == 2
    assert "\x1b[" not in drawn
    assert "error: No such option" in drawn


def test_what_is_not_a_terminal_gets_whole_lines_and_no_escapes(desk, large):
    done = desk.ferry("copy", *PAIR, "--bwlimit", "1500K")
    assert done.code == 0, done.said
    assert "\x1b" not in done.said
    assert "\r" not in done.said
    assert re.search(r"\d+ of 12 files, fetched .* of 8\.0 MiB \(.*/s\), sent .*left", done.err), done.err


def test_no_token_and_no_signed_address_is_ever_printed(desk, model):
    canary = "hf_canaryCANARYcanary0123456789"
    for words in (
        ("copy", *PAIR),
        ("copy", *PAIR, "--json"),
        ("doctor",),
        ("--debug", "fetch", "hf:org/model"),
    ):
        done = desk.ferry(*words, environment={"HF_TOKEN": canary, "MODELSCOPE_API_TOKEN": canary})
        assert canary not in done.said, words
        assert "signature=" not in done.said.lower()


def test_a_token_as_an_argument_works_warns_and_leaves_the_process_list(desk, large):
    unset = ("HF_TOKEN", "MODELSCOPE_API_TOKEN")
    environment = {name: value for name, value in desk.environment.items() if name not in unset}
    token = desk.source.token
    process = subprocess.Popen(
        [sys.executable, "-m", "hubferry", "copy", *PAIR, "--bwlimit", "4M", "--token", token],
        env=environment, cwd=desk.home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = [process.stderr.readline(), process.stderr.readline()]
    assert lines[0].startswith("warning: a token on the command line")
    assert lines[1].startswith("source: hf:org/model @ ")
    assert token not in Path(f"/proc/{process.pid}/cmdline").read_text()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert token not in out + "".join(lines) + err


def test_tokens_may_differ_by_side(desk, model):
    unset = ("HF_TOKEN", "MODELSCOPE_API_TOKEN")
    words = ("--source-token", desk.source.token, f"--destination-token={desk.destination.token}")
    done = desk.ferry("copy", *PAIR, *words, unset=unset)
    assert done.code == 0, done.said

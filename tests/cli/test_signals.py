"""Ctrl-C and the other signals that end a program, in real shells and on real terminals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
from desks import ROOT
from terminal import terminal

import forked
import models
from hubferry.cli import interrupted
from hubferry.i18n import set_language

MIB = 1024 * 1024
CLEAN = str(ROOT / "scripts/clean_model_cache.py")
SIMPLE = str(ROOT / "scripts/simple_hf_to_ms.py")
COPY = f'"{sys.executable}" -m hubferry copy hf:org/model ms:mine/model'
SCRIPT = f'"{sys.executable}" "{SIMPLE}" org/model mine/model'


def begun(text):
    return re.search(r"(fetched|已下载) .* [1-9]\.\d MiB/16\.0 MiB", text)


def at(desk, line):
    return terminal(["bash", "-c", line], desk.environment, desk.home)


@pytest.mark.parametrize("command", [COPY, SCRIPT], ids=["command", "script"])
def test_ctrl_c_ends_a_shells_loop_over_the_models(slow_desk, command):
    loop = f'for name in one two three; do echo "begin $name"; {command}; done; echo AFTER'
    with at(slow_desk, loop) as screen:
        screen.wait_for(begun)
        screen.type(b"\x03")
        assert screen.end() == -signal.SIGINT
    assert "begin one" in screen.text
    assert "begin two" not in screen.text
    assert "AFTER" not in screen.text
    assert "Traceback" not in screen.text
    assert "hubferry copy hf:org/model" in screen.text or "simple_hf_to_ms.py org/model" in screen.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once_and_loses_nothing_as_who_waits_is_told(slow_desk, tmp_path, number):
    """The end of the run is held up: a thread of it waits for a disk that does not answer."""
    stuck = tmp_path / "stuck"
    stuck.mkdir()
    (stuck / "sitecustomize.py").write_text(
        "import time, hubferry.session as session\n"
        "async def close(self, *_error):\n"
        "    print('STOPPING', flush=True)\n"
        "    while True:\n"
        "        try:\n"
        "            time.sleep(3600)\n"
        "        except KeyboardInterrupt:\n"
        "            pass\n"
        "session.Session.__aexit__ = close\n"
    )
    slow_desk.environment["PYTHONPATH"] = str(stuck)
    with at(slow_desk, f"exec {COPY}") as screen:
        screen.wait_for(begun)
        screen.process.send_signal(number)
        screen.wait_for(lambda text: "STOPPING" in text)
        if number == signal.SIGINT:
            screen.wait_for(lambda text: "Ctrl-C once more ends at once" in text)
        screen.process.send_signal(number)
        assert screen.end() == -number
    partials = slow_desk.home.rglob("*.part.map")
    assert any(b"\x01" in path.read_bytes() for path in partials)


def test_a_program_in_the_background_that_ignores_ctrl_c_is_ended_by_sigterm(slow_desk):
    """A shell without job control starts what is in its background with SIGINT ignored."""
    line = (
        f"{COPY} 2> said & pid=$!\n"
        "until grep -q plan: said; do sleep 0.05; done\n"
        "kill -INT $pid; kill -TERM $pid; wait $pid; echo code $?"
    )
    done = slow_desk.run("bash", "-c", line)
    assert done.out == "code 143\n", done.said
    assert "error: interrupted" in (slow_desk.home / "said").read_text()


@pytest.mark.parametrize(
    ("words", "where", "said"),
    [
        (("cache", "clean", "--force"), "cache.clean.refuse_held", "each model is whole or gone"),
        (("cache", "verify"), "cache.verify.verify", "nothing was changed"),
    ],
)
def test_what_an_interruption_says_fits_what_was_interrupted(desk, words, where, said):
    models.transformers_model(desk.home / "cache" / "model", shards=1, shard_size=1024)
    module, _dot, name = where.rpartition(".")
    program = (
        f"import sys, signal\nsys.argv = ['hubferry', *{list(words)!r}]\n"
        f"import hubferry.{module} as module\n"
        f"def struck(*_words, **_more): signal.raise_signal(signal.SIGINT)\n"
        f"module.{name} = struck\n"
        "from hubferry.__main__ import main\nsys.exit(main())\n"
    )
    done = desk.run(sys.executable, "-c", program, environment={"HUBFERRY_CACHE": str(desk.home / "cache")})
    assert done.code == -signal.SIGINT, done.said
    assert f"error: interrupted; {said}" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("hubferry copy hf:a/b ms:a/b", "what has arrived is kept"),
        ("hubferry --debug fetch hf:a/b", "what has arrived is kept"),
        ("hubferry copy hf:a/b ms:a/b -n", "nothing was changed"),
        ("hubferry check hf:a/b ms:a/b", "nothing was changed"),
        ("hubferry cache", "nothing was changed"),
        ("hubferry cache list", "nothing was changed"),
        ("hubferry cache repair b", "what has arrived is kept"),
        ("hubferry cache prune --dry-run", "nothing was changed"),
        ("hubferry cache prune", "each model is whole or gone"),
        ("hubferry cache move /b", "at one place or the other"),
        ("hubferry doctor", "nothing was changed"),
        ("hubferry demo", "the demo leaves nothing behind"),
        ("hubferry serve", "interrupted"),
        ("hubferry apply plan.jsonl", "what has arrived is kept"),
        ("hubferry bundle hf:a/b /b", "what has arrived is kept"),
        ("hubferry unbundle /b", "what has arrived is kept"),
        ("hubferry transfers", "nothing was changed"),
        ("hubferry config check", "nothing was changed"),
        ("hubferry sync check", "nothing was changed"),
        ("python scripts/simple_hf_to_ms.py a/b c/d", "what has arrived is kept"),
        ("python transfer_flux_dev.py", "what has arrived is kept"),
        ("python scripts/clean_model_cache.py list", "nothing was changed"),
        ("python scripts/clean_model_cache.py clean flux", "each model is whole or gone"),
    ],
)
def test_each_command_has_its_own_words_for_an_interruption(command, said):
    set_language("en")
    try:
        assert said in interrupted.sentence(command.split())
    finally:
        set_language(None)


@pytest.mark.parametrize(
    "words",
    [("-m", "hubferry", "--help"), ("-m", "hubferry", "cache", "list"), (SIMPLE, "--help"), (CLEAN, "list")],
)
def test_a_reader_that_has_gone_is_no_reason_to_complain(desk, words):
    """The pipe is closed at its other end before the command writes."""
    models.transformers_model(desk.home / "cache" / "model", shards=1, shard_size=1024)
    ours, theirs = os.pipe()
    os.close(ours)
    done = forked.run(
        [sys.executable, *words], env=desk.environment | {"HUBFERRY_CACHE": str(desk.home / "cache")},
        stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=60,
    )  # fmt: skip
    os.close(theirs)
    assert done.returncode in (0, 141), done
    assert done.stderr.splitlines()[1:] == []  # the sum, which `list` says aside, may still come
    assert b"rror" not in done.stderr


def test_ctrl_c_in_the_background_of_python_itself_is_left_alone():
    """Signals that somebody else has taken, as under nohup, stay his."""
    program = (
        "import signal, os\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from hubferry.cli.main import guard\n"
        "def work(): os.kill(os.getpid(), signal.SIGHUP)\n"
        "print(guard(work, command=['hubferry', 'fetch']))\n"
    )
    done = forked.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "0\n", done.stderr

"""A process that `forked` starts cannot be told from one that `subprocess` starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

import forked

LOOK = """
import gc, json, locale, os, signal, sys, tempfile, threading, time
streams = [sys.stdin, sys.stdout, sys.stderr]
print(json.dumps({
    "words": sys.argv, "typed": sys.orig_argv, "path": sys.path, "name": __name__, "folder": os.getcwd(),
    "umask": os.umask(0), "environment": dict(os.environ), "terminal": os.isatty(1), "zone": time.tzname,
    "encodings": [(one.encoding, one.errors, one.line_buffering) for one in streams],
    "temporary": tempfile.gettempdir(), "locale": locale.getpreferredencoding().lower(),
    "threads": threading.active_count(), "signals": [str(signal.getsignal(number)) for number in (2, 13, 15)],
    "account": [os.getuid(), os.getgid(), os.getgroups()], "leads": os.getsid(0) == os.getpid(),
    "thresholds": gc.get_threshold(), "open": sorted(os.listdir("/proc/self/fd"))[:4],
    "written": (sys.stdout.buffer.fileno(), sys.stdout.write_through), "input": sys.stdin.read(),
}))
"""


def both(words, **options):
    """Start it both ways; return what each said and how it ended."""
    # by name: readline, which pytest loads, puts variables where Python does not see them and a start does
    options = {"capture_output": True, "text": True, "encoding": "utf-8", "env": dict(os.environ)} | options
    line = [sys.executable, *words]
    done = [run(line, **options) for run in (forked.run, subprocess.run)]
    return [(one.returncode, one.stdout, one.stderr) for one in done]


@pytest.fixture
def no_fork(monkeypatch):
    """Fail where anything is forked."""
    monkeypatch.setattr(forked, "_server", lambda *_words: pytest.fail("it was forked"))


@pytest.fixture
def only_forks(monkeypatch):
    if not forked._POSSIBLE:
        pytest.skip("only Linux has what it takes")
    monkeypatch.setattr(subprocess.Popen, "_execute_child", lambda *_words: pytest.fail("it was not forked"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"input": "some\nlines é\n"},
        {"cwd": "/"},
        {"umask": 0o027},
        {"start_new_session": True},
        {"env": {}},
        {"env": {"LC_ALL": "C.UTF-8", "A": "é\udcff", "TZ": "Asia/Shanghai", "TMPDIR": "/dev"}},
        {"env": {"LANG": "C", "PYTHONIOENCODING": "ascii"}},
        {"env": {"PYTHONIOENCODING": "utf-8:replace", "PYTHONUNBUFFERED": "1"}},
        {"env": {"LANG": "C.UTF-8", "LC_CTYPE": "", "PYTHONUNBUFFERED": ""}},
        {"stderr": subprocess.STDOUT, "stdout": subprocess.PIPE, "capture_output": False},
    ],
    ids=str,
)
def test_everything_that_a_program_sees_of_itself_is_the_same(options):
    by_fork, by_start = both(["-c", LOOK, "a word", "--option"], **options)
    assert json.loads(by_fork[1]) == json.loads(by_start[1])
    assert by_fork == by_start


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root acts for others")
def test_it_is_the_account_that_was_asked_for():
    line = [sys.executable, "-c", f"import os; open('/proc/self/environ').close(){LOOK}"]
    done = forked.run(line, user=65534, group=65533, extra_groups=[7], cwd="/", env={}, capture_output=True)
    assert json.loads(done.stdout)["account"] == [65534, 65533, [7]], done.stderr


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit(7)",
        "import sys; sys.exit('a sentence')",
        "import sys; sys.exit(None)",
        "raise SystemExit(True)",
        "import os; os._exit(9)",
        "import os; os.kill(os.getpid(), 9)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import atexit; atexit.register(print, 'the end')",
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('after'))).start()",
        "import sys; sys.stdout.close()",
        "print('half', end=''); import sys; print('other', file=sys.stderr)",
    ],
)
def test_it_ends_in_the_same_way(program):
    by_fork, by_start = both(["-c", program])
    assert by_fork == by_start


@pytest.mark.parametrize("program", ["1 / 0", "raise KeyboardInterrupt", "import nothing_of_this_name"])
def test_an_error_that_nobody_catches_ends_it_with_the_same_code_and_last_line(program):
    ends = [(code, out, err.splitlines()[-1]) for code, out, err in both(["-c", program])]
    assert ends[0] == ends[1]


def test_modules_and_files_are_programs_too(tmp_path):
    (tmp_path / "beside.py").touch()
    (tmp_path / "program.py").write_text("import beside, sys; print(__file__, __name__, beside, sys.argv)")
    by_fork, by_start = both([str(tmp_path / "program.py"), "word"])
    assert by_fork == by_start
    by_fork, by_start = both(["-m", "program", "word"], cwd=tmp_path)
    assert by_fork == by_start
    by_fork, by_start = both(["-m", "hubferry", "--version"])
    assert by_fork == by_start


def test_a_signal_reaches_it_and_its_end_is_told():
    line = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"]
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        with forked.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "here\n"
            assert process.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.01)
            process.send_signal(number)
            assert process.wait(20) == process.poll() == -number
            process.send_signal(number)  # nobody else is hit


def test_where_it_cannot_begin_nothing_is_started(tmp_path):
    for popen in (forked.Popen, subprocess.Popen):
        with pytest.raises(FileNotFoundError):
            popen([sys.executable, "-c", ""], cwd=tmp_path / "nowhere")


def test_it_leads_its_session_before_anybody_knows_its_number():
    line = [sys.executable, "-c", "import time; time.sleep(600)"]
    for _time in range(20):
        with forked.Popen(line, start_new_session=True) as process:
            os.killpg(process.pid, signal.SIGKILL)


def test_two_at_once_are_two():
    line = [sys.executable, "-c", "import os, sys; print(os.getpid(), sys.stdin.read())"]
    with (
        forked.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one,
        forked.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as two,
    ):
        assert two.communicate("two")[0] == f"{two.pid} two\n"
        assert one.communicate("one")[0] == f"{one.pid} one\n"
        assert one.pid != two.pid


def test_commands_and_programs_are_forked(only_forks):
    assert forked.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout == b"1\n"
    assert forked.run([sys.executable, "-m", "hubferry", "--version"], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["true"], {}),
        ([sys.executable, "-I", "-c", ""], {}),
        ([sys.executable, "-c", ""], {"env": {"PYTHONPATH": "/somewhere"}}),
        ([sys.executable, "-c", ""], {"env": {"LC_ALL": "en_US.ISO-8859-1"}}),
        ([sys.executable, "-c", ""], {"preexec_fn": lambda: None}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "-".join(value),
)
def test_what_needs_a_beginning_of_its_own_gets_one(no_fork, words, options):
    assert forked.run(words, **options).returncode == 0

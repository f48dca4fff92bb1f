"""Start programs of this Python without waiting for their imports: they are forked from one that has them.

Half a second of every command goes into imports, and the suite runs thousands. `Popen` and `run` take what
`subprocess` takes and start the same processes: descriptors, environment, directory, umask, account, session,
signals and exit codes are the process's own. What only a Python that begins anew can show is started as ever:
other interpreters and their flags, `PYTHON...` variables, encodings that are not UTF-8, `preexec_fn`. Whoever
looks at what is imported, at memory, or at the list of processes takes `subprocess` itself.
"""

from __future__ import annotations

import atexit
import inspect
import json
import os
import select
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

_SERVER = Path(__file__).with_name("forked_python.py")
_UNDERSTOOD = {"PYTHONASYNCIODEBUG", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONUNBUFFERED"}
PYTHONS = {(sys.executable, os.environ.get("PYTHONPATH"))}
"""Those that may be forked, each with its PYTHONPATH."""
_POSSIBLE = sys.platform == "linux" and hasattr(os, "pidfd_open")


class _Server:
    """A Python that has imported everything, and forks itself."""

    def __init__(self, python: str, path: str | None) -> None:
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair()
        line = [python, str(_SERVER), str(theirs.fileno())]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {} if path is None else {"PYTHONPATH": path}
        # it ends when the channel does, that is with this process, whatever ends that
        self._process = subprocess.Popen(
            line, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()
        atexit.register(self._end, os.getpid())

    def start(self, wanted: dict[str, Any], streams: list[int]) -> tuple[int, socket.socket]:
        """Start a process; return its number, and where its end is told."""
        ours, theirs = socket.socketpair()
        body = json.dumps(wanted).encode()
        with theirs, self._lock:
            socket.send_fds(self._channel, [len(body).to_bytes(4, "big")], [*streams, theirs.fileno()])
            self._channel.sendall(body)
        number = int.from_bytes(ours.recv(4, socket.MSG_WAITALL), "big", signed=True)
        if number <= 0:
            ours.close()
            raise OSError(-number, os.strerror(-number))
        return number, ours

    def _end(self, number: int) -> None:
        """Let what it has worked be counted as work of this process."""
        if os.getpid() == number:
            self._channel.close()
            self._process.wait(10)


@cache
def _server(python: str, path: str | None) -> _Server:
    return _Server(python, path)


_GIVEN = list(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]


class Popen(subprocess.Popen):
    """A process like any other, begun in a few milliseconds where that is possible."""

    _ended: socket.socket | None = None

    def _execute_child(self, *given: Any) -> None:
        asked = dict(zip(_GIVEN, given, strict=True))
        if not _can_be_forked(asked):
            super()._execute_child(*given)
            return
        ends = [asked[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        wanted = {
            "words": [os.fspath(word) for word in asked["args"]],
            "environment": dict(os.environ if asked["env"] is None else asked["env"]),
            "folder": os.fspath(asked["cwd"] or os.getcwd()),  # noqa: PTH109 - as it is given on
            "session": asked["start_new_session"],
            "umask": _umask() if asked["umask"] < 0 else asked["umask"],
            "account": [asked[name] for name in ("gids", "gid", "uid")],
        }
        streams = [number if end == -1 else end for number, end in enumerate(ends)]
        server = _server(wanted["words"][0], wanted["environment"].get("PYTHONPATH"))
        self.pid, self._ended = server.start(wanted, streams)
        self._child_created = True
        self._close_pipe_fds(*given[_GIVEN.index("p2cread") : _GIVEN.index("errwrite") + 1])

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        if self._ended is None:
            return super().poll()
        self._look(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return how it was."""
        if self._ended is None:
            return super().wait(timeout)
        self._look(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def _look(self, seconds: float | None) -> None:
        if self.returncode is not None or self._ended is None:
            return
        waiting = select.poll()
        waiting.register(self._ended, select.POLLIN)
        if waiting.poll(None if seconds is None else seconds * 1000):
            told = self._ended.recv(4, socket.MSG_WAITALL)
            self._ended.close()
            assert told, "the Python that is forked is gone"
            self.returncode = int.from_bytes(told, "big", signed=True)


def _can_be_forked(asked: dict[str, Any]) -> bool:
    words, environment = asked["args"], os.environ if asked["env"] is None else asked["env"]
    if not _POSSIBLE or isinstance(words, (str, bytes)) or asked["preexec_fn"] or asked["pass_fds"]:
        return False
    line = [os.fspath(word) for word in words]
    return (
        (line[0], environment.get("PYTHONPATH")) in PYTHONS
        and len(line) > 1
        and (line[1] in ("-m", "-c") or line[1].endswith(".py"))
        and all(
            name in _UNDERSTOOD or value == os.environ.get(name)
            for name, value in environment.items()
            if name.startswith("PYTHON") and name != "PYTHONPATH"
        )
        and all(_is_utf8(environment.get(name, "")) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    )


def _umask() -> int:
    before = os.umask(0o077)
    os.umask(before)
    return before


def _is_utf8(locale: str) -> bool:
    return locale in ("", "C", "POSIX") or locale.lower().replace("-", "").endswith(".utf8")


def run(words: Any, **options: Any) -> subprocess.CompletedProcess:
    """Do what `subprocess.run` does."""
    given, seconds = options.pop("input", None), options.pop("timeout", None)
    check = options.pop("check", False)
    if given is not None:
        options["stdin"] = subprocess.PIPE
    if options.pop("capture_output", False):
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen(words, **options) as process:
        try:
            out, err = process.communicate(given, seconds)
        except BaseException:
            process.kill()
            process.wait()
            raise
    done = subprocess.CompletedProcess(words, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done

"""The Python that `forked` forks: everything is imported, nothing is begun."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

_LEFT_OUT = ("hubferry.__main__", "hubferry.sync.on_ray")
"""What a program imports as itself; what wants Ray."""
_DUMPABLE = 4


def main() -> None:
    """Serve until whoever asks is gone; a forked process comes back from here with its program."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    _import_everything()
    gc.collect()
    gc.freeze()
    selector = selectors.DefaultSelector()
    selector.register(channel, selectors.EVENT_READ)
    while True:
        for key, _events in selector.select():
            if key.data is not None:
                _tell_the_end(selector, key)
                continue
            asked = _receive(channel)
            if asked is None:
                return
            wanted, streams, teller = asked
            number = os.fork()
            if number == 0:
                _become(wanted, streams, teller)
            for stream in streams:
                os.close(stream)
            selector.register(os.pidfd_open(number), selectors.EVENT_READ, (number, teller))


def _import_everything() -> None:

    import hubferry

    for found in pkgutil.walk_packages(hubferry.__path__, "hubferry."):
        if not found.name.startswith(_LEFT_OUT):
            importlib.import_module(found.name)


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int], socket.socket] | None:
    head, descriptors, _flags, _address = socket.recv_fds(channel, 4, 4)
    if not head:
        return None
    left = int.from_bytes(head, "big")
    body = b""
    while len(body) < left:
        body += channel.recv(left - len(body))
    *streams, teller = descriptors
    return json.loads(body), streams, socket.socket(fileno=teller)


def _tell(teller: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # whoever started it does not wait for its end
        teller.sendall(number.to_bytes(4, "big", signed=True))


def _tell_the_end(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    number, teller = key.data
    _number, status = os.waitpid(number, 0)
    selector.unregister(key.fileobj)
    os.close(key.fd)
    _tell(teller, os.waitstatus_to_exitcode(status))
    teller.close()


def _become(wanted: dict[str, Any], streams: list[int], teller: socket.socket) -> None:
    """Be the process that was asked for, to its end."""
    try:
        _settle(wanted, streams)
    except OSError as error:
        _tell(teller, -(error.errno or errno.EIO))
        os._exit(1)
    _tell(teller, os.getpid())
    os.closerange(3, 1024)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    _begin_anew()
    sys.orig_argv = wanted["words"]
    _end(_run(wanted["words"][1:]))


def _settle(wanted: dict[str, Any], streams: list[int]) -> None:
    """Take what a process has from whoever starts it, before that one goes on."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    if wanted["session"]:
        os.setsid()
    os.umask(wanted["umask"])
    os.chdir(wanted["folder"])
    groups, group, user = wanted["account"]
    if groups is not None:
        os.setgroups(groups)
    if group is not None:
        os.setregid(group, group)
    if user is not None:
        os.setreuid(user, user)
        ctypes.CDLL(None).prctl(_DUMPABLE, 1)  # as after a start: what /proc says of it is its own


def _begin_anew() -> None:
    """Let nothing be left of what Python and its library read of the environment as they start."""
    has = os.environ.get
    locale = has("LC_ALL") or has("LC_CTYPE") or has("LANG") or "C"
    if locale in ("C", "POSIX") and "LC_ALL" not in os.environ:
        os.environ["LC_CTYPE"] = "C.UTF-8"  # PEP 538
    encoding, _colon, errors = has("PYTHONIOENCODING", "").partition(":")
    as_bytes = not encoding and locale in ("C", "POSIX", "C.UTF-8", "C.utf8")
    words = {
        "encoding": encoding or "utf-8",
        "errors": errors or ("surrogateescape" if as_bytes else "strict"),
    }
    sys.stdin = sys.__stdin__ = open(0, **words)  # noqa: SIM115  # open as long as the program is
    sys.stdout = sys.__stdout__ = _written(1, **words, line_buffering=os.isatty(1))
    words["errors"] = "backslashreplace"
    sys.stderr = sys.__stderr__ = _written(2, **words, line_buffering=True)
    tempfile.tempdir = None
    time.tzset()


def _written(number: int, *, line_buffering: bool, **words: Any) -> io.TextIOWrapper:
    if os.environ.get("PYTHONUNBUFFERED"):
        return io.TextIOWrapper(open(number, "wb", 0), write_through=True, **words)
    return io.TextIOWrapper(open(number, "wb"), line_buffering=line_buffering, **words)


def _run(words: list[str]) -> int:
    """Run a program as Python does; return its exit code."""
    try:
        if words[0] == "-m":
            sys.argv, sys.path[0] = words[1:], str(Path.cwd())
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        elif words[0] == "-c":
            sys.argv, sys.path[0] = ["-c", *words[2:]], ""
            names = {"__name__": "__main__", "__builtins__": __builtins__}
            exec(compile(words[1], "<string>", "exec"), names)
        else:
            sys.argv, sys.path[0] = words, str(Path(words[0]).resolve().parent)
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, int) or end.code is None:
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001  # as Python ends a program, whatever it was
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _end(code: int) -> None:
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except ValueError:
            pass  # closed
        except OSError:
            code = 120
    os._exit(code)


if __name__ == "__main__":
    main()

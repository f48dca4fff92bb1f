"""Copies that pages started: each a command in a process of its own, which goes on when the pages are closed.

    ui/runs/<id>/run.json      what was asked for, and which process does it
                 said.txt      what it says on stderr
                 answer.txt    what it says on stdout: what is proven

They lie in the account's state directory, so that pages which are opened later show and stop them as well.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock
from typing import IO, TYPE_CHECKING, Literal

import msgspec

from hubferry import places, records, soft_lock
from hubferry.errors import DiskError, NotFoundError
from hubferry.i18n import _
from hubferry.ui.wish import Wish  # noqa: TC001 - msgspec reads the annotations of Run

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.transfers.desk import Board
    from hubferry.transfers.values import Transfer

KEPT = 50
_RUN, _SAID, _ANSWER = "run.json", "said.txt", "answer.txt"
_NAME = re.compile(r"[0-9a-f]{16}")
_LARGEST = 128 << 10
_SHOWN = 16 << 10
_NEARBY = 60.0
"""Seconds between a process and what it says of itself: no number is given twice in that time."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)

_children: dict[str, subprocess.Popen[bytes]] = {}
"""Of this process, by the name of the run: nobody else learns how they ended."""
_noting = Lock()
"""Held while it is noted how runs ended, or that one was stopped: pages are made in several threads."""

State = Literal["starting", "looking", "moving", "waiting", "done", "failed", "stopped", "broken-off"]


@dataclass(frozen=True, slots=True)
class Run:
    """A copy that a page started.

    Attributes:
        id: Its name.
        wish: What was asked for; None of a repair.
        started: Seconds since 1970.
        pid: Its process.
        process: The same in words that no later process has.
        repairs: The model of the cache that is mended; None of a copy.
        code: With which it ended, where that was seen.
        stopped: Whether a person stopped it in a page.
    """

    id: str
    wish: Wish | None
    started: float
    pid: int
    process: str
    repairs: str | None = None
    code: int | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A run with what is known of it now.

    Attributes:
        run: What was started.
        state: How it is.
        transfer: What the process says of itself; None before it says something, and when that is forgotten.
        said: The end of what it told, for a person.
        answer: What it printed in the end.
    """

    run: Run
    state: State
    transfer: Transfer | None
    said: str = ""
    answer: str = ""

    @property
    def runs(self) -> bool:
        """Whether it goes on."""
        return self.state in ("starting", "looking", "moving", "waiting")


class Runs:
    """All of them, whichever pages started them."""

    def __init__(self, folder: Path | None = None) -> None:
        state = places.state()
        self._folder = folder or (None if state is None else state / "ui" / "runs")

    def start(self, wish: Wish, language: str) -> Run:
        """Begin a copy. Blocks.

        Raises:
            DiskError: What is known of it can be written nowhere.
        """
        return self._begin(wish.arguments, wish, None, language)

    def repair(self, path: str, title: str, language: str) -> Run:
        """Begin to mend the model at `path`. Blocks.

        Raises:
            DiskError: As for `start`.
        """
        return self._begin(["cache", "repair", "--", path], None, title, language)

    def _begin(self, words: list[str], wish: Wish | None, repairs: str | None, language: str) -> Run:
        name = secrets.token_hex(8)
        try:
            place = self._new(name)
            with _new_file(place / _SAID) as said, _new_file(place / _ANSWER) as answer:
                child = subprocess.Popen(  # noqa: S603 - our own command, and no word of it can be an option
                    [sys.executable, "-m", "hubferry", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=answer,
                    stderr=said,
                    env=os.environ | {"HUBFERRY_LANG": language, "HUBFERRY_PROGRESS": "none"},
                    start_new_session=True,  # Ctrl-C at the terminal of the pages is not meant for it
                )
            run = Run(name, wish, time.time(), child.pid, soft_lock.process_of(child.pid), repairs)
            self._keep_or_end(run, child)
        except OSError as error:
            self._forget(name)
            message = _("the copy cannot be started: {reason}").format(reason=error.strerror or error)
            raise DiskError(
                message, hint=_("set XDG_STATE_HOME to a directory that can be written")
            ) from error
        self._forget_old()
        return run

    def _keep_or_end(self, run: Run, child: subprocess.Popen[bytes]) -> None:
        """Write down that a run has begun; what no page could show or stop is ended."""
        try:
            self._write(run)
        except OSError:
            child.kill()
            child.wait()
            raise
        _children[run.id] = child

    def all(self, board: Board) -> list[Seen]:
        """Return all that are known, the latest first. Blocks."""
        found = [run for name in self._names() if (run := self._read(name)) is not None]
        found.sort(key=lambda run: -run.started)
        return [self._seen(run, board) for run in found[:KEPT]]

    def find(self, name: str, board: Board) -> Seen:
        """Return one, with what it said.

        Raises:
            NotFoundError: There is none.
        """
        run = self._read(name) if _NAME.fullmatch(name) else None
        if run is None or self._folder is None:
            raise NotFoundError(_("no such copy is known"), hint="hubferry transfers")
        place = self._folder / name
        return replace(self._seen(run, board), said=_tail(place / _SAID), answer=_tail(place / _ANSWER))

    def stop(self, name: str, board: Board) -> None:
        """End one in good order, as Ctrl-C does; one that has ended stays as it is.

        Raises:
            NotFoundError: There is none.
        """
        run = self.find(name, board).run
        with _noting:
            child = _children.get(name)
            run = self._read(name) or run
            if child is None and (run.code is not None or soft_lock.is_alive(run.process) is not True):
                return
            with suppress(OSError):  # a full disk is a reason to stop a copy
                self._write(replace(run, stopped=True))
            with suppress(ProcessLookupError):
                os.kill(run.pid, signal.SIGTERM) if child is None else child.terminate()

    @property
    def count(self) -> int:
        """How many children of this process are at work."""
        self._note_ended()
        return len(_children)

    def _note_ended(self) -> None:
        """Write down how children ended that have."""
        with _noting:
            for name, child in list(_children.items()):
                code = child.poll()
                if code is not None:
                    run = self._read(name)
                    if run is not None:
                        with suppress(OSError):
                            self._write(replace(run, code=code))
                    del _children[name]

    def _seen(self, run: Run, board: Board) -> Seen:
        self._note_ended()
        transfer = next((one for one in (*board.running, *board.finished) if _is_of(one, run)), None)
        if run.id in _children or (run.code is None and soft_lock.is_alive(run.process) is True):
            said = "starting" if transfer is None or not transfer.runs else transfer.state
            return Seen(run, said, transfer)
        run = self._read(run.id) or run
        return Seen(run, _ended(run, transfer), transfer)

    def _new(self, name: str) -> Path:
        if self._folder is None:
            raise OSError(_("there is no home directory"))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / name).mkdir(mode=0o700)
        return self._folder / name

    def _names(self) -> list[str]:
        with suppress(OSError):
            return [one for one in os.listdir(self._folder or "") if _NAME.fullmatch(one)]  # noqa: PTH208
        return []

    def _read(self, name: str) -> Run | None:
        if self._folder is None:
            return None
        with suppress(OSError, msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
            content = records.read(self._folder / name / _RUN, _LARGEST)
            return None if content is None else msgspec.json.decode(content, type=Run)
        return None

    def _write(self, run: Run) -> None:
        if self._folder is None:
            return
        place = self._folder / run.id
        temporary = place / f".{secrets.token_hex(8)}"
        try:
            with _new_file(temporary) as file:
                file.write(msgspec.json.encode(run))
            temporary.replace(place / _RUN)
        finally:
            temporary.unlink(missing_ok=True)

    def _forget_old(self) -> None:
        found = sorted(
            (run for name in self._names() if (run := self._read(name))), key=lambda run: -run.started
        )
        for run in found[KEPT:]:
            if soft_lock.is_alive(run.process) is False:
                self._forget(run.id)

    def _forget(self, name: str) -> None:
        """Remove what is kept of a run, as far as that can be."""
        if self._folder is None:
            return
        place = self._folder / name
        for file in (_RUN, _SAID, _ANSWER):
            with suppress(OSError):
                (place / file).unlink()
        with suppress(OSError):
            place.rmdir()


def _new_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, _NEW, 0o600), "wb")


def _is_of(transfer: Transfer, run: Run) -> bool:
    return transfer.pid == run.pid and abs(transfer.started - run.started) < _NEARBY


def _ended(run: Run, transfer: Transfer | None) -> State:
    """Return how a run that is over ended: by its exit code, else by what it said of itself."""
    if run.code == 0:
        return "done"
    if run.stopped or run.code in (130, -signal.SIGTERM, -signal.SIGINT):
        return "stopped"
    if run.code is not None and run.code > 0:
        return "failed"
    if run.code is None and transfer is not None and not transfer.runs:
        return transfer.state
    return "broken-off"


def _tail(path: Path) -> str:
    with suppress(OSError), path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _SHOWN))
        return file.read(_SHOWN).decode("utf-8", "replace")
    return ""

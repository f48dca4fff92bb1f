"""Tell a program how a run goes: JSON lines on stderr. docs/progress.md describes them; keys are promised."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from threading import Event as Flag
from threading import Lock, Thread
from typing import TYPE_CHECKING

from hubferry.cli import output
from hubferry.cli.secrets import redact
from hubferry.cli.sentences import here_bytes
from hubferry.cli.tally import Tally
from hubferry.cli.waiting import Spaced
from hubferry.events import (
    BudgetSpent,
    Committed,
    Finished,
    Note,
    Planned,
    Resolved,
    Retrying,
    VolumesPlanned,
    Waiting,
)

if TYPE_CHECKING:
    from hubferry.cli.tally import Meter, Snapshot
    from hubferry.events import Event

VERSION = 1
"""Of the lines; a key that means something else, or is gone, makes it another."""
_SECONDS = 1.0
"""Between two lines about progress, and about waits for one kind of failure."""
_MOST_FILES = 20


class JsonLines:
    """Write a line for each rare event, and one a second about the many."""

    def __init__(self, tally: Tally | None = None, seconds: float = _SECONDS) -> None:
        self._tally = tally or Tally()
        self._seconds = seconds
        self._over = Flag()
        self._waits = Spaced(seconds)
        self._thread: Thread | None = None
        output.errors_as_lines = True

    def hear(self, event: Event) -> None:
        """Take one event."""
        self._tally.take(event)
        if isinstance(event, Retrying) and not self._waits.may_tell(event):
            return
        if isinstance(event, Finished):
            self.stop()
        told = described(event)
        if told is not None:
            write(told)
        moves = isinstance(event, Planned) and not event.plan.nothing_to_do
        if (moves or isinstance(event, VolumesPlanned)) and self._thread is None:
            self._thread = Thread(target=self._run, name="hubferry-progress", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write where everything stands in the end, and no more."""
        if self._thread is not None and not self._over.is_set():
            self._over.set()
            self._thread.join()
            self._tell()

    def _run(self) -> None:
        self._tally.snapshot(time.monotonic())
        while not self._over.wait(self._seconds):
            self._tell()

    def _tell(self) -> None:
        write(_progress(self._tally.snapshot(time.monotonic())))


_writing = Lock()


def write(told: dict[str, object]) -> None:
    """Write one line to stderr; a reader who has gone away does not stop the work."""
    line = {"version": VERSION, "time": output.iso_time(time.time()), **told}
    with _writing, suppress(OSError, ValueError):
        sys.stderr.write(redact(json.dumps(line, ensure_ascii=True)) + "\n")
        sys.stderr.flush()


def described(event: Event) -> dict[str, object] | None:  # noqa: PLR0911  # one a kind
    """Return an event as a line has it; None for those that are only counted."""
    if isinstance(event, Resolved):
        ref, exists = event.revision.ref, event.revision.exists
        commit = event.revision.commit if exists and ref.hub == "hf" else None  # elsewhere it is no commit
        return {
            "event": "resolved", "side": event.side, "hub": ref.hub, "repository": ref.repo_id,
            "exists": exists, "commit": commit,
        }  # fmt: skip
    if isinstance(event, Planned):
        plan = event.plan
        return {
            "event": "planned", "files": len(plan.steps), "nothing_to_do": plan.nothing_to_do,
            "fetch_bytes": plan.fetch_bytes, "send_bytes": plan.send_bytes, "here_bytes": here_bytes(plan),
        }  # fmt: skip
    if isinstance(event, Retrying):
        return {
            "event": "retrying", "what": event.what, "kind": event.kind, "reason": event.reason,
            "retry": event.attempt, "seconds": round(event.seconds, 3), "until": output.iso_time(event.until),
        }  # fmt: skip
    if isinstance(event, Waiting):
        return {"event": "locked", "repository": str(event.ref), "holder": event.holder}
    if isinstance(event, BudgetSpent):
        return {
            "event": "budget", "hub": event.hub, "reason": event.reason,
            "seconds": round(event.seconds, 3), "until": output.iso_time(event.until),
        }  # fmt: skip
    if isinstance(event, Committed):
        return {
            "event": "committed", "commit": event.commit, "files": event.files,
            "number": event.number, "of": event.of,
        }  # fmt: skip
    if isinstance(event, Note):
        return {"event": "note", "message": event.message}
    if isinstance(event, VolumesPlanned):
        return {
            "event": "volumes", "volumes": len(event.sizes), "of": event.of,
            "send_bytes": sum(event.sizes.values()),
        }  # fmt: skip
    if isinstance(event, Finished):
        report = event.report
        return {
            "event": "finished", "verified": report.verified, "files": report.files, "size": report.size,
            "fetched": report.fetched, "sent": report.sent, "reused": report.reused,
            "commits": list(report.commits), "seconds": round(report.seconds, 3),
        }  # fmt: skip
    return None


def _progress(now: Snapshot) -> dict[str, object]:
    left = now.seconds_left
    return {
        "event": "progress",
        "files": {"done": now.files_done, "total": now.files},
        "fetch": _meter(now.fetch),
        "send": _meter(now.send),
        "seconds_left": None if left is None else round(left, 1),
        "in_flight": [
            {"direction": direction, "path": path, "done": meter.done, "total": meter.total}
            for direction, path, meter in now.flight[:_MOST_FILES]
        ],
    }


def _meter(meter: Meter) -> dict[str, int]:
    return {"done": meter.done, "total": meter.total, "rate": round(meter.rate)}

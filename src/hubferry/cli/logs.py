"""Write down what a run does: retries and decisions (-v), every request besides (-vv, a file). No secrets."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from hubferry.cli import output
from hubferry.errors import DiskError
from hubferry.events import (
    BudgetSpent,
    Committed,
    FileDone,
    FileStarted,
    Note,
    Planned,
    Resolved,
    Retrying,
    Waiting,
)
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hubferry.events import Event
    from hubferry.model import Plan

_LOGGER = logging.getLogger("hubferry.run")
_ALL = logging.getLogger("hubferry")
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_DONE = {"fetch": "fetched", "send": "sent", "verify": "verified"}


def to_stderr(verbosity: int) -> None:
    """Write to stderr: retries and decisions from 1 on, requests from 2 on."""
    if verbosity > 0:
        _begin(_Spoken(), _LEVELS[min(verbosity, 2)])


def to_file(path: Path) -> None:
    """Write everything to the end of a file.

    Raises:
        DiskError: It cannot be written.
    """
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        message = _("{path} cannot be written: {reason}").format(path=path, reason=error.strerror or error)
        raise DiskError(message, path=str(path)) from error
    _begin(handler, logging.DEBUG)


def _begin(handler: logging.Handler, level: int) -> None:
    handler.setLevel(level)
    handler.setFormatter(_Presentable("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _ALL.addHandler(handler)
    _ALL.setLevel(min(level, _ALL.level or level))
    _ALL.propagate = False  # what a program does that has us in it is its own business


class _Presentable(logging.Formatter):
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        return output.presentable(super().format(record))


class _Spoken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if not sys.is_finalizing():
            output.talk(self.format(record))


def tell(event: Event, repository: str | None = None) -> None:
    """Write an event down, where somebody asked for that; of several repositories with its name."""
    if _LOGGER.isEnabledFor(logging.INFO):
        before = f"{repository}: " if repository else ""
        for level, text in _lines(event):
            if _LOGGER.isEnabledFor(level):
                _LOGGER.log(level, "%s", output.presentable(before + text))


def _lines(event: Event) -> Iterator[tuple[int, str]]:
    if isinstance(event, Retrying):
        yield (
            logging.INFO,
            f"retry {event.attempt} in {event.seconds:.3f} s ({event.kind}): {event.what}: {event.reason}",
        )
    elif isinstance(event, FileDone):
        yield logging.INFO, f"{_DONE[event.direction]} {event.path} ({event.size} bytes)"
    elif isinstance(event, FileStarted):
        yield logging.DEBUG, f"begin {event.direction} {event.path} at byte {event.done} of {event.size}"
    elif isinstance(event, Resolved):
        revision = event.revision
        yield logging.INFO, f"{event.side} {revision.ref} is {revision.commit if revision.exists else 'new'}"
    elif isinstance(event, Planned):
        yield from _decisions(event.plan)
    elif isinstance(event, Committed):
        yield logging.INFO, f"commit {event.number}/{event.of}: {event.commit} ({event.files} files)"
    elif isinstance(event, Waiting):
        yield logging.INFO, f"locked: {event.ref}: {event.holder}"
    elif isinstance(event, BudgetSpent):
        yield logging.INFO, f"budget of {event.hub} ({event.seconds:.3f} s): {event.reason}"
    elif isinstance(event, Note):
        yield logging.INFO, f"note: {event.message}"


def _decisions(plan: Plan) -> Iterator[tuple[int, str]]:
    for step in plan.steps:
        signs = [name for name in ("blob", "cached", "fetches", "replaces") if getattr(step, name)]
        yield logging.INFO, f"{step.action.value} {step.file.path} ({', '.join(signs) or 'nothing'})"
    for finding in plan.findings:
        yield logging.INFO, f"{finding.kind.value} {finding.code} {finding.path or '-'}: {finding.message}"
    yield (
        logging.INFO,
        f"plan: fetch {plan.fetch_bytes}, send {plan.send_bytes}, landed before {plan.landed} bytes",
    )

"""`hubferry transfers`: what moves on this machine now, and what did lately."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from hubferry.cli import output
from hubferry.cli.command import Command
from hubferry.i18n import _, ngettext
from hubferry.units import clock

if TYPE_CHECKING:
    from hubferry.transfers.values import Flow, Transfer


@click.command(
    "transfers",
    cls=Command,
    help=_(
        "List the copies, fetches and runs of mirror files that this account runs on this machine, in "
        "whatever terminal, and the last that ended."
    ),
    examples=("hubferry transfers", "hubferry transfers --json", "watch hubferry transfers"),
)
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON document instead of text."))
def transfers(*, as_json: bool) -> None:
    """Run the command."""
    from hubferry.transfers import desk

    board = desk.look(desk.place())
    if as_json:
        output.document(
            {
                "running": [_document(one) for one in board.running],
                "finished": [_document(one) for one in board.finished],
            }
        )
        return
    for one in (*board.running, *board.finished):
        output.data(_line(one))
    if not board.running:
        output.talk(_("nothing runs at the moment"))


def _line(one: Transfer) -> str:
    parts = [clock(one.started, time.time()), _state_word(one), _subject(one)]
    if one.files:
        sentence = (
            ngettext("{done} of {count} repository", "{done} of {count} repositories", one.files)
            if one.of_repositories
            else ngettext("{done} of {count} file", "{done} of {count} files", one.files)
        )
        parts.append(sentence.format(done=one.files_done, count=one.files))
    parts += [
        words.format(done=output.size(flow.done), total=output.size(flow.total))
        for flow, words in (
            (one.fetch, _("fetched {done} of {total}")),
            (one.send, _("sent {done} of {total}")),
        )
        if flow.total
    ]
    if one.seconds_left:
        parts.append(_("{time} left").format(time=output.duration(one.seconds_left)))
    parts += [words for words in (one.waiting, one.error) if words]
    return "  ".join(parts)


def _state_word(one: Transfer) -> str:
    return {
        "looking": _("looking"),
        "moving": _("moving"),
        "waiting": _("waiting"),
        "done": _("done"),
        "failed": _("failed"),
        "stopped": _("stopped"),
        "broken-off": _("broken off"),
    }[one.state]


def _subject(one: Transfer) -> str:
    names = " -> ".join(name for name in (one.source, one.destination) if name)
    return output.visible(f"{one.program}: {names}" if names else one.program)


def _document(one: Transfer) -> dict[str, object]:
    return {
        "id": one.id,
        "program": one.program,
        "pid": one.pid,
        "state": one.state,
        "source": one.source,
        "destination": one.destination,
        "started": output.iso_time(one.started),
        "written": output.iso_time(one.written),
        "ended": None if one.ended is None else output.iso_time(one.ended),
        "files": {"done": one.files_done, "total": one.files},
        "of_repositories": one.of_repositories,
        "fetch": _flow(one.fetch),
        "send": _flow(one.send),
        "seconds_left": None if one.seconds_left is None else round(one.seconds_left, 1),
        "waiting": one.waiting,
        "in_flight": [
            {"direction": part.direction, "path": part.path, "done": part.done, "total": part.total}
            for part in one.in_flight
        ],
        "error": one.error,
    }


def _flow(flow: Flow) -> dict[str, int]:
    return {"done": flow.done, "total": flow.total, "rate": flow.rate}

"""`hubferry sync history`: what earlier runs came to."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import asking, options, output, secrets
from hubferry.cli.combining import combined
from hubferry.cli.command import Command
from hubferry.cli.sync import history_words as saying
from hubferry.cli.value_types import AgeType
from hubferry.errors import NotFoundError, UsageError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.sync.history.reading import Wanted
    from hubferry.sync.history.store import History
    from hubferry.sync.history.values import PastOutcome, PastRun

_RUNS = 20
_ANY_AGE = -1.0


class _PruneType(AgeType):
    """An age, or nothing behind `--prune`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        return _ANY_AGE if value in ("", _ANY_AGE) else super().convert(value, param, ctx)


@click.command(
    "history",
    cls=Command,
    help=_(
        "Show the last runs of FILE, or of every file: when, how long, what became of the repositories, how "
        "many bytes. --run shows one of them repository by repository, with errors and what to type. It is "
        "kept by this account on this machine."
    ),
    examples=(
        "hubferry sync history",
        "hubferry sync history --run 17",
        "hubferry sync history --repository flux --since 30d",
        "hubferry sync history --failed --json",
        "hubferry sync history --prune 90d",
        "hubferry sync history --prune --keep 30",
    ),
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@options.group(
    _("What to show"),
    combined(
        click.option("--run", "number", metavar="ID", type=click.IntRange(min=1),
                     help=_("One run, repository by repository.")),
        excludes=("--since", "--limit", "FILE"),
    ),
    click.option("--repository", metavar="NAME",
                 help=_("Only repositories that NAME fits: a part of a source, target or entry, or a glob.")),
    click.option("--failed", is_flag=True, help=_("Only what failed.")),
    click.option("--since", metavar="AGE", type=AgeType(), help=_("Only runs of the last time: 7d, 12h.")),
    click.option("--limit", metavar="N", type=click.IntRange(min=1), default=_RUNS, show_default=True,
                 help=_("Most runs.")),
    options.as_json(),
)  # fmt: skip
@options.group(
    _("Forget"),
    combined(
        click.option("--prune", metavar="[AGE]", type=_PruneType(), is_flag=False, flag_value="",
                     help=_("Forget runs older than AGE, after a question; what was proven last "
                            "stays known.")),
        excludes=("--run", "--repository", "--failed", "--since", "--limit"),
    ),
    combined(
        click.option("--keep", metavar="N", type=click.IntRange(min=0),
                     help=_("With --prune: keep the last N runs of each file.")),
        click.option("--force", is_flag=True, help=_("Ask nothing.")),
        needs=("--prune 90d",),
    ),
)  # fmt: skip
def history_command(file: Path | None, **words: Any) -> None:
    """Run the command."""
    from hubferry.sync.history.reading import Wanted
    from hubferry.sync.history.store import History

    since = None if words["since"] is None else time.time() - words["since"]
    wanted = Wanted(file, since, words["repository"], words["failed"], words["limit"])
    with History.open(create=False, clean=secrets.redact) as history:
        _tell(history, needs_writing=words["prune"] is not None)
        if words["prune"] is not None:
            _prune(history, file, words)
        else:
            _show(history, wanted, words)


def _tell(history: History, *, needs_writing: bool) -> None:
    """Say what had to be done to open the history, and what kept it from being opened.

    Raises:
        HubferryError: There is one, and it cannot be used.
    """
    for sentence in history.told:
        output.talk(sentence)
    trouble = history.trouble
    if trouble is None:
        return
    if not history.readable and not isinstance(trouble, NotFoundError):
        raise trouble
    if needs_writing and history.readable:
        raise trouble
    output.talk(trouble.sentence)


def _show(history: History, wanted: Wanted, words: dict[str, Any]) -> None:
    runs = _one(history, words["number"]) if words["number"] is not None else history.runs(wanted)
    looked_into = words["number"] is not None or wanted.repository is not None or wanted.failed
    inside = {run.id: history.outcomes(run.id, wanted) for run in runs} if looked_into else {}
    if words["as_json"]:
        output.document(saying.document(history.trouble, runs, inside))
    elif words["number"] is not None:
        _print(saying.detail_lines(runs[0], inside[runs[0].id]))
    elif not runs:
        output.talk(_nothing(history, wanted))
    elif looked_into:
        _print(saying.repository_lines(runs, inside))
    else:
        _print(saying.run_lines(runs, terminal=sys.stdout.isatty()))
        output.talk(f"hubferry sync history --run {runs[0].id}", label=_("hint:"), colour="cyan")


def _one(history: History, number: int) -> tuple[PastRun, ...]:
    run = history.run(number)
    if run is None:
        message = _("no run {number} is remembered").format(number=number)
        raise NotFoundError(message, hint="hubferry sync history")
    return (run,)


def _nothing(history: History, wanted: Wanted) -> str:
    if wanted.file is not None and (wanted.repository or wanted.failed or wanted.since):
        return _("no such run of {path} is remembered").format(path=wanted.file)
    if wanted.file is not None:
        return _("no run of {path} is remembered").format(path=wanted.file)
    if wanted.repository or wanted.failed or wanted.since:
        return _("no such run is remembered")
    if history.path is None:
        return _("no run is remembered")
    return _("no run is remembered yet in {path}").format(path=history.path)


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        output.data(line)


def _prune(history: History, file: Path | None, words: dict[str, Any]) -> None:
    age = None if words["prune"] == _ANY_AGE else words["prune"]
    if age is None and words["keep"] is None:
        message = _("--prune needs an age, or --keep")
        raise UsageError(message, hint="hubferry sync history --prune 90d")
    going = history.prunable(keep=words["keep"], older_than=age, file=file)
    forgotten: tuple[PastRun, ...] = ()
    if going and (words["force"] or _agreed(going, _without_question(file, age, words["keep"]))):
        history.forget([run.id for run in going])
        forgotten = going
    if words["as_json"]:
        nothing: dict[int, tuple[PastOutcome, ...]] = {}
        output.document(saying.document(history.trouble, (), nothing, forgotten))
    elif not going:
        output.talk(_("there is nothing to forget"))
    elif forgotten:
        output.talk(
            ngettext("{count} run forgotten", "{count} runs forgotten", len(going)).format(count=len(going))
        )


def _without_question(file: Path | None, age: float | None, keep: int | None) -> str:
    """Return the command that would ask nothing."""
    words = ["hubferry", "sync", "history", *([] if file is None else [str(file)]), "--prune"]
    words += [] if age is None else [f"{age:g}s"]
    words += [] if keep is None else ["--keep", str(keep)]
    return shlex.join([*words, "--force"])


def _agreed(going: Sequence[PastRun], command: str) -> bool:
    """Ask; anything but yes is no. The `command` would ask nothing."""
    asking.require_terminal(_("there is no terminal to ask at; nothing was forgotten"), command)
    question = ngettext("forget {count} run, from {first} to {last}? [y/N]",
                        "forget {count} runs, from {first} to {last}? [y/N]", len(going))  # fmt: skip
    first, last = saying.moment(going[-1].started), saying.moment(going[0].started)
    output.talk(question.format(count=len(going), first=first, last=last))
    if asking.is_answered_with_yes():
        return True
    output.talk(_("nothing was forgotten"))
    return False

"""`hubferry sync check`: what a run would change, repository by repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output
from hubferry.cli.command import Command
from hubferry.cli.sync import options as sync_options
from hubferry.cli.sync import words as saying
from hubferry.cli.sync.showing import follow
from hubferry.errors import PartialError
from hubferry.findings import refusals
from hubferry.i18n import _

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "check",
    cls=Command,
    help=_(
        "Read FILE, list both sides of every repository in it, and say what a run would change. Nothing is "
        "written at any hub.\n\n"
        "\b\n"
        "+ to be created\n"
        "* to be changed\n"
        "! cannot be copied as it stands\n\n"
        "Exit code 0 when a run could begin with everything, 9 when not."
    ),
    examples=(
        "hubferry sync check",
        "hubferry sync check mirrors.yaml --only 'hf:Qwen/*'",
        "hubferry sync check --json",
    ),
)
@sync_options.file()
@sync_options.choosing()
@options.talking()
def check_command(file: Path, **words: Any) -> int:
    """Run the command."""
    from hubferry.events import ignore
    from hubferry.running import run as on_a_loop
    from hubferry.sync import run

    read_file = sync_options.opened(file, words)
    with follow(quiet=words["quiet"], style=words["progress"]) as hear:
        asked = sync_options.asked(read_file, words)
        changes = on_a_loop(lambda _listen: run.check(read_file, read_file.entries, asked, hear), ignore)
    if words["as_json"]:
        output.document(saying.changes_document(changes))
    else:
        for line in saying.change_lines(changes):
            output.data(line)
    stopped = [one for one in changes if one.plan is None or refusals(one.plan.findings)]
    return PartialError.exit_code if stopped else 0

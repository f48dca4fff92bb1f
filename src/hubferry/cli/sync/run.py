"""`hubferry sync run`: bring every target up to date once, and say what became of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output, receipt
from hubferry.cli.announced import Subject
from hubferry.cli.command import Command
from hubferry.cli.sync import options as sync_options
from hubferry.cli.sync import words as saying
from hubferry.cli.sync.showing import follow
from hubferry.errors import PartialError
from hubferry.i18n import _

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "run",
    cls=Command,
    help=_(
        "Bring the target of every repository in FILE up to date, and prove each. What fails stops nobody "
        "else; run again, it goes on where it stopped.\n\n"
        "Exit code 0 when every target is proven, 9 when some are not: the table says which and why."
    ),
    examples=(
        "hubferry sync run",
        "hubferry sync run mirrors.yaml --only flux --receipts ./receipts",
        "hubferry sync run --jobs 8 --bwlimit 50M:10M",
        "hubferry sync run --quiet --json",
        "hubferry sync run --runner ray --ray-address head:6379 --split 50G",
    ),
)
@sync_options.file()
@options.group(
    _("What to do"),
    sync_options.choosing(),
    click.option("--fail-fast", is_flag=True, help=_("Begin nothing more after a failure.")),
)
@options.group(_("How"), sync_options.moving())
@options.group(_("Where"), sync_options.placing())
@options.group(_("What to say"), options.talking())
def run_command(file: Path, **words: Any) -> int:
    """Run the command."""
    from hubferry.cli.memory import keep_freed_memory
    from hubferry.events import ignore
    from hubferry.running import run as on_a_loop
    from hubferry.sync import run
    from hubferry.sync.care import only_run_of

    read_file = sync_options.opened(file, words)
    receipt.require_place(read_file.receipts)
    asked = sync_options.asked(read_file, words)
    keep_freed_memory()
    with (
        sync_options.placed(words) as place,
        only_run_of(read_file.path),
        sync_options.recorded(read_file, "run") as record,
        follow(
            quiet=words["quiet"],
            style=words["progress"],
            subject=Subject("hubferry sync run", str(read_file.path)),
        ) as hear,
    ):
        asked = replace(asked, keep=record.keep, recall=record.recall, runner=place(read_file))
        summary = on_a_loop(lambda _listen: run.run(read_file, read_file.entries, asked, hear), ignore)
    if words["as_json"]:
        output.document(saying.summary_document(summary))
    elif not words["quiet"]:
        for line in saying.summary_lines(summary):
            output.data(line)
    if record.lacking is not None and not summary.failed:
        return record.lacking.exit_code
    return PartialError.exit_code if summary.failed else 0

"""`hubferry apply`: carry out a plan that was written down, or nothing of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output, present, receipt
from hubferry.cli.announced import Subject
from hubferry.cli.command import Command
from hubferry.events import ignore
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.options import Options


@click.command(
    cls=Command,
    help=_(
        "Carry out the plan in FILE, which `hubferry copy --plan-out FILE` has written, exactly as it is, "
        "and prove it. Where a side has moved since, or the file was changed, nothing is done.\n\n"
        "Logins and the manner (--jobs, --bwlimit, --cache-dir) are of this run; a plan holds no secret."
    ),
    examples=(
        "hubferry copy hf:org/name ms:my-org/name --plan-out plan.jsonl",
        "hubferry apply plan.jsonl --dry-run",
        "hubferry apply plan.jsonl",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", "-n", is_flag=True, help=_("Say whether the plan still holds, and do nothing."))
@options.signatures()
@options.transfer()
@options.no_cache()
@options.both_access()
@receipt.option()
@options.talking()
def apply(file: Path, **words: Any) -> int:
    """Run the command."""
    from hubferry import api

    receipt.require_place(words["receipts"])
    asked = options.build(**words)
    if words["dry_run"]:
        return _look(file, asked, words)
    from hubferry.agreed import document
    from hubferry.cli.carrying_out import carry_out

    plan = document.read(file)  # what is no plan is no transfer that others would see
    subject = Subject("hubferry apply", plan.source.ref, plan.destination.ref)
    return carry_out(subject, asked, words, lambda listen: api.apply_plan(file, asked, listen))


def _look(file: Path, asked: Options, words: dict[str, Any]) -> int:
    from hubferry.admission import refuse
    from hubferry.agreed import verbs
    from hubferry.running import run

    plan = run(lambda told: verbs.look(file, asked, told), ignore)
    if words["as_json"]:
        output.document(present.plan_document(plan))
        return 0
    for line in present.plan_lines(plan):
        output.data(line)
    refuse(plan, asked)
    return 0

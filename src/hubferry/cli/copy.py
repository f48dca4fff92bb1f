"""`hubferry copy`: show the plan, carry it out, say what is proven."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output, present, receipt
from hubferry.cli.announced import Subject
from hubferry.cli.combining import combined
from hubferry.cli.command import Command
from hubferry.events import Note
from hubferry.findings import refusals
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.events import Event
    from hubferry.options import Options


@click.command(
    cls=Command,
    help=_(
        "Copy SOURCE to DESTINATION: fetch into the cache, verify, upload, commit once, and read the "
        "destination's listing to prove it. Files that are there already do not move.\n\n"
        "SOURCE and DESTINATION are hf:org/name, ms:org/name, a pasted web address, or a folder; "
        "@ names a branch, tag or commit."
    ),
    examples=(
        "hubferry copy hf:org/name ms:my-org/name",
        "hubferry copy hf:org/name@v1.0 ms:my-org/name --dry-run",
        "hubferry copy hf:org/name ms:my-org/name --plan-out plan.jsonl",
        "hubferry copy hf:org/name ms:my-org/name --include '*.safetensors' --include '*.json'",
        "hubferry copy hf:org/name ms:my-org/name --bwlimit 50M:10M --private",
        "hubferry copy hf:gpt2 ms:my-org/gpt2 --verify-only",
        "hubferry copy hf:org/name@v1.0 ms:my-org/name --same-tag",
        "hubferry copy hf:org/name ms:my-org/name --tags 'v*' --tags '!*-rc*'",
        "hubferry copy ms:org/name hf:org/name --create-pr",
    ),
)
@click.argument("source")
@click.argument("destination")
@options.group(
    _("What to copy"),
    options.selection(),
    options.allowing(),
    click.option(
        "--card",
        type=click.Choice(["exact", "fix-license"]),
        default="exact",
        help=_("Send the model card as it is, or with a licence's name as the destination wants it."),
    ),
    combined(
        click.option(
            "--exact",
            is_flag=True,
            help=_("Publish every byte as it is, which is the default: no --card but exact."),
        ),
        excludes=("--card fix-license",),
    ),
    options.signatures(),
    options.deleting(),
)
@options.group(
    _("Where to"),
    options.visibility(
        _("Create the destination as private."),
        _("Create the destination as public; let what is private or gated become public."),
    ),
    combined(
        click.option(
            "--visibility",
            "new_visibility",
            type=click.Choice(["private", "source"]),
            default="source",
            help=_("A destination that has to be created is private, or as the source is."),
        ),
        excludes=("--private", "--public"),
    ),
    click.option(
        "--license", metavar="NAME", help=_("Licence of a new destination; the source's unless given.")
    ),
    click.option("--message", "-m", metavar="TEXT", help=_("Message of the commit.")),
    options.both_access(),
)
@options.group(_("Tags, branches, pull requests"), options.names())
@options.group(
    _("How"),
    click.option("--dry-run", "-n", is_flag=True, help=_("Print what would be done, and do nothing.")),
    combined(
        click.option(
            "--plan-out",
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            help=_("Write the plan to FILE, for `hubferry apply FILE`, and do nothing else."),
        ),
        excludes=("--verify-only",),
    ),
    combined(
        click.option(
            "--verify-only", is_flag=True, help=_("Fetch and verify into the cache, publish nothing.")
        ),
        excludes=("--dry-run",),
    ),
    click.option(
        "--keep-going/--no-keep-going",
        default=False,
        show_default=False,
        help=_("Publish the good files even though some failed."),
    ),
    options.transfer(),
    combined(options.no_cache(), excludes=("--verify-only",)),
    options.offline(),
)
@options.group(
    _("What to say"),
    combined(receipt.option(), excludes=("--verify-only", "--plan-out")),
    options.talking(),
)
def copy(source: str, destination: str, **words: Any) -> int | None:
    """Run the command."""
    receipt.require_place(words["receipts"])
    pinned = options.source_words(source, words)
    asked = options.build(**words)
    if words["dry_run"] or words["plan_out"]:
        return _dry_run(pinned, destination, asked, words)
    if words["verify_only"]:
        from hubferry.cli.fetch import bring

        return bring(pinned, asked, as_json=words["as_json"], quiet=words["quiet"], style=words["progress"])
    from hubferry import api
    from hubferry.cli.carrying_out import carry_out

    subject = Subject("hubferry copy", pinned, destination)
    return carry_out(subject, asked, words, lambda listen: api.copy(pinned, destination, asked, listen))


def _dry_run(source: str, destination: str, asked: Options, words: dict[str, Any]) -> int:
    from hubferry import api
    from hubferry.admission import refuse

    def hear(event: Event) -> None:
        if isinstance(event, Note) and not words["quiet"]:  # a folder that has to be hashed takes its time
            output.talk(event.message)

    place = words["plan_out"]
    if place is not None:
        from hubferry.agreed.verbs import refuse_parts
        from hubferry.cache.documents import require_writable

        refuse_parts(asked)
        require_writable(place.parent, made=False)
    plan = api.plan(source, destination, asked, hear)
    if words["as_json"]:
        code = max((one.error.exit_code for one in refusals(plan.findings)[:1] if one.error), default=0)
        if place is not None and not code:
            api.write_plan(plan, place, asked)
        output.document(present.plan_document(plan))
        return code
    for line in present.plan_lines(plan):
        output.data(line)
    refuse(plan, asked)
    if place is not None:
        api.write_plan(plan, place, asked)
        if not words["quiet"]:
            sentence = _("the plan is in {path}; to carry it out: {command}")
            output.talk(sentence.format(path=place, command=shlex.join(["hubferry", "apply", str(place)])))
    return 0

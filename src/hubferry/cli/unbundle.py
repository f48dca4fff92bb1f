"""`hubferry unbundle`: take repositories out of volumes, and prove them."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.admission import refuse
from hubferry.cli import options, output, present, receipt
from hubferry.cli.announced import Subject
from hubferry.cli.command import Command
from hubferry.cli.progress import follow
from hubferry.cli.value_types import PlaceType
from hubferry.commits import commit_of, listing_digest_of
from hubferry.errors import HubferryError, UsageError
from hubferry.events import Note
from hubferry.findings import together
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.bundles.opening import Prospect, Unbundled
    from hubferry.events import Event
    from hubferry.options import Options

_OF_A_TARGET = frozenset({"--private", "--public", "--message", "--destination-endpoint", "--insecure"})


@click.command(
    cls=Command,
    help=_(
        "Take what is in the volumes in DIR into the cache; with a TARGET (hf:org/name, ms:org/name) or --to "
        "on to a hub or a folder, with the proof of a copy. Volumes may be in several folders. What is in "
        "volumes that are missing or damaged is named; the same command goes on when they are there.\n\n"
        "No hub is asked where the files came from. What a volume says is believed only when its bytes hash "
        "to what the index of the bundle lists."
    ),
    examples=(
        "hubferry unbundle /media/stick",
        "hubferry unbundle /media/stick1 /media/stick2 ms:my-org/name",
        "hubferry unbundle /media/stick --to ./models/{name} --receipts ./receipts",
        "hubferry unbundle /media/stick 'ms:my-org/{owner}-{name}' --private",
        "hubferry unbundle /media/stick ms:my-org/name --dry-run",
    ),
)
@click.argument("places", nargs=-1, required=True, metavar="DIR... [TARGET]")
@options.group(
    _("Where to"),
    click.option("--to", metavar="TARGET",
                 help=_("A hub's repository, or a folder; {owner} and {name} stand for the source's.")),
    options.visibility(
        _("Create the destination as private."),
        _("Create the destination as public; let what is private or gated become public."),
    ),
    click.option("--message", "-m", metavar="TEXT", help=_("Message of the commit.")),
    click.option("--token", metavar="TOKEN", help=_("Token for the destination.")),
    options.destination_access(),
    click.option("--insecure", is_flag=True, help=_("Allow a token over plain http to another machine.")),
    click.option("--receipts", metavar="DIR", type=PlaceType(),
                 help=_("Write a receipt of each repository there.")),
)  # fmt: skip
@options.group(
    _("How"),
    options.paths(),
    click.option("--dry-run", "-n", is_flag=True, help=_("Print what would be done, and do nothing.")),
    options.transfer(),
)  # fmt: skip
@options.group(_("What to say"), options.talking())
def unbundle(places: tuple[str, ...], **words: Any) -> int:
    """Run the command."""
    from hubferry.bundles.opening import unbundle as take_out
    from hubferry.cli.memory import keep_freed_memory
    from hubferry.running import run

    folders, target = _read(places, words["to"])
    if target is None:
        _refuse_idle()
    receipt.require_place(words["receipts"])
    asked, started = options.build(**words), time.time()
    if words["dry_run"]:
        return _dry_run(folders, target, asked, words)
    keep_freed_memory()
    what = Subject("hubferry unbundle", str(folders[0]), target, arrives=target is not None)
    with follow(quiet=words["quiet"], style=words["progress"], subject=what) as listen:
        done = run(lambda told: take_out(folders, target, asked, told), listen)
        receipts: list[Path | None] = [None] * len(done)
        if words["receipts"] is not None:
            from hubferry.sync import bundled

            directory = words["receipts"]
            receipts = [
                run(lambda told, one=one: bundled.write(directory, one, started, asked, told), listen)  # type: ignore[misc]
                for one in done
            ]
    if words["as_json"]:
        output.document(
            {"models": [_document(one, place) for one, place in zip(done, receipts, strict=True)]}
        )
    elif not words["quiet"]:
        _tell(done)
        for place in filter(None, receipts):
            receipt.tell(place)
    return 0


def _dry_run(folders: Sequence[Path], target: str | None, asked: Options, words: dict[str, Any]) -> int:
    from hubferry.bundles.opening import look
    from hubferry.running import run

    def hear(event: Event) -> None:
        if isinstance(event, Note) and not words["quiet"]:
            output.talk(event.message)

    found = run(lambda told: look(folders, target, asked, told), hear)
    stopping = [one for prospect in found if (one := _stops(prospect, asked)) is not None]
    if words["as_json"]:
        output.document({"models": [_prospect_document(one) for one in found]})
        return stopping[0].exit_code if stopping else 0
    for prospect in found:
        place = _("the cache") if prospect.target is None else None
        for line in present.plan_lines(prospect.plan, place):
            output.data(line)
    if stopping:
        raise together(stopping)
    return 0


def _stops(prospect: Prospect, asked: Options) -> HubferryError | None:
    """Return why a repository would not be taken out, None where nothing is known to stop it."""
    try:
        refuse(prospect.plan, asked)
    except HubferryError as error:
        return error
    return prospect.error


def _prospect_document(one: Prospect) -> dict[str, object]:
    model, plan = one.model, one.plan
    return {
        "source": str(model.ref),
        "commit": commit_of(model.hub, model.commit),
        "listing_digest": listing_digest_of(model.hub, model.commit),
        "files": len(plan.steps),
        "size": sum(step.file.size or 0 for step in plan.steps),
        "target": one.target,
        "nothing_to_do": plan.nothing_to_do,
        "fetch_bytes": plan.fetch_bytes,
        "send_bytes": plan.send_bytes,
        "missing_volumes": list(one.missing),
        "findings": present.findings_document(plan.findings),
    }


def _read(places: Sequence[str], to: str | None) -> tuple[list[Path], str | None]:
    """Tell folders with volumes from a target: a last word with a colon in it that is no folder."""
    from hubferry.places import expanded

    words = list(places)
    target = to
    if ":" in words[-1] and not Path(words[-1]).exists() and len(words) > 1:
        if to is not None:
            raise UsageError(_("{one} and --to {other} are two targets").format(one=words[-1], other=to))
        target = words.pop()
    folders = [expanded(word) for word in words]
    missing = next((folder for folder in folders if not folder.exists()), None)
    if missing is not None:
        message = _("there is no folder {path}").format(path=missing)
        hint = _("a folder that is to be made is named by --to: --to {path}").format(path=missing)
        raise UsageError(message, path=str(missing), hint=hint)
    if target is None and len(folders) > 1 and folders[-1].is_dir() and not any(folders[-1].glob("*.tar")):
        message = _("{path} has no volume in it").format(path=folders[-1])
        hint = shlex.join(["hubferry", "unbundle", *words[:-1], "--to", words[-1]])
        raise UsageError(message, path=str(folders[-1]), hint=hint)
    return folders, target


def _refuse_idle() -> None:
    """Refuse what is said of a target where there is none.

    Raises:
        UsageError: With the line that names one.
    """
    from hubferry.cli.combining import idle, typed_options

    context = click.get_current_context()
    for name in typed_options(context):
        if name in _OF_A_TARGET:
            raise idle(context, name, ("--to ms:my-org/{name}",))


def _tell(done: Sequence[Unbundled]) -> None:
    for one in done:
        if one.report is not None:
            for line in present.report_lines(one.report):
                output.data(line)
        elif one.fetched is not None:
            sentence = ngettext(
                "{ref} {commit}, whole and verified: {count} file, {size}",
                "{ref} {commit}, whole and verified: {count} files, {size}",
                one.fetched.files,
            )
            words = {"count": one.fetched.files, "size": output.size(one.fetched.size)}
            commit = present.state_words(one.model.hub, one.model.commit)
            output.talk(sentence.format(ref=one.model.ref, commit=commit, **words))
            output.data(str(one.fetched.path))


def _document(one: Unbundled, kept: Path | None) -> dict[str, object]:
    model, fetched, report = one.model, one.fetched, one.report
    came = fetched.fetched if fetched is not None else report.fetched if report is not None else 0
    return {
        "source": str(model.ref),
        "commit": commit_of(model.hub, model.commit),
        "listing_digest": listing_digest_of(model.hub, model.commit),
        "files": len(one.files),
        "size": sum(file.size or 0 for file in one.files),
        "path": None if fetched is None else str(fetched.path),
        "target": one.target,
        "fetched": came,
        "sent": 0 if report is None else report.sent,
        "commits": [] if report is None else list(report.commits),
        "verified": fetched is not None or (report is not None and report.verified),
        "receipt": None if kept is None else str(kept),
    }

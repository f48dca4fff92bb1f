"""`hubferry fetch`: bring a repository into the cache, print where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output, present
from hubferry.cli.announced import Subject
from hubferry.cli.command import Command
from hubferry.cli.progress import follow
from hubferry.commits import commit_of, listing_digest_of
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from hubferry.cli.progress import Style
    from hubferry.model import HubName
    from hubferry.options import Options
    from hubferry.results import Fetched


@click.command(
    cls=Command,
    help=_(
        "Bring SOURCE into the cache, verify every file, and print the directory. "
        "What is on this machine already is not fetched again."
    ),
    examples=(
        "hubferry fetch hf:org/name",
        "hubferry fetch ms:org/name@v1.0 --include '*.json'",
        'python run.py --model "$(hubferry fetch -q hf:org/name)"',
    ),
)
@click.argument("source")
@options.selection()
@options.signatures()
@options.transfer()
@options.offline()
@options.one_access()
@options.talking()
def fetch(source: str, **words: Any) -> int:
    """Run the command."""
    pinned = options.source_words(source, words)
    return bring(
        pinned,
        options.build(**words),
        as_json=words["as_json"],
        quiet=words["quiet"],
        style=words["progress"],
    )


def bring(source: str, asked: Options, *, as_json: bool, quiet: bool, style: Style) -> int:
    """Fetch, say what is there, and print the path."""
    from hubferry import api
    from hubferry.cli.memory import keep_freed_memory
    from hubferry.typed import reference

    keep_freed_memory()
    subject = Subject("hubferry fetch", source, arrives=False)
    with follow(quiet=quiet, style=style, subject=subject) as listen:
        fetched = api.fetch(source, asked, listen)
    hub = reference(source, asked.source, "hf").hub
    if as_json:
        output.document(_document(fetched, hub))
        return 0
    if not quiet and style != "json":
        output.talk(_sentence(fetched, hub))
    output.data(str(fetched.path))
    return 0


def _sentence(fetched: Fetched, hub: HubName) -> str:
    whole = ngettext(
        "whole and verified: {count} file, {size}, {commit}; fetched {fetched}",
        "whole and verified: {count} files, {size}, {commit}; fetched {fetched}",
        fetched.files,
    )
    part = ngettext(
        "part, as asked, and verified: {count} file, {size}, {commit}; fetched {fetched}",
        "part, as asked, and verified: {count} files, {size}, {commit}; fetched {fetched}",
        fetched.files,
    )
    sentence = (whole if fetched.whole else part).format(
        count=fetched.files,
        size=output.size(fetched.size),
        commit=present.state_words(hub, fetched.commit),
        fetched=output.size(fetched.fetched),
    )
    return sentence if fetched.asked else sentence + _(" (offline: the hub was not asked)")


def _document(fetched: Fetched, hub: HubName) -> dict[str, object]:
    return {
        "path": str(fetched.path),
        "commit": commit_of(hub, fetched.commit),
        "listing_digest": listing_digest_of(hub, fetched.commit),
        "files": fetched.files,
        "size": fetched.size,
        "fetched": fetched.fetched,
        "hub_asked": fetched.asked,
        "whole": fetched.whole,
        "arrived": None if fetched.arrived is None else output.iso_time(fetched.arrived),
        "findings": present.findings_document(fetched.findings),
        "verified_by": list(fetched.signed),
    }

"""`hubferry serve gc`: remove what no repository of a hub names."""

from __future__ import annotations

from pathlib import Path

import click

from hubferry.cli import output
from hubferry.cli.command import Command
from hubferry.cli.serve_place import default_store
from hubferry.errors import IntegrityError
from hubferry.i18n import _


@click.command(
    "gc",
    cls=Command,
    help=_(
        "List the blobs in STORE that no commit names and that have been there for a while; with --delete "
        "remove them. The hub must not run meanwhile."
    ),
    examples=("hubferry serve gc /srv/hub", "hubferry serve gc /srv/hub --delete"),
)
@click.argument("store", type=click.Path(path_type=Path, file_okay=False, exists=True), required=False)
@click.option("--delete", is_flag=True, help=_("Remove them; without it nothing is changed."))
@click.option(
    "--older-than",
    "hours",
    type=click.FloatRange(0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help=_("Leave what came later than so many hours ago: a commit that names it may be under way."),
)
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON document."))
def command(store: Path | None, hours: float, *, delete: bool, as_json: bool) -> None:
    """Find and remove blobs."""
    from hubferry.serve import Refusal, Store
    from hubferry.serve.garbage import find_garbage, remove_garbage

    opened = Store(store or default_store())
    with opened.hold():
        try:
            found = find_garbage(opened, older_than=hours * 3600)
        except Refusal as error:
            raise IntegrityError(
                _("nothing is removed, since a repository cannot be read: {reason}").format(reason=error)
            ) from error
        if delete:
            remove_garbage(opened, found)
    total = sum(blob.size for blob in found)
    if as_json:
        blobs = [{"sha256": blob.sha256, "size": blob.size} for blob in found]
        output.document({"blobs": blobs, "bytes": total, "deleted": delete})
        return
    for blob in found:
        output.data(f"{blob.sha256}\t{blob.size}")
    told = (
        _("{count} blobs, {size}, removed") if delete else _("{count} blobs, {size}, to remove with --delete")
    )
    output.talk(told.format(count=len(found), size=output.size(total)))

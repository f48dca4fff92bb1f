"""The receipt of one copy, which no mirror file asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from hubferry.cli import output
from hubferry.cli.secrets import redact
from hubferry.cli.value_types import PlaceType
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from hubferry.events import Listener
    from hubferry.options import Access, Options
    from hubferry.results import Report


def option() -> Callable[[Any], Any]:
    """Add where receipts are kept."""
    return click.option(
        "--receipts",
        metavar="DIR",
        type=PlaceType(),
        help=_("Write a receipt of what the destination then holds into this directory."),
    )


def require_place(place: Path | None) -> None:
    """Refuse a directory in which no receipt can be written, before anything moves; None is no wish for one.

    Raises:
        DiskError: Says why.
    """
    if place is not None:
        from hubferry.cache.documents import require_writable

        require_writable(place)


def write(place: Path, report: Report, options: Options, listen: Listener) -> Path:
    """Write what a copy left at its destination, as its own listing has it.

    Raises:
        IntegrityError: The destination is not what was proven any more.
    """
    from hubferry.running import run
    from hubferry.sync import one, receipts

    reached = (_at(options.source, report.plan.source.ref.endpoint),
               _at(options.destination, report.plan.destination.ref.endpoint))  # fmt: skip
    options = replace(options, source=reached[0], destination=reached[1])
    outcome = run(lambda told: receipts.settled(one.copied(report, options), options, told), listen)
    return receipts.write(place, outcome, clean=redact, reached=reached)


def _at(access: Access, endpoint: str | None) -> Access:
    """Keep the server of a pasted address."""
    return replace(access, endpoint=endpoint) if endpoint else access


def tell(place: Path) -> None:
    """Say where a receipt is."""
    output.talk(_("receipt: {path}").format(path=place))

"""Options that the commands of `hubferry sync` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubferry.cli import options, output
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from hubferry.sync.history.values import Kind
    from hubferry.sync.record import Record
    from hubferry.sync.run import Asked
    from hubferry.sync.spec import SyncFile

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")
USUAL = "hubferry-sync.yaml"


def file() -> Callable[[Decorated], Decorated]:
    """Add the mirror file."""
    return click.argument("file", required=False, default=USUAL, type=click.Path(path_type=Path))


def choosing() -> Callable[[Decorated], Decorated]:
    """Add which entries and how many at once."""
    return options.together(
        click.option("--only", metavar="NAME", multiple=True,
                     help=_("Only this entry, or this repository; a glob; may be repeated.")),
        click.option("--jobs", "-j", metavar="N", type=click.IntRange(1, 256),
                     help=_("Repositories at once; as the file says unless given, else 4.")),
    )  # fmt: skip


def moving() -> Callable[[Decorated], Decorated]:
    """Add how bytes move, where they are kept, and what is left as proof."""
    return options.together(
        click.option("--receipts", metavar="DIR", type=options.PlaceType(),
                     help=_("Write a receipt for each copy: every path with its sha256.")),
        click.option("--connections", metavar="N", type=click.IntRange(min=1),
                     help=_("Most connections of one copy in each direction; adapts unless given.")),
        click.option("--bwlimit", metavar="RATE", type=options.RateType(), default=options.Rates(),
                     show_default=False,
                     help=_("Most bytes a second of one copy: 20M each way, or 50M:10M.")),
        click.option("--cache-dir", metavar="DIR", type=options.PlaceType(),
                     help=_("Keep models here, whatever other caches have; those give their files by link.")),
    )  # fmt: skip


def opened(path: Path, words: dict[str, Any]) -> SyncFile:
    """Read the mirror file, with what the command line says instead.

    Raises:
        UsageError: Everything that is wrong with it.
    """
    from dataclasses import replace

    from hubferry.sync.reading import read

    read_file = read(path)
    return replace(
        read_file,
        jobs=words.get("jobs") or read_file.jobs,
        receipts=words.get("receipts") or read_file.receipts,
    )


def asked(read_file: SyncFile, words: dict[str, Any]) -> Asked:
    """Return what this run is asked for."""
    from hubferry.sync.run import Asked
    from hubferry.sync.spec import Manner

    rates: options.Rates = words.get("bwlimit") or options.Rates()
    manner = Manner(
        connections=words.get("connections"),
        fetch_rate=rates.fetch,
        send_rate=rates.send,
        cache_root=words.get("cache_dir"),
        proof=read_file.receipts is not None,
    )
    return Asked(tuple(words.get("only", ())), words.get("fail_fast", False), manner)


def recorded(read_file: SyncFile, kind: Kind) -> AbstractContextManager[Record]:
    """Remember a run; what cannot be remembered is said, and the run goes on."""
    from hubferry.cli.secrets import redact
    from hubferry.sync.record import recorded as remembered

    return remembered(read_file, kind, output.talk, redact)

"""Options that the commands of `hubferry sync` share."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubferry.cli import options, output
from hubferry.cli.combining import combined
from hubferry.cli.value_types import PlaceType, Rates, RateType, SizeType
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from hubferry.sync.history.values import Kind
    from hubferry.sync.record import Record
    from hubferry.sync.run import Asked
    from hubferry.sync.runner import Runner
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
        click.option("--receipts", metavar="DIR", type=PlaceType(),
                     help=_("Write a receipt for each copy: every path with its sha256.")),
        click.option("--connections", metavar="N", type=click.IntRange(min=1),
                     help=_("Most connections of one copy in each direction; adapts unless given.")),
        click.option("--bwlimit", metavar="RATE", type=RateType(), default=Rates(),
                     show_default=False,
                     help=_("Most bytes a second of one copy: 20M each way, or 50M:10M.")),
        click.option("--cache-dir", metavar="DIR", type=PlaceType(),
                     help=_("Keep models here, whatever other caches have; those give their files by link.")),
    )  # fmt: skip


def placing() -> Callable[[Decorated], Decorated]:
    """Add on which machines copies run."""
    return options.together(
        click.option("--runner", type=click.Choice(["local", "ray"]), default="local", show_default=True,
                     help=_("Where copies run: here, or on the nodes of a Ray cluster.")),
        combined(
            click.option("--ray-address", metavar="HOST:PORT",
                         help=_("The cluster; RAY_ADDRESS, or one on this machine, unless given.")),
            click.option("--ray-cpus", metavar="N", type=click.FloatRange(0.01, 1024), default=1.0,
                         help=_("Cores of a node that one copy takes, as Ray counts them.")),
            click.option("--split", metavar="SIZE", type=SizeType(1),
                         help=_("Cut a repository with as many bytes to send over the nodes: 50G.")),
            needs=("--runner ray",),
        ),
    )  # fmt: skip


@contextmanager
def placed(words: dict[str, Any]) -> Iterator[Callable[[SyncFile], Runner | None]]:
    """Give what says where the copies of a file run; None is here.

    Raises:
        UsageError: Ray is not installed.
        NetworkError: No cluster answers.
    """
    if words["runner"] != "ray":
        yield lambda _file: None
        return
    from hubferry.sync.on_ray.cluster import joined

    with joined(words["ray_address"]):
        from hubferry.sync.on_ray.runner import RayRunner, Resources

        yield lambda file: RayRunner(
            file.jobs,
            hubs=file.hubs,
            split=words["split"] or file.split,
            resources=Resources(words["ray_cpus"]),
        )


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

    rates: Rates = words.get("bwlimit") or Rates()
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

"""Which models a command line means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubferry.cache.listing import Listing, describe, list_models
from hubferry.cache.roots import all_roots
from hubferry.cli.options import PlaceType
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.cache.listing import CachedModel

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")


def cache_dir() -> Callable[[Decorated], Decorated]:
    """Add the option that looks into one cache only."""
    return click.option(
        "--cache-dir",
        metavar="DIR",
        type=PlaceType(),
        help=_("Look only here, instead of everywhere that models are kept."),
    )


def as_json() -> Callable[[Decorated], Decorated]:
    """Add the option that prints a document."""
    return click.option("--json", "as_json", is_flag=True, help=_("Print one JSON document instead of text."))


def roots(directory: Path | None) -> tuple[Path, ...]:
    """Return the roots to look through."""
    return (directory.absolute(),) if directory is not None else all_roots()


def listing(directory: Path | None) -> Listing:
    """List what there is."""
    return list_models(roots(directory))


def models(name: str | None, directory: Path | None) -> tuple[CachedModel, ...]:
    """Return the models that `name` means: a directory, a name, a part of one; all without a name.

    Raises:
        NotFoundError: There is none; the hint lists what there is.
    """
    if name is not None and _is_path(name):
        path = Path(name).absolute()
        if path.is_dir():
            return (describe(path, path.parent),)
    there = listing(directory)
    return there.models if name is None else there.matching(name)


def _is_path(name: str) -> bool:
    """Return whether a name can only be a path: a repository's has one slash at most, and no dot in front."""
    return name.startswith((".", "~", os.sep)) or name.count("/") > 1 or (os.altsep or os.sep) in name[1:2]

"""Which models a command line means."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubferry.cache.listing import Listing, describe, followed, list_models
from hubferry.cache.roots import all_roots
from hubferry.cli.value_types import PlaceType
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hubferry.cache.listing import CachedModel
    from hubferry.cache.lookup import Found

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


def fitting(pattern: str | None, directory: Path | None) -> Listing:
    """List the models that a glob, or a part of a name, fits; all without one.

    Raises:
        NotFoundError: There is none; the hint has the nearest names.
    """
    if pattern is None:
        return listing(directory)
    from hubferry.cache.lookup import filtered

    return filtered(pattern, roots(directory))


def models(name: str | None, directory: Path | None) -> tuple[CachedModel, ...]:
    """Return the models that `name` means: a directory, a name, a part of one; all without a name.

    Links are followed: each is described as what it leads to.

    Raises:
        NotFoundError: There is none; the hint has the nearest names.
    """
    if name is None:
        return tuple(followed(model) for model in listing(directory).models)
    if _is_path(name) and (path := _absolute(name)).is_dir():
        return (followed(describe(path, path.parent)),)
    return tuple(followed(model) for model in find(name, directory).models)


def find(name: str, directory: Path | None) -> Found:
    """Return the models of the roots that `name` means, and whether it is the whole name; links as they are.

    Raises:
        NotFoundError: There is none; the hint has the nearest names.
    """
    from hubferry.cache.lookup import look_up

    places = roots(directory)
    return look_up(_path_in(places, _absolute(name)) if _is_path(name) else name, places)


def _path_in(places: Sequence[Path], path: Path) -> str:
    """Return a path as the root that it lies in spells it."""
    for root in places:
        if path.parent != root and path.parent.resolve() == root.resolve():
            return str(root / path.name)
    return str(path)


def distinct(model: CachedModel, among: Iterable[CachedModel]) -> str:
    """Return a name that means this model and none of the others."""
    same = sum(model.title == one.title for one in among)
    return model.title if same == 1 else str(model.path)


def command(*words: str, directory: Path | None) -> str:
    """Return a command of the cache as it would be typed, for the same place as this one."""
    where = [] if directory is None else ["--cache-dir", str(directory)]
    return shlex.join(["hubferry", "cache", *words, *where])


def _absolute(name: str) -> Path:
    return Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100 - resolve() would follow links


def _is_path(name: str) -> bool:
    """Return whether a name can only be a path: a repository's has one slash at most, and no dot in front."""
    return name.startswith((".", "~", os.sep)) or name.count("/") > 1 or (os.altsep or os.sep) in name[1:2]

"""What a hub lists as weights and cannot be any: empty files, pointers to files that are elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry.entries import POINTER_BYTES, is_pointer, is_weight, pattern
from hubferry.errors import FileDeniedError, IntegrityError, NotFoundError
from hubferry.findings import refused, warning
from hubferry.i18n import _
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from hubferry.hubs.ports import Source
    from hubferry.model import RepoFile, Revision
    from hubferry.options import Options
    from hubferry.survey import SourceSide

_POINTER_SIZES = range(120, 150)
"""Bytes of a Git LFS pointer without extensions: three lines, a digest, a size of one to thirteen digits."""
_MOST_SUSPECTS = 64


async def guard(source: Source, side: SourceSide, options: Options, *, refuse: bool) -> SourceSide:
    """Add what a listing has in the place of weights: nothing, or the pointer of a file that is elsewhere.

    Files are read for that only where their size makes it possible, and not many. Without `refuse` it is
    said, and stops nothing.
    """
    errors: list[tuple[str, IntegrityError]] = []
    weights = [file for file in side.files if is_weight(file.path)]
    if "empty" not in options.allow:
        errors += [("empty-weights", _empty(file.path)) for file in weights if file.size == 0]
    if "pointers" not in options.allow:
        suspects = [file for file in weights if _may_be_pointer(file)][:_MOST_SUSPECTS]
        confirmed = await run_all(*(_is_pointer(source, side.revision, file) for file in suspects))
        pointers = (file.path for file, is_one in zip(suspects, confirmed, strict=True) if is_one)
        errors += [("lfs-pointer", _pointer(path)) for path in pointers]
    said = [
        refused(code, error) if refuse else warning(code, error.message, error.path) for code, error in errors
    ]
    revision = replace(side.revision, findings=(*side.revision.findings, *said))
    return replace(side, revision=revision)


def _may_be_pointer(file: RepoFile) -> bool:
    """Return whether a file is as short as a pointer; what is kept as a blob only if it is as long as one."""
    size = file.size or 0
    return size in _POINTER_SIZES or (0 < size < POINTER_BYTES and not file.lfs)


async def _is_pointer(source: Source, revision: Revision, file: RepoFile) -> bool:
    try:
        return is_pointer(await source.whole(revision, file))
    except (IntegrityError, NotFoundError, FileDeniedError):  # whoever fetches it will say so
        return False


def _empty(path: str) -> IntegrityError:
    hint = _("leave it out with --exclude {pattern}, or say --allow empty").format(pattern=pattern(path))
    message = _("{path} has no bytes in it at the source").format(path=path)
    return IntegrityError(message, side="source", path=path, hint=hint)


def _pointer(path: str) -> IntegrityError:
    hint = _("leave it out with --exclude {pattern}, or say --allow pointers").format(pattern=pattern(path))
    message = _("{path} is a Git LFS pointer at the source, not the file itself").format(path=path)
    return IntegrityError(message, side="source", path=path, hint=hint)

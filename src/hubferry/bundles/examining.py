"""Say which volumes are missing or damaged, after something could not be taken out of them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from hubferry.cache.disk import disk
from hubferry.errors import IntegrityError, NotFoundError, PartialError
from hubferry.hubs.bundle import archive
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.errors import HubferryError
    from hubferry.hubs.bundle.index import BundledModel, Piece
    from hubferry.hubs.bundle.volumes import FoundBundle
    from hubferry.model import RepoRef

_BLOCK = 1 << 20
_MOST_SUMS = 64 << 20


def explained(error: HubferryError, bundle: FoundBundle, model: BundledModel) -> HubferryError:
    """Return an error with the numbers of the volumes that have to come again, and how to make them.

    The volumes that have some of those files are read through: whoever has to go back for one wants to
    know of all.
    """
    failures = error.failures if isinstance(error, PartialError) else (error,)
    paths = {one.path for one in failures if isinstance(one, (IntegrityError, NotFoundError)) and one.path}
    needed = _volumes_of(bundle, model, paths)
    absent = [number for number in needed if number not in bundle.volumes]
    damaged = _damaged(bundle, needed)
    lacking = sorted([*absent, *damaged])
    if not lacking:
        return error
    error.hint = _again(bundle, lacking)
    said = _sentence(absent, damaged, bundle)
    if isinstance(error, PartialError):
        error.message = f"{error.message}{_('; ')}{said}"
        return error
    kind = NotFoundError if not damaged else IntegrityError
    explained_ = kind(said, side="source", path=error.path, hint=error.hint)
    explained_.__cause__ = error
    return explained_


def missing(bundles: Sequence[FoundBundle], ref: RepoRef, paths: Iterable[str]) -> list[int]:
    """Return the volumes of the first bundle without which some of these files cannot be put together.

    What one bundle lacks another one may have: volumes that nobody needs are not among them.
    """
    here: dict[str, list[Piece]] = {}
    for bundle in bundles:
        for number, piece in bundle.index.pieces():
            if number in bundle.volumes and bundle.index.models[piece.model].ref == ref:
                here.setdefault(bundle.index.file(piece).path, []).append(piece)
    model = next(model for model in bundles[0].index.models if model.ref == ref)
    sizes = {file.path: file.size for file in model.files}
    lacking = [path for path in paths if not _is_covered(here.get(path, ()), sizes[path])]
    return [one for one in _volumes_of(bundles[0], model, lacking) if one not in bundles[0].volumes]


def lacks(bundle: FoundBundle, volumes: Sequence[int]) -> NotFoundError:
    """Return the error for volumes that are not here, and how to make them."""
    return NotFoundError(_sentence(volumes, (), bundle), side="source", hint=_again(bundle, volumes))


def _is_covered(pieces: Iterable[Piece], size: int) -> bool:
    """Return whether pieces have every byte of a file."""
    end = 0
    for piece in sorted(pieces, key=lambda one: one.start):
        if piece.start > end:
            return False
        end = max(end, piece.stop)
    return end >= size


def numbers_in_words(numbers: Sequence[int]) -> str:
    """Return numbers as a person, and `--only-volumes`, writes them: `1-3,7`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def _sentence(absent: Sequence[int], damaged: Sequence[int], bundle: FoundBundle) -> str:
    parts = []
    if absent:
        message = ngettext(
            "volume {numbers} of {name} is missing", "volumes {numbers} of {name} are missing", len(absent)
        )
        parts.append(message.format(numbers=numbers_in_words(absent), name=bundle.index.name))
    if damaged:
        message = ngettext(
            "volume {numbers} of {name} is damaged", "volumes {numbers} of {name} are damaged", len(damaged)
        )
        parts.append(message.format(numbers=numbers_in_words(damaged), name=bundle.index.name))
    return _("; ").join(parts)


def _again(bundle: FoundBundle, lacking: Sequence[int]) -> str:
    name = f"{bundle.index.name}.json"
    return f"hubferry bundle --like {name} --only-volumes {numbers_in_words(lacking)} DIR"


def _volumes_of(bundle: FoundBundle, model: BundledModel, paths: Iterable[str]) -> list[int]:
    """Return the volumes that have some of these files."""
    wanted = set(paths)
    numbers = {
        number
        for number, piece in bundle.index.pieces()
        if bundle.index.models[piece.model] is model and bundle.index.file(piece).path in wanted
    }
    return sorted(numbers)


def _damaged(bundle: FoundBundle, numbers: Iterable[int]) -> list[int]:
    """Return which of these volumes have a piece that is not what it was when it was written.

    A volume whose sums cannot be read is taken for damaged, too.
    """
    return [number for number in numbers if number in bundle.volumes and not _is_sound(bundle, number)]


def _is_sound(bundle: FoundBundle, number: int) -> bool:
    volume = bundle.volumes[number]
    with suppress(OSError):
        descriptor = disk.open(volume.path, 0)
        try:
            sums = _sums(bundle, number, descriptor)
            pieces = bundle.index.volumes[number - 1].pieces
            if len(sums) != len(pieces):
                return False
            for piece, sha256 in zip(pieces, sums, strict=True):
                start = bundle.payload + piece.offset
                if _hashed(descriptor, start, piece.stop - piece.start) != sha256:
                    return False
            return True
        finally:
            disk.close(descriptor)
    return False


def _sums(bundle: FoundBundle, number: int, descriptor: int) -> list[str]:
    """Return what a volume says its pieces hash to, in order."""
    at = bundle.payload + bundle.index.volumes[number - 1].length
    size = archive.size_in(disk.pread(descriptor, archive.BLOCK, at))
    if size is None or size > _MOST_SUMS:
        return []
    lines = disk.pread(descriptor, size, at + archive.BLOCK).splitlines()
    return [line.lstrip(b"\\").partition(b"  ")[0].decode("ascii", "replace") for line in lines]


def _hashed(descriptor: int, start: int, length: int) -> str:
    sha256, stop = hashlib.sha256(), start + length
    while start < stop and (data := disk.pread(descriptor, min(_BLOCK, stop - start), start)):
        sha256.update(data)
        start += len(data)
    return sha256.hexdigest()

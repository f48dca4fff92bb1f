"""Hold a source's files against what its SHA256SUMS and model.sig say, and find what a copy would break."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry import survey
from hubferry.errors import IntegrityError, UsageError
from hubferry.events import Note
from hubferry.findings import warning
from hubferry.i18n import _, ngettext
from hubferry.signed import covered
from hubferry.signed.covered import LARGEST, NAMES, SIGNATURE, SUMS, Covered
from hubferry.stream.growing import Hashes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from hubferry.events import Listener
    from hubferry.findings import Finding
    from hubferry.hubs.ports import Source
    from hubferry.model import RepoFile
    from hubferry.survey import SourceSide

_SHOWN = 5
SUMS_ALONE = "sums"
"""What `--verify-signature` is told to look at SHA256SUMS alone."""


async def read(source: Source, side: SourceSide) -> tuple[Covered, ...]:
    """Return what the source says of its own files; read, and hashed, only where there is such a file.

    Raises:
        IntegrityError: One of them cannot be read as what it is, or comes with other bytes than are listed.
    """
    found = [file for file in side.listing if file.path in NAMES]
    return tuple([await _one(source, side, file) for file in sorted(found, key=lambda one: one.path)])


async def _one(source: Source, side: SourceSide, file: RepoFile) -> Covered:
    if file.size is None or file.size > LARGEST:
        message = _("{name} is too large to be read").format(name=file.path)
        raise IntegrityError(message, side="source", path=file.path)
    hashes, content = Hashes(file, file.size), bytearray()
    async with aclosing(source.read(side.revision, file, 0, file.size)) as pieces:
        async for piece in pieces:
            hashes.update(piece)
            content += piece
    if not hashes.digests().fit(file):
        message = _("{name} came with other bytes than are listed").format(name=file.path)
        raise IntegrityError(message, side="source", path=file.path)
    return (covered.sums if file.path == SUMS else covered.signature)(bytes(content))


def broken(said: Sequence[Covered], side: SourceSide, adapted: Collection[str]) -> Iterator[Finding]:
    """Find what a copy does to files that are signed, so that nobody could verify it as it says."""
    taken = {file.path for file in side.files}
    for one in said:
        if one.name not in taken:
            continue
        left = sorted(path for path in one.digests if path not in taken)
        changed = sorted(path for path in one.digests if path in adapted)
        if left:
            message = _("{name} is about files that are not copied, and will not hold for the copy: {paths}")
            yield warning("signed-left-out", message.format(name=one.name, paths=_some(left)))
        if changed:
            message = _("{name} is about files that are changed on their way, and will not hold: {paths}")
            yield warning("signed-changed", message.format(name=one.name, paths=_some(changed)))


async def verified(
    source: Source, side: SourceSide, said: Sequence[Covered], wanted: str, listen: Listener
) -> tuple[str, ...]:
    """Verify what the source says of its files, and return the names of those that say it.

    `wanted` is `sums`, or a file with the public key or the certificates to verify model.sig by.

    Raises:
        IntegrityError: A file is not what is said of it, or the signature is not right.
        UsageError: There is nothing to verify, or nothing to verify it with.
    """
    by_name = {one.name: one for one in said}
    lacking = SUMS if wanted == SUMS_ALONE else SIGNATURE
    if lacking not in by_name:
        message = _("{ref} has no {name}, so that there is nothing to verify")
        raise UsageError(message.format(ref=side.revision.ref, name=lacking), side="source")
    chosen = [by_name[SUMS]] if wanted == SUMS_ALONE else list(said)
    digests = await _digests(source, side, {path for one in chosen for path in one.digests})
    for one in chosen:
        _hold(one, digests)
    if wanted != SUMS_ALONE:
        from hubferry.signed import signature

        await asyncio.to_thread(signature.verify, by_name[SIGNATURE], digests, wanted)
    for one in chosen:
        listen(Note(_sentence(one, side)))
    return tuple(one.name for one in chosen)


async def _digests(source: Source, side: SourceSide, paths: Collection[str]) -> dict[str, str]:
    """Return the sha256 of files by path; those of which the hub lists none are read, and hash as listed."""
    files = [file for file in side.listing if file.path in paths]
    unknown = [file for file in files if file.sha256 is None]
    hashed = await survey.settle(source, replace(side, files=unknown), unknown)
    for file in unknown:
        if not hashed[file.path].fit(file):
            message = _("{name} came with other bytes than are listed").format(name=file.path)
            raise IntegrityError(message, side="source", path=file.path)
    return {file.path: file.sha256 or hashed[file.path].sha256 for file in files}


def _hold(said: Covered, digests: Mapping[str, str]) -> None:
    """Raise where a file is not there, or another one."""
    wrong = sorted(path for path, digest in said.digests.items() if digests.get(path) != digest)
    if wrong:
        message = ngettext(
            "{count} file is not what {name} says: {paths}",
            "{count} files are not what {name} says: {paths}",
            len(wrong),
        )
        message = message.format(count=len(wrong), name=said.name, paths=_some(wrong))
        raise IntegrityError(message, side="source", path=wrong[0])


def _sentence(said: Covered, side: SourceSide) -> str:
    """Say what was verified, and how many files nobody says anything of."""
    count = len(said.digests)
    sentence = ngettext(
        "{name}: {count} file is as it says", "{name}: {count} files are as it says", count
    ).format(name=said.name, count=count)
    others = len([file for file in side.listing if file.path not in said.digests and file.path not in NAMES])
    if not others:
        return sentence
    more = ngettext("{others} file is not covered by it", "{others} files are not covered by it", others)
    return _("{sentence}; {more}").format(sentence=sentence, more=more.format(others=others))


def _some(paths: Sequence[str]) -> str:
    named = ", ".join(paths[:_SHOWN])
    return named if len(paths) <= _SHOWN else _("{paths} and {count} more").format(
        paths=named, count=len(paths) - _SHOWN
    )  # fmt: skip

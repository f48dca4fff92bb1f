"""Read the files that a survey found: what they hash to, and what their content says against copying them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry import findings
from hubferry.entries import Trait
from hubferry.events import Note
from hubferry.hubs.folder.survey import GONE, changed, pointer, unreadable
from hubferry.i18n import _
from hubferry.model import RepoFile
from hubferry.readings.reader import read
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hubferry.events import Listener
    from hubferry.findings import Finding
    from hubferry.hubs.folder.survey import Entry
    from hubferry.readings.reader import Outcome
    from hubferry.readings.records import Reading, Records


@dataclass(slots=True)
class Found:
    """The files of a folder that may be copied, and what is to be said of the others and of some of these.

    `hashed` is how many bytes had to be read for it.
    """

    files: list[RepoFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    hashed: int = 0


async def look(surveyed: Sequence[Entry], allow: frozenset[str], records: Records, listen: Listener) -> Found:
    """Read what is not recorded, several files at once; whoever cancels need not wait for the end."""
    known = {entry.path: records.find(entry.path, entry.status) for entry in surveyed}
    unknown = [entry for entry in surveyed if known[entry.path] is None]
    outcomes, hashed = await read(unknown, lambda done, total: listen(_told(done, total)))
    readings = {path: reading for path, reading in known.items() if reading is not None}
    kept = readings | {one.path: one.reading for one in outcomes if one.reading is not None and one.lasts}
    await asyncio.to_thread(records.keep, kept)
    readings |= {one.path: one.reading for one in outcomes if one.reading is not None}
    found = _judged(surveyed, readings, allow)
    found.findings += [_refusal(one) for one in outcomes if one.reading is None]
    found.hashed = hashed
    return found


def _told(done: int, total: int) -> Note:
    message = _("reading the folder to know what its files are: {done} of {total}; this is remembered")
    return Note(message.format(done=readable_size(done), total=readable_size(total)))


def _judged(surveyed: Sequence[Entry], readings: Mapping[str, Reading], allow: frozenset[str]) -> Found:
    found = Found()
    for entry in surveyed:
        if (reading := readings.get(entry.path)) is None:
            continue
        said = list(_said(entry.path, reading.trait, allow))
        found.findings += said
        if all(one.kind is findings.Kind.WARNING for one in said):
            size = reading.signature.size
            file = RepoFile(entry.path, size, sha256=reading.sha256, git_sha1=reading.git_sha1)
            found.files.append(file)
    return found


def _said(path: str, trait: Trait, allow: frozenset[str]) -> Iterator[Finding]:
    """Say what a file's content brings up."""
    if trait is Trait.POINTER and "pointers" not in allow:
        yield findings.refused("lfs-pointer", pointer(path))
    elif trait is Trait.PRIVATE_KEY and "secrets" not in allow:
        message = _("{path} holds a private key").format(path=path)
        yield findings.left_out("secret", message, path)
    elif trait in (Trait.TOKEN, Trait.PRIVATE_KEY):
        message = _("{path} has something in it that looks like a token or a key, and is copied as it is")
        yield findings.warning("token-inside", message.format(path=path), path)


def _refusal(outcome: Outcome) -> Finding:
    failure = outcome.failure
    if failure is None or failure.errno in GONE:
        return findings.refused("changed", changed(outcome.path))
    return findings.refused("unreadable", unreadable(outcome.path, failure))

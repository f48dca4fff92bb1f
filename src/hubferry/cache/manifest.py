"""What a model's directory knows about itself: a manifest, and a journal of what happened since.

Every change is one appended line of `journal.jsonl`, so that a killed run loses nothing and recording a file
costs the same for the first and the ten-thousandth. `save` folds the journal into `manifest.json` and starts
a new one. A journal belongs to one manifest by its number; a stale one is ignored, never replayed.

A manifest or journal that cannot be read is the same as none: nothing is known, content is hashed again.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import time
from typing import TYPE_CHECKING, Literal

import msgspec

from hubferry.cache.disk import disk
from hubferry.cache.documents import replace_whole
from hubferry.cache.entry import Entry, Publication, Signature
from hubferry.cache.names import RECORDS, check_path, named_revision
from hubferry.errors import IntegrityError
from hubferry.model import HubName, RepoFile, RepoRef, RepoType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = [
    "JOURNAL",
    "MANIFEST",
    "WORTH_FOLDING",
    "Doubted",
    "Entry",
    "Manifest",
    "Pinned",
    "Publication",
    "Published",
    "Record",
    "Signature",
    "Stored",
    "Used",
    "Wrong",
    "append",
    "apply",
    "entry_of",
    "expected",
    "load",
    "new",
    "save",
]

MANIFEST = "manifest.json"
JOURNAL = "journal.jsonl"
_SCHEMA = 1
LARGEST = 128 * 1024 * 1024
"""Bytes of a manifest: some 400,000 files, four times what hubs recommend; what is larger is none of ours."""
_LARGEST_JOURNAL = 64 * 1024 * 1024
WORTH_FOLDING = 16 * 1024 * 1024
"""Bytes of a journal from which it is folded into its manifest before the run ends."""
_MOST_TORN = 1000
"""Lines of a journal that may be unreadable: each is what a crash left of one."""
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """Everything known about one model's directory; only `apply` and the store change it.

    Attributes:
        hub: With `repo_type` and `repo_id`, whose directory this is.
        revision: The name that it is kept for; None is the default branch.
        commit: The commit that it holds, or that is being brought in; None where that is not known.
        listing: Whether `files` has everything that `commit` lists: all of it, or less what can be no file
            here, or only what came in.
        whole: Whether the listed files are the whole listing of `commit`, and all of them came in.
        files: By path, everything that was verified here, or is listed.
        created: Seconds since 1970, as the other times.
        endpoint: Of a hub that a configuration file names: what tells it from others. Unset for the others.
        named: What that file called the hub.
        arrived: When all that was asked for of `commit` was here, the first time; 0 where that is not known.
        pinned: Whether pruning must leave it alone.
        number: Counts the times it was saved; a journal names the number it continues.
    """

    hub: HubName
    repo_id: str
    repo_type: RepoType
    created: float
    used: float
    schema: int = _SCHEMA
    number: int = 1
    revision: str | None = None
    commit: str | None = None
    listing: Literal["none", "cut", "full"] = "none"
    whole: bool = False
    arrived: float = 0.0
    pinned: bool = False
    published: tuple[Publication, ...] = ()
    files: dict[str, Entry] = {}
    endpoint: str | msgspec.UnsetType = msgspec.UNSET
    named: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def ref(self) -> RepoRef:
        """Whose directory this is."""
        return self.ref_at(None)

    def ref_at(self, revision: str | None) -> RepoRef:
        """Return whose directory this is, at a revision."""
        endpoint, named = self.endpoint or None, self.named or None
        return RepoRef(self.hub, self.repo_id, revision, self.repo_type, endpoint, named)

    @property
    def is_whole(self) -> bool:
        """Whether all of one commit came in."""
        if self.whole or self.listing != "full":
            return self.whole
        return all(entry.here for entry in self.files.values() if entry.listed)

    @property
    def selected(self) -> bool:
        """Whether only a part of the commit was asked for."""
        return any(entry.listed and not entry.wanted for entry in self.files.values())

    @property
    def stale(self) -> tuple[str, ...]:
        """Files that were verified here and are not of the commit, once all that it lists is known."""
        if self.commit is None or not (self.whole or self.listing != "none"):
            return ()
        return tuple(path for path, entry in self.files.items() if entry.here and not entry.listed)

    @property
    def is_settled(self) -> bool:
        """Whether all that was asked for of one commit came in."""
        if self.whole or self.listing == "none":
            return self.whole
        return not any(entry.lacking for entry in self.files.values())

    def belongs_to(self, ref: RepoRef) -> bool:
        """Return whether the directory is one of `ref`'s; its revision does not matter.

        Nor does its endpoint, which may be a mirror's; but a hub that a configuration file names is another
        hub than the one that everybody knows, and than one at another endpoint.
        """
        own = (self.hub, self.repo_type, self.repo_id, self.endpoint or None)
        return own == (ref.hub, ref.repo_type, ref.repo_id, ref.home)

    def is_for(self, ref: RepoRef) -> bool:
        """Return whether the directory is kept for the revision that `ref` names."""
        return self.belongs_to(ref) and self.revision == named_revision(ref)


class Stored(msgspec.Struct, frozen=True, tag="stored", forbid_unknown_fields=True):
    """Record that a file is there and verified."""

    path: str
    entry: Entry


class Doubted(msgspec.Struct, frozen=True, tag="doubted", forbid_unknown_fields=True):
    """Record that a file is gone, or no longer what it was."""

    path: str


class Wrong(msgspec.Struct, frozen=True, tag="wrong", forbid_unknown_fields=True):
    """Record that a file was read and is something else, so that nobody reads it again while it looks so."""

    path: str
    signature: Signature


class Used(msgspec.Struct, frozen=True, tag="used", forbid_unknown_fields=True):
    """Record a use."""

    at: float


class Published(msgspec.Struct, frozen=True, tag="published", forbid_unknown_fields=True):
    """Record that the model was proven to be at a destination."""

    publication: Publication


class Pinned(msgspec.Struct, frozen=True, tag="pinned", forbid_unknown_fields=True):
    """Record that pruning must, or need no longer, leave the model alone."""

    pinned: bool


Record = Stored | Doubted | Wrong | Used | Published | Pinned


class _Head(msgspec.Struct, frozen=True, tag="journal", forbid_unknown_fields=True):
    """First line of a journal: which manifest it continues."""

    continues: int


_encoder = msgspec.json.Encoder()
_manifest_decoder = msgspec.json.Decoder(Manifest)
_record_decoder = msgspec.json.Decoder(Record)
_head_decoder = msgspec.json.Decoder(_Head)


def new(ref: RepoRef) -> Manifest:
    """Return the manifest of a directory about which nothing is known but its owner."""
    now = time.time()
    known = Manifest(ref.hub, ref.repo_id, ref.repo_type, created=now, used=now, revision=named_revision(ref))
    if ref.home is not None and ref.named is not None:
        known.endpoint, known.named = ref.home, ref.named
    return known


def expected(file: RepoFile, old: Entry | None, *, wanted: bool) -> Entry | None:
    """Return the entry of a file that a commit lists, with what is known of its content if that is here.

    None for one that can be no file here, or that nothing could prove.
    """
    if old is not None and old.here and old.digests.fit(file):
        return msgspec.structs.replace(old, listed=True, wanted=wanted)
    if file.size is None or not (file.sha256 or file.git_sha1):
        return None
    try:
        check_path(file.path)
    except IntegrityError:
        return None
    new = Entry(file.size, file.sha256 or "", file.git_sha1, None, listed=True, wanted=wanted)
    same = old is not None and _is_same(old, new)
    return msgspec.structs.replace(new, wrong=old.wrong) if old is not None and same else new


def load(records: Path) -> Manifest | None:
    """Read what is known: the manifest and what its journal adds; None when there is none to rely on.

    Raises:
        OSError: The disk failed or forbids reading; what is missing, broken or no file is no error.
    """
    place = os.fspath(records)  # a list of models reads thousands: making paths took longer than reading them
    try:
        content = disk.read_record(f"{place}/{MANIFEST}", LARGEST)
        manifest = _manifest_decoder.decode(content) if content is not None else None
        if manifest is None or manifest.schema != _SCHEMA:
            return None
        for path in manifest.files:
            check_path(path)
    except (*_UNREADABLE, IntegrityError):
        return None
    apply(manifest, _journal(f"{place}/{JOURNAL}", manifest.number))
    return manifest


def entry_of(path: Path) -> Entry | None:
    """Return what the model's directory around `path`, whichever it is, knows about that file."""
    for directory in path.parents:
        if (directory / RECORDS / MANIFEST).is_file():
            known = load(directory / RECORDS)
            return known.files.get(path.relative_to(directory).as_posix()) if known is not None else None
    return None


def apply(manifest: Manifest, records: Iterable[Record]) -> None:
    """Bring `manifest` to what it is after `records`. Repeating them changes nothing."""
    published = {one.destination: one for one in manifest.published}
    for record in records:
        if isinstance(record, Stored):
            old = manifest.files.get(record.path)
            entry = _succeed(old, record.entry)
            if old is not None and old.listed and not entry.listed:
                manifest.whole, manifest.listing = False, "none"
            manifest.files[record.path] = entry
        elif isinstance(record, Doubted):
            _doubt(manifest.files, record.path)
        elif isinstance(record, Wrong):
            _doubt(manifest.files, record.path, record.signature)
        elif isinstance(record, Used):
            manifest.used = max(manifest.used, record.at)
        elif isinstance(record, Published):
            published.pop(record.publication.destination, None)
            published[record.publication.destination] = record.publication
        else:
            manifest.pinned = record.pinned
    manifest.published = tuple(published.values())


def _succeed(old: Entry | None, new: Entry) -> Entry:
    """Keep an entry listed when the same content comes again, and the digests that are already known."""
    if old is None or not _is_same(old, new):
        return msgspec.structs.replace(new, listed=False, wanted=True)
    git_sha1 = new.git_sha1 or old.git_sha1
    return msgspec.structs.replace(new, listed=old.listed, wanted=old.wanted, git_sha1=git_sha1)


def _is_same(old: Entry, new: Entry) -> bool:
    same = old.sha256 == new.sha256 if old.sha256 else old.git_sha1 == new.git_sha1
    return same and old.size == new.size


def _doubt(files: dict[str, Entry], path: str, wrong: Signature | None = None) -> None:
    """Forget a file; of one that the commit needs, remember what it has to be, and is not."""
    entry = files.get(path)
    if entry is None:
        return
    if entry.listed:
        files[path] = msgspec.structs.replace(entry, signature=None, wrong=wrong)
    else:
        del files[path]


def _journal(path: str, number: int) -> Iterator[Record]:
    """Yield the records that continue manifest `number`, up to where it cannot be a journal of ours."""
    content = disk.read_record(path, _LARGEST_JOURNAL)
    if content is None:
        return
    lines = io.BytesIO(content)
    try:
        if _head_decoder.decode(lines.readline()).continues != number:
            return
    except _UNREADABLE:
        return
    torn = 0
    for line in lines:
        record = _record(line)
        if record is not None:
            yield record
        else:
            torn += 1
            if torn > _MOST_TORN:
                return


def _record(line: bytes) -> Record | None:
    """Decode one line; None for the torn end of a killed run, wherever later lines have put it."""
    try:
        record: Record = _record_decoder.decode(line)
        if isinstance(record, (Stored, Doubted, Wrong)):
            check_path(record.path)
    except (*_UNREADABLE, IntegrityError):
        return None
    return record


def append(records: Path, number: int, changes: Sequence[Record], *, durable: bool) -> int:
    """Add `changes` to the journal of manifest `number`, in one write; return how long it was before.

    Args:
        records: The model's own `.hubferry`.
        number: A journal that continues another manifest is started over.
        changes: In the order in which they happened.
        durable: Whether to return only when they survive a power cut.

    Raises:
        OSError: The disk is full, failing or forbidden.
    """
    path = records / JOURNAL
    lines = b"".join(_encoder.encode(change) + b"\n" for change in changes)
    descriptor = disk.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
    try:
        head = _encoder.encode(_Head(number)) + b"\n"
        length = disk.fstat(descriptor).st_size
        if length > _LARGEST_JOURNAL or disk.pread(descriptor, len(head), 0) != head:
            disk.truncate(descriptor, 0)
            disk.fsync_directory(records)  # before the head: a journal that has one has a durable name
            lines = head + lines
        elif disk.pread(descriptor, 1, length - 1) != b"\n":
            lines = b"\n" + lines
        disk.append(descriptor, lines)
        if durable:
            disk.fsync(descriptor)
        return length
    finally:
        disk.close(descriptor)


def save(records: Path, manifest: Manifest) -> Manifest:
    """Write the manifest so that a power cut leaves the old one or the new, and begin a new journal.

    Raises:
        OSError: The disk is full, failing or forbidden; the old manifest is untouched.
    """
    manifest = msgspec.structs.replace(manifest, number=manifest.number + 1)
    content = _encoder.encode(manifest)
    if len(content) > LARGEST:  # nobody would read it
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(records / MANIFEST))
    temporary = records / f"{MANIFEST}.{secrets.token_hex(8)}"
    replace_whole(records / MANIFEST, temporary, content, 0o666)
    disk.unlink(records / JOURNAL, missing_ok=True)
    return manifest

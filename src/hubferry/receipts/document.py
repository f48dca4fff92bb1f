"""A receipt as a value and as JSON. A digest of itself finds accidents in it, not forgers."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from hubferry import records
from hubferry.errors import DiskError, IntegrityError, NotFoundError, UsageError
from hubferry.i18n import _

KIND = "hubferry-receipt"
SCHEMA = 1
LARGEST = 64 << 20
"""Bytes of a receipt at most: 100,000 files take about 25 MB."""

_Bytes = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the copy.

    Attributes:
        ref: `hf:org/name`, with a revision where it was asked for by name, or a folder.
        endpoint: The hub's address then; None for a folder.
        commit: Where the hub names one.
        listing_digest: Where it does not; see docs/json.md.
    """

    ref: str
    endpoint: str | None = None
    commit: str | None = None
    listing_digest: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """A file as the target held it."""

    path: str
    size: _Bytes
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptName:
    """A tag or branch as it was at the target; commits where the hubs name them."""

    name: str
    kind: Literal["tag", "branch"]
    source_commit: str | None
    target_commit: str | None


@dataclass(frozen=True, slots=True)
class ReceiptPull:
    """The pull request that the copy is, and nothing else."""

    number: int
    url: str


@dataclass(frozen=True, slots=True)
class Tool:
    """What wrote the receipt."""

    hubferry: str
    python: str
    platform: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a copy left at its target.

    Attributes:
        written: When the receipt was, ISO 8601 in UTC.
        started: When the copy began, likewise.
        seconds: How long it took.
        status: `copied`, or `same` where all of it was there already.
        entry: Name of the line in the mirror file.
        source: What was copied.
        target: Where it is.
        include: Globs that were taken; empty for all.
        exclude: Globs that were left out.
        files: By path.
        others: Paths that the target had besides, which are no part of the copy.
        names: Tags and branches.
        commits: Those that the copy made at the target.
        notes: What was left out, and what else there was to know.
        adapted: Paths of files that were changed on their way, as somebody asked.
        edited: Paths to which the target's hub has added lines of its own.
        verified_by: Names of the source's own files by which it was verified.
        pull_request: Where the copy was proposed instead of made.
        tool: What wrote it.
    """

    written: str
    started: str
    seconds: float
    status: str
    entry: str
    source: Side
    target: Side
    files: tuple[ReceiptFile, ...]
    tool: Tool
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    others: tuple[str, ...] = field(default=(), repr=False)
    names: tuple[ReceiptName, ...] = ()
    commits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    verified_by: tuple[str, ...] = ()
    pull_request: ReceiptPull | None = None


def encoded(receipt: Receipt) -> bytes:
    """Return the receipt as a document for people and programs, with its seal."""
    said = {"kind": KIND, "schema": SCHEMA, **msgspec.to_builtins(receipt)}
    return json.dumps(said | {"seal": seal(said)}, ensure_ascii=False, indent=1).encode() + b"\n"


def seal(said: dict[str, Any]) -> str:
    """Return the digest of everything but the seal: of its JSON with sorted keys and no blanks."""
    rest = {key: value for key, value in said.items() if key != "seal"}
    text = json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read(place: str | os.PathLike[str]) -> Receipt:
    """Read a receipt; nothing that it says is done, or opened, or believed to be a path.

    Raises:
        NotFoundError: There is no such file.
        UsageError: It is no receipt, or one of a newer hubferry.
        IntegrityError: It is not as it was written.
        DiskError: It cannot be read.
    """
    path = Path(place)
    return decoded(_content(path), str(path))


def decoded(content: bytes, name: str) -> Receipt:
    """Return the receipt that `content` is; `name` is for what people are told. See `read`."""
    try:
        said = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if content.lstrip()[:1] == b"{" and KIND.encode() in content[:200]:
            message = _("{path} is damaged or cut short, and proves nothing: {reason}")
            raise IntegrityError(message.format(path=name, reason=error), path=name) from error
        raise _none(name) from error
    if not isinstance(said, dict) or said.get("kind") != KIND:
        raise _none(name)
    schema = said.get("schema")
    if schema != SCHEMA:
        message = _("{path} is a receipt of schema {schema}, and this hubferry reads {known}")
        words = {"path": name, "schema": _shown(schema), "known": SCHEMA}
        raise UsageError(message.format(**words), path=name, hint="pip install --upgrade hubferry")
    if said.get("seal") != seal(said):
        message = _("{path} was changed after it was written, and proves nothing").format(path=name)
        raise IntegrityError(message, path=name)
    try:
        receipt = msgspec.convert(said, Receipt)
    except msgspec.ValidationError as error:
        message = _("{path} is no right receipt: {reason}").format(path=name, reason=error)
        raise IntegrityError(message, path=name) from error
    _refuse_proofless(receipt, name)
    return receipt


def _content(path: Path) -> bytes:
    real = Path(os.path.realpath(path))
    try:
        content = records.read(real, LARGEST)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = _("{path} cannot be read: {reason}").format(path=path, reason=reason)
        raise DiskError(message, path=str(path)) from error
    if content is not None:
        return content
    if not os.path.lexists(path):
        raise NotFoundError(_("there is no file {path}").format(path=path), path=str(path))
    raise _none(str(path))


def _none(name: str) -> UsageError:
    message = _("{path} is no receipt of hubferry's").format(path=name)
    return UsageError(message, path=name, hint="hubferry sync run --receipts DIR")


def _shown(schema: object) -> str:
    return str(schema) if isinstance(schema, int) and abs(schema) < 10**9 else "?"


def _refuse_proofless(receipt: Receipt, name: str) -> None:
    """Refuse a receipt with a file that nothing could be held against, or with one path twice."""
    paths = {file.path for file in receipt.files}
    if len(paths) < len(receipt.files) or not all(file.sha256 or file.git_sha1 for file in receipt.files):
        message = _("{path} is no right receipt: {reason}")
        reason = _("a file stands there twice, or without any digest")
        raise IntegrityError(message.format(path=name, reason=reason), path=name)

"""A plan as a file: a line about the whole, then one a file. A digest finds accidents in it, not forgers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from hubferry import records
from hubferry.cache.documents import write_whole
from hubferry.errors import DiskError, IntegrityError, NotFoundError, UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    import os

KIND = "hubferry-plan"
SCHEMA = 1
LARGEST = 128 << 20
"""Bytes of a plan at most: 100,000 files take about 30 MB."""

_Bytes = Annotated[int, msgspec.Meta(ge=0)]


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One side as it was: a repository as it is typed, or a folder; its hub's address; its state."""

    ref: str
    endpoint: str | None
    exists: bool
    commit: str | None = None
    listing_digest: str | None = None


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked for of `Options`: all that decides what is published, and nothing secret."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    delete: bool = False
    max_delete: str | None = None
    visibility: Literal["public", "private"] | None = None
    new_visibility: Literal["public", "private"] | None = None
    license: str | None = None
    message: str | None = None
    keep_going: bool = False
    allow: tuple[str, ...] = ()
    card: Literal["exact", "fix-license"] = "exact"
    tag: str | None = None
    same_tag: bool = False


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: `put`, `same` or `delete`, and which content; for DELETE the destination's."""

    path: str
    action: Literal["put", "same", "delete"]
    size: _Bytes | None
    sha256: str | None = None
    git_sha1: str | None = None


class PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of a plan that was written down.

    Attributes:
        written: When, ISO 8601 in UTC.
        tool: Version of hubferry.
        source: What is to be copied.
        destination: Where to, as it was.
        options: What was asked for.
        files: One a file, by path.
    """

    written: str
    tool: str
    source: Place
    destination: Place
    options: Asked
    files: tuple[Line, ...] = ()


def encoded(plan: PlanFile) -> bytes:
    """Return the plan as lines of JSON, the first with the seal."""
    lines = [_line(msgspec.to_builtins(one)) for one in plan.files]
    said = msgspec.to_builtins(plan)
    del said["files"]
    head = {"kind": KIND, "schema": SCHEMA, **said, "files": len(lines)}
    return b"".join([_line(head | {"seal": _seal(head, lines)}), *lines])


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _seal(head: dict[str, Any], lines: list[bytes]) -> str:
    """Return the digest of everything but the seal: the head with sorted keys, then the lines as they are."""
    digest = hashlib.sha256(json.dumps(head, sort_keys=True, separators=(",", ":")).encode())
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def write(place: Path, plan: PlanFile) -> None:
    """Write a plan, whole or not at all.

    Raises:
        DiskError: The disk is full, forbids it, or fails.
    """
    write_whole(place, encoded(plan))


def read(place: str | os.PathLike[str]) -> PlanFile:
    """Read a plan; nothing that it says is done, opened, or believed to be a path.

    Raises:
        NotFoundError: There is no such file.
        UsageError: It is no plan, or one of a newer hubferry.
        IntegrityError: It is not as it was written.
        DiskError: It cannot be read.
    """
    path = Path(place)
    try:
        content = records.read(path.resolve(), LARGEST)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = _("{path} cannot be read: {reason}").format(path=path, reason=reason)
        raise DiskError(message, path=str(path)) from error
    if content is None:
        if not path.exists():
            raise NotFoundError(_("there is no file {path}").format(path=path), path=str(path))
        raise _none(str(path))
    return decoded(content, str(path))


def decoded(content: bytes, name: str) -> PlanFile:
    """Return the plan that `content` is; `name` is for what people are told. See `read`."""
    first, *lines = content.split(b"\n")
    try:
        head = msgspec.json.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _none(name) from error
    if not isinstance(head, dict) or head.get("kind") != KIND:
        raise _none(name)
    schema = head.get("schema")
    if schema != SCHEMA:
        message = _("{path} is a plan of schema {schema}, and this hubferry reads {known}")
        shown = schema if isinstance(schema, int) and abs(schema) < 10**9 else "?"
        raise UsageError(
            message.format(path=name, schema=shown, known=SCHEMA),
            path=name,
            hint="pip install --upgrade hubferry",
        )
    seal = head.pop("seal", None)
    ended = lines[-1:] == [b""]  # the last line has its end, too
    if not ended or seal != _seal(head, [line + b"\n" for line in lines[:-1]]):
        message = _("{path} was changed after it was written, or is cut short; nothing of it is done")
        raise IntegrityError(message.format(path=name), path=name)
    try:
        files = [msgspec.json.decode(line) for line in lines[:-1]]
        said = {key: value for key, value in head.items() if key not in ("kind", "schema", "files")}
        plan = msgspec.convert(said | {"files": files}, PlanFile)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(name, str(error)) from error
    if len({one.path for one in plan.files}) < len(plan.files):
        raise _wrong(name, _("a file stands there twice"))
    return plan


def _none(name: str) -> UsageError:
    message = _("{path} is no plan of hubferry's").format(path=name)
    return UsageError(message, path=name, hint="hubferry copy SOURCE DESTINATION --plan-out FILE")


def _wrong(name: str, reason: str) -> IntegrityError:
    message = _("{path} is no right plan: {reason}").format(path=name, reason=reason)
    return IntegrityError(message, path=name)

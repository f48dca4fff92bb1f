"""The index of a bundle, with which each of its volumes begins: what the whole is. No I/O."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from hubferry.errors import IntegrityError, UsageError
from hubferry.i18n import _
from hubferry.model import HubName, RepoFile, RepoRef, RepoType, Revision

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND = "hubferry-bundle"
SCHEMA = 1
LARGEST = 32 << 20
"""Bytes of an index at most: some 130,000 files."""
_MOST_VALUES = 1_000_000
"""Objects and lists in an index at most: each takes a hundred times the memory that it takes in JSON."""

_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 60)]
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Sha1 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}\Z")]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\Z")]


class BundledFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One file of a repository's listing; what was not selected may lack its sha256."""

    path: str
    size: _Count
    sha256: _Sha256 | None = None
    git_sha1: _Sha1 | None = None
    lfs: bool = False

    def listed(self) -> RepoFile:
        """Return the file as a listing has it."""
        return RepoFile(self.path, self.size, self.sha256, self.git_sha1, lfs=self.lfs)


class BundledModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One repository, at one commit.

    Attributes:
        folder: Its folder in the volumes.
        hub: Which protocol its hub speaks; with `repo_type` and `repo_id`, whose files these are.
        revision: The name that was asked for, None for the default branch.
        endpoint: Where its hub was.
        named: What the configuration file called that hub; None for the two that everybody knows.
        commit: What that was, or a digest of the listing where the hub names no commit.
        private: Whether anonymous readers were kept out.
        gated: Whether terms had to be accepted.
        license: What its hub said.
        include: Globs that were taken; empty for all.
        exclude: Globs that were left out.
        notes: What was left out, and what else there was to know.
        files: Its whole listing, by path.
    """

    folder: _Name
    hub: HubName
    repo_type: RepoType
    repo_id: str
    revision: str | None
    endpoint: str | None
    named: str | None
    commit: str
    private: bool
    gated: bool
    license: str | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    notes: tuple[str, ...]
    files: tuple[BundledFile, ...]

    @property
    def ref(self) -> RepoRef:
        """Whose files these are."""
        endpoint = self.endpoint if self.named else None
        return RepoRef(self.hub, self.repo_id, self.revision, self.repo_type, endpoint, self.named)

    def revised(self, ref: RepoRef) -> Revision:
        """Return the commit as `ref` names it."""
        return Revision(ref, self.commit, self.private, self.gated, self.license)


class Piece(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Bytes of a file in a volume.

    Attributes:
        model: The number of its repository, from 0.
        file: The number of the file there, from 0.
        start: The first of its bytes.
        stop: Past the last of its bytes.
        offset: Where they are, from the end of the volume's index.
    """

    model: _Count
    file: _Count
    start: _Count
    stop: _Count
    offset: _Count


class VolumePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a volume holds: `length` bytes come between its index and its end."""

    length: _Count
    pieces: tuple[Piece, ...]


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole bundle: its repositories, and which bytes of them are where.

    Attributes:
        name: What the names of its volumes begin with.
        volume_size: Bytes of a volume at most.
        models: Its repositories.
        volumes: Its volumes, from number 1.
    """

    name: _Name
    volume_size: _Count
    models: tuple[BundledModel, ...]
    volumes: tuple[VolumePlan, ...]

    def file(self, piece: Piece) -> BundledFile:
        """Return the file that a piece is of."""
        return self.models[piece.model].files[piece.file]

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """Yield each piece with the number of its volume, in order."""
        for number, volume in enumerate(self.volumes, 1):
            for piece in volume.pieces:
                yield number, piece


def encoded(index: Index) -> bytes:
    """Return the index as JSON, always the same for the same bundle, with its seal."""
    said = {"kind": KIND, "schema": SCHEMA, **msgspec.to_builtins(index)}
    return _json(said | {"seal": seal(said)}) + b"\n"


def seal(said: dict[str, Any]) -> str:
    """Return what tells one bundle from every other: a digest of everything but the seal."""
    rest = {key: value for key, value in said.items() if key != "seal"}
    return hashlib.sha256(_json(rest)).hexdigest()


def _json(said: dict[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def decoded(content: bytes, name: str) -> Index:
    """Return the index that `content` is; nothing that it says is opened or done. `name` is for people.

    Raises:
        UsageError: It is of a newer hubferry.
        IntegrityError: It is damaged, or says what cannot be.
    """
    if len(content) > LARGEST or content.count(b"[") + content.count(b"{") > _MOST_VALUES:
        raise _damaged(name, _("larger than any index is"))
    try:
        said = msgspec.json.decode(content, type=dict[str, Any])
        if said.pop("kind", None) != KIND:
            raise _damaged(name, _("no index of a bundle"))
        if said.pop("schema", None) != SCHEMA:
            message = _("{name} is of another version of hubferry").format(name=name)
            raise UsageError(message, path=name, hint="pip install --upgrade hubferry")
        known = said.pop("seal", None)
        if known != seal({"kind": KIND, "schema": SCHEMA, **said}):
            raise _damaged(name, _("not as it was written"))
        index = msgspec.convert(said, Index)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError, RecursionError) as error:
        raise _damaged(name, str(error)) from error
    _examine(index, name)
    return index


def _damaged(name: str, reason: str) -> IntegrityError:
    message = _("{name} is damaged, or no volume of a bundle: {reason}")
    return IntegrityError(message.format(name=name, reason=reason), path=name)


def _examine(index: Index, name: str) -> None:
    """Refuse an index whose pieces are not the selected files, each byte once and in order."""
    reached: dict[tuple[int, int], int] = {}
    for number, piece in index.pieces():
        if piece.model >= len(index.models) or piece.file >= len(index.models[piece.model].files):
            raise _damaged(name, _("a piece of no file"))
        file, key = index.file(piece), (piece.model, piece.file)
        follows = reached.get(key, 0) == piece.start and (key not in reached or piece.start > 0)
        if not follows or not piece.start <= piece.stop <= file.size or file.sha256 is None:
            raise _damaged(name, _("the pieces of {path} do not fit").format(path=file.path))
        if piece.offset + piece.stop - piece.start > index.volumes[number - 1].length:
            raise _damaged(name, _("a piece is outside of its volume"))
        reached[key] = piece.stop
    for (of, number), stop in reached.items():
        file = index.models[of].files[number]
        if stop != file.size:
            raise _damaged(name, _("the pieces of {path} do not fit").format(path=file.path))
    if len({model.folder for model in index.models}) < len(index.models) or not index.models:
        raise _damaged(name, _("its repositories cannot be told apart"))
    for model in index.models:
        if model.hub == "dir" or len({file.path for file in model.files}) < len(model.files):
            raise _damaged(name, _("its repositories cannot be told apart"))

"""The nouns: what a repository, a file and a plan are. Values only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.beside import PlannedName
    from hubferry.findings import Finding

LARGEST_IN_GIT = 16 * 1024 * 1024
"""Bytes above which every known hub stores a file outside of git (Hugging Face's own line is 10 MB)."""

BLOB_SUFFIXES = frozenset([
    ".7z", ".arrow", ".bin", ".bz2", ".ckpt", ".ftz", ".gz", ".h5", ".joblib", ".mlmodel", ".model",
    ".msgpack", ".npy", ".npz", ".onnx", ".ot", ".parquet", ".pb", ".pickle", ".pkl", ".pt", ".pth",
    ".rar", ".safetensors", ".tar", ".tflite", ".tgz", ".wasm", ".xz", ".zip", ".zst"
])  # fmt: skip
"""Lower-case suffixes that both hubs store outside of git at any size: Hugging Face's .gitattributes of a new
repository, and MODEL_LFS_SUFFIX of modelscope_hub/constants.py."""

HubName = Literal["hf", "ms", "dir"]
RepoType = Literal["model", "dataset"]
Visibility = Literal["public", "private"]


@dataclass(frozen=True, slots=True)
class RepoRef:
    """Name a repository on a hub, perhaps one that a file `named`, or a folder (`hub="dir"`, its path)."""

    hub: HubName
    repo_id: str
    revision: str | None = None
    repo_type: RepoType = "model"
    endpoint: str | None = None
    named: str | None = None

    def __str__(self) -> str:
        kind = "datasets/" if self.repo_type == "dataset" else ""
        prefix = "" if self.hub == "dir" else f"{self.prefix}:"
        return f"{prefix}{kind}{self.repo_id}" + (f"@{self.revision}" if self.revision else "")

    @property
    def prefix(self) -> str:
        """What a person types before the colon."""
        return self.named or self.hub

    @property
    def home(self) -> str | None:
        """The endpoint that tells a named hub from every other; None for the two that all know."""
        return self.endpoint if self.named else None

    @property
    def name(self) -> str:
        """The last part of the repository's name."""
        return self.repo_id.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Revision:
    """Pin a repository to one commit; what a moving name meant when it was asked.

    Attributes:
        ref: The repository, with the name that was asked for.
        commit: An immutable name. A hub that names no head commit gets a digest of its listing.
        private: Whether anonymous readers are kept out.
        gated: Whether terms must be accepted first.
        license: The licence's identifier as the hub has it, None where it says nothing.
        exists: False for a destination that is yet to be created.
        branchless: Whether the repository is there all the same, and only the branch is not.
        findings: What looking at it brought up besides its files: a folder's entries that are none.
        signed: Names of those of its files by which the others were verified: SHA256SUMS, model.sig.
    """

    ref: RepoRef
    commit: str
    private: bool = False
    gated: bool = False
    license: str | None = None
    exists: bool = True
    branchless: bool = False
    findings: tuple[Finding, ...] = ()
    signed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RepoFile:
    """Describe one file of a listing.

    Attributes:
        path: POSIX path in the repository, as the hub spells it. Data, not yet a safe file name.
        size: Bytes, None where the listing does not say.
        sha256: Hex digest of the content where the hub lists it.
        git_sha1: Hex git blob id, sha1 of `blob <size>` NUL content, for files kept in git.
        lfs: Whether the hub keeps it as a blob outside of git.
        xet_hash: Merkle hash in Hugging Face's chunked storage.
        revision: The commit this file downloads by, where that is not the repository's.
    """

    path: str
    size: int | None
    sha256: str | None = None
    git_sha1: str | None = None
    lfs: bool = False
    xet_hash: str | None = None
    revision: str | None = None

    @property
    def may_be_in_git(self) -> bool:
        """Whether some hub may keep it in git, and list nothing but its git sha1."""
        return self.sha256 is None or (self.size or 0) <= LARGEST_IN_GIT


@dataclass(frozen=True, slots=True)
class Digests:
    """What a whole file hashes to; `git_sha1` is None where nobody needed it."""

    size: int
    sha256: str
    git_sha1: str | None = None

    def fit(self, file: RepoFile) -> bool:
        """Return whether this is the content that `file` lists, by every digest and size it names.

        A file that names no digest that is known here does not fit: nothing would prove it.
        """
        if file.size is not None and file.size != self.size:
            return False
        pairs = [(file.sha256, self.sha256), (file.git_sha1, self.git_sha1)]
        proofs = [listed == ours for listed, ours in pairs if listed and ours]
        return bool(proofs) and all(proofs)


@dataclass(frozen=True, slots=True)
class Limits:
    """Say as data what a destination takes, so that a plan needs not know which hub it is.

    Attributes:
        actions_per_commit: Files one commit may name.
        commit_bytes: Bytes one commit request may have, base64 and JSON included.
        inline_size: Largest file, in bytes, that goes inside a commit when its name does not decide.
        blob_suffixes: Lower-case suffixes that are blobs at any size.
        inline_names: Lower-case file names that are never blobs.
        file_size: Largest file in bytes that is taken, None where there is no limit.
        advised_file_size: Largest file in bytes that the hub advises.
        blobs_per_question: How many digests one "which are missing?" may name.
        advised_files: Most files in a repository that the hub advises.
        advised_folder: Most files directly in one folder that the hub advises.
        folder_entries: Most entries directly in one folder that it takes.
        listable_folder: Most entries directly in one folder that it lists, and by which a copy can be proven.
        reads_cards: Whether a commit with a model card that is not valid is refused.
        edited_names: Files at the top that the hub adds lines to by itself; see `hubferry.edited`.
        has_parents: Whether a commit can say which one it follows, and is refused when that is not the head.
    """

    actions_per_commit: int
    commit_bytes: int
    inline_size: int
    blob_suffixes: frozenset[str] = frozenset()
    inline_names: frozenset[str] = frozenset()
    file_size: int | None = None
    advised_file_size: int | None = None
    blobs_per_question: int = 64
    advised_files: int | None = None
    advised_folder: int | None = None
    folder_entries: int | None = None
    listable_folder: int | None = None
    reads_cards: bool = False
    edited_names: frozenset[str] = frozenset()
    has_parents: bool = False

    def is_blob(self, path: str, size: int) -> bool:
        """Return whether a file of this name and `size` in bytes is stored outside of git."""
        name = path.rpartition("/")[2].lower()
        if name in self.inline_names:
            return False
        dot = name.rfind(".")
        return size > self.inline_size or (dot > 0 and name[dot:] in self.blob_suffixes)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of an open file that nobody has read: `start` to `stop` (exclusive).

    Good as long as the descriptor is open. A slice of a span is one.
    """

    descriptor: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, part: slice) -> Span:
        start, stop, _step = part.indices(len(self))
        return Span(self.descriptor, self.start + start, self.start + max(start, stop))


@dataclass(frozen=True, slots=True)
class Blob:
    """Name content by its digest; `path` is a file that has it, for what people are told."""

    sha256: str
    size: int
    path: str = field(default="", compare=False)


class Action(str, Enum):
    """What a plan does with one file, cheapest first."""

    SAME = "same"
    REUSE = "reuse"
    INLINE = "inline"
    SEND = "send"
    FETCH_SEND = "fetch+send"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Step:
    """One file of a plan.

    Attributes:
        action: What to do.
        file: The source's file; for DELETE the destination's.
        blob: Whether the destination stores it as a blob (else inside the commit).
        cached: Whether the whole, verified content is already on this machine.
        replaces: Whether the destination has another file of that path.
        fill: Whether to fetch it although the destination needs nothing, so that the cache ends up whole.
        sha256: The content's digest where it is known before a byte is moved.
    """

    action: Action
    file: RepoFile
    blob: bool = False
    cached: bool = False
    replaces: bool = False
    fill: bool = False
    sha256: str | None = None

    @property
    def fetches(self) -> bool:
        """Whether its bytes must come over the network."""
        return not self.cached and (self.fill or self.action in (Action.FETCH_SEND, Action.INLINE))


@dataclass(frozen=True, slots=True)
class NewRepository:
    """How to create a destination that is not there yet.

    Attributes:
        visibility: Who may read it.
        license: Never silence, which some hub takes for a licence of its own choice.
        branch_only: Whether the repository is there, and only the branch has to be made.
    """

    visibility: Visibility = "public"
    license: str = "other"
    branch_only: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run would do, in the order of the source's paths.

    Attributes:
        source: What is copied.
        destination: Where to, as it stands.
        steps: One a file.
        limits: What the destination takes.
        findings: What is left out, what should be known, what would stop the run.
        only_there: Files that only the destination has, and keeps.
        new: How the destination is to be created; None where it is there.
        card: The model card that is going to be published, where the destination reads it.
        adapted: Content that is published instead of the source's own, by path, as somebody asked.
        landed: Bytes of what is to be fetched that an earlier run has left here, in files that are not whole.
        duplicated: Bytes of what is stored because the hub, which is both sides', has put it there by itself.
        names: Tags and branches that go with it.
        proposes: Whether it is published as a pull request, for which no right to the branch is needed.
    """

    source: Revision
    destination: Revision
    steps: tuple[Step, ...]
    limits: Limits
    findings: tuple[Finding, ...] = ()
    only_there: tuple[RepoFile, ...] = ()
    new: NewRepository | None = None
    card: bytes | None = field(default=None, repr=False)
    adapted: Mapping[str, bytes] = field(default_factory=dict)
    landed: int = 0
    duplicated: int = 0
    names: tuple[PlannedName, ...] = ()
    proposes: bool = False

    def of(self, *actions: Action) -> tuple[Step, ...]:
        """Return the steps whose action is one of `actions`."""
        return tuple(step for step in self.steps if step.action in actions)

    @property
    def fetch_bytes(self) -> int:
        """Bytes that would come from the source: not what has landed, and of equal content only one."""
        wanted = {step.sha256 or step.file.path: step.file.size or 0 for step in self.steps if step.fetches}
        return sum(wanted.values()) - self.landed

    @property
    def send_bytes(self) -> int:
        """Bytes that would go to the destination."""
        moving = (Action.INLINE, Action.SEND, Action.FETCH_SEND)
        return sum(step.file.size or 0 for step in self.of(*moving))

    @property
    def nothing_to_do(self) -> bool:
        """Whether the destination already has everything."""
        return all(step.action is Action.SAME and not step.fetches for step in self.steps)


Change = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class CommitAction:
    """One file of a commit: a blob by digest, or content that goes along.

    `content` is None for blobs and deletions; it is small by `Limits.inline_size` or `inline_names`.
    """

    change: Change
    path: str
    size: int = 0
    sha256: str | None = None
    content: bytes | None = field(default=None, repr=False)

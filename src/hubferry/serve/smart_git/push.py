"""What is pushed by git, taken into the hub commit by commit, under the rules of any other commit.

New objects are kept apart until the hub has made its commits of them. A commit that the hub keeps as it came
keeps its name in git; one to which a rule adds something gets another, and whoever pushed it has to pull.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hubferry.serve.committing import Proposal, make_commit
from hubferry.serve.exchange import check_path
from hubferry.serve.git import object_id
from hubferry.serve.records import Change, Delete, Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.rules import rules_of
from hubferry.serve.smart_git.command import Git, GitError
from hubferry.serve.smart_git.copy import OURS, bring_up_to_date, known_commits
from hubferry.serve.smart_git.lines import NOTHING, Command, Push

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hubferry.serve.access import Account
    from hubferry.serve.hub import Hub
    from hubferry.serve.repository import Repository

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*"
    rb"oid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n"
)
_LARGEST_POINTER = 1024
_AT_ONCE = 32 << 20
_MOST_COMMITS = 10_000
_FILE = ("100644", "100755")
_HEADS, _TAGS = "refs/heads/", "refs/tags/"


@dataclass(frozen=True)
class Pushing:
    """One push.

    Attributes:
        git: The repository with the new objects.
        known: What the hub calls the commits that git has.
    """

    hub: Hub
    repository: Repository
    account: Account
    git: Git
    known: dict[str, str]


@dataclass(frozen=True)
class _Step:
    """A commit in git, and the one against which it changes something."""

    sha: str
    parent: str


def take_in(
    hub: Hub, repository: Repository, account: Account, push: Push, objects: IO[bytes]
) -> list[tuple[str, str]]:
    """Take a push in; return the names that were refused, and why. Blocks.

    Raises:
        Refusal: The objects are none.
    """
    git = bring_up_to_date(repository, hub.store.blobs)
    refused = []
    with tempfile.TemporaryDirectory(prefix="incoming-", dir=git.folder) as name:
        apart = _apart(git, Path(name))
        _receive(hub, apart, objects)
        for command in push.commands:
            known = {sha: commit for commit, sha in known_commits(git).items()}
            try:
                _obey(Pushing(hub, repository, account, apart, known), command, Path(name))
            except Refusal as refusal:
                refused.append((command.name, refusal.text or refusal.reason.value))
            except GitError as error:
                refused.append((command.name, str(error)))
    bring_up_to_date(repository, hub.store.blobs)
    return refused


def _apart(git: Git, place: Path) -> Git:
    (place / "pack").mkdir()
    return replace(
        git,
        more={
            "GIT_OBJECT_DIRECTORY": str(place),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(git.folder / "objects"),
        },
    )


def _receive(hub: Hub, git: Git, objects: IO[bytes]) -> None:
    start = objects.tell()
    head = objects.read(12)
    if len(head) < 12 or not int.from_bytes(head[8:], "big"):  # noqa: PLR2004  # a name moves, and nothing is new
        return
    with tempfile.TemporaryFile(dir=git.folder) as pack:  # git reads its input from the beginning
        objects.seek(start)
        while block := objects.read(1 << 20):
            pack.write(block)
        pack.seek(0)
        most = f"--max-input-size={hub.limits.commit_bytes}"
        try:
            git.run("index-pack", "--stdin", "--fix-thin", "--strict", most, given=pack)
        except GitError as error:
            raise Refusal(Reason.INVALID, f"The objects of this push are broken: {error}") from error


def _obey(pushing: Pushing, command: Command, objects: Path) -> None:
    kind = _HEADS if command.name.startswith(_HEADS) else _TAGS if command.name.startswith(_TAGS) else ""
    name, repository = command.name.removeprefix(kind), pushing.repository
    if not kind:
        raise Refusal(Reason.FORBIDDEN, "only branches and tags are pushed here")
    if command.new == NOTHING:
        (repository.remove_branch if kind == _HEADS else repository.remove_tag)(name)
    elif kind == _TAGS:
        _tag(pushing, name, command.new, objects)
    else:
        _move(pushing, name, command, objects)


def _tag(pushing: Pushing, name: str, sha: str, objects: Path) -> None:
    commit = pushing.git.run("rev-parse", "--verify", "--quiet", f"{sha}^{{commit}}").decode().strip()
    meant = pushing.known.get(commit)
    if meant is None:
        raise Refusal(Reason.INVALID, "push the branch of this tag first")
    message = ""
    if commit != sha:
        message = pushing.git.run("cat-file", "tag", sha).decode(errors="replace").partition("\n\n")[2]
    pushing.repository.add_tag(name, meant, message.strip())
    if commit != sha:
        _keep(pushing.git, objects, {f"{_TAGS}{name}": sha})


def _move(pushing: Pushing, branch: str, command: Command, objects: Path) -> None:
    head = _head(pushing.repository, branch)
    steps = _steps(pushing, command.new, head)
    base = pushing.known[steps[0].parent] if steps else pushing.known[command.new]
    if head is None:
        pushing.repository.add_branch(branch, base)
    elif not steps and head != base:
        raise Refusal(Reason.CONFLICT, "history is not rewritten here")
    at = base
    try:
        for step in steps:
            at = _commit(pushing, branch, step, at, objects)
    except BaseException:
        if head is None and at == base:
            pushing.repository.remove_branch(branch)
        raise


def _head(repository: Repository, branch: str) -> str | None:
    try:
        return repository.head(branch)
    except Refusal:
        return None


def _steps(pushing: Pushing, new: str, head: str | None) -> list[_Step]:
    """Return the commits to make, so that what is pushed follows on what is there.

    Raises:
        Refusal: It does not.
    """
    git, known = pushing.git, pushing.known
    rows = git.run("rev-list", "--reverse", "--first-parent", "--parents", new, "--not", f"--glob={OURS}*")
    steps = [_Step(*row.split(" ")[:2]) for row in rows.decode().splitlines() if " " in row]
    if len(steps) > _MOST_COMMITS:
        raise Refusal(Reason.TOO_LARGE, f"more than {_MOST_COMMITS} commits in one push")
    base = known.get(steps[0].parent if steps else new)
    if base is not None and (head is None or head == base or not steps):
        return steps
    there = next((sha for sha, commit in known.items() if commit == head), None)
    if there is None:
        raise Refusal(Reason.CONFLICT, "it does not build on a commit of this repository")
    if git.run("rev-list", "--max-count=1", there, "--not", new):
        raise Refusal(Reason.CONFLICT, "fetch first: history is not rewritten here")
    return [_Step(new, there)]  # what is there came into it by a merge: the hub's history has one line


def _commit(pushing: Pushing, branch: str, step: _Step, at: str, objects: Path) -> str:
    """Make a commit on the one that the branch is at; return it."""
    hub, repository, git = pushing.hub, pushing.repository, pushing.git
    headers, _blank, text = git.run("cat-file", "commit", step.sha).decode(errors="replace").partition("\n\n")
    author = re.search(r"^author (.*?) ?<", headers, re.MULTILINE)
    title, _newline, description = text.strip().partition("\n")
    proposal = Proposal(
        branch,
        _changes(pushing, step.parent, step.sha),
        title or "Push",
        author[1][:200] if author is not None and author[1] else pushing.account.name,
        description.strip(),
        parent=at,
        rules=rules_of(hub.strict),
        throttle=hub.strict.huggingface_commits,
    )
    made = make_commit(hub, repository, proposal).id
    tree = re.match(r"tree ([0-9a-f]{40})", headers)
    if tree is not None and tree[1] == repository.tree(made).folders[""]:
        _keep(git, objects, {f"{OURS}{made}": step.sha})
    return made


def _keep(git: Git, objects: Path, names: dict[str, str]) -> None:
    """Give the new objects to the repository, and lead names to them."""
    for suffix in ("*.pack", "*.idx"):  # in this order: git looks for the second
        for path in (objects / "pack").glob(suffix):
            path.replace(git.folder / "objects" / "pack" / path.name)
    commands = "".join(f"update {name} {sha}\n" for name, sha in names.items())
    git.run("update-ref", "--stdin", given=commands.encode())


def _changes(pushing: Pushing, parent: str, sha: str) -> list[Change]:
    raw = pushing.git.run("diff-tree", "-r", "-z", "--no-renames", "--full-index", parent, sha)
    fields = raw.decode(errors="surrogateescape").split("\0")[:-1]
    changes: list[Change] = []
    files: dict[str, str] = {}
    for described, path in zip(fields[::2], fields[1::2], strict=True):
        _mode, mode, _old, new, status = described.removeprefix(":").split(" ")
        check_path(path)
        if status == "D":
            changes.append(Delete(path))
        elif mode not in _FILE:
            raise Refusal(Reason.INVALID, f"{path} is no file: links and submodules are not kept", about=path)
        else:
            files[path] = new
    contents = zip(files, _contents(pushing, files), strict=True)
    return changes + [_put(pushing, path, content) for path, content in contents]


def _contents(pushing: Pushing, files: Mapping[str, str]) -> Iterator[bytes]:
    """Yield what files hold, by the names of their objects."""
    asked = "".join(f"{sha}\n" for sha in files.values()).encode()
    told = pushing.git.run("cat-file", "--batch-check", given=asked).splitlines()
    sizes = [int(row.split()[2]) for row in told]
    limits = pushing.hub.limits
    for path, size in zip(files, sizes, strict=True):
        if size > limits.commit_line_bytes:
            raise Refusal(Reason.TOO_LARGE, f"{path} has {size} bytes: push it by LFS", about=path)
    objects = list(files.values())
    for part in _groups(sizes):
        asked = "".join(f"{sha}\n" for sha in objects[part]).encode()
        said, position = pushing.git.run("cat-file", "--batch", given=asked), 0
        for size in sizes[part]:
            start = said.index(b"\n", position) + 1
            yield said[start : start + size]
            position = start + size + 1


def _groups(sizes: Sequence[int]) -> Iterator[slice]:
    """Yield parts of a list of files that are held in memory together."""
    start = total = 0
    for number, size in enumerate(sizes):
        if total and total + size > _AT_ONCE:
            yield slice(start, number)
            start, total = number, 0
        total += size
    yield slice(start, len(sizes))


def _put(pushing: Pushing, path: str, content: bytes) -> Put:
    blobs = pushing.hub.store.blobs
    pointed = _POINTER.fullmatch(content) if len(content) <= _LARGEST_POINTER else None
    if pointed is None:
        return Put(path, blobs.put(content), lfs=False, git_sha1=object_id("blob", content))
    return Put(path, pointed[1].decode(), lfs=True, size=int(pointed[2]))

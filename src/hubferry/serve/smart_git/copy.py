"""A repository of the hub as git has it: a bare repository beside it, made when somebody asks by git.

    <repository>/git/       refs/hubferry/<id> is the commit that the hub calls so; clients do not see those

It is an aid: one that is removed is made again, with the same names for the same commits, but for those that
were pushed with other authors or times than the hub keeps.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from typing import TYPE_CHECKING

from hubferry.serve.git import pointer
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import DEFAULT_BRANCH, PULL
from hubferry.serve.smart_git.command import Git, GitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hubferry.serve.blobs import Blobs
    from hubferry.serve.records import CommitRecord, FileRecord
    from hubferry.serve.repository import Repository

_LOGGER = logging.getLogger(__name__)
_MANY = 100
"""Names that are worth being written to one file."""
_MOST_PACKS = 50
"""Files of objects after which git makes one of them."""
OURS = "refs/hubferry/"
_HEADS = f"refs/heads/{DEFAULT_BRANCH}", "refs/heads/master"
"""The default branch has both names, as everywhere on the hub: clients of either hub ask by theirs."""


def bring_up_to_date(repository: Repository, blobs: Blobs) -> Git:
    """Give git what the repository has got since; return git there. Blocks.

    Raises:
        Refusal: It has what git cannot hold.
    """
    git = Git(repository.folder / "git")
    with repository.git_lock:
        try:
            _give(git, repository, blobs)
        except GitError as error:  # somebody has been at it: it is only an aid, and made again
            _LOGGER.warning("git's copy of %s is made again: %s", repository.record.repo_id, error)
            shutil.rmtree(git.folder, ignore_errors=True)
            try:
                _give(git, repository, blobs)
            except GitError as again:
                name = repository.record.repo_id
                raise Refusal(Reason.INVALID, f"{name} has what git cannot hold", about=name) from again
    return git


def _give(git: Git, repository: Repository, blobs: Blobs) -> None:
    if not (git.folder / "HEAD").exists():
        _make(git)
    wanted = _references(repository)
    known = known_commits(git)
    pending = _pending(repository, wanted.values(), known)
    if pending:
        _import(git, repository, blobs, pending, known)
        known = known_commits(git)
    _lead(git, {name: known[commit] for name, commit in wanted.items()})
    if len(pending) > _MANY:
        git.run("pack-refs", "--all")
    if pending and sum(1 for _pack in (git.folder / "objects" / "pack").glob("*.pack")) > _MOST_PACKS:
        _pack(git, repository)


def _pack(git: Git, repository: Repository) -> None:
    """Let git put its objects into one file, and what nothing leads to for two weeks out of it."""
    try:
        git.run("gc", "--quiet")
    except GitError as error:  # as it is, it serves as well
        _LOGGER.warning("git's copy of %s stays in many files: %s", repository.record.repo_id, error)


def known_commits(git: Git) -> dict[str, str]:
    """Return what git calls the commits that it has, by the hub's names."""
    text = git.run("for-each-ref", "--format=%(refname) %(objectname)", OURS).decode()
    rows = (row.split(" ") for row in text.splitlines())
    return {name.removeprefix(OURS): sha for name, sha in rows}


def _make(git: Git) -> None:
    shutil.rmtree(git.folder, ignore_errors=True)
    git.run("init", "--quiet", "--bare", f"--initial-branch={DEFAULT_BRANCH}", str(git.folder))


def _references(repository: Repository) -> dict[str, str]:
    record = repository.record
    found = {f"refs/heads/{name}": commit for name, commit in record.branches.items()}
    found |= dict.fromkeys(_HEADS, record.branches[DEFAULT_BRANCH])
    found |= {f"refs/tags/{name}": commit for name, commit in record.tags.items()}
    return found | {f"{PULL}{number}": commit for number, commit in record.pulls.items()}


def _pending(repository: Repository, heads: Iterable[str], known: dict[str, str]) -> list[str]:
    """Return the commits that git does not have, each after the one before it."""
    found: dict[str, None] = {}
    for head in heads:
        new: list[str] = []
        for one in repository.history.walk(head):
            if one.id in known or one.id in found:
                break
            new.append(one.id)
        found |= dict.fromkeys(reversed(new))
    return list(found)


def _import(
    git: Git, repository: Repository, blobs: Blobs, pending: list[str], known: dict[str, str]
) -> None:
    marks = {commit: number for number, commit in enumerate(pending, 1)}

    with tempfile.TemporaryFile(dir=git.folder) as stream:
        for commit in pending:
            record = repository.history.changes(commit)
            parent = record.parent
            before = f":{marks[parent]}" if parent in marks else known.get(parent or "")
            for piece in _commit(record, marks[commit], before, blobs):
                stream.write(piece)
        stream.seek(0)
        git.run("fast-import", "--quiet", given=stream)


def _commit(record: CommitRecord, mark: int, before: str | None, blobs: Blobs) -> Iterator[bytes]:
    author = "".join(letter for letter in record.author if letter not in "<>\n\r\0") or "unknown"
    text = f"{record.title}\n\n{record.description}".strip().encode() + b"\n"
    yield f"commit {OURS}{record.id}\nmark :{mark}\n".encode()
    yield f"committer {author} <> {int(record.time)} +0000\ndata {len(text)}\n".encode() + text
    if before is not None:
        yield f"from {before}\n".encode()
    gone = [path for path, file in record.changes.items() if file is None]
    for path in gone:  # first: a folder may become a file
        yield b"D " + _quoted(path) + b"\n"
    for path, file in record.changes.items():
        if file is not None:
            content = _content(file, blobs)
            yield b"M 100644 inline " + _quoted(path) + f"\ndata {len(content)}\n".encode() + content + b"\n"
    yield b"\n"


def _content(file: FileRecord, blobs: Blobs) -> bytes:
    return pointer(file.sha256, file.size) if file.lfs else blobs.read(file.sha256)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return b'"' + escaped.encode(errors="surrogateescape") + b'"'


def _lead(git: Git, wanted: dict[str, str]) -> None:
    """Let the names lead where they lead on the hub; a tag object that leads there stays."""
    names = ("refs/heads/", "refs/tags/", PULL)
    text = git.run("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", *names).decode()
    now: dict[str, tuple[str, ...]] = {}
    for row in text.splitlines():
        name, *objects = row.split(" ")
        now[name] = tuple(one for one in objects if one)
    changes = [f"delete {name}\n" for name in now.keys() - wanted.keys()]
    changes += [f"update {name} {sha}\n" for name, sha in wanted.items() if sha not in now.get(name, ())]
    if changes:
        git.run("update-ref", "--stdin", given="".join(sorted(changes)).encode())

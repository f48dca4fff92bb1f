"""Pull requests: commits beside the branches, and how they come into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.serve.discussions import Discussion, Status, new_event
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import branch_name

if TYPE_CHECKING:
    from hubferry.serve.records import CommitRecord, FileRecord
    from hubferry.serve.repository import Repository
    from hubferry.serve.tree import Tree


def open_pull(  # one for each field of it
    repository: Repository, base: str, title: str, author: str, text: str, *, status: Status
) -> Discussion:
    """Open a pull request for a branch, at the commit where that is now. Blocks."""
    name = branch_name(base)
    commit = repository.head(name)
    made = repository.discussions.begin(title, author, text, status=status, base=name, base_commit=commit)
    repository.add_pull(made.number, commit)
    return made


def withdraw_pull(repository: Repository, number: int) -> None:
    """Take back a pull request of which nothing came. Blocks."""
    repository.remove_pull(number)
    repository.discussions.remove(number)


def note_commit(repository: Repository, reference: str, record: CommitRecord) -> None:
    """Tell a pull request of a commit that was made in it."""
    number = int(reference.rpartition("/")[2])
    repository.discussions.happened(number, new_event("commit", record.author, record.title, record.id))


def merge_pull(repository: Repository, number: int, author: str, comment: str) -> Discussion:
    """Bring what a pull request changes into its branch, by one commit. Blocks.

    Raises:
        Refusal: It is none, not open, or files that it changes were changed on the branch, too.
    """
    with repository.merge_lock:
        pull = repository.discussions.find(number)
        if pull.base is None:
            raise Refusal(Reason.INVALID, "This discussion is not a pull request")
        if pull.status != "open":
            text = f"This pull request is {pull.status}: only an open one can be merged"
            raise Refusal(Reason.INVALID, text)
        merged = _merged(repository, pull, pull.base, author)
        if comment:
            repository.discussions.happened(number, new_event("comment", author, comment))
        event = new_event("status-change", author, "merged")
        return repository.discussions.happened(number, event, status="merged", merge_commit=merged.id)


def _merged(repository: Repository, pull: Discussion, base: str, author: str) -> CommitRecord:
    """Make the commit, on the head for which it was seen that nothing conflicts."""
    title = f"{pull.title} (#{pull.number})"
    while True:
        head = repository.head(base)
        if conflicting := _conflicts(repository, pull, head):
            raise Refusal(Reason.CONFLICT, "Conflicting files: " + ", ".join(conflicting))
        try:
            return repository.apply(
                base, _changes(repository, pull), title=title, author=author, expected_parent=head
            )
        except Refusal as refusal:
            if refusal.reason is not Reason.OUTDATED:  # else somebody was faster
                raise


def conflicts(repository: Repository, pull: Discussion) -> list[str]:
    """Return the files that a pull request and its branch have both changed, and not alike."""
    if pull.status in ("merged", "closed") or pull.base is None:
        return []
    return _conflicts(repository, pull, repository.head(pull.base))


def _conflicts(repository: Repository, pull: Discussion, head: str) -> list[str]:
    wanted = _changes(repository, pull)
    meanwhile = changed_files(repository.tree(pull.base_commit), repository.tree(head))
    return sorted(path for path in wanted if path in meanwhile and not _same(wanted[path], meanwhile[path]))


def _changes(repository: Repository, pull: Discussion) -> dict[str, FileRecord | None]:
    there = repository.tree(repository.record.pulls[str(pull.number)])
    return changed_files(repository.tree(pull.base_commit), there)


def changed_files(before: Tree, after: Tree) -> dict[str, FileRecord | None]:
    """Return by path what a tree has otherwise than another, None for what it has no more."""
    found: dict[str, FileRecord | None] = {
        path: file for path, file in after.files.items() if not _same(before.get(path), file)
    }
    return found | {path: None for path in before.files if path not in after.files}


def _same(one: FileRecord | None, other: FileRecord | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.sha256, one.lfs) == (other.sha256, other.lfs)

"""What Hugging Face looks at before it makes a commit, one function a rule (docs/serve.md, "Strict")."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from hubferry.serve.attributes import ATTRIBUTES, Attributes
from hubferry.serve.cards import CARD, inspect_card
from hubferry.serve.git import object_id
from hubferry.serve.records import FileRecord
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from hubferry.serve.draft import Draft, Rule
    from hubferry.serve.strictness import Strictness

_SHOWN = 10
_SAMPLE = 8_000
"""Bytes in which git looks for a NUL to tell a binary file."""


def rules_of(strict: Strictness) -> list[Rule]:
    """Return the rules of Hugging Face that are switched on."""
    rules: list[Rule] = []
    if strict.inline_bytes is not None:
        rules.append(partial(refuse_large_files, most=strict.inline_bytes))
    if strict.inline_text:
        rules.append(refuse_binary_files)
    if strict.cards:
        rules.append(refuse_bad_card)
    if strict.attributes:
        rules.append(add_attributes)
    if strict.folder_files is not None:
        rules.append(partial(refuse_full_folders, most=strict.folder_files))
    if strict.repository_files is not None:
        rules.append(partial(refuse_full_repository, most=strict.repository_files))
    return rules


def refuse_large_files(draft: Draft, *, most: int) -> None:
    """Refuse a file of more than `most` bytes that is no blob."""
    found = [path for path, file in draft.added.items() if not file.lfs and file.size > most]
    if found:
        raise Refusal(
            Reason.NOT_INLINE,
            f"Your push was rejected because it contains files larger than {_mebibytes(most)}. Please use "
            "https://git-lfs.github.com/ to store large files. See also: "
            f"https://hf.co/docs/hub/repositories-getting-started#terminal {_offending(found, draft)}",
            about=found[0],
        )


def refuse_binary_files(draft: Draft) -> None:
    """Refuse a binary file that is no blob."""
    found = [path for path, file in draft.added.items() if not file.lfs and _binary(draft, file)]
    if found:
        raise Refusal(
            Reason.NOT_INLINE,
            "Your push was rejected because it contains binary files. Please use "
            "https://huggingface.co/docs/hub/xet to store binary files. See also: "
            f"https://huggingface.co/docs/hub/xet/using-xet-storage#git {_offending(found, draft)}",
            about=found[0],
        )


def refuse_bad_card(draft: Draft) -> None:
    """Refuse a card whose metadata is wrong."""
    card = draft.added.get(CARD)
    if card is None:
        return
    report = inspect_card(draft.blobs.read(card.sha256).decode(errors="replace"))
    if report.errors:
        raise Refusal(Reason.BAD_CARD, "\n".join(report.errors), about=CARD)


def add_attributes(draft: Draft) -> None:
    """Add a line to `.gitattributes` for each new blob that none covers."""
    file = draft.changes[ATTRIBUTES] if ATTRIBUTES in draft.changes else draft.before.get(ATTRIBUTES)
    attributes = Attributes(draft.blobs.read(file.sha256) if file is not None else b"")
    missing = sorted(path for path, new in draft.added.items() if new.lfs and not attributes.covers(path))
    if missing:
        content = attributes.with_lines_for(missing)
        sha256 = draft.blobs.put(content)
        draft.blobs.sync([sha256])
        draft.changes[ATTRIBUTES] = FileRecord(sha256, len(content), object_id("blob", content))


def refuse_full_folders(draft: Draft, *, most: int) -> None:
    """Refuse more than `most` entries in a folder to which something is added."""
    touched = {folder for path in draft.added for folder in _above(path)}
    after = draft.before.after(draft.changes, "")
    counts = Counter(path.rpartition("/")[0] for path in after.entries)
    found = sorted(folder for folder in touched if counts[folder] > most)
    if found:
        named = " ".join(f"/{folder}/" if folder else "/" for folder in found[:_SHOWN])
        raise Refusal(
            Reason.FULL_FOLDER,
            "Your push was rejected because it contains too many files per directory. Each directory in your "
            f"git repo can only contain up to {most} files. Offending reference: refs/heads/{draft.branch} "
            f"Offending directories: {named}",
            about=found[0],
        )


def refuse_full_repository(draft: Draft, *, most: int) -> None:
    """Refuse more than `most` files in the repository."""
    count = len(draft.before.after(draft.changes, ""))
    if count > most and draft.added:
        raise Refusal(
            Reason.FULL_REPOSITORY,
            "Your push was rejected because it contains too many files. Your git repo would contain "
            f"{count} files after this push, over the limit of {most} files. "
            f"Offending reference: refs/heads/{draft.branch}",
        )


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(len(parts))]


def _binary(draft: Draft, file: FileRecord) -> bool:
    with draft.blobs.path(file.sha256).open("rb") as content:
        return b"\0" in content.read(_SAMPLE)


def _offending(paths: list[str], draft: Draft) -> str:
    return "Offending files: " + " ".join(
        f"- {path} (ref: refs/heads/{draft.branch})" for path in paths[:_SHOWN]
    )


def _mebibytes(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes"

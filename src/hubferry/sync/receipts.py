"""Write a receipt for each copy: DIR/<target>/<time>-<commit>.json, and SHA256SUMS of the last one."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import __version__, planning, survey, typed
from hubferry.cache.disk import disk
from hubferry.cache.documents import write_whole, writing
from hubferry.cache.names import safe_name
from hubferry.commits import commit_or_none, short
from hubferry.errors import HubferryError, IntegrityError
from hubferry.i18n import _
from hubferry.options import Access, Options
from hubferry.receipts import document, sums
from hubferry.receipts.checking import endpoint_of
from hubferry.receipts.document import Receipt, ReceiptFile, ReceiptName, ReceiptPull, Side, Tool
from hubferry.session import Session
from hubferry.sync.outcome import FileProof

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hubferry.events import Listener
    from hubferry.model import RepoFile
    from hubferry.sync.outcome import Outcome

_EDITED = ".gitattributes"
"""Hugging Face adds lines to it by itself, so that the target holds another file; see `hubferry.edited`."""
_STALE_SECONDS = 3600.0


def unchanged(words: str) -> str:
    """Return words as they are."""
    return words


async def settled(outcome: Outcome, options: Options, listen: Listener) -> Outcome:
    """Return an outcome whose proof is the target's own listing, with the sha256 of every file.

    The target is listed at the commit that the copy left, unless it was found the same and all is known of
    it. Small files of which it lists no sha256 are read and hashed there.

    Args:
        outcome: Of a copy that is proven, with `proof`.
        options: How the hubs are reached.
        listen: Called with every event.

    Raises:
        IntegrityError: The target is not what was proven any more.
        HubferryError: It cannot be asked.
    """
    if _is_known(outcome):
        return outcome
    options = replace(options, source=options.destination, include=(), exclude=())
    async with Session(outcome.job.target, None, options, listen) as session:
        ref, commit = session.source_ref, outcome.target_commit
        if ref.hub == "hf" and commit_or_none(commit):
            ref = replace(ref, revision=commit)
        revision = await session.source.resolve(ref)
        listed = {file.path: file for file in await session.source.files(revision)}
        proofs = [_settled(one, listed.get(one.path)) for one in outcome.proof]
        unknown = [listed[one.path] for one in proofs if one.sha256 is None and one.path in listed]
        side = survey.SourceSide(revision, unknown)
        digests = await survey.settle(session.source, side, unknown)
    ours = {one.path for one in proofs}
    for path, found in digests.items():
        if not found.fit(listed[path]):
            raise _moved(path)
    proofs = [
        replace(one, sha256=digests[one.path].sha256, git_sha1=one.git_sha1 or digests[one.path].git_sha1)
        if one.path in digests
        else one
        for one in proofs
    ]
    entry = outcome.job.entry
    selected = planning.select(listed.values(), entry.include, entry.exclude)
    others = tuple(sorted(file.path for file in selected if file.path not in ours))
    return replace(outcome, proof=tuple(proofs), others=others)


def _is_known(outcome: Outcome) -> bool:
    """Return whether the listing that the copy has just compared says all that a receipt has to.

    What the source left out may be at the target, and what its hub edits is not the source's file.
    """
    return (
        outcome.status == "same"
        and not outcome.notes
        and all(one.sha256 and one.path != _EDITED for one in outcome.proof)
    )


def _settled(proof: FileProof, listed: RepoFile | None) -> FileProof:
    """Return a file as the target lists it."""
    if listed is None:
        return proof
    pairs = ((proof.sha256, listed.sha256), (proof.git_sha1, listed.git_sha1), (proof.size, listed.size))
    same = all(ours == theirs for ours, theirs in pairs if ours is not None and theirs is not None)
    if not same and proof.path != _EDITED:
        raise _moved(proof.path)
    kept = proof if same else FileProof(proof.path, 0)
    size = kept.size if listed.size is None else listed.size
    return FileProof(proof.path, size, listed.sha256 or kept.sha256, listed.git_sha1 or kept.git_sha1)


def _moved(path: str) -> IntegrityError:
    message = _("{path} was changed at the target since it was proven; there is no receipt").format(path=path)
    return IntegrityError(message, side="destination", path=path)


def write(
    directory: Path,
    outcome: Outcome,
    *,
    clean: Callable[[str], str] = unchanged,
    reached: tuple[Access, Access] = (Access(), Access()),
    source_endpoint: str | None = None,
) -> Path:
    """Write the receipt of a copy that is proven; nothing is written where the last one says the same.

    Args:
        directory: Of all receipts; made where it is not there.
        outcome: With its proof; see `settled`.
        clean: Takes secrets out of what the notes say.
        reached: How both sides were, where that is not as the environment and the configuration say.
        source_endpoint: Where the source's hub was, where it was not asked; None where it is here.

    Returns:
        The receipt's file.

    Raises:
        IntegrityError: There is no proof.
        DiskError: The disk is full, forbids it, or fails.
    """
    if not outcome.good or not all(one.sha256 or one.git_sha1 for one in outcome.proof):
        message = _("{target} is not proven; there is no receipt").format(target=outcome.job.target)
        raise IntegrityError(message, side="destination")
    folder = directory / folder_name(outcome.job.target)
    receipt = _receipt(outcome, clean, reached)
    if source_endpoint is not None:
        receipt = replace(receipt, source=replace(receipt.source, endpoint=source_endpoint))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        last = _last(folder)
        if last is not None and outcome.status == "same" and _says_the_same(last, receipt):
            return last
        mark = short(outcome.target_commit or outcome.source_commit) or "none"
        place = _free(folder, outcome.started + outcome.seconds, re.sub(r"[^\w]", "_", mark))
        write_whole(place, document.encoded(receipt))
        write_whole(folder / sums.NAME, sums.sums(receipt.files))
    return place


def folder_name(target: str) -> str:
    """Return the name of the folder for a target's receipts: no two targets have the same."""
    digest = hashlib.sha256(target.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{safe_name(target).strip('_') or 'target'}-{digest}"


def _receipt(outcome: Outcome, clean: Callable[[str], str], reached: tuple[Access, Access]) -> Receipt:
    pull = outcome.pull_request
    entry, files = outcome.job.entry, sorted(outcome.proof, key=lambda one: one.path)
    return Receipt(
        written=_iso(time.time()),
        started=_iso(outcome.started),
        seconds=round(outcome.seconds, 3),
        status=outcome.status,
        entry=clean(entry.name),
        source=_side(outcome.job.source, outcome.source_commit, reached[0]),
        target=_side(outcome.job.target, outcome.target_commit, reached[1]),
        files=tuple(ReceiptFile(one.path, one.size, one.sha256, one.git_sha1) for one in files),
        tool=Tool(__version__, platform.python_version(), platform.platform()),
        include=entry.include,
        exclude=entry.exclude,
        others=outcome.others,
        names=tuple(
            ReceiptName(
                one.name, one.kind, commit_or_none(one.source_commit), commit_or_none(one.target_commit)
            )
            for one in outcome.names
        ),
        commits=outcome.commits,
        notes=tuple(clean(note) for note in outcome.notes),
        adapted=outcome.adapted,
        edited=outcome.edited,
        verified_by=outcome.verified_by,
        pull_request=None if pull is None else ReceiptPull(pull.number, pull.url),
    )


def _side(text: str, commit: str, access: Access) -> Side:
    endpoint = None
    hub = "dir"
    with suppress(HubferryError):  # a hub that is not configured here any more
        ref = typed.repository(text, None)
        hub, endpoint = ref.hub, endpoint_of(ref, access)
        if hub == "dir":
            text = str(Path(ref.repo_id).expanduser().absolute())
    is_commit = hub == "hf" or (hub == "ms" and len(commit) == len("0" * 40))
    return Side(
        text, endpoint, (commit or None) if is_commit else None, None if is_commit else commit or None
    )


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, timezone.utc).isoformat(timespec="seconds")


def _last(folder: Path) -> Path | None:
    """Return the last receipt of a target: names begin with the time."""
    names = [entry.name for entry in disk.scandir(folder) if re.fullmatch(r"\d{8}T.*\.json", entry.name)]
    return folder / names[-1] if names else None


def _says_the_same(place: Path, receipt: Receipt) -> bool:
    """Return whether a receipt that is there says all that a new one would, but for times and tool."""
    try:
        known = document.read(place)
    except HubferryError:
        return False
    return _lasting(known) == _lasting(receipt)


def _lasting(receipt: Receipt) -> Receipt:
    """Return what a receipt proves, without how it came about."""
    nothing = {"written": "", "started": "", "seconds": 0.0, "status": "", "commits": (), "entry": ""}
    target = replace(receipt.target, commit=None, listing_digest=None)
    return replace(receipt, **nothing, tool=Tool("", "", ""), target=target)  # type: ignore[arg-type]


def _free(folder: Path, ended: float, mark: str) -> Path:
    """Return a name that nothing has; names sort by time."""
    moment = datetime.fromtimestamp(ended, timezone.utc)
    stamp, number = moment.strftime("%Y%m%dT%H%M%S.%fZ"), 1
    place = folder / f"{stamp}-{mark}.json"
    while os.path.lexists(place):
        number += 1
        place = folder / f"{stamp}-{mark}-{number}.json"
    return place


def _sweep(folder: Path) -> None:
    """Remove what killed runs left in the middle of writing."""
    entries: Sequence[os.DirEntry[str]] = disk.scandir(folder)
    for entry in entries:
        if not (entry.name.startswith(".") and entry.name.endswith(".passing")):
            continue
        with suppress(FileNotFoundError):
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_SECONDS:
                disk.unlink(folder / entry.name, missing_ok=True)

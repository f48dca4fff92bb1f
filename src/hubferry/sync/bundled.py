"""Receipts of what came out of a bundle: the source is what the bundle says, the files are proven here."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry.sync import one, receipts
from hubferry.sync.outcome import FileProof, Outcome
from hubferry.sync.spec import Entry, Job, Manner

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.bundles.opening import Unbundled
    from hubferry.events import Listener
    from hubferry.options import Options


async def write(directory: Path, done: Unbundled, started: float, options: Options, listen: Listener) -> Path:
    """Write the receipt of a repository that was taken out of a bundle.

    Args:
        directory: Of all receipts.
        done: What was taken out, and is proven.
        started: When the run began, in seconds since 1970.
        options: How the target's hub is reached.
        listen: Called with every event.

    Returns:
        The receipt's file.
    """
    target = done.target or str(done.fetched.path if done.fetched is not None else ".")
    entry = Entry(
        str(done.model.ref), str(done.model.ref), target, include=options.include, exclude=options.exclude
    )
    if not (options.include or options.exclude):
        entry = replace(entry, include=done.model.include, exclude=done.model.exclude)
    job = Job(entry, entry.source, entry.target)
    if done.report is not None:
        outcome = one.outcome_of(job, done.report, Manner(proof=True), started)
        outcome = await receipts.settled(outcome, options, listen)
    else:
        proof = tuple(FileProof(one.path, one.size or 0, one.sha256, one.git_sha1) for one in done.files)
        outcome = Outcome(job, "copied", started, 0.0, done.model.commit, "", proof=proof)
    outcome = replace(outcome, notes=(*done.model.notes, *outcome.notes))
    return await asyncio.to_thread(receipts.write, directory, outcome, source_endpoint=done.model.endpoint)

"""What a hub copies by itself from one of its repositories to another: no byte of it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.errors import HubferryError
from hubferry.events import Note
from hubferry.i18n import _
from hubferry.model import Action, Blob
from hubferry.patience import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.events import Listener
    from hubferry.hubs.ports import Destination, Duplicates
    from hubferry.model import Plan, RepoFile
    from hubferry.patience import Account

_TRIES = 3
"""A question that fails more often is given up: the bytes can be sent."""


async def given(
    plan: Plan, duplicates: Duplicates, destination: Destination, account: Account, listen: Listener
) -> frozenset[str]:
    """Let the hub give what a plan would send, and return the sha256 of what its storage then has.

    It is believed only as far as the destination, asked anew, misses none of it. What it refuses, or does not
    do at all, is sent.
    """
    files = {
        step.sha256: step.file
        for step in plan.of(Action.SEND, Action.FETCH_SEND)
        if step.sha256 and step.file.lfs and step.sha256 == step.file.sha256
    }
    if not files or not plan.destination.exists:
        return frozenset()
    try:
        said = await _asked(plan, duplicates, list(files.values()), account, listen)
    except HubferryError as error:
        message = _("the hub copies nothing by itself, so that all is sent: {reason}")
        listen(Note(message.format(reason=error.message)))
        return frozenset()
    blobs = [Blob(sha256, file.size or 0, file.path) for sha256, file in files.items() if sha256 in said]
    missing = await destination.missing(plan.destination.ref, blobs) if blobs else frozenset()
    found = said - missing
    if len(found) < len(files):
        message = _("the hub copies {count} of {all} files by itself; the others are sent")
        listen(Note(message.format(count=len(found), all=len(files))))
    return found


async def _asked(
    plan: Plan, duplicates: Duplicates, files: Sequence[RepoFile], account: Account, listen: Listener
) -> frozenset[str]:
    trial = Trial(account)
    doing = _("letting the hub copy {count} files by itself").format(count=len(files))
    while True:
        await trial.begin()
        try:
            return await duplicates.duplicate(plan.source.ref, plan.destination.ref, files)
        except HubferryError as error:
            await trial.failed(error, doing, listen, _TRIES)

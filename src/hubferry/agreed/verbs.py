"""Write a plan down, and carry one out that was."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import __version__, typed
from hubferry.agreed import document, holding
from hubferry.agreed.document import Asked, PlanFile
from hubferry.config import normal_endpoint
from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.names import verbs
from hubferry.receipts.checking import endpoint_of

if TYPE_CHECKING:
    from os import PathLike

    from hubferry.agreed.document import Place
    from hubferry.events import Listener
    from hubferry.model import HubName, Plan, RepoRef, Revision
    from hubferry.options import Access, Options
    from hubferry.results import Report

_ASKED = Asked.__struct_fields__


def refuse_parts(options: Options) -> None:
    """Refuse to write down what is more than one commit, or is told by nobody beforehand.

    Raises:
        UsageError: Tags or branches are to be copied, or a change is to be proposed.
    """
    if options.tags or options.branches or options.create_pr:
        message = _(
            "a plan that is written down is of one commit: not with --tags, --branches or --create-pr"
        )
        raise UsageError(message)


def write(place: str | PathLike[str], plan: Plan, options: Options) -> None:
    """Write a plan down that is not refused.

    Raises:
        UsageError: It is more than one commit.
        DiskError: The disk is full, forbids it, or fails.
    """
    refuse_parts(options)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    asked = {name: getattr(options, name) for name in _ASKED}
    asked["allow"] = tuple(sorted(options.allow))
    source = _place(plan.source, options.source)
    destination = _place(plan.destination, options.destination)
    written = PlanFile(now, __version__, source, destination, Asked(**asked), holding.lines_of(plan))
    document.write(Path(place), written)


def _place(revision: Revision, access: Access) -> Place:
    ref = revision.ref
    text = os.path.abspath(Path(ref.repo_id).expanduser()) if ref.hub == "dir" else str(ref)  # noqa: PTH100 - links stay
    return holding.place_of(revision, text, endpoint_of(ref, access))


async def apply(place: str | PathLike[str], options: Options, listen: Listener) -> Report:
    """Carry out a plan that was written down; see `hubferry.apply_plan`."""
    agreed = await asyncio.to_thread(document.read, place)
    asked = await asyncio.to_thread(_options, agreed, options)
    return await verbs.copy(
        agreed.source.ref, agreed.destination.ref, asked, listen, lambda plan: holding.hold(agreed, plan)
    )


async def look(place: str | PathLike[str], options: Options, listen: Listener) -> Plan:
    """Return today's plan where it still is the one that was written down; nothing is changed."""
    agreed = await asyncio.to_thread(document.read, place)
    asked = await asyncio.to_thread(_options, agreed, options)
    made = await verbs.plan(agreed.source.ref, agreed.destination.ref, asked, listen)
    holding.hold(agreed, made)
    return made


def _options(agreed: PlanFile, options: Options) -> Options:
    """Return what the plan asks for, by the logins and in the manner of this run.

    Raises:
        UsageError: A hub is elsewhere than it was, so that a token would go where a file says.
    """
    _refuse_other_hub(agreed.source, options.source, "hf", "--source-endpoint")
    _refuse_other_hub(agreed.destination, options.destination, "ms", "--destination-endpoint")
    asked = {name: getattr(agreed.options, name) for name in _ASKED}
    return replace(options, **asked | {"allow": frozenset(agreed.options.allow)})


def _refuse_other_hub(place: Place, access: Access, hub: HubName, option: str) -> None:
    """Ask no hub because a file says so: a token would go there. It is asked where this machine has it."""
    ref: RepoRef = typed.repository(place.ref, hub, access.endpoint)
    here = endpoint_of(ref if ref.named else replace(ref, endpoint=None), access)
    there = None if place.endpoint is None else normal_endpoint(place.endpoint)
    if here != there:
        message = _("the plan is about {ref} at {there}, and here that is {here}")
        hint = _("say that it is meant: {option} {there}").format(option=option, there=there)
        raise UsageError(message.format(ref=place.ref, there=there, here=here), hint=hint)

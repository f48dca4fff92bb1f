"""Say what happens in a run, a sentence an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry import plan_words
from hubferry.cli import output
from hubferry.cli.waiting import budget_words, waiting_words
from hubferry.events import BudgetSpent, Committed, Note, Planned, Resolved, Retrying, VolumesPlanned, Waiting
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from hubferry.cli.tally import Snapshot
    from hubferry.events import Event
    from hubferry.model import Plan


def sentence_of(event: Event) -> str | None:  # noqa: PLR0911  # one a kind
    """Return what to say about an event, None for those that are only counted or end the run."""
    if isinstance(event, Resolved):
        side = _("source:") if event.side == "source" else _("destination:")
        return side + output.blank_after(side) + plan_words.revision_words(event.revision)
    if isinstance(event, Planned):
        here = here_words(event.plan)
        return "\n".join([*plan_words.circumstances(event.plan), *here, plan_words.plan_sum(event.plan)])
    if isinstance(event, Retrying):
        return waiting_words(event)
    if isinstance(event, Waiting):
        return _("waiting: another run holds {ref} ({holder})").format(ref=event.ref, holder=event.holder)
    if isinstance(event, BudgetSpent):
        return budget_words(event)
    if isinstance(event, Committed):
        return _("commit {number} of {of}: {commit} ({files} files)").format(
            number=event.number, of=event.of, commit=event.commit[:12], files=event.files
        )
    if isinstance(event, VolumesPlanned):
        return _volume_words(event)
    return event.message if isinstance(event, Note) else None


def _volume_words(event: VolumesPlanned) -> str:
    sentence = ngettext(
        "{count} volume of {of} is to be written: {size}",
        "{count} volumes of {of} are to be written: {size}",
        len(event.sizes),
    )
    size = output.size(sum(event.sizes.values()))
    return sentence.format(count=len(event.sizes), of=event.of, size=size)


def here_bytes(plan: Plan) -> int:
    """Return how much of what a plan needs is on this machine: whole files, and parts of others."""
    whole = {step.sha256 or step.file.path: step.file.size or 0 for step in plan.steps if step.cached}
    return sum(whole.values()) + plan.landed


def here_words(plan: Plan) -> list[str]:
    """Return a line about what an earlier run has brought, none where it brought nothing or all."""
    if not any(step.fetches for step in plan.steps) or not here_bytes(plan) or plan.source.ref.hub == "dir":
        return []
    count = sum(step.cached for step in plan.steps)
    size, landed = output.size(here_bytes(plan)), output.size(plan.landed)
    if not plan.landed:
        sentence = ngettext(
            "here already: {size} ({count} file)", "here already: {size} ({count} files)", count
        )
        return [sentence.format(count=count, size=size)]
    sentence = ngettext(
        "here already: {size} ({count} whole file, and {landed} of others)",
        "here already: {size} ({count} whole files, and {landed} of others)",
        count,
    )
    return [sentence.format(size=size, count=count, landed=landed)]


def counted(now: Snapshot) -> str:
    """Return how many of how many are done."""
    if now.of_repositories:
        return _("{done} of {all} repositories").format(done=now.files_done, all=now.files)
    return _("{done} of {files} files").format(done=now.files_done, files=now.files)


def line_of(now: Snapshot) -> str:
    """Return the whole as one line: files, both directions with their rates, time left."""
    parts = [counted(now)]
    if now.fetch.total:
        parts.append(
            _("fetched {done} of {total} ({rate}/s)").format(
                done=output.size(now.fetch.done),
                total=output.size(now.fetch.total),
                rate=output.size(round(now.fetch.rate)),
            )
        )
    if now.send.total:
        parts.append(
            _("sent {done} of {total} ({rate}/s)").format(
                done=output.size(now.send.done),
                total=output.size(now.send.total),
                rate=output.size(round(now.send.rate)),
            )
        )
    left = now.seconds_left
    if left:
        parts.append(_("{time} left").format(time=output.duration(left)))
    if now.waiting is not None:
        parts.append(waiting_words(now.waiting))
    return _(", ").join(parts)

"""May this copy happen? Visibility, licence and a person's wishes, held against a plan. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry import licenses
from hubferry.errors import AccessError, UsageError
from hubferry.findings import NOT_SAID, refusals, refused, together
from hubferry.i18n import _
from hubferry.model import NewRepository

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hubferry.findings import Finding
    from hubferry.model import Plan, Visibility
    from hubferry.options import Options


EXPOSED = "would-become-public"
VISIBILITY = "visibility"


def judged(plan: Plan, options: Options) -> Plan:
    """Return the plan with how the destination is to be created, and with what forbids it."""
    there = plan.destination
    new = None if there.exists or there.ref.hub == "dir" else _new(plan, options)
    return without_refused(replace(plan, new=new, findings=(*plan.findings, *_forbidden(plan, options))))


def without_refused(plan: Plan) -> Plan:
    """Return the plan without the steps of entries that may not be copied."""
    paths = {finding.path for finding in refusals(plan.findings)}
    return replace(plan, steps=tuple(step for step in plan.steps if step.file.path not in paths))


def admitted(plan: Plan, examined: Plan) -> Plan:
    """Return a plan made after the destination was created, with what was found out before."""
    told = tuple(finding for finding in examined.findings if finding.code != NOT_SAID)
    return without_refused(replace(plan, new=examined.new, findings=told))


def refuse(plan: Plan, options: Options, codes: Collection[str] | None = None) -> None:
    """Raise what stops a plan, of these codes or any; with `keep_going` not what concerns one entry."""
    stopping = [
        finding.error
        for finding in refusals(plan.findings)
        if finding.error is not None
        and not (options.keep_going and finding.concerns_one_entry)
        and (codes is None or finding.code in codes)
    ]
    if stopping:
        raise together(stopping)


def _new(plan: Plan, options: Options) -> NewRepository:
    """Say how to create the destination: as private as the source, under the source's licence."""
    source = plan.source
    visibility: Visibility = "private" if source.private or source.gated else "public"
    named = options.license or source.license or "other"
    if plan.destination.ref.hub == "hf":  # where the card says it, in the hub's own words
        named = licenses.identifier(named) or named
    wanted = options.visibility or options.new_visibility or visibility
    return NewRepository(wanted, named, branch_only=plan.destination.branchless)


def created(plan: Plan, options: Options) -> Options:
    """Return the wishes that hold once the destination was created: it has to be as it was asked for."""
    if plan.new is None or plan.new.branch_only or options.new_visibility is None:
        return options
    return replace(options, visibility=plan.new.visibility)


def _forbidden(plan: Plan, options: Options) -> Iterator[Finding]:
    """Find what nobody may do without saying so, and wishes that cannot be fulfilled."""
    source, there = plan.source, plan.destination
    if there.ref.hub == "dir":
        if options.visibility or options.license:
            yield _wish(plan, "folder", _("{destination} is a folder: it has neither visibility nor licence"))
        return
    if options.license and not _licensed(plan, options.license):
        yield _wish(plan, "license", _("--license cannot change the licence of {destination}"))
    if not (there.exists or there.branchless):
        return
    hidden, shown, wish = source.private or source.gated, not there.private, options.visibility
    if shown and hidden and wish != "public" and not plan.nothing_to_do:
        message = _("{source} is not public, and {destination} is: everybody could read the copy")
        hint = _("choose a private destination, or say --public if that is meant")
        message = message.format(source=source.ref, destination=there.ref)
        yield refused(EXPOSED, AccessError(message, side="destination", hint=hint))
    if wish is not None and (wish == "public") != shown:
        public = _("{destination} exists and is public; --private cannot change that")
        private = _("{destination} exists and is private; --public cannot change that")
        yield _wish(plan, VISIBILITY, public if shown else private)


def _licensed(plan: Plan, wanted: str) -> bool:
    """Return whether the destination has this licence, or will have: at Hugging Face by its card alone."""
    there = plan.destination
    existing = there.exists or there.branchless
    if not existing and there.ref.hub != "hf":
        return True
    named = there.license if existing else plan.source.license
    return (licenses.identifier(named or "") or named) == (licenses.identifier(wanted) or wanted)


def _wish(plan: Plan, code: str, message: str) -> Finding:
    hint = _("change that on its own page, or leave the option out")
    message = message.format(destination=plan.destination.ref)
    return refused(code, UsageError(message, side="destination", hint=hint))

"""Copy and plan with what goes beside the files: tags, branches, or a pull request in place of a commit."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import translate
from typing import TYPE_CHECKING

from hubferry import transfer
from hubferry.beside import PlannedName
from hubferry.errors import UsageError
from hubferry.events import Finished, Note
from hubferry.findings import refused as refused_finding
from hubferry.i18n import _
from hubferry.names import proposing
from hubferry.names.copy import copy_names, look_ahead_at_names, refused
from hubferry.names.model import Wanted, Way
from hubferry.names.rules import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.events import Event, Listener
    from hubferry.model import Plan
    from hubferry.names.copy import NamesResult
    from hubferry.names.model import NamesPlan
    from hubferry.options import Options
    from hubferry.results import Report
    from hubferry.transfer import Agree


async def copy(
    source: str, destination: str, options: Options, listen: Listener, agree: Agree | None = None
) -> Report:
    """Copy one repository, and what of its names was asked for; see `transfer.copy`.

    Raises:
        MovedTagError: A tag that is there means something else. What was copied with it stays.
    """
    _refuse_together(options)
    if options.create_pr:
        return await proposing.copy(source, destination, options, listen)
    wanted = _wanted(source, destination, options)
    if wanted is None:
        return await transfer.copy(source, destination, options, listen, *([agree] if agree else ()))

    def hear(event: Event) -> None:
        if not isinstance(event, Finished):  # of several copies in a row only the end of all is one
            listen(event)

    report = _report(await copy_names(wanted, options, hear, agree=agree), listen)
    listen(Finished(report))
    return report


async def plan(source: str, destination: str, options: Options, listen: Listener) -> Plan:
    """Make the plan that `copy` would carry out; see `transfer.plan`."""
    _refuse_together(options)
    if options.create_pr:
        proposing.refuse_elsewhere(source, destination, options)
    made = await transfer.plan(source, destination, options, listen)
    wanted = _wanted(source, destination, options)
    if wanted is None:
        return made
    names = await look_ahead_at_names(wanted, options, listen)
    found = [refused_finding("tag", error) for error in refused(names)]
    return replace(made, names=_planned(names), findings=(*made.findings, *found))


def _refuse_together(options: Options) -> None:
    """Refuse wishes that exclude each other."""
    if options.tag is not None and not options.tag.strip():
        raise UsageError(_("--tag needs a name"))
    if options.tag and options.same_tag:
        raise UsageError(_("--tag and --same-tag exclude each other"))
    if options.create_pr and (options.tag or options.same_tag or options.tags or options.branches):
        message = _("--create-pr proposes a change; tags and branches are made where it was taken in")
        raise UsageError(message, hint=_("leave out --create-pr, or the tags and branches"))


def _wanted(source: str, destination: str, options: Options) -> Wanted | None:
    """Return which names are asked for, None for none."""
    if not (options.tag or options.same_tag or options.tags or options.branches):
        return None
    return Wanted(
        source,
        destination,
        _rules(options.tags),
        _rules(options.branches),
        mark=options.tag,
        same_tag=options.same_tag,
        by_file=False,
    )


def _rules(globs: Sequence[str]) -> Names | None:
    """Return globs as rules; without one that takes, those that leave out take all the others."""
    if not globs:
        return None
    allow = tuple(_expression(glob) for glob in globs if not glob.startswith("!"))
    return Names(allow, tuple(_expression(glob[1:]) for glob in globs if glob.startswith("!")))


def _expression(glob: str) -> str:
    expression = translate(glob)
    re.compile(expression)
    return expression


def _planned(names: NamesPlan) -> tuple[PlannedName, ...]:
    return tuple(PlannedName(step.name, step.kind, step.way.value, step.reason) for step in names.steps)


def _report(result: NamesResult, listen: Listener) -> Report:
    """Return the report of the branch itself with what became of the names.

    Raises:
        HubferryError: What failed; what was done with it is told before.
    """
    for note in result.notes:
        listen(Note(note))
    if result.error is not None:
        raise result.error
    assert result.head is not None  # noqa: S101 - without an error the branch itself was copied
    head, first = result.head, result.first or result.head.plan
    made = {step.name for step in result.plan.steps if step.way not in (Way.LEFT_OUT, Way.MOVED)}
    default = {one.name for one in result.names} - made
    return replace(
        head,
        plan=replace(head.plan, destination=first.destination, new=first.new, names=_planned(result.plan)),
        commits=result.commits,
        fetched=result.fetched,
        sent=result.sent,
        names=tuple(one for one in result.names if one.name not in default),
    )

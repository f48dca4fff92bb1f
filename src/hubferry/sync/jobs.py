"""Turn the lines of a mirror file into jobs: an owner's repositories are asked for, and chosen among."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hubferry import look
from hubferry.errors import HubferryError, NotFoundError, UsageError
from hubferry.i18n import _, ngettext
from hubferry.sync.spec import Job
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hubferry.catalog import Owned, Repository
    from hubferry.events import Listener
    from hubferry.options import Options
    from hubferry.sync.spec import Entry, Selection

_OWNERS_AT_ONCE = 4
_LOOKS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Unexpanded:
    """An entry whose jobs could not be found out."""

    job: Job
    error: HubferryError


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a mirror file comes to.

    Attributes:
        jobs: In the order of the file; of one owner by name.
        failed: Entries that could not be expanded, and jobs that would write over another's target.
        notes: What a person should know of it, translated.
    """

    jobs: tuple[Job, ...] = ()
    failed: tuple[Unexpanded, ...] = ()
    notes: tuple[str, ...] = ()


async def expand(entries: Iterable[Entry], options: Options, listen: Listener) -> Expansion:
    """Return the jobs of these entries; what fails for one leaves the others alone."""
    owners = asyncio.Semaphore(_OWNERS_AT_ONCE)

    async def one(entry: Entry) -> Expansion:
        if not entry.is_pattern:
            return Expansion((Job(entry, entry.source, entry.target),))
        try:
            async with owners:
                return await _owned(entry, options, listen)
        except HubferryError as error:
            return Expansion(failed=(Unexpanded(Job(entry, entry.source, entry.target), error),))

    parts = await run_all(*(one(entry) for entry in entries))
    whole = Expansion(
        tuple(job for part in parts for job in part.jobs),
        tuple(one for part in parts for one in part.failed),
        tuple(note for part in parts for note in part.notes),
    )
    return _without_collisions(whole)


async def _owned(entry: Entry, options: Options, listen: Listener) -> Expansion:
    """List the owner of an entry and choose among what it has.

    Raises:
        NotFoundError: It has nothing at all: a name that is wrong, or a token that is.
    """
    place, _slash, pattern = entry.source.rpartition("/")
    owned = await look.list_repositories(place, options, listen)
    if not owned.repositories:
        message = _("{owner} has no repository that this account may see").format(owner=place)
        raise NotFoundError(message, side="source", hint=f"hubferry ls {place}")
    selection = entry.repos
    assert selection is not None  # noqa: S101 - `Entry.is_pattern`
    found = [one for one in owned.repositories if fnmatchcase(one.ref.name, pattern)]
    found = [one for one in found if _is_chosen(one, selection, time.time())]
    found = await _of_size(found, entry, options, listen)
    found = _limited(found, selection)
    return Expansion(tuple(_job(entry, one) for one in found), (), _notes(entry, owned, found))


def _notes(entry: Entry, owned: Owned, found: Sequence[Repository]) -> tuple[str, ...]:
    notes = []
    if not owned.complete:
        message = _("{source}: the hub lists {count} repositories of {total}; the others are not mirrored")
        words = {"source": entry.source, "count": len(owned.repositories), "total": owned.total}
        notes.append(message.format(**words))
    if not found:
        count = len(owned.repositories)
        message = ngettext(
            "{source}: its owner has {count} repository, and the rules choose none",
            "{source}: its owner has {count} repositories, and the rules choose none",
            count,
        )
        notes.append(message.format(source=entry.source, count=count))
    return tuple(notes)


def _is_chosen(one: Repository, rules: Selection, now: float) -> bool:
    since = max((limit for limit in (rules.newer_than, rules.age and now - rules.age) if limit), default=None)
    return (
        rules.take(one.ref.name)
        and (since is None or (one.changed is not None and one.changed >= since))
        and set(rules.tags) <= set(one.tags)
        and rules.pipeline in (None, one.pipeline)
    )


async def _of_size(
    found: list[Repository], entry: Entry, options: Options, listen: Listener
) -> list[Repository]:
    """Keep the repositories whose selected files have the right size in all; they are listed for that."""
    rules = entry.repos
    if rules is None or (rules.larger_than is None and rules.smaller_than is None):
        return found
    asked = replace(options, include=entry.include, exclude=entry.exclude)
    least, most = rules.larger_than or 0, rules.smaller_than
    places = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def fits(one: Repository) -> bool:
        async with places:
            size = (await look.list_files(str(one.ref), asked, listen)).size
        return least <= size and (most is None or size <= most)

    fit = await run_all(*(fits(one) for one in found))
    return [one for one, good in zip(found, fit, strict=True) if good]


def _limited(found: list[Repository], rules: Selection) -> list[Repository]:
    if rules.limit is None or len(found) <= rules.limit:
        return found
    latest = sorted(found, key=lambda one: (-(one.changed or 0.0), one.ref.repo_id))[: rules.limit]
    return sorted(latest, key=lambda one: one.ref.repo_id)


def _job(entry: Entry, one: Repository) -> Job:
    owner, _slash, name = one.ref.repo_id.rpartition("/")
    target = entry.target.replace("{owner}", owner).replace("{name}", name)
    return Job(entry, str(one.ref), target)


def _without_collisions(whole: Expansion) -> Expansion:
    """Take out jobs that are there twice, and refuse those that would write over another's target.

    Who is first in the file has the target; an owner's list never takes it from a repository that is named.
    """
    taken: dict[str, Job] = {}
    for job in sorted(whole.jobs, key=lambda job: job.entry.is_pattern):
        taken.setdefault(_target_key(job), job)
    jobs: list[Job] = []
    failed = list(whole.failed)
    for job in whole.jobs:
        first = taken[_target_key(job)]
        if first is job:
            jobs.append(job)
        elif first.source != job.source:
            message = _("{target} is the target of {other} already").format(
                target=job.target, other=first.source
            )
            hint = _("give one of them another target, or deny it in repos")
            failed.append(Unexpanded(job, UsageError(message, side="destination", hint=hint)))
    return Expansion(tuple(jobs), tuple(failed), whole.notes)


def _target_key(job: Job) -> str:
    """Return what two targets have in common that are one: hubs tell revisions apart by case, names not."""
    if job.target.startswith(("/", ".", "~")):
        return job.target
    name, at, revision = job.target.partition("@")
    return f"{name.lower()}{at}{revision}"

"""Take repositories out of bundles: to the cache, a hub or a folder, with all that a copy promises."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hubferry import config, transfer
from hubferry.bundles import examining
from hubferry.config import normal_endpoint
from hubferry.config.settings import HubSettings
from hubferry.errors import HubferryError, IntegrityError, NotFoundError, PartialError, UsageError
from hubferry.events import Note
from hubferry.findings import together
from hubferry.hubs.bundle.source import several_commits
from hubferry.hubs.bundle.volumes import find
from hubferry.i18n import _, ngettext
from hubferry.planning import select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hubferry.events import Listener
    from hubferry.hubs.bundle.index import BundledModel
    from hubferry.hubs.bundle.volumes import FoundBundle
    from hubferry.model import Plan, RepoFile, RepoRef
    from hubferry.options import Options
    from hubferry.results import Fetched, Report


@dataclass(frozen=True, slots=True)
class Unbundled:
    """A repository that was taken out of a bundle, whole and proven.

    Attributes:
        model: What the bundle says of it.
        files: Those that were taken, as the bundle lists them.
        target: Where it is now: a repository as it is typed, or a folder; None for the cache.
        fetched: What came into the cache, where it went no further.
        report: Of the copy, where it went to a hub or a folder.
    """

    model: BundledModel
    files: tuple[RepoFile, ...]
    target: str | None = None
    fetched: Fetched | None = None
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Prospect:
    """What taking a repository out of a bundle would do.

    Attributes:
        model: What the bundle says of it.
        plan: Of the copy, or of the fetch into the cache.
        target: As of `Unbundled`.
        missing: Numbers of the volumes that would be needed and are not here.
        error: That says so.
    """

    model: BundledModel
    plan: Plan
    target: str | None = None
    missing: tuple[int, ...] = ()
    error: HubferryError | None = None


async def unbundle(
    places: Sequence[Path], target: str | None, options: Options, listen: Listener
) -> tuple[Unbundled, ...]:
    """Take everything out of the bundles in `places`; what cannot be had stops no other repository.

    Args:
        places: Folders with volumes, or volumes.
        target: A hub's repository or a folder, `{owner}` and `{name}` are the source's; None is the cache.
        options: As for a copy. Without a selection it is that of the bundle.
        listen: Called with every event.

    Raises:
        NotFoundError: There is no volume, or one that is needed is missing.
        IntegrityError: A volume is damaged.
        UsageError: Several repositories, and one target; or one repository at several commits.
    """
    done: list[Unbundled] = []
    errors: list[HubferryError] = []
    for one in await _looked_through(places, target, listen):
        try:
            done.append(await _one(one, _target(target, one.model), options, listen))
        except (IntegrityError, NotFoundError, PartialError) as error:
            errors.append(await asyncio.to_thread(examining.explained, error, one.bundles[0], one.model))
    if errors:
        raise together(errors)
    return tuple(done)


async def look(
    places: Sequence[Path], target: str | None, options: Options, listen: Listener
) -> tuple[Prospect, ...]:
    """Return what `unbundle` would do, and write nothing; no volume is read but its index.

    Raises:
        HubferryError: As `unbundle`, but for what only reading the volumes shows.
    """
    found = []
    for one in await _looked_through(places, target, listen):
        model, place = one.model, _target(target, one.model)
        with _known(model):
            asked = one.asked(options)
            plan = (
                await transfer.plan_fetch(str(model.ref), asked, listen)
                if place is None
                else await transfer.plan(str(model.ref), place, asked, listen)
            )
        paths = [step.file.path for step in plan.steps if step.fetches and not step.cached]
        missing = examining.missing(one.bundles, model.ref, paths)
        error = examining.lacks(one.bundles[0], missing) if missing else None
        found.append(Prospect(model, plan, place, tuple(missing), error))
    return tuple(found)


async def _looked_through(places: Sequence[Path], target: str | None, listen: Listener) -> list[_Travelling]:
    """Return what is in the volumes, and say which of them are not here."""
    found = await asyncio.to_thread(find, places)
    travelling = _travelling(found)
    _refuse_one_target(target, [one.model for one in travelling])
    for bundle in found:
        _tell(bundle, listen)
    return travelling


@dataclass(frozen=True, slots=True)
class _Travelling:
    """A repository at a commit, and the bundles that have it: one that was cut twice is in two."""

    model: BundledModel
    bundles: list[FoundBundle]

    @property
    def volumes(self) -> tuple[Path, ...]:
        return tuple(volume.path for bundle in self.bundles for volume in bundle.volumes.values())

    def asked(self, options: Options) -> Options:
        """Return how it is taken out of its volumes; without a selection it is that of the bundle."""
        options = replace(options, volumes=self.volumes)
        if options.include or options.exclude:
            return options
        return replace(options, include=self.model.include, exclude=self.model.exclude)


def _travelling(found: Sequence[FoundBundle]) -> list[_Travelling]:
    """Return what is in the volumes, each repository once.

    Raises:
        UsageError: One of them is there at two commits: nobody guesses which one is meant.
    """
    known: dict[RepoRef, _Travelling] = {}
    for bundle in found:
        for model in bundle.index.models:
            one = known.setdefault(model.ref, _Travelling(model, []))
            if one.model.commit != model.commit:
                raise several_commits(model.ref, (one.model.commit, model.commit))
            one.bundles.append(bundle)
    return list(known.values())


async def _one(one: _Travelling, target: str | None, options: Options, listen: Listener) -> Unbundled:
    model, options = one.model, one.asked(options)
    listing = [file.listed() for file in model.files]
    files = tuple(select(listing, options.include, options.exclude))
    with _known(model):
        if target is None:
            fetched = await transfer.fetch(str(model.ref), options, listen)
            return Unbundled(model, files, fetched=fetched)
        report = await transfer.copy(str(model.ref), target, options, listen)
        return Unbundled(model, files, target, report=report)


def _target(target: str | None, model: BundledModel) -> str | None:
    if target is None:
        return None
    owner, _slash, name = model.repo_id.rpartition("/")
    return target.replace("{owner}", owner).replace("{name}", name)


def _refuse_one_target(target: str | None, models: Sequence[BundledModel]) -> None:
    if target is None or len({_target(target, model) for model in models}) == len(models):
        return
    message = _("{count} repositories are in these volumes, and {target} is one place")
    hint = target.rpartition("/")[0] or target
    raise UsageError(message.format(count=len(models), target=target), hint=f"{hint}/{{name}}")


def _tell(bundle: FoundBundle, listen: Listener) -> None:
    """Say which volumes are not here."""
    missing = bundle.missing
    if not missing:
        return
    message = ngettext(
        "volume {numbers} of the {of} of {name} is not here; what is in the others is taken",
        "volumes {numbers} of the {of} of {name} are not here; what is in the others is taken",
        len(missing),
    )
    words = {"of": len(bundle.index.volumes), "name": bundle.index.name}
    listen(Note(message.format(numbers=examining.numbers_in_words(missing), **words)))


@contextmanager
def _known(model: BundledModel) -> Iterator[None]:
    """Let the hub that a model came from be known by its name, though no file here names it."""
    if model.named is None or model.endpoint is None:
        yield
        return
    hub = HubSettings(model.named, model.hub, normal_endpoint(model.endpoint))
    with config.laid_over({hub.name: hub}):
        yield

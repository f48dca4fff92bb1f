"""Copy tags and branches: each tag a commit in order, the branch itself last, then what goes beside it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hubferry import transfer
from hubferry.beside import NameCopied
from hubferry.errors import (
    HubferryError,
    IntegrityError,
    MovedTagError,
    NetworkError,
    NothingSelectedError,
    UsageError,
)
from hubferry.findings import together
from hubferry.i18n import _
from hubferry.names.look import head_of, look
from hubferry.names.model import NamesPlan, NameStep, Wanted, Way
from hubferry.names.sides import bare, opened, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hubferry.catalog import References
    from hubferry.events import Listener
    from hubferry.hubs.ports import ReferenceWriter
    from hubferry.model import Plan
    from hubferry.names.model import Seen
    from hubferry.names.sides import Sides
    from hubferry.options import Options
    from hubferry.results import Report


@dataclass(frozen=True, slots=True)
class NamesResult:
    """What became of a repository with its names.

    Attributes:
        head: The copy of the branch itself; None where it did not come so far.
        names: The tags and branches that are as they should be, the default branch among them.
        commits: All that were made, on every branch.
        fetched: Bytes from the source, of all copies.
        sent: Bytes of blobs to the target.
        notes: What is left out, and why; translated.
        error: What failed, or is not as at the source; None where all is proven.
        plan: What was to be done.
        first: The plan of the first copy: the target as it was before all of them.
    """

    head: Report | None = None
    names: tuple[NameCopied, ...] = ()
    commits: tuple[str, ...] = ()
    fetched: int = 0
    sent: int = 0
    notes: tuple[str, ...] = ()
    error: HubferryError | None = None
    plan: NamesPlan = field(default_factory=NamesPlan)
    first: Plan | None = None

    @property
    def changed(self) -> bool:
        """Whether the target is another one than before; an update that found nothing to do is no change."""
        return bool(self.commits) or any(step.way is not Way.UPDATE for step in self.plan.to_make)


async def copy_names(
    wanted: Wanted,
    options: Options,
    listen: Listener,
    known: Mapping[str, tuple[str, str]] | None = None,
    agree: transfer.Agree | None = None,
) -> NamesResult:
    """Bring a target up to date with the tags and branches that are wanted, the branch itself included.

    `known` is what an earlier run's `NamesResult.names` said, by name: the source's commit and the target's.
    A failure is in the result, with what was done before it. `agree` raises for a plan of the branch itself
    that is not to be carried out.

    A tag that fails on the branch stops the later ones and the head: once the branch is past its place, it
    could be made beside it at best, and at ModelScope never again.

    Raises:
        HubferryError: The names of a side could not be listed.
    """
    async with opened(wanted, options, listen, known or {}) as sides:
        seen, plan = await look(sides)
        for error in refused(plan):
            raise error
        return await _Work(replace(sides, mark=seen.mark), seen, plan, agree).run()


async def look_ahead_at_names(
    wanted: Wanted, options: Options, listen: Listener, known: Mapping[str, tuple[str, str]] | None = None
) -> NamesPlan:
    """Return what `copy_names` would do besides copying the branch itself; nothing is written."""
    async with opened(wanted, options, listen, known or {}) as sides:
        return (await look(sides))[1]


def refused(plan: NamesPlan) -> Iterator[HubferryError]:
    """Yield why the tag for what a copy publishes cannot be made, before anything moves.

    A folder has no tags at all, which is no mistake of the name: there it is left out.
    """
    for step in plan.steps:
        if not step.marks:
            continue
        if step.way is Way.MOVED:
            hint = _("remove it there, or choose another name")
            yield MovedTagError(step.reason, side="destination", hint=hint)
        elif step.way is Way.LEFT_OUT and not step.beyond:
            yield UsageError(step.reason, side="destination")


class _Work:
    """One repository's names in the making."""

    def __init__(
        self, sides: Sides, seen: Seen, plan: NamesPlan, agree: transfer.Agree | None = None
    ) -> None:
        self._sides = sides
        self._seen = seen
        self._plan = plan
        self._agree = agree
        self._head: Report | None = None
        self._reports: list[Report] = []
        self._made: dict[str, tuple[NameStep, str]] = {}
        self._errors: list[HubferryError] = []
        self._notes: list[str] = []

    async def run(self) -> NamesResult:
        """Do everything, and prove it."""
        sides = self._sides
        try:
            await self._line()
        except HubferryError as error:
            self._errors.append(error)
        else:
            await self._beside()
        names = (*await self._default(), *await self._proven())
        self._errors += [_moved(step, sides.wanted) for step in self._plan.of(Way.MOVED)]
        return NamesResult(
            self._head,
            names,
            tuple(commit for report in self._reports for commit in report.commits),
            sum(report.fetched for report in self._reports),
            sum(report.sent for report in self._reports),
            (*self._plan.notes, *self._notes),
            together(self._errors) if self._errors else None,
            self._plan,
            self._reports[0].plan if self._reports else None,
        )

    @property
    def _writer(self) -> ReferenceWriter:
        assert self._sides.writer is not None  # noqa: S101 - where there is none, every name is left out
        return self._sides.writer

    async def _line(self) -> None:
        """Tag what the branch holds, commit tag by tag, then the head."""
        sides, target = self._sides, str(self._sides.target)
        for step in self._plan.of(Way.HERE):
            await self._tag(step, (self._seen.target and self._here(self._seen.target)) or self._branch)
        for step in self._plan.of(Way.LINE):
            await self._commit(step)
        of_the_head = self._plan.of(Way.HEAD)
        if of_the_head and await self._source_has_moved():
            for step in of_the_head:
                await self._commit(step)
            of_the_head = ()
        self._head = await self._copy(sides.wanted.source, target, sides.options, self._agree)
        for step in (*of_the_head, *self._plan.of(Way.MARK)):
            with _naming(step, self._sides.wanted):
                await self._tag_head(step, self._head)

    async def _commit(self, step: NameStep) -> None:
        """Commit what a tag means on the branch, and tag it."""
        sides = self._sides
        with _naming(step, self._sides.wanted), self._sparing(step):
            source = sides.source_at(step.name, step.commit)
            await self._tag(step, self._commit_of(await self._copy(source, str(sides.target), sides.options)))

    async def _source_has_moved(self) -> bool:
        """Return whether the source's head is another one than when this began, before it is too late."""
        sides = self._sides
        return head_of(sides.source, await sides.here.references(bare(sides.source))) != self._seen.head

    def _here(self, found: References) -> str:
        """Return the commit that the target's branch is at, empty where its hub does not say."""
        branch = found.branch(self._sides.branch or found.default)
        return (branch and branch.commit) or ""

    @property
    def _branch(self) -> str:
        """The name of the target's branch."""
        default = self._seen.target.default if self._seen.target else ""
        return self._sides.branch or default or ("master" if self._sides.target.hub == "ms" else "main")

    async def _copy(
        self, source: str, target: str, options: Options, agree: transfer.Agree | None = None
    ) -> Report:
        more = (agree,) if agree else ()
        report = await transfer.copy(source, target, options, self._sides.listen, *more)
        self._reports.append(report)
        return report

    def _commit_of(self, report: Report) -> str:
        """Return the target's commit after a copy; its branch where the hub names none."""
        made = report.commits[-1] if report.commits else ""
        there = report.plan.destination.commit if self._writer.says_commits else ""
        return made or there or self._branch

    async def _tag(self, step: NameStep, commit: str) -> None:
        await self._writer.tag(self._sides.target, step.name, commit)
        self._made[step.name] = (step, commit)

    async def _tag_head(self, step: NameStep, head: Report) -> None:
        """Tag what the head's copy left, if the source's head is still what the tag means.

        Raises:
            NetworkError: The source has moved on meanwhile.
        """
        if step.way is Way.MARK:
            step = replace(step, commit=head.plan.source.commit)
        elif head.plan.source.commit != step.commit:
            message = _("{name} has changed in the middle of the work.").format(name=self._sides.source)
            raise NetworkError(message, side="source", hint=_("Run the same command again."))
        await self._tag(step, self._commit_of(head))

    async def _beside(self) -> None:
        """Make what goes beside the branch; what fails for one leaves the others alone."""
        for step in self._plan.of(Way.BESIDE, Way.UPDATE):
            try:
                with _naming(step, self._sides.wanted), self._sparing(step):
                    await (self._make_beside(step) if step.way is Way.BESIDE else self._update(step))
            except HubferryError as error:
                self._errors.append(error)
                if isinstance(error, NetworkError):  # a hub is away, and would be waited for each time
                    return
        for name in self._plan.leftovers:
            await self._remove(name)

    async def _remove(self, temporary: str) -> None:
        """Remove a temporary branch; one that stays is told, and is removed by the next run."""
        try:
            await self._writer.remove_branch(self._sides.target, temporary)
        except HubferryError as error:
            self._errors.append(error)

    @contextmanager
    def _sparing(self, step: NameStep) -> Iterator[None]:
        """Leave out a tag or branch in which no file is selected: there is nothing to be copied of it."""
        try:
            yield
        except NothingSelectedError:
            message = _("{name}: it has no file that is selected").format(name=step.name)
            self._notes.append(message)

    async def _make_beside(self, step: NameStep) -> None:
        """Make a tag or branch on a temporary branch, which gets exactly what the source has."""
        sides, writer, target = self._sides, self._writer, self._sides.target
        if self._seen.target is None or self._seen.target.branch(step.temporary) is None:
            await writer.branch(target, step.temporary, self._start(step))
        exact = replace(sides.options, delete=True, max_delete=None)
        source = sides.source_at(step.name, step.commit)
        try:
            report = await self._copy(source, sides.target_at(step.temporary), exact)
        except HubferryError as error:
            if not error.retryable:  # else the next run goes on with it
                await self._remove(step.temporary)
            raise
        commit = self._commit_of(report)
        if step.kind == "tag":
            await self._tag(step, commit)
        else:
            await writer.branch(target, step.name, commit)
            self._made[step.name] = (step, commit)
        await self._remove(step.temporary)

    def _start(self, step: NameStep) -> str:
        """Return where to begin a temporary branch: at the tag before it, so that little differs."""
        seen = self._seen
        tags = [(made.place, commit) for made, commit in self._made.values() if made.kind == "tag"]
        tags += [
            (seen.places[tag.name], tag.commit)
            for tag in (seen.target.tags if seen.target else ())
            if tag.name in seen.places and tag.commit
        ]
        older = [one for one in tags if one[0] <= step.place]
        if older:
            return max(older)[1]
        assert self._head is not None  # noqa: S101 - what goes beside the branch comes after it
        return self._commit_of(self._head)

    async def _update(self, step: NameStep) -> None:
        """Copy what a branch lacks that is there."""
        sides = self._sides
        report = await self._copy(
            sides.source_at(step.name, step.commit), sides.target_at(step.name), sides.options
        )
        self._made[step.name] = (step, self._commit_of(report))

    async def _default(self) -> tuple[NameCopied, ...]:
        """Return the default branch as it was left, so that the next run knows what it holds."""
        sides, report = self._sides, self._head
        name = sides.source.revision or self._seen.source.default
        if report is None or not name:
            return ()
        there = report.commits[-1] if report.commits else report.plan.destination.commit
        if report.commits and sides.target.hub == "ms":  # it will not be known by its commit
            try:
                there = await state_of(sides)
            except HubferryError as error:
                self._errors.append(error)
        return (NameCopied(name, "branch", report.plan.source.commit, there),)

    async def _proven(self) -> tuple[NameCopied, ...]:
        """Return the names that are right; those that were made are looked for in the target's own list."""
        right = [_copied(step, step.target.mark) for step in self._plan.of(Way.SAME) if step.target]
        right += await self._found() if self._made else []
        return tuple(sorted(right, key=lambda one: (one.kind != "branch", one.name)))

    async def _found(self) -> list[NameCopied]:
        """Return those that were made, and are right; what is wrong with one leaves the others alone."""
        right = []
        try:
            found = await self._sides.there.references(bare(self._sides.target))
        except HubferryError as error:
            self._errors.append(error)
            return []
        for step, commit in self._made.values():
            try:
                right.append(await self._look_for(step, commit, found))
            except HubferryError as error:
                self._errors.append(error)
        return right

    async def _look_for(self, step: NameStep, commit: str, found: References) -> NameCopied:
        """Hold a name that was made against what the target lists.

        Raises:
            IntegrityError: It is not there, or shows something else.
        """
        there = found.tag(step.name) if step.kind == "tag" else found.branch(step.name)
        if there is None:
            message = _("{host} says that {name} was made, and does not list it")
        elif there.commit == commit or (step.way is Way.UPDATE and there.commit is None):
            return _copied(step, there.mark)  # of a branch that is there, its copy has proven the files
        elif await self._is_shown(step):
            return _copied(step, there.mark)
        else:
            message = _("{name} at {host} does not show what was published")
        raise IntegrityError(
            message.format(host=self._seen.powers.host, name=step.name),
            side="destination",
            hint=_("Run the same command again."),
        )

    async def _is_shown(self, step: NameStep) -> bool:
        sides = self._sides
        return await sides.shows(sides.source_at(step.name, step.commit), sides.target_at(step.name))


@contextmanager
def _naming(step: NameStep, wanted: Wanted) -> Iterator[None]:
    """Let what fails for a tag say which, and how to go on without it."""
    try:
        yield
    except HubferryError as error:
        doing = _("copying {name}").format(name=step.name)
        error.doing = doing if error.doing is None else f"{doing}: {error.doing}"
        if not error.retryable and error.hint is None and step.way is not Way.MARK:
            hint = _("to go on without it, deny {name} in the tags or branches of the file")
            if not wanted.by_file:
                hint = _("to go on without it: --{kind} '!{name}'")
            error.hint = hint.format(name=step.name, kind="tags" if step.kind == "tag" else "branches")
        raise


def _copied(step: NameStep, mark: str) -> NameCopied:
    source = step.commit if step.way is Way.MARK else step.source.mark
    return NameCopied(step.name, step.kind, source, mark)


def _moved(step: NameStep, wanted: Wanted) -> MovedTagError:
    hint = _(
        'remove it there, and the next run makes it anew; or leave it out with tags: {{deny: ["{name}"]}}'
    )
    if not wanted.by_file:
        hint = _("remove it there, and the next run makes it anew; or leave it out with --tags '!{name}'")
    return MovedTagError(step.reason, side="destination", hint=hint.format(name=step.name))

"""Both hubs of a mirror, held open for questions about names."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hubferry import transfer
from hubferry.names.model import Powers
from hubferry.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from hubferry.events import Listener
    from hubferry.hubs.ports import Catalog, ReferenceWriter
    from hubferry.model import RepoRef
    from hubferry.names.model import Wanted
    from hubferry.options import Access, Options


@dataclass(frozen=True, slots=True)
class Sides:
    """Both hubs, held open for questions about names.

    Attributes:
        wanted: What is copied.
        options: What its copies are told.
        listen: Who hears of them.
        source: The repository; its revision is what counts as its head.
        target: The repository; its revision is the branch that is kept.
        here: The source's hub.
        there: The target's hub.
        writer: What makes names there, None for a folder.
        known: What an earlier run left right, by name.
        mark: The tag for what the copy publishes, empty for none.
    """

    wanted: Wanted
    options: Options
    listen: Listener
    source: RepoRef
    target: RepoRef
    here: Catalog
    there: Catalog
    writer: ReferenceWriter | None
    known: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    mark: str = ""

    @property
    def powers(self) -> Powers:
        """What can be made at the target."""
        if self.writer is None:
            return Powers("", tags=False, branches=False)
        return Powers(urlsplit(self.there.endpoint).netloc, branches=self.writer.makes_branches)

    @property
    def branch(self) -> str | None:
        """The target's branch that is kept; None is its default one."""
        return self.target.revision

    def source_at(self, name: str, commit: str = "") -> str:
        """Return the source at a tag or branch: at its commit where the hub names one.

        What the copy publishes is marked by a tag that the source need not have.
        """
        if name == self.mark and not (commit and self.source.hub == "hf"):
            return self.wanted.source
        return str(replace(self.source, revision=commit if commit and self.source.hub == "hf" else name))

    def target_at(self, name: str) -> str:
        """Return the target at a tag or branch."""
        return str(replace(self.target, revision=name))

    async def shows(self, source: str, target: str) -> bool:
        """Return whether the target has what the source has; see `transfer.shows`."""
        return await transfer.shows(source, target, self.options, self.listen)


@asynccontextmanager
async def opened(
    wanted: Wanted, options: Options, listen: Listener, known: Mapping[str, tuple[str, str]]
) -> AsyncGenerator[Sides, None]:
    """Hold both hubs open."""
    async with Session(wanted.source, wanted.target, options, listen) as session:
        source, target = session.source_ref, session.destination_ref
        options = replace(
            options,
            source=access_at(options.source, source),
            destination=access_at(options.destination, target),
        )
        here, there = session.catalog("source"), session.catalog("destination")
        writer = session.reference_writer(there)
        try:
            yield Sides(wanted, options, listen, source, target, here, there, writer, known)
        finally:
            for one in (here, there, writer):
                if one is not None:
                    await one.close()


def access_at(access: Access, ref: RepoRef) -> Access:
    """Keep the server that a pasted address names, which a repository's name written anew does not."""
    return replace(access, endpoint=ref.endpoint) if ref.endpoint and not ref.named else access


def bare(ref: RepoRef) -> RepoRef:
    """Return the repository without a revision."""
    return replace(ref, revision=None)


async def state_of(sides: Sides) -> str:
    """Return what the target's branch is at: a commit, or where its hub names none its listing's digest."""
    found = (await sides.there.repository(sides.target)).revision
    return found.commit if found else ""

"""What a person may ask of a run. Values only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.places import at_home

if TYPE_CHECKING:
    from hubferry.model import Visibility

Card = Literal["exact", "fix-license"]


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one side; None means: as its official tools find it.

    Attributes:
        token: Never shown in `repr`.
        endpoint: Base URL of the hub.
        insecure: Allow a token over plain http to another machine.
    """

    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What a copy may be told; the defaults are those of the command line.

    Attributes:
        include: Glob patterns of paths to take; empty takes all.
        exclude: Glob patterns of paths to leave out; stronger than `include`.
        delete: Delete at the destination what the source does not have, among what was selected.
        max_delete: Most deletions: `20` files, or `10%` of the destination's; None for no cap.
        visibility: Of the destination; None follows the source. "public" lets hidden content go public.
        new_visibility: Of a destination that has to be created, where `visibility` says nothing; no wish for
            one that is there. None follows the source.
        license: Of a repository that has to be created; None follows the source.
        message: The commit's message; None writes one that names the source's commit.
        jobs: Most connections at once in each direction; None adapts.
        fetch_rate: Bytes a second from the source, None for no limit.
        send_rate: Bytes a second to the destination, None for no limit.
        whole_cache: Fetch also what the destination already has, so that the cache ends up whole.
        cache: Whether payload stays on disk after it was sent.
        cache_root: Another cache root than the default one.
        directory: This very directory for the model, instead of one named after it.
        wait: Seconds to wait for another run of the same model; None waits for ever.
        keep_going: Publish the good files although some failed.
        allow: Kinds of entries to copy all the same, of `hubferry.entries.ALLOWABLE`.
        card: Whether a model card goes as it is, or with the name of its licence mended.
        offline: Ask no hub; answer from the cache alone.
        volumes: Where volumes of a bundle are: they give the source's files, and its hub is not asked.
        tag: A tag for the commit that is published.
        same_tag: Give that commit the tag that the source is named by.
        tags: Globs of tags to copy, each as a commit and a tag; one that begins with `!` leaves out. Empty
            copies none.
        branches: Globs of branches to copy besides the one that is copied; likewise.
        create_pr: Publish as a pull request of Hugging Face's.
        verify_signature: `sums` for the source's SHA256SUMS; or a file with the public key, or the
            certificates, by which its model.sig has to be right; None for neither.
        source: Access to the source.
        destination: Access to the destination.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    delete: bool = False
    max_delete: str | None = None
    visibility: Visibility | None = None
    new_visibility: Visibility | None = None
    license: str | None = None
    message: str | None = None
    jobs: int | None = None
    fetch_rate: int | None = None
    send_rate: int | None = None
    whole_cache: bool = False
    cache: bool = True
    cache_root: Path | None = None
    directory: Path | None = None
    wait: float | None = None
    keep_going: bool = False
    allow: frozenset[str] = frozenset()
    card: Card = "exact"
    offline: bool = False
    volumes: tuple[Path, ...] = ()
    tag: str | None = None
    same_tag: bool = False
    tags: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    create_pr: bool = False
    verify_signature: str | None = None
    source: Access = Access()
    destination: Access = Access()

    def __post_init__(self) -> None:
        """Take any collection for a list of words, and any path for a place.

        Raises:
            UsageError: A bare string where a list is meant: it would be taken letter by letter; or a path
                that begins with a home that is not known here, or fewer connections than none.
        """
        lists = ("include", "exclude", "tags", "branches")
        for name, kind in (*((one, tuple) for one in lists), ("allow", frozenset)):
            value = getattr(self, name)
            if isinstance(value, (str, bytes)):
                message = _("{name} is a list of words, and {value!r} is one word")
                hint = f"{name}=[{value!r}]"
                raise UsageError(message.format(name=name, value=value), hint=hint)
            if not isinstance(value, kind):
                object.__setattr__(self, name, kind(value))
        if self.jobs is not None and self.jobs < 0:  # nobody would ever begin
            raise UsageError(_("jobs: {value} is no number of connections").format(value=self.jobs))
        object.__setattr__(self, "volumes", _places(self.volumes))
        for name in ("cache_root", "directory"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Path):
                object.__setattr__(self, name, at_home(value))


def _places(words: object) -> tuple[Path, ...]:
    """Return one place, or several, as paths."""
    if isinstance(words, (str, Path)):
        words = (words,)
    return tuple(at_home(word) for word in words)  # type: ignore[attr-defined]  # any collection

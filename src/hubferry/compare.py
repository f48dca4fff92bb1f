"""Two listings, path by path: same, differs, only here, only there, or not to be told. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.results import Comparison, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hubferry.model import Digests, RepoFile


def verdict(source: RepoFile, destination: RepoFile, known: Digests | None = None) -> Verdict:
    """Compare one path by digest.

    Args:
        source: The file as the source lists it.
        destination: The file as the destination lists it.
        known: Digests of the source's content where somebody computed them; they bridge a source that lists
            a git sha1 and a destination that lists a sha256.

    Returns:
        SAME only where a digest proves it. Equal sizes without a common digest are UNKNOWN.
    """
    if source.size is not None and destination.size is not None and source.size != destination.size:
        return Verdict.DIFFERS
    proofs = [
        ours == theirs
        for ours, theirs in (
            (source.sha256 or (known.sha256 if known else None), destination.sha256),
            (source.git_sha1 or (known.git_sha1 if known else None), destination.git_sha1),
        )
        if ours and theirs
    ]
    if not proofs:
        return Verdict.UNKNOWN
    return Verdict.SAME if all(proofs) else Verdict.DIFFERS


def compare(
    source: Iterable[RepoFile], destination: Iterable[RepoFile], known: Mapping[str, Digests]
) -> tuple[Comparison, ...]:
    """Compare two listings in the order of their paths; `known` maps the source's paths to digests."""
    here = {file.path: file for file in source}
    there = {file.path: file for file in destination}
    return tuple(_one(path, here.get(path), there.get(path), known) for path in sorted({*here, *there}))


def _one(
    path: str, ours: RepoFile | None, theirs: RepoFile | None, known: Mapping[str, Digests]
) -> Comparison:
    if ours is None:
        return Comparison(path, Verdict.ONLY_DESTINATION, None, theirs)
    if theirs is None:
        return Comparison(path, Verdict.ONLY_SOURCE, ours)
    return Comparison(path, verdict(ours, theirs, known.get(path)), ours, theirs)

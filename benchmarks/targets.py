"""The numbers to reach, as ratios of medians within one run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmarks.results import (
    NO_LINK,
    Measurement,
    Results,
    commits,
    cpu,
    fetched,
    memory,
    requests_everywhere,
    requests_there,
    sent,
    wall,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIBIBYTE = 1 << 30
MEBIBYTE = 1 << 20
US = "hubferry"
SDKS = "download-then-upload"
BRIDGES = ("hfms-bridge-8", "hfms-bridge-4")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One number to reach and what was measured.

    Attributes:
        what: In words.
        value: What was measured, None when it was not.
        bound: The number.
        sense: Whether the value may be at most or must be at least the bound.
    """

    what: str
    value: float | None
    bound: float
    sense: Literal["<=", ">="] = "<="

    @property
    def reached(self) -> bool | None:
        """Whether the number was reached, None when nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.bound if self.sense == "<=" else self.value >= self.bound


def judge(results: Results) -> list[Verdict]:
    """Hold the medians against the numbers to reach."""
    return [
        *_limits(results),
        *_others(results),
        *_many(results),
        *_again(results),
        *_resources(results),
        *_without_hubs(results),
    ]


def _ours(results: Results, cell: str, link: str, figure: Callable[[Measurement], float]) -> float | None:
    return results.median(cell, link, US, figure)


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _times_faster(results: Results, cell: str, link: str, *others: str) -> float | None:
    """Return the fastest of the others' wall time, in times of ours."""
    theirs = [found for other in others if (found := results.median(cell, link, other, wall)) is not None]
    return _ratio(min(theirs, default=None), _ours(results, cell, link, wall))


def _limits(results: Results) -> Iterator[Verdict]:
    for cell, link in (("diffusers", "wan-tls"), ("diffusers", "wan"), ("big", "wan"), ("big", "border")):
        ours, limit = _ours(results, cell, link, wall), results.limits.get((cell, link))
        yield Verdict(f"{cell}, {link}: wall / the link's limit", _ratio(ours, limit), 1.07)


def _others(results: Results) -> Iterator[Verdict]:
    bridge = BRIDGES[0]
    yield Verdict(
        "big, border: times faster than hfms-bridge",
        _times_faster(results, "big", "border", bridge), 5, ">=",
    )  # fmt: skip
    for link in ("open-tls", "open"):
        yield Verdict(
            f"diffusers, {link}: times faster than the faster of the others",
            _times_faster(results, "diffusers", link, SDKS, *BRIDGES), 1.6, ">=",
        )  # fmt: skip
    fetches = _ratio(
        results.median("fetch", "border", "hubferry-fetch", wall),
        results.median("fetch", "border", "aria2c", wall),
    )
    yield Verdict("fetch, border: wall / aria2c -x16", fetches, 1.0)


def _many(results: Results) -> Iterator[Verdict]:
    bridge = BRIDGES[0]
    for link, other, bound in (("wan", bridge, 15), ("wan", SDKS, 5), ("open", bridge, 5), ("open", SDKS, 8)):
        value = _times_faster(results, "many", link, other)
        yield Verdict(f"many, {link}: times faster than {other}", value, bound, ">=")
    yield Verdict("many, wan: commits", _ours(results, "many", "wan", commits), 3)
    yield Verdict("many, wan: requests at the destination", _ours(results, "many", "wan", requests_there), 60)


def _again(results: Results) -> Iterator[Verdict]:
    for link in ("open-tls", "open", "wan"):
        faster = _times_faster(results, "again", link, *BRIDGES)
        yield Verdict(f"again, {link}: times faster than hfms-bridge", faster, 1, ">=")
        asked = _ours(results, "again", link, requests_everywhere)
        yield Verdict(f"again, {link}: requests at both hubs", asked, 8)
    shard = results.sizes.get("changed shard")
    for words, figure in (("fetched", fetched), ("sent", sent)):
        moved = _ratio(_ours(results, "changed", "wan", figure), shard)
        # heads and listings come on top of the shard
        yield Verdict(f"changed, wan: bytes {words} / that shard's bytes", moved, 1.01)
    again = _ratio(_ours(results, "killed", "wan", fetched), results.sizes.get("killed"))
    yield Verdict("killed, wan: bytes fetched / size", again, 1.03)


def _resources(results: Results) -> Iterator[Verdict]:
    size = results.sizes.get("diffusers")
    gibibytes = size / GIBIBYTE if size else None
    for link in ("open-tls", "open"):
        used = _ratio(_ours(results, "diffusers", link, cpu), gibibytes)
        yield Verdict(f"diffusers, {link}: CPU-seconds of the client per GiB", used, 2.8)
    fetched_alone = results.median("fetch-diffusers", "open-tls", "hubferry-fetch", cpu)
    yield Verdict("fetch, open-tls: CPU-seconds per GiB", _ratio(fetched_alone, gibibytes), 1.6)
    small, large = (_ours(results, cell, "open", memory) for cell in ("memory-small", "memory-large"))
    for words, peak in (("small", small), ("8 times as large", large)):
        yield Verdict(f"memory, {words} file: peak MiB", _ratio(peak, MEBIBYTE), 110)
    yield Verdict("memory: peak of the large file / of the small one", _ratio(large, small), 1.10)


def _without_hubs(results: Results) -> Iterator[Verdict]:
    def seconds(cell: str, contestant: str = US) -> float | None:
        return results.median(cell, NO_LINK, contestant, wall)

    listed, bare = seconds("cache list, empty"), seconds("cache list, empty", "python")
    over = listed - bare if listed is not None and bare is not None else None
    yield Verdict("cache list, empty: seconds over a bare interpreter", over, 0.15)
    yield Verdict("cache list, 1,000 models: seconds", seconds("cache list, 1,000 models"), 0.5)
    yield Verdict("cache check, 50 GB in 30 files: seconds", seconds("cache check, 50 GB"), 1.0)
    verified = _ratio(seconds("cache verify"), seconds("cache verify", "sha256sum"))
    yield Verdict("cache verify: wall / sha256sum with as many processes", verified, 1.10)

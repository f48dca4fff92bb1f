"""Show what was measured: tables for a person, JSON for a machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import results as figures
from benchmarks.results import NO_LINK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.results import Measurement, Results
    from benchmarks.targets import Verdict

_MEBIBYTE = 1 << 20
_COLUMNS: tuple[tuple[str, Callable[[Measurement], float], str, float], ...] = (
    ("wall s", figures.wall, ".2f", 1),
    ("CPU s", figures.cpu, ".2f", 1),
    ("peak MiB", figures.memory, ".0f", _MEBIBYTE),
    ("disk MiB", figures.disk, ".0f", _MEBIBYTE),
    ("fetched MiB", figures.fetched, ".1f", _MEBIBYTE),
    ("sent MiB", figures.sent, ".1f", _MEBIBYTE),
    ("asked src", figures.requests_here, ".0f", 1),
    ("asked dst", figures.requests_there, ".0f", 1),
    ("commits", figures.commits, ".0f", 1),
)
_PACKAGES = ("hubferry", "huggingface_hub", "modelscope-hub", "hfms-bridge", "aiohttp", "uvloop")


def machine() -> dict[str, Any]:
    """Return what the measurements are made on; `load` is how busy it is before they begin."""
    return {
        "cores": os.cpu_count(),
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def table(results: Results) -> str:
    """Return the medians as a Markdown table, a row for each contestant in each cell."""
    rows = [["what", "link", "limit s", "who", "runs", *(title for title, *_ in _COLUMNS)]]
    keys = dict.fromkeys((one.cell, one.link, one.contestant) for one in results.measurements)
    for cell, link, contestant in keys:
        limit = results.limits.get((cell, link))
        good = results.of(cell, link, contestant)
        row = [cell, link, f"{limit:.1f}" if limit else "", contestant, str(len(good))]
        for number, (_title, figure, form, unit) in enumerate(_COLUMNS):
            value = results.median(cell, link, contestant, figure)
            shown = value is not None and (link != NO_LINK or number < 3)
            row.append(format((value or 0) / unit, form) if shown else "")
        rows.append(row)
    return _markdown(rows)


def verdicts(found: Sequence[Verdict]) -> str:
    """Return the numbers to reach as a Markdown table."""
    words = {True: "reached", False: "NOT reached", None: "not measured"}
    rows = [["number to reach", "bound", "measured", ""]]
    rows += [
        [
            one.what,
            f"{one.sense} {one.bound:g}",
            "" if one.value is None else f"{one.value:.2f}",
            words[one.reached],
        ]
        for one in found
    ]
    return _markdown(rows)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def place(found: dict[str, Any]) -> str:
    """Return the machine in a line."""
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    return (
        f"{found['cores']} cores of {found['processor']}, {found['memory'] / (1 << 30):.0f} GiB, "
        f"Linux {found['kernel']}, Python {found['python']}, load before {found['load']:.1f}\n{packages}"
    )


def document(
    results: Results, found: Sequence[Verdict], place: dict[str, Any], checks: Sequence[dict[str, Any]]
) -> str:
    """Return everything as JSON: the machine, each raw value, the medians' verdicts."""
    return json.dumps(
        {
            "schema": 1,
            "command": sys.argv,
            "machine": place,
            "links": list(checks),
            "limits": [
                {"cell": cell, "link": link, "seconds": seconds}
                for (cell, link), seconds in results.limits.items()
            ],
            "sizes": results.sizes,
            "measurements": [asdict(one) for one in results.measurements],
            "targets": [asdict(one) | {"reached": one.reached} for one in found],
        },
        indent=1,
    )

"""`python -m benchmarks.copy_bench`: everybody copies the same models between two hubs on this machine."""

from __future__ import annotations

import argparse
import compileall
import shutil
import signal
import sys
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hubferry
from benchmarks import fronts, matrix, offline, report, repositories, selfcheck
from benchmarks.contestants import CONTESTANTS
from benchmarks.hubs import running_hub, store_folder
from benchmarks.links import LINKS
from benchmarks.repositories import CHANGED_SHARD, MEBIBYTE
from benchmarks.results import NO_LINK, Results
from benchmarks.scenarios import Bench
from benchmarks.targets import judge
from hubferry.serve import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.matrix import Cell
    from benchmarks.repositories import Repository
    from benchmarks.results import Measurement

_QUICK = 16
"""How much smaller everything is with --quick."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for; return 1 when a run of hubferry failed."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is stopped and removed
    compileall.compile_dir(Path(hubferry.__file__).parent, quiet=1)  # as pip does when it installs one
    chosen = _present(matrix.cells(asked.repository, asked.link, asked.contestant))
    without_hubs = not asked.repository or matrix.WITHOUT_HUBS in asked.repository
    results, checks, machine = Results(), [], report.machine()
    if chosen:
        checks = _with_hubs(results, chosen, asked)
    if without_hubs:
        offline.measure(results, asked.runs, small=_QUICK if asked.quick else 1, tell=_tell)
    found = judge(results)
    print(f"\n{report.place(machine)}\n\n{report.table(results)}\n\n{report.verdicts(found)}")
    if asked.quick:
        print("\nWith --quick the sizes are not those that the numbers were set for.")
    if asked.json:
        asked.json.write_text(report.document(results, found, machine, checks) + "\n")
    ours = [one for one in results.measurements if one.contestant.startswith("hubferry")]
    return int(any(one.fault for one in ours))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copy_bench", description=__doc__)
    parser.add_argument("--contestant", action="append", choices=CONTESTANTS, default=[])
    parser.add_argument("--repository", action="append", choices=matrix.CHOICES, default=[])
    parser.add_argument("--link", action="append", choices=LINKS, default=[])
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every raw value to FILE")
    parser.add_argument("--quick", action="store_true", help=f"everything {_QUICK} times smaller")
    return parser


def _present(cells: list[Cell]) -> list[Cell]:
    """Leave out who is not installed, with a line that says so."""
    absent = {}
    for name in dict.fromkeys(name for cell in cells for name in cell.contestants):
        if reason := CONTESTANTS[name].absent():
            absent[name] = reason
            _tell(reason)
    if any(LINKS[cell.link].encrypted for cell in cells) and (reason := fronts.absent()):
        _tell(reason)
        cells = [cell for cell in cells if not LINKS[cell.link].encrypted]
    return [cell for cell in cells if set(cell.contestants) - set(absent)]


def _with_hubs(results: Results, cells: list[Cell], asked: argparse.Namespace) -> list[dict[str, Any]]:
    small = _QUICK if asked.quick else 1
    with store_folder(3 << 30) as folder, tempfile.TemporaryDirectory(prefix="hubferry-bench-") as scratch:
        _tell(f"making the repositories in {folder}")
        made = _repositories(folder, matrix.repositories(cells), small)
        with running_hub(folder, "source") as source:
            checks = []
            for link in dict.fromkeys(cell.link for cell in cells):
                largest = max(made.values(), key=lambda repository: repository.largest)
                checks += selfcheck.check_link(link, source, largest, Path(scratch))
            for check in checks:
                _tell(str(check))
            bench = Bench(source, made, Path(scratch))
            for cell in cells:
                _note(results, cell, made)
                _run(results, bench, cell, asked.runs)
    return [asdict(check) for check in checks]


def _repositories(folder: Path, names: set[str], small: int) -> dict[str, Repository]:
    store = Store(folder)
    made = {}
    builders = {
        "diffusers": partial(repositories.build_diffusers, mebibytes=1024 // small),
        "big": partial(repositories.build_big, mebibytes=1024 // small),
        "many": partial(repositories.build_many, count=2000 // small),
    }
    for name in sorted(names & set(builders)):
        made[name] = repositories.publish(store, name, builders[name])
    if "diffusers" in made:
        made["changed"] = repositories.publish_change(store, made["diffusers"])
    for name, mebibytes in (("memory-small", 1024), ("memory-large", 8192)):
        if name in names:
            made[name] = repositories.publish_hollow(store, name, mebibytes // small)
    return made


def _note(results: Results, cell: Cell, made: dict[str, Repository]) -> None:
    repository = made[cell.repository]
    results.sizes[cell.name] = repository.size
    if cell.scenario == "changed":
        results.sizes["changed shard"] = repository.sizes[CHANGED_SHARD]
    elif cell.scenario == "copy":
        limit = LINKS[cell.link].limit(repository.size, repository.largest)
        results.limits[cell.name, cell.link] = limit
    elif cell.scenario == "fetch":
        results.limits[cell.name, cell.link] = LINKS[cell.link].limit(repository.size, 0)


def _run(results: Results, bench: Bench, cell: Cell, runs: int) -> None:
    for number in range(1, runs + 1):
        for name in cell.contestants:
            contestant = CONTESTANTS[name]
            if contestant.absent() is None:
                results.measurements.append(one := bench.measure(cell, contestant))
                _tell(f"{number}/{runs} {_words(one)}")


def _words(one: Measurement) -> str:
    link = "" if one.link == NO_LINK else f" {one.link}"
    what = f"{one.cell}{link} {one.contestant}"
    if one.fault:
        return f"{what} FAILED: {one.fault}"
    usage = one.usage
    return f"{what}: {usage.wall:.2f} s, {usage.cpu:.2f} CPU-s, {usage.memory / MEBIBYTE:.0f} MiB"


def _tell(words: str) -> None:
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    print(words if "\n" in words else words[:width], file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

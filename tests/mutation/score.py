"""Say how many of mutmut's changes the tests noticed, by module, and show those that they did not.

Run by `make mutation`. Exits with 1 unless nine of ten were noticed in every module, each module that
pyproject.toml names was measured, and no change was left out. A test that never ends has noticed, too; a
change that no test reaches, or of which nobody knows what became, has not been noticed.

What mutmut knows is in `mutants/`: the code with every mutant in it, and beside it a `.meta` of exit codes.
"""

from __future__ import annotations

import ast
import difflib
import json
import re
import sys
from collections import Counter
from pathlib import Path

from mutmut.configuration import config

MUTANTS = Path("mutants")
WANTED = 0.9
OUTCOMES = {
    0: "survived",
    1: "noticed",
    3: "noticed",  # pytest itself broke
    5: "untested",
    33: "untested",
    **dict.fromkeys((24, -24, 36, 152, 255), "never ended"),
    None: "not run",
}
"""By a mutant's exit code; any other (a crash, an interruption, a killed process) is unclear."""
GOOD = ("noticed", "never ended")


def outcome(code: int | None) -> str:
    """Return what became of a mutant."""
    return OUTCOMES.get(code, "unclear")


def score(counts: Counter[str]) -> float:
    """Return the part of the mutants that was noticed."""
    return sum(counts[what] for what in GOOD) / max(1, counts.total())


def difference(functions: dict[str, str], name: str) -> list[str]:
    """Return the changed lines of a mutant, without what mutmut calls it."""
    original = re.sub(r"__mutmut_\d+$", "__mutmut_orig", name)
    before, after = (functions.get(one, "").replace(one, "").splitlines() for one in (original, name))
    lines = difflib.unified_diff(before, after, n=0, lineterm="")
    return [line[0] + line[1:].strip() for line in lines if not line.startswith(("---", "+++", "@@"))]


def look(module: str) -> tuple[Counter[str], list[str]]:
    """Return how often which outcome a module had, and its mutants that were not simply noticed."""
    place = MUTANTS / module
    meta = place.with_name(place.name + ".meta")
    if not meta.exists():
        return Counter({"not run": 1}), [f"not measured: {module}"]
    code = place.read_text("utf-8")
    functions = {
        node.name: ast.get_source_segment(code, node) or ""
        for node in ast.walk(ast.parse(code))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    outcomes = {
        name: outcome(exit_code)
        for name, exit_code in json.loads(meta.read_text("utf-8"))["exit_code_by_key"].items()
    }
    shown = [
        "\n    ".join([f"{what}: {name}", *difference(functions, name.rpartition(".")[2])])
        for name, what in outcomes.items()
        if what not in ("noticed", "not run")
    ]
    return Counter(outcomes.values()), shown


def modules() -> list[str]:
    """Return every module that is to be measured, and a pattern that names none as it stands."""
    found: list[str] = []
    for pattern in config().only_mutate:
        found += sorted(str(path) for path in Path().glob(pattern)) or [pattern]
    return found


def main() -> int:
    """Print what was not noticed, then a line for every module and one for all."""
    total: Counter[str] = Counter()
    lines: list[str] = []
    enough = True
    for module in modules():
        counts, shown = look(module)
        print(*shown, sep="\n", end="\n" if shown else "")
        if counts:  # else there is nothing in it that could be changed
            lines.append(line(module, counts))
            enough = enough and score(counts) >= WANTED and not counts["not run"]
            total += counts
    print(*lines, line("all", total), sep="\n")
    return 0 if enough and total else 1


def line(module: str, counts: Counter[str]) -> str:
    """Return a module's score, the numbers behind it, and what became of the others."""
    noticed = sum(counts[what] for what in GOOD)
    rest = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()) if what != "noticed")
    return f"{score(counts):6.1%}  {noticed:4} of {counts.total():4}  {module}" + (
        f"  ({rest})" if rest else ""
    )


if __name__ == "__main__":
    sys.exit(main())

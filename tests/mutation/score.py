"""Say how many of mutmut's changes the tests noticed, by module, and show those that they did not.

Run by `make mutation`; exits with 1 when fewer than nine of ten were noticed. A test that never ends has
noticed, too. What mutmut knows is in `mutants/`: the code with every mutant in it, and beside it a `.meta`
of exit codes.
"""

from __future__ import annotations

import ast
import difflib
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

MUTANTS = Path("mutants/src")
WANTED = 0.9
KILLED, SURVIVED, UNTESTED = (1, 3), 0, (5, 33)


def outcome(code: int | None) -> str:
    if code is None:
        return "not run"
    if code in KILLED:
        return "noticed"
    if code == SURVIVED:
        return "survived"
    return "untested" if code in UNTESTED else "never ended"


def difference(functions: dict[str, str], name: str) -> list[str]:
    """Return the changed lines of a mutant, without those that name it."""
    before = functions.get(re.sub(r"__mutmut_\d+$", "__mutmut_orig", name), "").splitlines()[1:]
    after = functions.get(name, "").splitlines()[1:]
    lines = difflib.unified_diff(before, after, n=0, lineterm="")
    return [line[0] + line[1:].strip() for line in lines if not line.startswith(("---", "+++", "@@"))]


def main() -> int:
    total: Counter[str] = Counter()
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    unnoticed: list[str] = []
    for meta in sorted(MUTANTS.rglob("*.meta")):
        code = meta.with_suffix("").read_text("utf-8")
        functions = {
            node.name: ast.get_source_segment(code, node) or ""
            for node in ast.walk(ast.parse(code))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        for name, exit_code in json.loads(meta.read_text("utf-8"))["exit_code_by_key"].items():
            what = outcome(exit_code)
            total[what] += 1
            modules[str(meta.relative_to(MUTANTS).with_suffix(""))][what] += 1
            if what in ("survived", "untested"):
                changed = difference(functions, name.rpartition(".")[2])
                unnoticed.append("\n    ".join([f"{what}: {name}", *changed]))
    if not total:
        print("nothing was mutated", file=sys.stderr)
        return 1
    print("\n".join(unnoticed))
    for module, counts in [*modules.items(), ("all", total)]:
        print(f"{score(counts):6.1%}  {module}  {dict(counts)}")
    return 0 if score(total) >= WANTED and not total["not run"] else 1


def score(counts: Counter[str]) -> float:
    """Return the part of the mutants that was noticed."""
    return (counts["noticed"] + counts["never ended"]) / sum(counts.values())


if __name__ == "__main__":
    sys.exit(main())

"""Try every Python that hubferry is for: by unit tests where it can be had, else by types and syntax.

    python -m tests.pythons.run [3.12 ...]

Runs in the environment of requirements-dist.lock (`make test-pythons`), with mypy of .venv; needs a package
index.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.pythons.debian import unpacked
from tests.pythons.found import FOR, interpreter

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MYPY = ROOT / ".venv" / "bin" / "mypy"


def main() -> None:
    """Try each; the exit code is 1 when one of them fails."""
    failed = []
    for version in sys.argv[1:] or FOR:
        started, python = time.monotonic(), interpreter(version) or unpacked(version)
        good = typed(version) and (python is None or tested(python))
        how = "unit tests, types" if python else "types and syntax: there is no such Python here"
        print(
            f"{version}: {'ok' if good else 'FAILED'} ({how}; {time.monotonic() - started:.0f} s)", flush=True
        )
        failed += [] if good else [version]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def typed(version: str) -> bool:
    """Parse every module as that Python does, as far as ours knows how, and check types."""
    major, minor = map(int, version.split("."))
    for path in sorted((ROOT / "src").rglob("*.py")):
        ast.parse(path.read_bytes(), str(path), feature_version=(major, minor))
    cache = ROOT / ".mypy_cache" / f"for-{version}"
    words = [str(MYPY), "--python-version", version, "--cache-dir", str(cache)]
    return subprocess.run(words, cwd=ROOT, check=False).returncode == 0


def tested(python: str) -> bool:
    """Install what is here, with what its tests need, for a Python; run the unit tests."""
    uv = str(BIN / "uv")
    with tempfile.TemporaryDirectory(prefix="hubferry-pythons-") as name:
        env = Path(name) / "env"
        inside = str(env / "bin" / "python")
        subprocess.run([uv, "venv", "--quiet", "--python", python, str(env)], check=True)
        lock = ("--constraint", "requirements.lock")
        words = [uv, "pip", "install", "--quiet", "--python", inside, *lock]
        subprocess.run([*words, "--group", "test", "--editable", "."], cwd=ROOT, check=True)
        tests = [inside, "-m", "pytest", "tests/unit", "-q", "-n", "2", "-p", "no:cacheprovider", *LEFT_OUT]
        environment = os.environ | {"PYTEST_DEBUG_TEMPROOT": name}
        return subprocess.run(tests, cwd=ROOT, env=environment, check=False).returncode == 0


_OF_THE_SOURCES = ("i18n", "api_reference", "mutation_score", "next_commands")
LEFT_OUT = [f"--ignore=tests/unit/test_{name}.py" for name in _OF_THE_SOURCES]
"""Tests that need the tools of lint, and say nothing of a Python."""


if __name__ == "__main__":
    main()

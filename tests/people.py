"""Other people of this machine: ordinary accounts, with groups of their own, that run the real command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import forked

ROOT = Path(__file__).parents[1]
SHARED_GROUP = 60_500
_PROBE = "import hubferry, msgspec, aiohttp"


@dataclass(frozen=True)
class Person:
    """An account without any right of root's; `umask` as a login shell would set it."""

    uid: int
    groups: tuple[int, ...] = ()
    umask: int = 0o022
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """Return how `subprocess` starts a command as this person."""
        return {"user": self.uid, "group": self.uid, "extra_groups": self.groups, "umask": self.umask}

    def words(self, *command: str) -> list[str]:
        """Return the command that runs `command` as this person."""
        groups = ["--groups", ",".join(map(str, self.groups))] if self.groups else ["--clear-groups"]
        drop = ["setpriv", "--reuid", str(self.uid), "--regid", str(self.uid), *groups, "--no-new-privs"]
        shell = f'umask {self.umask:03o} && exec "$@"'
        return [*drop, "sh", "-c", shell, "sh", *command]


ANN = Person(60_501, (SHARED_GROUP,), 0o002)
BOB = Person(60_502, (SHARED_GROUP,), 0o002)
EVE = Person(60_503)
"""Of no group."""


@cache
def interpreter() -> tuple[str, str]:
    """Return a Python that anybody here may run, and the PYTHONPATH with which it has hubferry.

    The one that runs the tests may lie in somebody's home; skips the test where there is no other.
    """
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can act for other accounts")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not there (Debian: util-linux)")
    paths = os.pathsep.join((str(ROOT / "src"), sysconfig.get_paths()["purelib"]))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if Path(python).exists():
            words = EVE.words(python, "-c", _PROBE)
            done = subprocess.run(
                words,
                env={"PYTHONPATH": paths, "PATH": os.defpath},
                capture_output=True,
                check=False,
                cwd="/",
            )
            if done.returncode == 0:
                forked.PYTHONS.add((python, paths))
                return python, paths
    pytest.skip(f"no {version} that other accounts may run, or they cannot read {ROOT}")

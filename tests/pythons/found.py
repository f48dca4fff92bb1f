"""Which Pythons this machine has: on the way to commands, of pyenv, of uv."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FOR = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""Those that hubferry is for."""
_PYENV = ".pyenv/versions"


def interpreter(version: str) -> str | None:
    """Return a Python of that version, as `3.12`, None where there is none that runs."""
    return next((place for place in _places(version) if _is(place, version)), None)


def _places(version: str) -> Iterator[str]:
    installed = sorted((_home() / _PYENV).glob(f"{version}.*/bin/python{version}"), reverse=True)
    yield from map(str, installed)
    found = shutil.which(f"python{version}")
    if found is not None:
        yield found


def _home() -> Path:
    """Return this account's home whatever HOME says, which in tests is another one."""
    try:
        import pwd
    except ImportError:  # Windows has none
        return Path.home()
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def _is(place: str, version: str) -> bool:
    words = [place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == version

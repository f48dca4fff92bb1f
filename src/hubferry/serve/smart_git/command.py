"""Running git: with nobody's settings, and nothing of the machine's but its objects."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from typing import IO, TYPE_CHECKING

from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SETTINGS = {
    "core.bigFileThreshold": "16m",  # what is larger is not held in memory
    "core.hooksPath": os.devnull,
    "fastimport.unpackLimit": "1",  # or each small object is a file of its own
    "gc.auto": "0",
    "receive.advertiseAtomic": "false",
    "receive.advertisePushOptions": "false",
    "transfer.hideRefs": "refs/hubferry",
    "uploadpack.allowFilter": "true",
}


class GitError(Exception):
    """Git does not do what it is told; the text is its own."""


@cache
def program() -> str:
    """Return where git is.

    Raises:
        Refusal: This machine has none.
    """
    found = shutil.which("git")
    if found is None:
        raise Refusal(Reason.ROUTE_MISSING, "This hub's machine has no git: use the hub's other addresses")
    return found


@dataclass(frozen=True, slots=True)
class Git:
    """Git in one bare repository.

    Attributes:
        folder: The repository.
        more: Of the environment, as where new objects go.
    """

    folder: Path
    more: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str, given: bytes | IO[bytes] = b"") -> bytes:
        """Return what git says.

        Raises:
            GitError: It fails.
        """
        with tempfile.TemporaryFile() as written:
            if isinstance(given, bytes):
                written.write(given)
                written.seek(0)
            done = subprocess.run(  # noqa: S603  # words of ours, and names that were looked at
                self.line(*words),
                env=self.environment(),
                stdin=written if isinstance(given, bytes) else given,
                capture_output=True,
                check=False,
            )
        if done.returncode:
            raise GitError(done.stderr.decode(errors="replace").strip() or f"git {words[0]} failed")
        return done.stdout

    def start(self, *words: str, given: IO[bytes] | int, protocol: str = "") -> subprocess.Popen[bytes]:
        """Start git and leave it running."""
        return subprocess.Popen(  # noqa: S603  # as above
            self.line(*words),
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environment() | ({"GIT_PROTOCOL": protocol} if protocol else {}),
        )

    def line(self, *words: str) -> list[str]:
        """Return what is run."""
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        return [program(), *settings, *words]

    def environment(self) -> dict[str, str]:
        """Return with what it is run."""
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR") if name in os.environ}
        alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(self.folder)}
        return {**kept, **alone, "GIT_DIR": str(self.folder), "LC_ALL": "C", **self.more}

"""Run an image as it is meant to run: its root read-only, its own account, no capability, one volume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_INSIDE = """\
root=$1 data=$2 settings=$3 folder=$4; shift 4
set -e
mount --bind "$root" "$root"
mount --bind "$data" "$root/data"
mount --bind "$settings" "$root/etc/hubferry"
mount -o remount,bind,ro "$root/etc/hubferry"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid "$UID_INSIDE" --regid "$GID_INSIDE" --clear-groups --bounding-set=-all \\
  --inh-caps=-all --no-new-privs env -i --chdir="$folder" "$@"
"""
"""No container runtime is needed for that, and most of them do not run inside of another container."""


def said(*words: str) -> str:
    """Run a command; return what it printed, or end with what went wrong."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


@dataclass(frozen=True)
class Image:
    """An image whose files are in a folder.

    Attributes:
        root: That folder.
        settings: The image's own: environment, account, entry point, command, health check.
        data: Its volume.
        mounted: What lies in `/etc/hubferry`.
    """

    root: Path
    settings: dict[str, Any]
    data: Path
    mounted: Path

    def line(self, *words: str) -> list[str]:
        """Return the command line that runs these words in it."""
        uid, _colon, gid = self.settings["User"].partition(":")
        numbers = ["env", f"UID_INSIDE={uid}", f"GID_INSIDE={gid}"]
        places = [str(self.root), str(self.data), str(self.mounted), self.settings["WorkingDir"]]
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        return [*numbers, *apart, "sh", "-c", _INSIDE, "sh", *places, *self.settings["Env"], *words]

    def run(self, *words: str) -> str:
        """Run something in it that is not its entry point; return what it printed."""
        return said(*self.line(*words))

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Run its entry point with these words, or with its own command."""
        line = self.line(*self.settings["Entrypoint"], *(words or self.settings["Cmd"]))
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def health(self, *words: str) -> int:
        """Return the exit code of its health check, for a command with these words."""
        test = self.settings["Healthcheck"]["Test"]
        return subprocess.run(self.line(*test[1:], *words), check=False).returncode


def image(buildah: list[str], name: str, folder: Path) -> Image:
    """Return an image of the storage, its files in a container's folder."""
    container = said(*buildah, "from", "--pull-never", name)
    settings = json.loads(said(*buildah, "inspect", "--type", "image", name))["Docker"]["config"]
    made = Image(Path(said(*buildah, "mount", container)), settings, folder / "data", folder / "etc")
    for place in (made.root / "etc/hubferry", made.data, made.mounted):
        place.mkdir(parents=True, exist_ok=True)
    os.chown(made.data, *map(int, settings["User"].split(":")))
    return made

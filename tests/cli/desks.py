"""A person at a terminal: an empty home, two real hubs, the real commands in processes of their own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked

if TYPE_CHECKING:
    from servers import TestHub

ROOT = Path(__file__).parents[2]
KIB = 1024


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str
    raw: bytes = b""

    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass
class Desk:
    """A person's terminal: a home, an environment, the commands."""

    home: Path
    environment: dict[str, str] = field(repr=False)
    source: TestHub
    destination: TestHub

    def run(self, *words: str, **options: Any) -> Ended:
        """Run any program; `unset` takes variables away, `environment` adds some."""
        environment = self.environment | options.pop("environment", {})
        for name in options.pop("unset", ()):
            environment.pop(name, None)
        defaults = {"stdin": subprocess.DEVNULL, "encoding": "utf-8", "errors": "replace", "timeout": 120}
        wanted, start = options.pop("check_code", None), options.pop("start", subprocess.run)
        options = defaults | {"cwd": self.home} | options
        done = start(words, env=environment, capture_output=True, check=False, **options)
        ended = Ended(done.returncode, done.stdout, done.stderr)
        assert wanted in (None, ended.code), ended.said
        return ended

    def ferry(self, *words: str, **options: Any) -> Ended:
        return self.run(sys.executable, "-m", "hubferry", *words, start=forked.run, **options)

    def inside(self, *words: str, **options: Any) -> Ended:
        """Run a command as `ferry` does, but in this process."""
        import inside

        environment = self.environment | options.get("environment", {})
        for name in options.get("unset", ()):
            environment.pop(name, None)
        ended = inside.ferry(words, environment, self.home)
        assert options.get("check_code") in (None, ended.code), ended.said
        return ended

    def script(self, name: str, *words: str, **options: Any) -> Ended:
        """Run a script of the project, from its place in the clone, in a home without HUBFERRY_CACHE."""
        unset = ("HUBFERRY_CACHE", *options.pop("unset", ()))
        line = (sys.executable, str(ROOT / name), *words)
        return self.run(*line, unset=unset, start=forked.run, **options)

    def published(self, repo_id: str = "mine/model") -> dict[str, str]:
        """What the destination really holds, by its own store: path to sha256."""
        return stored(self.destination, repo_id)


class Valve:
    """Let the small files out of a hub and a part of the large ones, then nothing until it is opened."""

    def __init__(self) -> None:
        self._left = 5 * KIB * KIB

    def open(self) -> None:
        self._left = 1 << 40

    async def pace(self, _request: object, direction: str, count: int) -> None:
        if direction == "out" and count > 4 * KIB:
            self._left -= count
            while self._left < 0:  # noqa: ASYNC110 - opened by another thread
                await asyncio.sleep(0.02)


def stored(hub: TestHub, repo_id: str) -> dict[str, str]:
    repository = hub.store.find(repo_id)
    return {path: file.sha256 for path, file in repository.tree(repository.resolve(None)).files.items()}


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".hubferry" not in path.parts
    }


def publish(hub: TestHub, folder: Path, repo_id: str) -> None:
    """Put a folder straight into a hub's store, under a licence that is nobody's default."""
    hub.store.create(repo_id, "model", license="mit")
    hub.store.add(repo_id, {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()})


class lying_about_sizes:  # noqa: N801  # reads as a sentence
    """Make a hub list one file as larger than it is."""

    def __init__(self, hub: TestHub, path: str, size: int, repo_id: str = "org/model") -> None:
        self._repository, self._path, self._size = hub.store.find(repo_id), path, size

    def __enter__(self) -> None:
        import msgspec

        tree = self._repository.tree(self._repository.resolve(None))
        self._before = tree.files[self._path]
        tree.files[self._path] = msgspec.structs.replace(self._before, size=self._size)

    def __exit__(self, *_error: object) -> None:
        self._repository.tree(self._repository.resolve(None)).files[self._path] = self._before

"""Two real hubs that can fail, a small model, a cache, and what must be true of them whatever happened."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from faults import Faults
from servers import USER, WRITE_TOKEN, TestHub, running_hub, sdk_environment

import forked
from hubferry import api
from hubferry.errors import HubferryError
from hubferry.options import Access, Options
from hubferry.serve import Account, Credential, Policy, Seams, Strictness
from hubferry.serve.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hubferry.results import Report

KIB, MIB = 1024, 1024 * 1024
SOURCE, DESTINATION = "hf:org/model", "ms:mine/model"
FIRST = "model-00001-of-00002.safetensors"
SECOND = "model-00002-of-00002.safetensors"
TOKENS = (WRITE_TOKEN, WRITE_TOKEN)
PATIENT, IMPATIENT = 30.0, 1.0
"""How many seconds a hub may say nothing; where none does so, no busy machine is to be taken for one."""
QUICK = {"HUBFERRY_RETRIES": "2", "HUBFERRY_RETRY_WAIT": "0.01", "HUBFERRY_TIMEOUT": str(PATIENT)}


@lru_cache(maxsize=32)
def drawn(size: int, seed: object) -> bytes:
    return random.Random(str(seed)).randbytes(size)


def small_model() -> dict[str, bytes]:
    """A file in parts, one in one piece, its twin, files in git, one of them a blob at the destination."""
    return {
        FIRST: drawn(2 * MIB + 512 * KIB + 17, 1),
        SECOND: drawn(300 * KIB, 2),
        "twin/model.safetensors": drawn(300 * KIB, 2),
        "README.md": b"---\nlicense: mit\n---\n# A model\n",
        "config.json": b'{"model_type": "test"}',
        "tokenizer.json": drawn(50 * KIB, 3).hex().encode(),
        "empty.txt": b"",
    }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its exit code, and what it said."""

    code: int
    error: HubferryError | None = None
    report: Report | None = None
    out: str = ""
    err: str = ""

    @property
    def said(self) -> str:
        return self.out + self.err + (f"{self.error!r} {self.error.hint}" if self.error else "")


@dataclass
class World:
    """One test's hubs, model and cache."""

    source: TestHub
    destination: TestHub
    source_faults: Faults
    destination_faults: Faults
    home: Path
    content: dict[str, bytes] = field(default_factory=small_model)
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    options: Options = field(default_factory=Options)

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def model(self) -> Path:
        return self.cache / "org_model"

    @property
    def expected(self) -> dict[str, str]:
        return {path: sha256(content) for path, content in self.content.items()}

    def add_source(self, content: Mapping[str, bytes] | None = None) -> None:
        self.source.store.add("org/model", self.content if content is None else content)

    def attempt(self, verb: str = "copy", to: str = DESTINATION, **changes: Any) -> Outcome:
        """Run in this process; return the exit code that the command would have."""
        options = replace(self.options, **changes)
        try:
            if verb == "copy":
                return Outcome(0, report=api.copy(SOURCE, to, options))
            if verb == "fetch":
                api.fetch(SOURCE, options)
            else:
                api.check(SOURCE, DESTINATION, options)
        except HubferryError as error:
            return Outcome(error.exit_code, error)
        return Outcome(0)

    def command(self, *words: str, **more: str) -> Outcome:
        """Run the real command to its end."""
        with self.started(*words, **more) as process:
            out, err = process.communicate(timeout=120)
        return Outcome(process.returncode, out=out, err=err)

    @contextlib.contextmanager
    def started(self, *words: str, **more: str) -> Iterator[subprocess.Popen[str]]:
        """Start the real command; whatever is left of it is killed."""
        words = words or ("copy", SOURCE, DESTINATION)
        process = forked.Popen(
            [sys.executable, "-m", "hubferry", *words],
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.home,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
            for stream in (process.stdout, process.stderr):
                stream.close()

    def published(self, repo_id: str = "mine/model") -> dict[str, str]:
        """What the destination really holds, by its own store; nothing where there is no repository."""
        try:
            repository = self.destination.store.find(repo_id)
        except Refusal:
            return {}
        return {path: one.sha256 for path, one in repository.tree(repository.resolve(None)).files.items()}

    def commits(self) -> int:
        """How many commits the destination has, beside the one it was created with."""
        try:
            repository = self.destination.store.find("mine/model")
        except Refusal:
            return 0
        return sum(1 for _commit in repository.history.walk(repository.resolve(None))) - 1

    def assert_true(self, *, partly: bool = False) -> None:
        """Nothing wrong is published or under its final name; nothing is published by halves."""
        published, expected = self.published(), self.expected
        assert published in ({}, expected) or (partly and published.items() <= expected.items()), published
        for path, digest in published.items():
            stored = self.destination.store.blobs.path(digest).read_bytes()
            assert sha256(stored) == expected[path]
        self.assert_cache_true()

    def assert_cache_true(self) -> None:
        expected = self.expected
        for path, content in self.held().items():
            assert sha256(content) == expected.get(path), f"{path} lies under its name and is wrong"

    def held(self) -> dict[str, bytes]:
        """Every file of the model's directory that has its final name."""
        return {
            path.relative_to(self.model).as_posix(): path.read_bytes()
            for path in self.model.rglob("*")
            if path.is_file() and path.relative_to(self.model).parts[0] != ".hubferry"
        }

    def converge(self, *, real: bool = False, tidy: bool = True) -> None:
        """Without the fault, the next run ends with everything published, and a fetch with everything here.

        A copy does not fetch what the run before has already brought to the destination's storage.
        """
        self.source_faults.clear()
        self.destination_faults.clear()
        outcome = self.command() if real else self.attempt()
        assert outcome.code == 0, outcome.said
        assert self.published() == self.expected
        self.assert_cache_true()
        fetched = self.attempt("fetch")
        assert fetched.code == 0, fetched.said
        assert {path: sha256(content) for path, content in self.held().items()} == self.expected
        left = [path.name for path in (self.model / ".hubferry" / "partial").glob("*")]
        assert not tidy or left == [], left

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Every file of the home with its size and time, to see whether anything was written."""
        found = {}
        for path in self.home.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    found[str(path)] = (path.stat().st_size, path.stat().st_mtime_ns)
        return found


@contextlib.contextmanager
def running_world(
    top: Path,
    *,
    pace: Any = None,
    content: dict[str, bytes] | None = None,
    tokens: tuple[str, str] = TOKENS,
    strict: Strictness | None = None,
) -> Iterator[World]:
    """Run two hubs with the model on the first; each takes its own one of `tokens`."""
    with contextlib.ExitStack() as stack:
        faults = Faults(), Faults()
        hubs = [
            stack.enter_context(
                running_hub(
                    top / name,
                    seams=Seams([one.middleware], pace),
                    policy=Policy((Credential(token, Account(USER)),), writable=True),
                    strict=strict,
                )
            )
            for name, one, token in zip(("source", "destination"), faults, tokens, strict=True)
        ]
        for one in faults:
            stack.callback(one.over.set)
        home = top / "home"
        environment = sdk_environment(home, hf=hubs[0], ms=hubs[1]) | QUICK | {"LC_ALL": "C.UTF-8"}
        environment |= {"HF_TOKEN": tokens[0], "MODELSCOPE_API_TOKEN": tokens[1]}
        options = Options(
            source=Access(tokens[0], hubs[0].url),
            destination=Access(tokens[1], hubs[1].url),
            cache_root=home / "cache",
        )
        world = World(hubs[0], hubs[1], *faults, home, content or small_model(), environment, options)
        world.source.store.create("org/model", license="mit")
        world.add_source()
        yield world

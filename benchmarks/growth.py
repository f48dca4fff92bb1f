"""Measure how the time of each operation of the cache grows: with the files of a model, and with models.

    python -m benchmarks.growth [--quick] [--only WORD]

The exponent is the slope between the last two sizes on logarithmic scales: 1 is linear, 2 quadratic. Waiting
for the disk is left out, except where files are adopted.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import io
import math
import os
import shutil
import tempfile
import time
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from unittest.mock import patch

from hubferry.cache import adopt, manifest, update
from hubferry.cache.disk import disk
from hubferry.cache.names import safe_name
from hubferry.cache.store import Cache
from hubferry.cache.verify import verify
from hubferry.cli.main import command_line
from hubferry.model import Digests, RepoFile, RepoRef, Revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hubferry.cache.store import ModelDirectory

FILES, QUICK_FILES = (1_000, 4_000, 16_000, 64_000), (250, 1_000, 4_000)
MODELS, QUICK_MODELS = (10, 1_000, 10_000), (10, 100, 1_000)
LINEAR = 1.2
"""Exponent above which an operation is marked: sorting, and caches that get too small, make up the rest."""
REF = RepoRef("hf", "org/model")
COMMIT = "c" * 40
_NOBODY = RepoRef("hf", "nobody/asked")


class Operation(Protocol):
    """Prepare for one size in an empty folder, and return what is to be timed."""

    def __call__(self, top: Path, count: int) -> Callable[[], object]:
        """Prepare."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one operation, in seconds by size; `wait` says whether the disk was waited for."""

    name: str
    prepare: Operation
    wait: bool = False


def content_of(number: int) -> bytes:
    """Return the content of one small file."""
    return b'{"number": %d}' % number


def digests_of(content: bytes) -> Digests:
    """Hash what is in memory."""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return Digests(len(content), hashlib.sha256(content).hexdigest(), blob)


def listed(count: int, *, equal: bool = False, prefix: str = "f") -> list[tuple[RepoFile, bytes]]:
    """Return files of a repository, a hundred in each folder."""
    found = []
    for number in range(count):
        content = content_of(0 if equal else number)
        file = RepoFile(f"{prefix}{number // 100}/{number}.json", len(content), digests_of(content).sha256)
        found.append((file, content))
    return found


@contextlib.contextmanager
def waiting_for_nothing() -> Iterator[None]:
    """Wait for no disk meanwhile."""
    with (
        patch.object(disk, "fsync", lambda _it: None),
        patch.object(disk, "fsync_directory", lambda _it: None),
    ):
        yield


def model_of(
    top: Path, count: int, *, equal: bool = False, ref: RepoRef = REF
) -> tuple[ModelDirectory, list[RepoFile]]:
    """Make a whole model of `count` files."""
    items = listed(count, equal=equal)
    files = [file for file, _content in items]
    with waiting_for_nothing():
        model = Cache(top / "root", roots=()).open(ref)
        with model.hold(wait=0):
            model.put_many([(file, content, digests_of(content)) for file, content in items])
            model.finish(Revision(ref, COMMIT), files)
    return model, files


def command(*words: str) -> Callable[[], object]:
    """Return a command of the command line, run in this process."""

    def run() -> None:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            command_line().main(list(words), prog_name="hubferry", standalone_mode=False)

    return run


def find_equal(top: Path, count: int) -> Callable[[], object]:
    """Look for files of one content, which another model has as often."""
    model_of(top, count, equal=True, ref=_NOBODY)
    wanted = [file for file, _content in listed(count, equal=True, prefix="new")]
    return lambda: adopt.find(wanted, REF, [top / "root"])


def dry_run_equal(top: Path, count: int) -> Callable[[], object]:
    """Plan a copy of a folder of files of one content."""
    for file, content in listed(count, equal=True):
        (top / "folder" / file.path).parent.mkdir(parents=True, exist_ok=True)
        (top / "folder" / file.path).write_bytes(content)
    return command("copy", str(top / "folder"), str(top / "there"), "--dry-run", "--quiet")


def _blobs(top: Path, count: int) -> list[tuple[RepoFile, Path]]:
    wanted = []
    (top / "blobs").mkdir()
    for file, content in listed(count):
        origin = top / "blobs" / str(file.sha256)
        origin.write_bytes(content)
        wanted.append((file, origin))
    os.sync()
    return wanted


def adopt_distinct(top: Path, count: int) -> Callable[[], object]:
    """Take in small files of another tool's cache."""
    wanted = _blobs(top, count)
    model, _files = model_of(top, 0)
    return lambda: model.adopt_many(wanted)


def adopt_equal(top: Path, count: int) -> Callable[[], object]:
    """Give one content many names."""
    model, files = model_of(top, 1)
    twins = [file for file, _content in listed(count, equal=True, prefix="twin")]
    return lambda: model.adopt_many((file, model.target(files[0].path)) for file in twins)


def verify_untouched(top: Path, count: int) -> Callable[[], object]:
    """Verify what nobody touched."""
    model, _files = model_of(top, count)
    return lambda: verify(model.path)


def load_manifest(top: Path, count: int) -> Callable[[], object]:
    """Read the records."""
    model, _files = model_of(top, count)
    return lambda: manifest.load(model.records)


def save_manifest(top: Path, count: int) -> Callable[[], object]:
    """Write the records."""
    model, _files = model_of(top, count)
    known = manifest.load(model.records)
    assert known is not None  # noqa: S101 - it was just made
    return lambda: manifest.save(model.records, known)


def look_up(top: Path, count: int) -> Callable[[], object]:
    """Ask for every file that is here."""
    model, files = model_of(top, count)
    return lambda: [model.lookup(file) for file in files]


def new_commit(top: Path, count: int) -> Callable[[], object]:
    """Bring a model to a commit that gives every file another name."""
    model, _files = model_of(top, count)
    renamed = [file for file, _content in listed(count, prefix="renamed")]
    goal = update.Goal(Revision(REF, "d" * 40), renamed, {file.path for file in renamed})

    def switch() -> None:
        with model.hold(wait=0):
            update.settle(model, update.begin(model, goal), goal)

    return switch


def show(top: Path, count: int) -> Callable[[], object]:
    """Show one model."""
    model_of(top, count)
    return command("cache", "show", "org_model", "--cache-dir", str(top / "root"))


def many_models(top: Path, count: int, *, shared: bool) -> None:
    """Make models of two files, one of which they may share with each other."""
    with waiting_for_nothing():
        origin, _files = model_of(top, 2)
        known = manifest.load(origin.records)
        assert known is not None  # noqa: S101 - it was just made
        for number in range(1, count):
            name = "only" if number == 1 else f"model-{number}"
            place = top / "root" / safe_name(f"org/{name}")
            for path in known.files:
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                if shared and path.endswith("/0.json"):
                    (place / path).hardlink_to(origin.path / path)
                else:
                    (place / path).write_bytes((origin.path / path).read_bytes())
            (place / ".hubferry").mkdir()
            files = {
                path: manifest.Entry(
                    entry.size, entry.sha256, None, manifest.Signature.of((place / path).lstat()), listed=True
                )
                for path, entry in known.files.items()
            }
            one = manifest.new(RepoRef("hf", f"org/{name}"))
            one.commit, one.listing, one.whole, one.files = COMMIT, "full", True, files
            manifest.save(place / ".hubferry", one)


def with_models(*words: str, shared: bool = False) -> Operation:
    """Return an operation that runs a command where there are many models."""

    def prepare(top: Path, count: int) -> Callable[[], object]:
        many_models(top, count, shared=shared)
        return command(*words, "--cache-dir", str(top / "root"))

    return prepare


def find_among(top: Path, count: int) -> Callable[[], object]:
    """Look for a file that no model has."""
    many_models(top, count, shared=False)
    wanted = [RepoFile("new", 3, "0" * 64)]
    return lambda: adopt.find(wanted, _NOBODY, [top / "root"])


BY_FILES = (
    Row("search for files of one content", find_equal),
    Row("dry run, a folder of one content", dry_run_equal),
    Row("adopt small files, with the disk", adopt_distinct, wait=True),
    Row("one content, many names, with the disk", adopt_equal, wait=True),
    Row("verify what is untouched", verify_untouched),
    Row("read the records", load_manifest),
    Row("write the records", save_manifest),
    Row("look up every file", look_up),
    Row("a commit that renames every file", new_commit),
    Row("cache show", show),
)
BY_MODELS = (
    Row("cache list", with_models("cache", "list")),
    Row("cache list, a file shared by all", with_models("cache", "list", shared=True)),
    Row("cache show ONE", with_models("cache", "show", "org/only")),
    Row("cache check ONE", with_models("cache", "check", "org/only")),
    Row("search for a file that none has", find_among),
)


def measure(row: Row, count: int) -> float:
    """Return the seconds that one operation takes at one size."""
    top = Path(tempfile.mkdtemp(prefix="growth-"))
    try:
        with ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, {"HOME": str(top), "HUBFERRY_LANG": "en"}))
            run = row.prepare(top, count)
            if not row.wait:
                stack.enter_context(waiting_for_nothing())
            gc.collect()
            started = time.perf_counter()
            run()
            return time.perf_counter() - started
    finally:
        shutil.rmtree(top)


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Return the slope between the last two sizes, on logarithmic scales."""
    return math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2])


def table(title: str, rows: tuple[Row, ...], sizes: tuple[int, ...], only: str) -> None:
    """Measure rows, and print them as a Markdown table."""
    print(f"\n| {title} | " + " | ".join(f"{size:,}" for size in sizes) + " | exponent |")
    print("|---|" + "---:|" * (len(sizes) + 1))
    for row in rows:
        if only not in row.name:
            continue
        seconds = [measure(row, size) for size in sizes]
        slope = exponent(sizes, seconds)
        cells = " | ".join(f"{one:.3f} s" for one in seconds)
        print(f"| {row.name} | {cells} | {slope:.2f}{' !' if slope > LINEAR else ''} |", flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="only the rows that have this in their name"
    )
    asked = parser.parse_args()
    table("files of a model", BY_FILES, QUICK_FILES if asked.quick else FILES, asked.only)
    table("models", BY_MODELS, QUICK_MODELS if asked.quick else MODELS, asked.only)


if __name__ == "__main__":
    main()

"""What a run does to the cache, one act at a time: how it begins, what it does, what came of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

from hubferry.cache import adopt, clean, listing, update
from hubferry.cache.partial import CHUNK, PartialFile, missing_ranges, partial_path
from hubferry.cache.store import Cache, ModelDirectory
from hubferry.model import Digests, RepoFile, RepoRef, Revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REF = RepoRef("hf", "org/model")
OTHER = RepoRef("ms", "mine/model")
BIG = random.Random(1).randbytes(CHUNK + 17)
SMALL = {"config.json": b"{}", "README.md": b"# model\n", "a/b/tokenizer.json": b'{"v": 1}', "empty.txt": b""}
WEIGHTS = "weights/model.safetensors"
TWINS = ("twin.safetensors", "a/twin.safetensors", "new/twin.safetensors")
FIRST = {WEIGHTS: BIG, **SMALL}
SECOND = {"config.json": b'{"new": 1}', "README.md/now.txt": b"a directory", "a": b"a file", "c/d": b"3"}


@cache
def digests_of(content: bytes) -> Digests:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return Digests(len(content), hashlib.sha256(content).hexdigest(), blob)


@cache
def file_of(path: str, content: bytes) -> RepoFile:
    """Describe a file as a hub does: weights by sha256, what git holds by its blob id."""
    digests = digests_of(content)
    if path.endswith((".safetensors", ".bin")):
        return RepoFile(path, len(content), digests.sha256, lfs=True)
    return RepoFile(path, len(content), git_sha1=digests.git_sha1)


def files_of(contents: dict[str, bytes]) -> list[RepoFile]:
    return [file_of(path, content) for path, content in contents.items()]


def items_of(contents: dict[str, bytes]) -> list[tuple[RepoFile, bytes, Digests]]:
    return [(file_of(path, content), content, digests_of(content)) for path, content in contents.items()]


@dataclass
class Place:
    """A home for one act: a root, and other caches beside it."""

    top: Path
    outside: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def cache(self) -> Cache:
        return Cache(self.top / "root", roots=[self.top / "older"])

    def model(self, ref: RepoRef = REF) -> ModelDirectory:
        """Open the model as a new process does."""
        return Cache(self.top / "root", roots=[self.top / "older"]).open(ref)

    def beside(self, name: str, content: bytes) -> Path:
        """Put a file into somebody else's cache; it has to stay as it is."""
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.outside[name] = content
        return path

    def held(self) -> ModelDirectory:
        model = self.model()
        with model.hold(wait=0):
            model.put_many(items_of(SMALL))
            fetch_big(model)
            model.finish(Revision(REF, "c1"), files_of(FIRST))
        return model


def fetch_big(model: ModelDirectory, *, content: bytes = BIG, path: str = WEIGHTS) -> None:
    """Bring a large file in as the stream does: what is missing, then its hash, then its name."""
    file = file_of(path, content)
    with model.disk_errors():
        place = partial_path(model.partial_directory, file)
        partial = PartialFile(place, len(content))
        try:
            for start, stop in partial.missing():
                for first in range(start, stop, CHUNK):
                    partial.write(first, [content[first : min(first + CHUNK, stop)]])
                partial.start_writing(start, stop)
            whole = partial.read(0, len(content))
            if not digests_of(whole).fit(file):
                partial.forget()
                raise AssertionError("the map promised bytes that are not there")
            model.publish(file, place, digests_of(whole))
            partial.discard_map()
        finally:
            partial.close()


@dataclass(frozen=True)
class Act:
    """One thing that a run does to the cache.

    Attributes:
        name: For the test's name.
        do: Does it; may be done again after it failed half-way.
        prepare: What was there before.
        result: What the model's directory holds when it is done, where that is certain.
        without: Operations that this filesystem lacks.
        opens: Whether it opens the model itself; else it gets one that it holds.
    """

    name: str
    do: Callable[[Place, ModelDirectory | None], object]
    prepare: Callable[[Place], object] = lambda _place: None
    result: dict[str, bytes] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    opens: bool = False

    @contextlib.contextmanager
    def begun(self, place: Place) -> Iterator[Callable[[], object]]:
        """Open and hold the model unless the act does; yield what is to be done."""
        if self.opens:
            yield lambda: self.do(place, None)
            return
        model = place.model()
        with model.hold(wait=0):
            yield lambda: self.do(place, model)


def _open(place: Place, _model: ModelDirectory | None) -> None:
    with place.model().hold(wait=0):
        pass


def _older(place: Place) -> None:
    for name, content in SMALL.items():
        path = place.top / "older" / "org_model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (place.top / "older" / "org_model" / "config.json").write_bytes(b"[]")


def _look(place: Place, model: ModelDirectory) -> None:
    for file in files_of(SMALL):
        model.lookup(file)


def _fetch_big(place: Place, model: ModelDirectory) -> None:
    fetch_big(model)


def _half_fetched(place: Place) -> None:
    model = place.model()
    partial = PartialFile(partial_path(model.partial_directory, file_of(WEIGHTS, BIG)), len(BIG))
    partial.write(CHUNK, [BIG[CHUNK:]])
    partial.close()


def _go_on(place: Place, model: ModelDirectory) -> None:
    with model.disk_errors():
        missing_ranges(partial_path(model.partial_directory, file_of(WEIGHTS, BIG)), len(BIG))
    fetch_big(model)


def _put_many(place: Place, model: ModelDirectory) -> None:
    model.put_many(items_of(SMALL))


def _huggingface_cache(place: Place) -> None:
    place.beside("hf/hub/models--org--model/blobs/" + digests_of(BIG).sha256, BIG)
    place.beside("hf/hub/models--org--model/snapshots/c1/config.json", SMALL["config.json"])
    place.beside("hf/hub/models--org--model/snapshots/c1/README.md", b"# other\n")


def _find_and_adopt(place: Place, model: ModelDirectory) -> None:
    lacking = [file for file in files_of(FIRST) if model.lookup(file) is None]
    with model.disk_errors():
        found = adopt.find(lacking, REF, place.cache.roots)
    for file in lacking:
        if file.path in found:
            model.adopt(file, found[file.path])


def _adopt_a_twin(place: Place, model: ModelDirectory) -> None:
    model.adopt(file_of("twin.safetensors", BIG), model.target(WEIGHTS))


def _find_and_adopt_together(place: Place, model: ModelDirectory) -> None:
    lacking = [file for file in files_of(FIRST) if model.lookup(file) is None]
    with model.disk_errors():
        found = adopt.find(lacking, REF, place.cache.roots)
    model.adopt_many([(file, found[file.path]) for file in lacking if file.path in found])


def _adopt_twins(place: Place, model: ModelDirectory) -> None:
    origin = model.target(WEIGHTS)
    model.adopt_many([(file_of(path, BIG), origin) for path in TWINS])


def _finish(place: Place, model: ModelDirectory) -> None:
    model.finish(Revision(REF, "c1"), files_of(FIRST))
    model.mark_published(OTHER, "d1")
    model.pin(pinned=True)
    model.touch()


def _whole(place: Place) -> None:
    place.held()


def _new_commit(place: Place, model: ModelDirectory) -> None:
    for file in files_of(SECOND):
        model.lookup(file)
    model.put_many(items_of(SECOND))
    model.finish(Revision(REF, "c2"), files_of(SECOND))


def _switch(place: Place, model: ModelDirectory) -> None:
    goal = update.Goal(Revision(REF, "c2"), files_of(SECOND), set(SECOND))
    work = update.begin(model, goal)
    lacking = {path for path in SECOND if work.lookup(file_of(path, SECOND[path])) is None}
    work.put_many(items_of({path: SECOND[path] for path in lacking}))
    update.settle(model, work, goal)


def _remove(place: Place, model: ModelDirectory) -> None:
    for path in FIRST:
        model.remove_file(path)


def _tampered(place: Place) -> None:
    model = place.held()
    model.target("config.json").write_bytes(b"[]")
    os.utime(model.target("README.md"), ns=(1, 1))
    model.target("a/b/tokenizer.json").unlink()
    moved = place.beside("elsewhere", SMALL["empty.txt"])
    model.target("empty.txt").unlink()
    model.target("empty.txt").symlink_to(moved)


def _clean(place: Place, _model: ModelDirectory | None) -> None:
    for model in listing.list_models(place.cache.roots).models:
        clean.remove(model)
    for _again in range(2):
        clean.sweep(listing.list_models(place.cache.roots))


def _run(place: Place, _model: ModelDirectory | None) -> None:
    model = place.model()
    with model.hold(wait=0):
        for file in files_of(FIRST):
            model.lookup(file)
        model.put_many(items_of(SMALL))
        fetch_big(model)
        model.finish(Revision(REF, "c1"), files_of(FIRST))
        model.touch()


ACTS = (
    Act("open-new", _open, opens=True),
    Act("open-again", _open, _whole, opens=True),
    Act("look-into-an-older-cache", _look, _older),
    Act("fetch-a-large-file", _fetch_big, result={WEIGHTS: BIG}),
    Act("go-on-with-a-large-file", _go_on, _half_fetched, {WEIGHTS: BIG}),
    Act("store-small-files", _put_many, result=SMALL),
    Act("adopt-by-link", _find_and_adopt, _huggingface_cache, {WEIGHTS: BIG}),
    Act("adopt-by-copy", _find_and_adopt, _huggingface_cache, {WEIGHTS: BIG}, without=("link", "reflink")),
    Act("give-a-second-name", _adopt_a_twin, _whole, FIRST | {"twin.safetensors": BIG}),
    Act("adopt-many-by-link", _find_and_adopt_together, _huggingface_cache, {WEIGHTS: BIG}),
    Act(
        "adopt-many-by-copy",
        _find_and_adopt_together,
        _huggingface_cache,
        {WEIGHTS: BIG},
        without=("link", "reflink"),
    ),
    Act("give-many-names", _adopt_twins, _whole, FIRST | dict.fromkeys(TWINS, BIG)),
    Act("finish", _finish, _whole, FIRST),
    Act("bring-in-a-new-commit", _new_commit, _whole, SECOND),
    Act("switch-to-a-new-commit", _switch, _whole, SECOND),
    Act("switch-without-exchange", _switch, _whole, SECOND, without=("exchange",)),
    Act("remove-files", _remove, _whole),
    Act("look-at-tampered-files", _look, _tampered),
    Act("clean", _clean, _whole, opens=True),
)
WHOLE_RUNS = (
    Act("run", _run, result=FIRST, opens=True),
    Act("run-again", _run, _whole, FIRST, opens=True),
)

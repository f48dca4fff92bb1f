"""The power goes at any operation: what the cache says then is true, and what it had promised is there."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from acts import BIG, OTHER, REF, TWINS, WEIGHTS, digests_of, file_of
from volatile import PowerCut, VolatileDisk

from hubferry.cache.names import RECORDS
from hubferry.cache.partial import CHUNK, PartialFile, partial_path
from hubferry.cache.store import Cache, ModelDirectory
from hubferry.model import Revision

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.model import RepoFile

SEEDS = 200
CONTENTS = {
    WEIGHTS: [BIG, BIG[::-1], BIG[: CHUNK - 1]],
    "config.json": [b"{}", b"[]", b'{"longer": 1}' * 200],
    "a/b/tokenizer.json": [b'{"v": 1}', b'{"v": 2}'],
    "a/empty.txt": [b""],
    "a/c": [b"1", b"2"],
    **{path: [BIG] for path in TWINS},
}
LAST = {path: versions[-1] for path, versions in CONTENTS.items()}


@dataclass
class World:
    """A cache, what was promised about it, and what may be in flux."""

    top: Path
    random: random.Random
    promised: dict[str, bytes] = field(default_factory=dict)
    moving: set[str] = field(default_factory=set)
    commit: tuple[str, dict[str, bytes]] | None = None

    @property
    def directory(self) -> Path:
        return self.top / "root" / "org_model"

    def open(self) -> ModelDirectory:
        return Cache(self.top / "root", roots=[]).open(REF)

    def changing(self, *paths: str) -> None:
        """Promise nothing about these files until what happens to them is over."""
        self.moving = set(paths)
        for path in paths:
            self.promised.pop(path, None)
        self.commit = None

    def promise(self, contents: dict[str, bytes]) -> None:
        self.promised |= contents
        self.moving = set()


def bring(model: ModelDirectory, file: RepoFile, content: bytes) -> None:
    """Bring in a large file as the stream does: go on, hash the whole, begin again when that is wrong."""
    place = partial_path(model.partial_directory, file)
    partial = PartialFile(place, len(content))
    try:
        for _attempt in range(2):
            for start, stop in partial.missing():
                for first in range(start, stop, CHUNK):
                    partial.write(first, [content[first : min(first + CHUNK, stop)]])
            digests = digests_of(partial.read(0, len(content)))
            if digests.fit(file):
                break
            partial.forget()
        model.publish(file, place, digests)
        partial.discard_map()
    finally:
        partial.close()


def live(world: World, steps: int) -> None:
    """Do what runs do, in any order; promise what returned."""
    model = world.open()
    with model.hold(wait=0):
        for _step in range(steps):
            world.random.choice((fetch, store, store, twin, twins, remove, look, finish, note))(world, model)


def fetch(world: World, model: ModelDirectory) -> None:
    content = world.random.choice(CONTENTS[WEIGHTS])
    world.changing(WEIGHTS)
    bring(model, file_of(WEIGHTS, content), content)
    world.promise({WEIGHTS: content})


def store(world: World, model: ModelDirectory) -> None:
    small = [path for path in CONTENTS if not path.endswith(".safetensors")]
    chosen = world.random.sample(small, world.random.randint(1, len(small)))
    contents = {path: world.random.choice(CONTENTS[path]) for path in chosen}
    world.changing(*chosen)
    items = [(file_of(path, content), content, digests_of(content)) for path, content in contents.items()]
    model.put_many(items)
    world.promise(contents)


def twin(world: World, model: ModelDirectory) -> None:
    """Give a file a second name by link, or bring one in from elsewhere."""
    file = file_of("twin.safetensors", BIG)
    world.changing(file.path)
    origin = model.target(WEIGHTS) if world.random.random() < 0.5 else world.top / "elsewhere"
    if model.adopt(file, origin) is not None:
        world.promise({file.path: BIG})


def twins(world: World, model: ModelDirectory) -> None:
    """Give one content several names together, or bring it in from elsewhere under all of them."""
    files = [file_of(path, BIG) for path in TWINS]
    world.changing(*TWINS)
    origins = [world.random.choice((model.target(WEIGHTS), world.top / "elsewhere")) for _file in files]
    taken = model.adopt_many(zip(files, origins, strict=True))
    world.promise(dict.fromkeys(taken, BIG))


def remove(world: World, model: ModelDirectory) -> None:
    path = world.random.choice(list(CONTENTS))
    world.changing(path)
    model.remove_file(path)
    world.moving = set()


def look(world: World, model: ModelDirectory) -> None:
    for path, content in LAST.items():
        model.lookup(file_of(path, content))


def finish(world: World, model: ModelDirectory) -> None:
    world.commit = None
    name = f"c{world.random.randrange(100)}"
    here = dict(world.promised)
    model.finish(Revision(REF, name), [file_of(path, content) for path, content in here.items()])
    world.commit = (name, here) if here else None


def note(world: World, model: ModelDirectory) -> None:
    world.random.choice(
        (model.touch, lambda: model.pin(pinned=True), lambda: model.mark_published(OTHER, "d1"))
    )()


def assert_true(world: World) -> None:
    """Whatever has a final name is something that was listed under it; whatever is claimed is so."""
    if not world.directory.is_dir():
        assert not world.promised
        return
    fresh = ModelDirectory(world.directory, REF)
    for found in world.directory.rglob("*"):
        path = found.relative_to(world.directory).as_posix()
        if found.is_file() and path.split("/")[0] != RECORDS:
            assert found.read_bytes() in CONTENTS[path], f"{path} has its final name and is not whole"
    for path, versions in CONTENTS.items():
        place = world.directory / path
        for content in versions:
            if fresh.known(file_of(path, content)) is not None:
                assert place.read_bytes() == content, f"{path} is called known and is not what was listed"


def assert_kept(world: World) -> None:
    """What had been promised is there, and known without a hash."""
    fresh = ModelDirectory(world.directory, REF)
    for path, content in world.promised.items():
        assert fresh.known(file_of(path, content)) is not None, f"{path} had been stored and is lost"
    if world.commit is not None:
        complete = fresh.complete()
        assert complete is not None, "the finished commit is forgotten"
        assert complete[0] == world.commit[0]
        assert {file.path for file in complete[1]} == set(world.commit[1])


def assert_converges(world: World) -> None:
    model = world.open()
    with model.hold(wait=0):
        for path, content in LAST.items():
            file = file_of(path, content)
            if model.lookup(file) is not None:
                assert model.target(path).read_bytes() == content
            elif path.endswith(".safetensors"):
                bring(model, file, content)
            else:
                model.put_many([(file, content, digests_of(content))])
        model.finish(Revision(REF, "last"), [file_of(path, content) for path, content in LAST.items()])
    fresh = ModelDirectory(world.directory, REF)
    assert {path: (world.directory / path).read_bytes() for path in LAST} == LAST
    assert all(fresh.known(file_of(path, content)) for path, content in LAST.items())
    assert fresh.complete() is not None
    assert {path.name for path in (world.directory / RECORDS).rglob("*") if path.suffix == ".tmp"} == set()


def lose_power(world: World, attic: Path, *, lies: tuple[str, ...] = ()) -> None:
    """Run until the power goes, or the run ends and it goes then."""
    disk = VolatileDisk(world.top, attic, world.random, world.random.randrange(1, 400), lies=lies)
    with disk.installed(), suppress(PowerCut):
        live(world, world.random.randint(1, 8))
    disk.cut()


def world_of(top: Path, seed: int) -> World:
    (top / "disk").mkdir(parents=True)
    (top / "disk" / "elsewhere").write_bytes(BIG)
    return World(top / "disk", random.Random(seed))


@pytest.mark.parametrize("start", range(0, SEEDS, 25))
def test_a_power_cut_at_any_moment_leaves_the_truth_and_what_was_promised(tmp_path, start):
    for seed in range(start, start + 25):
        world = world_of(tmp_path / str(seed), seed)
        for cut in range(world.random.randint(1, 3)):  # a machine that fails once may fail again
            lose_power(world, tmp_path / f"{seed}-{cut}")
            assert_true(world)
            assert_kept(world)
        assert_converges(world)


@pytest.mark.parametrize("lie", ["fsync", "fsync_directory"])
def test_a_disk_that_only_pretends_to_sync_is_found_out(tmp_path, lie):
    """Prove the proof: without what makes bytes and names durable, the check above fails."""
    for seed in itertools.count():
        world = world_of(tmp_path / str(seed), seed)
        lose_power(world, tmp_path / f"{seed}-attic", lies=(lie,))
        try:
            assert_true(world)
            assert_kept(world)
        except AssertionError:
            break
        assert seed < 100

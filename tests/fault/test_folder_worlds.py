"""Random folders against random destinations: every entry is copied or named once, nothing else changes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from servers import running_hub

from hubferry import api
from hubferry.errors import HubferryError, IntegrityError, NotFoundError, PartialError
from hubferry.events import Planned
from hubferry.options import Access, Options

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 99\n"
TOKEN = b"hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ01234567"
FOLDERS = ("", "a/", "a/b/", "模 型/")
NOT_UTF8 = os.fsdecode(b"caf\xe9")
REFUSED = frozenset(
    {"broken-link", "link-cycle", "lfs-pointer", "empty-weights", "unfinished", "name", "unreadable"}
)


@dataclass
class World:
    """A folder on the disk, and what has to become of each entry."""

    root: Path
    outside: Path
    copied: dict[str, bytes] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)

    def file(self, path, content):
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def link(self, path, target):
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)


def plain(world, at, number):
    path, content = f"{at}{number} ‐ data.txt", b"plain %d" % number
    world.file(path, content)
    world.copied[path] = content


def weights(world, at, number):
    path, content = f"{at}w{number}.safetensors", b"weights" * (number + 1)
    world.file(path, content)
    world.copied[path] = content


def token(world, at, number):
    path = f"{at}login{number}.py"
    world.file(path, TOKEN)
    world.copied[path] = TOKEN
    world.warned.add(path)


def link_to_file(world, at, number):
    (world.outside / "blobs").mkdir(exist_ok=True)
    (world.outside / "blobs" / str(number)).write_bytes(b"blob %d" % number)
    path = f"{at}linked{number}.bin"
    world.link(path, world.outside / "blobs" / str(number))
    world.copied[path] = b"blob %d" % number


def link_to_link(world, at, number):
    link_to_file(world, at, number)
    path = f"{at}again{number}.bin"
    world.link(path, f"linked{number}.bin")
    world.copied[path] = b"blob %d" % number


def link_to_folder(world, at, number):
    path = f"{at}side{number}"
    world.link(path, world.root / "side")
    world.copied[f"{path}/deep/f.txt"] = b"side"


def link_outside(world, at, number):
    world.link(f"{at}out{number}", world.outside)
    world.named[f"{at}out{number}/"] = "outside-link"


def link_upwards(world, at, number):
    world.link(f"{at}up{number}", world.root)
    world.named[f"{at}up{number}/"] = "link-cycle"


def link_to_itself(world, at, number):
    world.link(f"{at}round{number}", f"round{number}")
    world.named[f"{at}round{number}"] = "link-cycle"


def link_to_nothing(world, at, number):
    world.link(f"{at}lost{number}.bin", "../blobs/gone")
    world.named[f"{at}lost{number}.bin"] = "broken-link"


def pipe(world, at, number):
    (world.root / at).mkdir(parents=True, exist_ok=True)
    os.mkfifo(world.root / f"{at}pipe{number}")
    world.named[f"{at}pipe{number}"] = "special-entry"


def hollow(world, at, number):
    (world.root / f"{at}hollow{number}").mkdir(parents=True)
    world.named[f"{at}hollow{number}/"] = "empty-folder"


def note(world, at, number):
    world.file(f"{at}._{number}", b"note")
    world.named[f"{at}._{number}"] = "tool-notes"


def notes(world, at, number):
    world.file(f"{at}c{number}/__pycache__/deep/a.pyc", b"note")
    world.named[f"{at}c{number}/__pycache__/"] = "tool-notes"


def secret(world, at, number):
    world.file(f"{at}.env.{number}", b"secret")
    world.named[f"{at}.env.{number}"] = "secret"


def ignored(world, at, number):
    world.file(f"{at}{number}.log", b"log")
    world.named[f"{at}{number}.log"] = "ignored"


def pointer(world, at, number):
    world.file(f"{at}p{number}.bin", POINTER)
    world.named[f"{at}p{number}.bin"] = "lfs-pointer"


def void(world, at, number):
    world.file(f"{at}v{number}.gguf", b"")
    world.named[f"{at}v{number}.gguf"] = "empty-weights"


def unfinished(world, at, number):
    world.file(f"{at}u{number}.bin.part", b"half")
    world.named[f"{at}u{number}.bin.part"] = "unfinished"


def odd_name(world, at, number):
    world.file(f"{at}{NOT_UTF8}{number}", b"odd")
    world.named[f"{at}{NOT_UTF8}{number}"] = "name"


def odd_folder(world, at, number):
    world.file(f"{at}new\nline{number}/x.txt", b"odd")
    world.named[f"{at}new\nline{number}/"] = "name"


def closed_file(world, at, number):
    world.file(f"{at}closed{number}.txt", b"closed")
    world.closed.add(f"{at}closed{number}.txt")
    world.named[f"{at}closed{number}.txt"] = "unreadable"


def closed_folder(world, at, number):
    world.file(f"{at}closed{number}/x.txt", b"closed")
    world.closed.add(f"{at}closed{number}")
    world.named[f"{at}closed{number}/"] = "unreadable"


COPIED = (plain, weights, token, link_to_file, link_to_link, link_to_folder)
LEFT_OUT = (link_outside, pipe, hollow, note, notes, secret, ignored)
WRONG = (
    link_upwards, link_to_itself, link_to_nothing, pointer, void, unfinished, odd_name, odd_folder,
    closed_file, closed_folder,
)  # fmt: skip


@contextlib.contextmanager
def closing(world):
    """Let the system refuse to open some entries: root, as whom tests may run, is refused nothing."""
    closed = {str(Path(os.path.realpath(world.root)) / path) for path in world.closed}
    real = {"open": os.open, "scandir": os.scandir}

    def refusing(name):
        def call(path, *words, **more):
            if os.fspath(path) in closed:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
            return real[name](path, *words, **more)

        return call

    patch = pytest.MonkeyPatch()
    for name in real:
        patch.setattr(os, name, refusing(name))
    try:
        yield
    finally:
        patch.undo()


def hides(entry, code, path):
    """Return whether an entry that is not copied keeps what the destination has at `path` from deletion."""
    if code == "empty-folder":
        return False
    return path == entry.rstrip("/") or (entry.endswith("/") and path.startswith(entry))


def holds(hub, repo_id):
    repository = hub.store.find(repo_id)
    return {path: file.sha256 for path, file in repository.tree(repository.resolve(None)).files.items()}


def sha(content):
    return hashlib.sha256(content).hexdigest()


entry = st.tuples(st.sampled_from((*COPIED, *LEFT_OUT)), st.sampled_from(FOLDERS))
wrong = st.tuples(st.sampled_from(WRONG), st.sampled_from(FOLDERS))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


numbers = iter(range(100_000))


@settings(
    max_examples=45,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    good=st.lists(entry, min_size=2, max_size=10),
    bad=st.sampled_from([0, 0, 1]).flatmap(lambda some: st.lists(wrong, min_size=some, max_size=4 * some)),
    there=st.lists(st.integers(0, 13), min_size=2, max_size=8),
    delete=st.booleans(),
)
@example(good=[(hollow, ""), (link_outside, "a/")], bad=[], there=[4, 5, 6, 11], delete=True)
@example(good=[(token, ""), (secret, "")], bad=[(link_to_nothing, "a/")], there=[0, 1, 2, 8, 11], delete=True)
def test_every_entry_is_copied_or_named_once_and_nothing_else_changes(quick, hub, good, bad, there, delete):
    base = Path(tempfile.mkdtemp())
    try:
        world = World(base / "folder", base / "outside")
        world.outside.mkdir()
        world.file("README.md", b"# always there")
        world.file("side/deep/f.txt", b"side")
        world.file(".hubferryignore", b"*.log\n")
        world.copied |= {"README.md": b"# always there", "side/deep/f.txt": b"side"}
        world.named[".hubferryignore"] = "tool-notes"
        for number, (make, at) in enumerate([*good, *bad]):
            make(world, at, number)
        run(hub, base, world, there, delete=delete)
    finally:
        shutil.rmtree(base)


def run(hub, base, world, there, *, delete):
    repo_id = f"mine/world{next(numbers)}"
    before = destination(world, there)
    if before:
        hub.store.create(repo_id, "model", license="mit")
        hub.store.add(repo_id, before)
    options = Options(cache_root=base / "cache", delete=delete, destination=Access(hub.token, hub.url))
    keeping = replace(options, keep_going=True)
    source, target = str(world.root), f"ms:{repo_id}"
    with closing(world):
        planned = api.plan(source, target, options)
        assert {step.file.path for step in planned.steps if step.action != "delete"} == set(world.copied)
        assert_named_once(world, planned)
        refused = REFUSED & set(world.named.values())
        if refused:
            with pytest.raises(HubferryError):
                api.copy(source, target, options)
            if before:
                assert holds(hub, repo_id) == {path: sha(content) for path, content in before.items()}
            with pytest.raises(PartialError):
                api.copy(source, target, keeping)
        else:
            api.copy(source, target, options)
        again = api.plan(source, target, replace(options, delete=delete and not refused))
    assert again.nothing_to_do
    assert holds(hub, repo_id) == {
        path: sha(content) for path, content in expected(world, before, delete=delete and not refused).items()
    }


def assert_named_once(world, planned):
    said = [(one.path, one.code) for one in planned.findings if one.kind != "warning"]
    assert sorted(said) == sorted(world.named.items())
    assert {one.path for one in planned.findings if one.kind == "warning"} == world.warned


def destination(world, there):
    """Choose what is at the destination: some of the same, some of another content, some of its own."""
    copied, folders = sorted(world.copied), [path for path in sorted(world.named) if path.endswith("/")]
    files = [path for path in sorted(world.named) if not path.endswith("/") and path.isprintable()]
    choices = {}
    for choice in there:
        if choice < 4:
            path = copied[choice % len(copied)]
            choices[path] = world.copied[path] if choice % 2 else b"another"
        elif choice < 8 and folders and folders[choice % len(folders)].isprintable():
            choices[folders[choice % len(folders)] + "inner.txt"] = b"inner"
        elif choice < 12 and files:
            choices[files[choice % len(files)]] = b"theirs"
        else:
            choices[f"old/{choice}.bin"] = b"old"
    return choices


def expected(world, before, *, delete):
    kept = {
        path: content
        for path, content in before.items()
        if not delete or any(hides(entry, code, path) for entry, code in world.named.items())
    }
    return kept | world.copied


CHANGES = {
    "rewritten": lambda place: place.write_bytes(place.read_bytes()[::-1]),
    "shorter": lambda place: os.truncate(place, 10),
    "longer": lambda place: os.truncate(place, place.stat().st_size + 10),
    "gone": lambda place: place.unlink(),
    "a-pipe": lambda place: (place.unlink(), os.mkfifo(place)),
}


@pytest.mark.parametrize("path", ["model.safetensors", "notes.txt"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_after_the_survey_is_not_published_and_bars_no_other(
    quick, hub, tmp_path, path, change
):
    number = next(numbers)
    contents = {
        "model.safetensors": random.Random(number).randbytes(3_000_000),
        "notes.txt": b"a small file that goes inside the commit, number %d" % number,
        "good.txt": b"good",
    }
    world = World(tmp_path / "folder", tmp_path)
    for name, content in contents.items():
        world.file(name, content)
    repo_id = f"mine/changing{number}"
    options = Options(cache_root=tmp_path / "cache", destination=Access(hub.token, hub.url))

    def meanwhile(event):
        if isinstance(event, Planned):
            CHANGES[change](world.root / path)

    with pytest.raises(HubferryError) as raised:
        api.copy(str(world.root), f"ms:{repo_id}", options, meanwhile)
    assert (raised.value.path, raised.value.side) == (path, "source")
    assert isinstance(raised.value, IntegrityError | NotFoundError)
    assert holds(hub, repo_id) == {}
    (world.root / path).unlink(missing_ok=True)
    world.file(path, contents[path])
    with pytest.raises(PartialError):
        api.copy(str(world.root), f"ms:{repo_id}", replace(options, keep_going=True), meanwhile)
    assert holds(hub, repo_id) == {name: sha(content) for name, content in contents.items() if name != path}

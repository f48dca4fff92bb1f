"""Random folders, and random models copied into them: what was meant happens, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubferry import admission, planning
from hubferry.findings import refusals
from hubferry.hubs import open_destination
from hubferry.hubs.folder.destination import LIMITS
from hubferry.model import Action, CommitAction, RepoFile, RepoRef, Revision

NAMES = st.sampled_from(["a", "b", "C", "模 型", ".x"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
KINDS = st.sampled_from(["file", "file", "file", "folder", "to file", "to folder", "broken", "pipe"])
CONTENTS = st.sampled_from([b"", b"one", b"two"])
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Many small files are made sure of: a disk in memory does that soon."""


def build(root: Path, entries: dict[str, tuple[str, bytes]], outside: Path) -> None:
    """Make what can be made of `entries`; what another stands in the way of is left out."""
    for path, (kind, content) in sorted(entries.items()):
        place = root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if any(parent.is_symlink() for parent in place.parents if parent != root) or os.path.lexists(
                place
            ):
                continue
            if kind == "file":
                place.write_bytes(content)
            elif kind == "folder":
                place.mkdir()
            elif kind == "pipe":
                os.mkfifo(place)
            else:
                place.symlink_to(outside / {"to file": "kept", "to folder": "folder", "broken": "none"}[kind])
        except (FileExistsError, NotADirectoryError):
            continue


def described(root: Path) -> dict[str, tuple[str, object]]:
    """Every entry, by what it is itself."""
    found: dict[str, tuple[str, object]] = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            place = Path(folder) / name
            path = place.relative_to(root).as_posix()
            if place.is_symlink():
                found[path] = ("link", str(place.readlink()))
            elif place.is_dir():
                found[path] = ("folder", None)
            else:
                found[path] = ("file", place.read_bytes()) if place.is_file() else ("pipe", None)
    return found


def model(entries: dict[str, bytes]) -> dict[str, bytes]:
    """Make a listing of it: no file is a folder of another."""
    kept: dict[str, bytes] = {}
    for path, content in sorted(entries.items()):
        if not any(path.startswith(other + "/") for other in kept):
            kept[path] = content
    return kept


async def copied(root: Path, files: dict[str, bytes], *, delete: bool) -> tuple[planning.Plan, list[str]]:
    """Carry a plan out as a run with `--keep-going` does; return it, and the paths that were refused."""
    ref = RepoRef("dir", str(root))
    destination = open_destination(ref)
    there = await destination.resolve(ref)
    listing = [
        RepoFile(path, len(data), sha256=hashlib.sha256(data).hexdigest()) for path, data in files.items()
    ]
    plan = planning.make(
        planning.Side(Revision(RepoRef("hf", "org/name"), "c" * 40), listing),
        planning.Side(there, await destination.files(there)),
        planning.Knowledge({}),
        LIMITS,
        planning.Policy(delete=delete),
    )
    found = () if plan.nothing_to_do else await destination.examine(plan)
    refused = [finding.path or "" for finding in refusals(found)]
    plan = admission.without_refused(planning.replace(plan, findings=tuple(found)))
    steps = [step for step in plan.steps if step.action is not Action.SAME]
    if refused:
        steps = [step for step in steps if step.action is not Action.DELETE]
    actions = [
        CommitAction("delete", step.file.path)
        if step.action is Action.DELETE
        else CommitAction("create", step.file.path, content=files[step.file.path])
        for step in steps
    ]
    if actions:
        await destination.commit(ref, actions, "m")
    await destination.close()
    return planning.replace(plan, steps=tuple(steps)), refused


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    there=st.dictionaries(PATHS, st.tuples(KINDS, CONTENTS), max_size=8),
    here=st.dictionaries(PATHS, CONTENTS, min_size=1, max_size=6),
    delete=st.booleans(),
)
def test_a_copy_changes_what_it_is_about_and_nothing_else(there, here, delete):
    with tempfile.TemporaryDirectory(dir=MEMORY) as top:
        root, outside = Path(top) / "target", Path(top) / "outside"
        (outside / "folder").mkdir(parents=True)
        (outside / "kept").write_bytes(b"two")
        (outside / "folder/file").write_bytes(b"one")
        root.mkdir()
        build(root, there, outside)
        beyond, before, files = described(outside), described(root), model(here)
        plan, refused = asyncio.run(copied(root, files, delete=delete))
        after = described(root)
        assert described(outside) == beyond
        assert set(refused) <= set(files)
        for path, content in files.items():
            if path not in refused:
                assert (root / path).read_bytes() == content
        changed = {step.file.path for step in plan.steps if step.action is not Action.DELETE}
        deleted = {step.file.path for step in plan.steps if step.action is Action.DELETE}
        folders = {str(above) for path in changed for above in Path(path).parents}
        for path in changed:
            assert after[path] == ("file", files[path])
        for path in after.keys() - changed - folders:
            assert after[path] == before.get(path), f"{path} was made or altered"
        for path in before.keys() - after.keys() - deleted:
            assert before[path] == ("folder", None), f"{path} is gone"
            assert any(one.startswith(path + "/") for one in deleted), f"{path} was empty before"
        if delete and not refused:
            seen = {path for path, (kind, _content) in after.items() if kind == "file"}
            links = {
                path for path, (kind, _content) in after.items() if kind == "link" and (root / path).is_file()
            }
            assert seen | links == set(files)

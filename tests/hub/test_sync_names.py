"""Tags and branches of a mirror, copied between two real hubs; the official clients look at the end."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import signal
import sys
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from huggingface_hub import HfApi, snapshot_download
from modelscope_hub import HubApi

import forked
from hubferry.errors import AccessError, ConflictError, IntegrityError, MovedTagError, UsageError
from hubferry.events import Committed, ignore
from hubferry.names.copy import copy_names, look_ahead_at_names
from hubferry.names.model import Wanted, Way
from hubferry.names.rules import Names
from hubferry.options import Access, Options
from hubferry.serve import Delete, Reason, Refusal, Seams, Strictness

if TYPE_CHECKING:
    from pathlib import Path

ALL = Names()
SOURCE = "hf:org/model"
WEIGHTS = b"w" * 200_000


@dataclass
class Mirror:
    """Two hubs, and what is mirrored from the one to the other."""

    source: Any
    target: Any
    options: Options
    where: str
    commits: dict[str, str] = field(default_factory=dict)

    def commit(self, text: str, tag: str | None = None, *, repo="org/model", **files: bytes) -> str:
        content = {"README.md": f"---\nlicense: mit\n---\n{text}\n".encode(), **files}
        made = self.source.store.add(repo, {path.replace("__", "."): one for path, one in content.items()})
        if tag:
            self.source.store.find(repo).add_tag(tag, made.id)
        return made.id

    def job(self, tags=ALL, branches=None, source=SOURCE) -> Wanted:
        return Wanted(source, self.where, tags, branches)

    def run(self, job: Wanted | None = None, known=None, **changes):
        return asyncio.run(
            copy_names(job or self.job(), replace(self.options, **changes), ignore, known or {})
        )

    def plan(self, job: Wanted | None = None, known=None, **changes):
        options = replace(self.options, **changes)
        return asyncio.run(look_ahead_at_names(job or self.job(), options, ignore, known or {}))

    @property
    def kept(self):
        """What the target's store holds."""
        return self.target.store.find(self.where.partition(":")[2])

    @property
    def history(self) -> list[str]:
        """The cards of the target's branch, oldest first."""
        kept = self.kept
        return [self.card(one.id) for one in reversed(list(kept.history.walk(kept.resolve(None))))]

    def card(self, revision: str) -> str:
        tree = self.kept.tree(self.kept.resolve(revision))
        card = tree.get("README.md")
        return "" if card is None else self.target.store.blobs.read(card.sha256).decode().split("\n")[3]

    @property
    def tags(self) -> dict[str, str]:
        """What each of the target's tags shows: its card."""
        return {name: self.card(name) for name in self.kept.record.tags}


@pytest.fixture(params=["hf", "ms"])
def mirror(make_hub, tmp_path, request):
    return between(make_hub, tmp_path, request.param)


@pytest.fixture
def to_hf(make_hub, tmp_path):
    return between(make_hub, tmp_path, "hf")


@pytest.fixture
def to_ms(make_hub, tmp_path):
    return between(make_hub, tmp_path, "ms")


def between(make_hub, tmp_path, hub, strict=None, seams=None) -> Mirror:
    source, target = make_hub(strict=strict), make_hub(strict=strict, seams=seams)
    options = Options(
        source=Access(source.token, source.url),
        destination=Access(target.token, target.url),
        cache_root=tmp_path / "cache",
    )
    return Mirror(source, target, options, f"{hub}:mine/model")


def three_versions(mirror: Mirror) -> None:
    mirror.commit("one", "v1", weights__bin=WEIGHTS)
    mirror.commit("two", "v2", weights__bin=WEIGHTS)
    mirror.commit("between", more__bin=WEIGHTS[::-1] + b"!")
    mirror.commit("three", "v3")
    mirror.commit("head")


def sha256s(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_a_new_mirror_gets_each_tag_as_a_commit_in_the_order_of_the_sources_history(mirror):
    three_versions(mirror)
    result = mirror.run()
    assert result.error is None
    assert [card for card in mirror.history if card] == ["one", "two", "three", "head"]
    assert mirror.tags == {"v1": "one", "v2": "two", "v3": "three"}
    assert [(one.name, one.kind) for one in result.names] == [
        ("main", "branch"),
        ("v1", "tag"),
        ("v2", "tag"),
        ("v3", "tag"),
    ]
    assert result.head is not None
    assert len(result.commits) == mirror.target.requests.commits == 4
    assert mirror.target.requests.blobs_received == 2
    assert result.sent == 2 * len(WEIGHTS) + 1


def test_the_official_client_of_hugging_face_sees_the_tags_and_downloads_them(to_hf, tmp_path):
    three_versions(to_hf)
    assert to_hf.run().error is None
    there, here = (HfApi(one.url, token=one.token) for one in (to_hf.target, to_hf.source))
    refs = there.list_repo_refs("mine/model")
    assert [tag.name for tag in refs.tags] == ["v1", "v2", "v3"]
    assert [branch.name for branch in refs.branches] == ["main"]
    for name in ("v1", "v2", "v3", "main"):
        ours, theirs = tmp_path / "ours" / name, tmp_path / "theirs" / name
        for api, repo, folder in ((there, "mine/model", ours), (here, "org/model", theirs)):
            snapshot_download(repo, revision=name, local_dir=folder, endpoint=api.endpoint, token=api.token)
        assert sha256s(ours) == sha256s(theirs)


def test_the_official_client_of_modelscope_sees_the_tags(to_ms):
    three_versions(to_ms)
    assert to_ms.run().error is None
    api = HubApi(endpoint=to_ms.target.url, token=to_ms.target.token)
    _branches, tags = api.legacy.list_revisions_detail("mine/model", "model")
    assert {one["Revision"] for one in tags} == {"v1", "v2", "v3"}


def test_with_nothing_changed_the_names_cost_one_request_a_side(mirror):
    three_versions(mirror)
    known = {one.name: (one.source_commit, one.target_commit) for one in mirror.run().names}
    for hub in (mirror.source, mirror.target):
        hub.requests.clear()
    plan = mirror.plan(known=known)
    assert plan.nothing_to_do
    assert mirror.source.requests.routes() == ["hf:refs"]
    assert mirror.target.requests.routes() in (["hf:refs"], ["ms:revisions"])
    for hub in (mirror.source, mirror.target):
        hub.requests.clear()
    again = mirror.run(known=known)
    assert again.error is None
    assert again.commits == ()
    assert not again.changed
    assert len(again.names) == 4
    assert [len(hub.requests.records) for hub in (mirror.source, mirror.target)] == [3, 3]


def test_without_memory_the_listings_of_both_sides_are_held_against_each_other(mirror):
    three_versions(mirror)
    mirror.run()
    again = mirror.run()
    assert again.error is None
    assert {step.way for step in again.plan.steps} == {Way.SAME}
    assert mirror.target.requests.commits == 4


@pytest.mark.parametrize(("hub", "remembers"), [("hf", False), ("ms", True), ("ms", False)])
def test_a_tag_that_came_since_is_committed_before_the_head(make_hub, tmp_path, hub, remembers):
    mirror = between(make_hub, tmp_path, hub)
    three_versions(mirror)
    known = {one.name: (one.source_commit, one.target_commit) for one in mirror.run().names}
    mirror.commit("four", "v4")
    mirror.commit("five", "v5")
    mirror.commit("newest")
    result = mirror.run(known=known if remembers else {})
    assert result.error is None
    assert result.notes == ()
    assert [card for card in mirror.history if card] == [
        "one",
        "two",
        "three",
        "head",
        "four",
        "five",
        "newest",
    ]
    assert mirror.tags["v4"] == "four"


def test_an_older_tag_is_made_beside_the_branch_where_branches_can_be_made(to_hf):
    three_versions(to_hf)
    to_hf.run(to_hf.job(Names(allow=("v1", "v3"))))
    before = to_hf.history
    result = to_hf.run()
    assert result.error is None
    assert [step.way for step in result.plan.steps if step.name == "v2"] == [Way.BESIDE]
    assert to_hf.history == before
    assert to_hf.tags == {"v1": "one", "v2": "two", "v3": "three"}
    assert list(to_hf.kept.record.branches) == ["main"]
    assert sorted(to_hf.kept.tree(to_hf.kept.resolve("v2")).paths) == ["README.md", "weights.bin"]


def test_a_tag_beside_the_branch_has_exactly_the_sources_files(to_hf):
    """It begins at the tag before it; what the source removed since is removed, whatever the entry says."""
    to_hf.commit("one", "v1", weights__bin=WEIGHTS)
    repository = to_hf.source.store.find("org/model")
    repository.commit("main", [Delete("weights.bin")], title="Remove")
    to_hf.commit("two", "v2")
    to_hf.commit("three", "v3", weights__bin=WEIGHTS)
    to_hf.commit("head")
    assert to_hf.run(to_hf.job(Names(deny=("v2",)))).error is None
    assert to_hf.run().error is None
    assert to_hf.kept.tree(to_hf.kept.resolve("v2")).paths == ["README.md"]
    assert to_hf.kept.tree(to_hf.kept.resolve(None)).paths == ["README.md", "weights.bin"]


def test_an_older_tag_is_named_where_no_branch_can_be_made(to_ms):
    three_versions(to_ms)
    to_ms.run(to_ms.job(Names(allow=("v1", "v3"))))
    before = to_ms.history
    result = to_ms.run()
    assert result.error is None
    assert "v2" in result.notes[0]
    assert to_ms.history == before
    assert set(to_ms.tags) == {"v1", "v3"}


def test_a_tag_that_moved_at_the_source_stays_at_the_target_and_the_run_fails(mirror):
    three_versions(mirror)
    known = {one.name: (one.source_commit, one.target_commit) for one in mirror.run().names}
    repository = mirror.source.store.find("org/model")
    repository.remove_tag("v2")
    repository.add_tag("v2", mirror.commit("moved"))
    result = mirror.run(known=known)
    assert isinstance(result.error, MovedTagError)
    assert "v2" in result.error.message
    assert mirror.tags == {"v1": "one", "v2": "two", "v3": "three"}
    assert mirror.history[-1] == "moved"
    assert "v2" not in {one.name for one in result.names}


def test_a_tag_that_only_the_target_has_is_kept(to_ms):
    three_versions(to_ms)
    to_ms.run()
    to_ms.kept.add_tag("own", to_ms.kept.resolve(None))
    assert to_ms.run().error is None
    assert "own" in to_ms.tags


def test_equal_trees_make_no_commit_and_their_tags_point_to_the_same_one(mirror):
    first = mirror.commit("one", "v1")
    mirror.source.store.find("org/model").add_tag("v1-same", first)
    mirror.commit("one", "v1-again")
    result = mirror.run()
    assert result.error is None
    assert len(result.commits) == 1
    assert len(set(mirror.kept.record.tags.values())) == 1


def test_names_that_cannot_be_are_left_out_and_named(to_hf):
    commit = to_hf.commit("one", "v1")
    repository = to_hf.source.store.find("org/model")
    for name in ("main", "a" * 40, "x.lock", "a@b"):
        repository.add_tag(name, commit)
    result = to_hf.run()
    assert result.error is None
    assert len(result.notes) == 4
    assert to_hf.run().error is None
    assert set(to_hf.tags) == {"v1"}


def test_a_hub_that_only_says_to_have_made_a_tag_is_found_out(mirror, monkeypatch):
    mirror.commit("one", "v1")
    monkeypatch.setattr("hubferry.serve.repository.Repository.add_tag", lambda *_names: None)
    result = mirror.run()
    assert isinstance(result.error, IntegrityError)
    assert "v1" in result.error.message


def test_a_branch_is_copied_to_a_branch_of_its_name_where_one_can_be_made(mirror):
    mirror.commit("one", "v1", weights__bin=WEIGHTS)
    repository = mirror.source.store.find("org/model")
    repository.add_branch("next/big", repository.resolve(None))
    mirror.source.store.add("org/model", {"README.md": b"---\nlicense: mit\n---\nbig\n"}, branch="next/big")
    job = mirror.job(branches=ALL)
    result = mirror.run(job)
    assert result.error is None
    if mirror.where.startswith("hf:"):
        assert set(mirror.kept.record.branches) == {"main", "next/big"}
        assert mirror.card("next/big") == "big"
        mirror.source.store.add("org/model", {"more.txt": b"more"}, branch="next/big")
        assert mirror.run(job).error is None
        assert "more.txt" in mirror.kept.tree(mirror.kept.resolve("next/big"))
    else:
        assert "next/big" in result.notes[0]
    assert mirror.history[-1] == "one"


def test_a_tag_on_a_branch_of_the_source_is_made_beside_the_targets(to_hf):
    first = to_hf.commit("one", "v1")
    repository = to_hf.source.store.find("org/model")
    repository.add_branch("1.x", first)
    to_hf.commit("two", "v2")
    fix = to_hf.source.store.add("org/model", {"README.md": b"---\nlicense: mit\n---\nfix\n"}, branch="1.x")
    repository.add_tag("v1.1", fix.id)
    assert to_hf.run().error is None
    assert [card for card in to_hf.history if card] == ["one", "two"]
    assert to_hf.tags == {"v1": "one", "v1.1": "fix", "v2": "two"}
    assert list(to_hf.kept.record.branches) == ["main"]


def test_an_annotated_tag_is_copied_as_the_commit_that_it_means(make_hub, tmp_path):
    mirror = between(make_hub, tmp_path, "hf", Strictness(tag_objects=True))
    commit = mirror.commit("one")
    mirror.source.store.find("org/model").add_tag("v1", commit, "the first")
    mirror.commit("two")
    result = mirror.run()
    assert result.error is None
    assert [card for card in mirror.history if card] == ["one", "two"]
    assert mirror.tags == {"v1": "one"}
    known = {one.name: (one.source_commit, one.target_commit) for one in result.names}
    assert known["v1"][0] != commit
    assert mirror.plan(known=known).nothing_to_do
    assert mirror.plan().nothing_to_do


def test_a_tag_that_fails_stops_the_later_ones_and_the_head(make_hub, tmp_path):
    mirror = between(make_hub, tmp_path, "ms", seams=Seams(before_commit=_refuse_the_second))
    three_versions(mirror)
    result = mirror.run()
    assert isinstance(result.error, AccessError)
    assert "v2" in result.error.sentence
    assert result.head is None
    assert [one.name for one in result.names] == ["v1"]
    assert [card for card in mirror.history if card] == ["one"]
    assert mirror.tags == {"v1": "one"}
    again = mirror.run()
    assert again.error is None
    assert [card for card in mirror.history if card] == ["one", "two", "three", "head"]


def _refuse_the_second(_repository, number):
    if number == 2:
        raise Refusal(Reason.FORBIDDEN)


def test_a_tag_without_a_selected_file_is_left_out_and_named(to_hf):
    to_hf.commit("old", "v0")
    to_hf.commit("one", "v1", weights__bin=WEIGHTS)
    result = to_hf.run(include=("*.bin",))
    assert result.error is None
    assert any("v0" in note for note in result.notes)
    assert set(to_hf.kept.record.tags) == {"v1"}
    assert list(to_hf.kept.record.branches) == ["main"]


@pytest.mark.parametrize("hub", ["hf", "ms"])
def test_a_mirror_of_modelscope_takes_the_times_of_tags_for_their_order(make_hub, tmp_path, monkeypatch, hub):
    mirror = between(make_hub, tmp_path, hub)
    clock = itertools.count(1_700_000_000, 60)
    monkeypatch.setattr("hubferry.serve.repository.time", SimpleNamespace(time=lambda: next(clock)))
    for text, tag in (("one", "zeta"), ("two", "alpha"), ("three", "middle")):
        mirror.commit(text, tag, weights__bin=WEIGHTS)
    mirror.commit("head")
    job = mirror.job(source="ms:org/model")
    result = mirror.run(job)
    assert result.error is None
    assert [card for card in mirror.history if card] == ["one", "two", "three", "head"]
    assert mirror.tags == {"zeta": "one", "alpha": "two", "middle": "three"}
    assert mirror.plan(job).nothing_to_do
    known = {one.name: (one.source_commit, one.target_commit) for one in result.names}
    mirror.source.requests.clear()
    assert mirror.plan(job, known).nothing_to_do
    assert mirror.source.requests.routes() == ["ms:revisions"]


LOST, BEFORE = "lost", "before"


@dataclass
class Strike:
    """Break the connection of the first request whose path has `part`, before or after it is done."""

    part: str
    when: str
    method: str = "POST"
    times: int = 1
    action: Any = None
    struck: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)

    def count(self, method: str, part: str) -> int:
        return sum(method == one and part in path for one, path in self.seen)

    @web.middleware
    async def middleware(self, request, handler):
        self.seen.append((request.method, request.path))
        if request.method != self.method or self.part not in request.path or self.struck >= self.times:
            return await handler(request)
        self.struck += 1
        if self.when == LOST:
            await handler(request)
        if self.action is not None:
            self.action()
        request.transport.close()
        return web.Response()


@pytest.mark.parametrize("when", [BEFORE, LOST])
@pytest.mark.parametrize(("hub", "part"), [("hf", "/tag/"), ("ms", "/repo/tag")])
def test_a_tag_whose_answer_is_lost_is_looked_for_before_it_is_made_again(
    make_hub, tmp_path, monkeypatch, hub, part, when
):
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.01")
    strike = Strike(part, when)
    mirror = between(make_hub, tmp_path, hub, seams=Seams([strike.middleware]))
    three_versions(mirror)
    result = mirror.run()
    assert result.error is None
    assert strike.struck == 1
    assert mirror.tags == {"v1": "one", "v2": "two", "v3": "three"}
    assert strike.count("POST", part) == (3 if when == LOST else 4)


def test_a_hub_that_says_a_tag_is_there_which_is_not_is_not_believed(make_hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.01")

    @web.middleware
    async def lie(request, handler):
        if "/tag/" in request.path:
            return web.json_response({"error": "Tag reference exists already"}, status=409)
        return await handler(request)

    mirror = between(make_hub, tmp_path, "hf", seams=Seams([lie]))
    mirror.commit("one", "v1")
    result = mirror.run()
    assert isinstance(result.error, ConflictError)
    assert [one.name for one in result.names] == ["main"]


def test_a_tag_that_somebody_else_made_elsewhere_meanwhile_is_not_moved(make_hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.01")
    strike = Strike("/tag/", BEFORE)
    mirror = between(make_hub, tmp_path, "hf", seams=Seams([strike.middleware]))
    mirror.commit("one", "v1")
    strike.action = lambda: mirror.kept.add_tag(
        "v1", list(mirror.kept.history.walk(mirror.kept.resolve(None)))[-1].id
    )
    result = mirror.run()
    assert isinstance(result.error, MovedTagError)
    assert mirror.tags == {"v1": ""}


RUN = """
import asyncio, sys
from hubferry.events import Committed, ignore
from hubferry.options import Access, Options
from hubferry.names.copy import copy_names
from hubferry.names.model import Wanted
from hubferry.names.rules import Names
source, target, token, where, cache = sys.argv[1:]
options = Options(source=Access(token, source), destination=Access(token, target), cache_root=cache)
result = asyncio.run(copy_names(Wanted("hf:org/model", where, Names(), Names()), options, ignore))
sys.exit(result.error.exit_code if result.error else 0)
"""

CRASHES = [
    ("hf", "/tag/", BEFORE, "POST"),  # committed, not tagged
    ("hf", "/branch/", LOST, "POST"),  # a temporary branch, and nothing on it
    ("hf", "/tag/", BEFORE, "OLDER"),  # committed beside the branch, not tagged
    ("hf", "/branch/", BEFORE, "DELETE"),  # tagged, the temporary branch left
    ("ms", "/repo/tag", LOST, "POST"),
]


@pytest.mark.parametrize(("hub", "part", "when", "method"), CRASHES)
def test_a_run_that_is_killed_anywhere_converges_without_a_commit_too_many(
    make_hub, tmp_path, hub, part, when, method
):
    strike = Strike(part, when, "POST" if method == "OLDER" else method, struck=1)
    mirror = between(make_hub, tmp_path, hub, seams=Seams([strike.middleware]))
    three_versions(mirror)
    beside = hub == "hf" and (method == "OLDER" or part == "/branch/")
    if beside:  # then v2 is older than what the branch holds
        assert mirror.run(mirror.job(Names(allow=("v1", "v3")))).error is None
    strike.struck = 0
    words = [mirror.source.url, mirror.target.url, mirror.source.token, mirror.where, str(tmp_path / "cache")]
    process = forked.Popen([sys.executable, "-c", RUN, *words])
    strike.action = process.kill
    assert process.wait(60) == -signal.SIGKILL
    assert strike.struck == 1
    result = mirror.run()
    assert result.error is None
    assert mirror.tags == {"v1": "one", "v2": "two", "v3": "three"}
    assert [card for card in mirror.history if card] == (
        ["one", "three", "head"] if beside else ["one", "two", "three", "head"]
    )
    assert list(mirror.kept.record.branches) == ["main"]
    assert strike.count("POST", "/commit/") == 4
    assert strike.count("PUT", "") == 2


def test_a_dataset_and_its_tags_are_copied_likewise(make_hub, tmp_path):
    mirror = between(make_hub, tmp_path, "ms")
    store = mirror.source.store
    first = store.add("org/data", {"a.parquet": WEIGHTS}, kind="dataset")
    store.find("org/data", "dataset").add_tag("v1", first.id)
    store.add("org/data", {"b.parquet": WEIGHTS[1:]}, kind="dataset")
    result = mirror.run(mirror.job(source="hf:datasets/org/data"))
    assert result.error is None
    kept = mirror.target.store.find("mine/model", "dataset")
    assert kept.tree(kept.resolve("v1")).paths == ["a.parquet"]
    assert kept.tree(kept.resolve(None)).paths == ["a.parquet", "b.parquet"]


def test_a_folder_as_the_target_has_no_tags_and_that_is_said(make_hub, tmp_path):
    mirror = between(make_hub, tmp_path, "hf")
    mirror.commit("one", "v1")
    folder = tmp_path / "out"
    job = Wanted(SOURCE, str(folder), ALL, ALL)
    result = mirror.run(job)
    assert result.error is None
    assert [note for note in result.notes if "v1" in note]
    assert (folder / "README.md").exists()


def test_a_folder_as_the_source_is_copied_without_a_question_about_names(make_hub, tmp_path):
    mirror = between(make_hub, tmp_path, "hf")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "README.md").write_bytes(b"---\nlicense: mit\n---\none\n")
    result = mirror.run(mirror.job(source=str(folder)))
    assert result.error is None
    assert mirror.history[-1] == "one"


def test_where_nobody_knows_what_the_branch_holds_only_what_is_younger_is_committed_on_it(to_ms, monkeypatch):
    """The mirror was made by hand at a commit without a tag, and the source has moved on since."""
    clock = itertools.count(1_700_000_000, 60)
    monkeypatch.setattr("hubferry.serve.repository.time", SimpleNamespace(time=lambda: next(clock)))
    to_ms.commit("one", "v1", weights__bin=WEIGHTS)
    to_ms.commit("between")
    assert to_ms.run(to_ms.job(tags=None)).error is None
    to_ms.commit("two", "v2")
    to_ms.commit("newest")
    result = to_ms.run()
    assert result.error is None
    assert ["v1" in note for note in result.notes] == [True]
    assert [card for card in to_ms.history if card] == ["between", "two", "newest"]
    assert to_ms.tags == {"v2": "two"}


def test_a_source_whose_head_moves_meanwhile_loses_no_tag(to_ms):
    to_ms.commit("one", "v1")
    to_ms.commit("two", "v2")
    moved = []

    def hear(event):
        if isinstance(event, Committed) and not moved:
            moved.append(to_ms.commit("three", "v3"))

    result = asyncio.run(copy_names(to_ms.job(), to_ms.options, hear, {}))
    assert result.error is None
    assert to_ms.tags == {"v1": "one", "v2": "two"}
    assert to_ms.history[-1] == "three"
    assert to_ms.run().error is None
    assert to_ms.tags == {"v1": "one", "v2": "two", "v3": "three"}
    assert [card for card in to_ms.history if card] == ["one", "two", "three"]


def test_what_is_remembered_of_the_branch_spares_comparing_it(mirror):
    """Then no tag is listed; where the hub names no commit, the branch is."""
    three_versions(mirror)
    known = {one.name: (one.source_commit, one.target_commit) for one in mirror.run().names}
    mirror.commit("four", "v4")
    mirror.commit("newest")
    for hub in (mirror.source, mirror.target):
        hub.requests.clear()
    (step,) = mirror.plan(known=known).to_make
    assert (step.name, step.way) == ("v4", Way.LINE)
    assert mirror.source.requests.routes() == ["hf:refs", "hf:commits"]
    expected = {"hf": ["hf:refs"], "ms": ["ms:files", "ms:info", "ms:revisions"]}[mirror.where[:2]]
    assert sorted(mirror.target.requests.routes()) == expected


def test_a_branch_that_is_there_is_kept_also_where_none_can_be_made(to_ms):
    to_ms.commit("one", "v1", weights__bin=WEIGHTS)
    repository = to_ms.source.store.find("org/model")
    repository.add_branch("next/big", repository.resolve(None))
    job = to_ms.job(branches=ALL)
    assert to_ms.run(job).error is None
    to_ms.kept.add_branch("next/big", to_ms.kept.resolve(None))
    to_ms.source.store.add("org/model", {"README.md": b"---\nlicense: mit\n---\nbig\n"}, branch="next/big")
    result = to_ms.run(job)
    assert (result.error, result.notes, len(result.commits)) == (None, (), 1)
    assert to_ms.card("next/big") == "big"
    assert to_ms.history[-1] == "one"
    again = to_ms.run(job)
    assert (again.error, again.changed) == (None, False)


def test_a_tag_beside_the_branch_that_fails_leaves_the_others_alone(make_hub, tmp_path):
    mirror = between(make_hub, tmp_path, "hf", Strictness(cards=True))
    mirror.commit("one", "v1")
    mirror.source.store.add("org/model", {"README.md": b"---\nlicense: none-such\n---\nbad\n"})
    mirror.source.store.find("org/model").add_tag("bad", mirror.source.store.find("org/model").resolve(None))
    mirror.commit("two", "v2")
    mirror.commit("head")
    assert mirror.run(mirror.job(tags=None)).error is None
    result = mirror.run()
    assert isinstance(result.error, UsageError)
    assert "bad" in result.error.sentence
    assert mirror.tags == {"v1": "one", "v2": "two"}
    assert list(mirror.kept.record.branches) == ["main"]
    assert mirror.run(mirror.job(Names(deny=("bad",)))).error is None

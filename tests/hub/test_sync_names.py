"""Tags and branches of a mirror, copied between two real hubs; the official clients look at the end."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import HfApi, snapshot_download
from modelscope_hub import HubApi

from hubferry.errors import IntegrityError, MovedTagError
from hubferry.events import ignore
from hubferry.options import Access, Options
from hubferry.sync.names import Way, copy_names, look_ahead_at_names
from hubferry.sync.spec import Entry, Job, Names

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

    def job(self, tags=ALL, branches=None, source=SOURCE, **changes) -> Job:
        return Job(Entry("mirror", source, self.where, tags=tags, branches=branches), source, self.where)

    def run(self, job: Job | None = None, known=None, **changes):
        return asyncio.run(
            copy_names(job or self.job(), replace(self.options, **changes), ignore, known or {})
        )

    def plan(self, job: Job | None = None, known=None, **changes):
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


def between(make_hub, tmp_path, hub) -> Mirror:
    source, target = make_hub(), make_hub()
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
    again = mirror.run(known=known)
    assert again.error is None
    assert again.commits == ()
    assert len(again.names) == 4


def test_without_memory_the_listings_of_both_sides_are_held_against_each_other(mirror):
    three_versions(mirror)
    mirror.run()
    again = mirror.run()
    assert again.error is None
    assert {step.way for step in again.plan.steps} == {Way.SAME}
    assert mirror.target.requests.commits == 4


@pytest.mark.parametrize("remembers", [True, False])
def test_a_tag_that_came_since_is_committed_before_the_head(mirror, remembers):
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


def test_a_tag_that_only_the_target_has_is_kept(mirror):
    three_versions(mirror)
    mirror.run()
    mirror.kept.add_tag("own", mirror.kept.resolve(None))
    assert mirror.run().error is None
    assert "own" in mirror.tags


def test_equal_trees_make_no_commit_and_their_tags_point_to_the_same_one(mirror):
    first = mirror.commit("one", "v1")
    mirror.source.store.find("org/model").add_tag("v1-same", first)
    mirror.commit("one", "v1-again")
    result = mirror.run()
    assert result.error is None
    assert len(result.commits) == 1
    assert len(set(mirror.kept.record.tags.values())) == 1


def test_names_that_cannot_be_are_left_out_and_named(mirror):
    commit = mirror.commit("one", "v1")
    repository = mirror.source.store.find("org/model")
    for name in ("main", "a" * 40, "x.lock"):
        repository.add_tag(name, commit)
    result = mirror.run()
    assert result.error is None
    assert len(result.notes) == 3
    assert set(mirror.tags) == {"v1"}


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

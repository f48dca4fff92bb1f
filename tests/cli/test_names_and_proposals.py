"""Tags, branches and pull requests of `copy`."""

from __future__ import annotations

import json

import pytest
from desks import digests, publish, stored

from hubferry.serve import Account, Credential, Policy

FOREIGN = "hf_test_foreign_token"


def to_hf(desk, *words, **options):
    """Run the command with the destination's hub as the second Hugging Face."""
    return desk.inside(*words, "--destination-endpoint", desk.destination.url, **options)


def tags(hub, repo_id="mine/model"):
    return dict(hub.store.find(repo_id).record.tags)


def versions(desk):
    """A model with two tags and a branch of its own, besides the head."""
    repository = desk.source.store.find("org/model")
    for name in ("v1", "v2"):
        made = desk.source.store.add("org/model", {"version.txt": name.encode()})
        repository.add_tag(name, made.id)
    repository.add_branch("fixes", repository.resolve("v1"))
    desk.source.store.add("org/model", {"version.txt": b"v1.1"}, branch="fixes")
    desk.source.store.add("org/model", {"version.txt": b"head"})
    return repository


def shown(hub, revision, repo_id="mine/model"):
    repository = hub.store.find(repo_id)
    file = repository.tree(repository.resolve(revision)).get("version.txt")
    return file and hub.store.blobs.read(file.sha256).decode()


@pytest.mark.parametrize("hub", ["hf", "ms"])
def test_what_is_published_is_marked_by_a_tag_and_a_second_run_leaves_it(desk, model, hub):
    copy = to_hf if hub == "hf" else lambda desk, *words, **options: desk.inside(*words, **options)
    words = ("copy", "hf:org/model", f"{hub}:mine/model", "--tag", "release-1")
    done = copy(desk, *words, "--json", check_code=0).json()
    repository = desk.destination.store.find("mine/model")
    assert tags(desk.destination) == {"release-1": repository.resolve(None)}
    assert [(one["name"], one["kind"]) for one in done["names"]] == [("release-1", "tag")]
    assert "tags: release-1" in copy(desk, *words, check_code=0).out
    assert tags(desk.destination) == {"release-1": repository.resolve(None)}
    desk.source.store.add("org/model", {"version.txt": b"new"})
    before = repository.resolve(None)
    refused = copy(desk, *words)
    assert refused.code == 6
    assert "is not what it is at the source" in refused.err
    assert repository.resolve(None) == before  # nothing was published either
    planned = copy(desk, *words, "--dry-run")
    assert planned.code == 6


def test_the_tag_that_the_source_is_named_by_is_the_copys_too(desk, model):
    versions(desk)
    desk.inside("copy", "hf:org/model@v1", "ms:mine/model", "--same-tag", check_code=0)
    assert list(tags(desk.destination)) == ["v1"]
    assert shown(desk.destination, "v1") == "v1"
    for source in ("hf:org/model", "hf:org/model@fixes"):
        refused = desk.inside("copy", source, "ms:mine/model", "--same-tag")
        assert (refused.code, "is not named by a tag" in refused.err) == (2, True)


def test_names_that_cannot_be_tags_are_refused_before_anything_moves_and_a_folder_has_none(desk, model):
    for name in ("main", "a..b", "0" * 40, ""):
        refused = desk.inside("copy", "hf:org/model", "ms:mine/model", "--tag", name)
        assert refused.code == 2, refused.said
        assert desk.inside("copy", "hf:org/model", "ms:mine/model", "--tag", name, "--dry-run").code == 2
    assert desk.destination.requests.count("ms:create") == 0
    folder = desk.home / "folder"
    done = desk.inside("copy", "hf:org/model", str(folder), "--tag", "v1", "--json", check_code=0).json()
    assert [one["name"] for one in done["names_left_out"]] == ["v1"]
    assert digests(folder) == digests(model)


def test_tags_and_branches_by_globs_are_copied_as_sync_copies_them(desk, model):
    versions(desk)
    words = ("copy", "hf:org/model", "hf:mine/model", "--tags", "v*", "--tags", "!v2", "--branches", "*")
    planned = to_hf(desk, *words, "--dry-run", "--json", check_code=0).json()
    assert [(one["name"], one["way"]) for one in planned["names"]] == [("v1", "line"), ("fixes", "beside")]
    done = to_hf(desk, *words, "--json", check_code=0).json()
    assert [one["name"] for one in done["names"]] == ["fixes", "v1"]
    assert [shown(desk.destination, name) for name in ("v1", "fixes", "main")] == ["v1", "v1.1", "head"]
    assert list(tags(desk.destination)) == ["v1"]
    again = to_hf(desk, *words, "--json", check_code=0).json()
    assert (again["commit_count"], again["sent"]) == (0, 0)
    left = desk.inside("copy", "hf:org/model", "ms:mine/other", "--branches", "fixes", check_code=0)
    assert "left out: branch fixes" in left.out


def test_a_change_is_proposed_as_a_pull_request_and_proven_there(desk, model):
    desk.destination.store.add("mine/model", {"README.md": b"---\nlicense: mit\n---\nold"})
    head = desk.destination.store.find("mine/model").resolve(None)
    words = ("copy", "hf:org/model", "hf:mine/model", "--create-pr")
    done = to_hf(desk, *words, "--json", check_code=0).json()
    repository = desk.destination.store.find("mine/model")
    assert repository.resolve(None) == head  # the branch is as it was
    pull = done["pull_request"]
    assert (pull["number"], pull["revision"]) == (1, "refs/pr/1")
    assert pull["url"].endswith("/mine/model/discussions/1")
    tree = repository.tree(repository.resolve("refs/pr/1"))
    assert {path: file.sha256 for path, file in tree.files.items()} == digests(model)
    assert repository.discussions.find(1).status == "open"
    assert "pull request 1: " in to_hf(desk, *words, check_code=0).out  # the open one is gone on with
    assert len(repository.discussions.all()) == 1
    to_hf(desk, "copy", "hf:org/model", "hf:mine/model", check_code=0)
    assert to_hf(desk, *words, "--json", check_code=0).json()["pull_request"] is None  # nothing to propose


def test_a_pull_request_whose_answer_is_lost_is_opened_once(desk, model, monkeypatch):
    from hubferry.errors import NetworkError
    from hubferry.hubs.huggingface.pulls import HuggingFacePullRequests

    desk.destination.store.add("mine/model", {"README.md": b"old"})
    opens = HuggingFacePullRequests.open
    lost = []

    async def losing(self, *words):
        made = await opens(self, *words)
        if not lost:
            lost.append(made)
            raise NetworkError("the answer was lost", side="destination")
        return made

    monkeypatch.setattr(HuggingFacePullRequests, "open", losing)
    to_hf(desk, "copy", "hf:org/model", "hf:mine/model", "--create-pr", check_code=0)
    assert lost
    assert len(desk.destination.store.find("mine/model").discussions.all()) == 1


def test_who_may_not_write_proposes(desk, model, tmp_path):
    from servers import running_hub

    owner = Credential("hf_test_owner", Account("mine", namespaces=frozenset(["mine"])))
    other = Credential(FOREIGN, Account("other", namespaces=frozenset(["other"])))
    reader = Credential("hf_test_only_reads", Account("only", may_write=False))
    with running_hub(tmp_path / "strangers", policy=Policy([owner, other, reader], writable=True)) as hub:
        hub.store.add("mine/model", {"README.md": b"old"})
        words = ("copy", str(model), "hf:mine/model", "--destination-endpoint", hub.url)
        tokens = {"HF_TOKEN": FOREIGN}
        assert desk.inside(*words, environment=tokens).code == 4
        desk.inside(*words, "--create-pr", environment=tokens, check_code=0)
        assert hub.store.find("mine/model").discussions.find(1).author == "other"
        assert list(stored(hub, "mine/model")) == ["README.md"]
        refused = desk.inside(*words, "--create-pr", environment={"HF_TOKEN": "hf_test_only_reads"})
        assert refused.code == 4


def test_a_proposal_is_refused_where_there_is_none_or_for_what_it_cannot_hold(desk, model):
    for words in (
        ("ms:mine/model", "--create-pr"),
        (str(desk.home / "folder"), "--create-pr"),
        ("hf:mine/model@dev", "--create-pr"),
        ("hf:mine/model", "--create-pr", "--tag", "v1"),
        ("hf:mine/model", "--create-pr"),  # there is no such repository yet
    ):
        for more in ((), ("--dry-run",)):
            done = to_hf(desk, "copy", "hf:org/model", *words, *more)
            assert done.code == 2, (words, done.said)
    assert desk.destination.requests.count("hf:create", "ms:create", "hf:discussion") == 0


def test_globs_take_and_leave_out(desk, model):
    publish(desk.source, model, "org/other")
    versions(desk)
    only_denied = to_hf(
        desk, "copy", "hf:org/model", "hf:mine/model", "--tags", "!v1", "--dry-run", "--json", check_code=0
    )
    assert [one["name"] for one in json.loads(only_denied.out)["names"]] == ["v2"]


def test_a_receipt_says_where_a_change_is_proposed_and_holds_there(desk, model):
    desk.destination.store.add("mine/model", {"README.md": b"old"})
    receipts = desk.home / "receipts"
    words = ("hf:org/model", "hf:mine/model", "--create-pr", "--receipts", str(receipts))
    done = to_hf(desk, "copy", *words, check_code=0)
    place = next(receipts.glob("*/*.json"))
    assert f"receipt: {place}" in done.err
    written = json.loads(place.read_text())
    assert written["pull_request"]["number"] == 1
    assert written["target"]["ref"] == "hf:mine/model@refs/pr/1"
    assert written["target"]["endpoint"] == desk.destination.url
    assert {one["path"]: one["sha256"] for one in written["files"]} == digests(model)
    here = ("verify-receipt", str(place), "--source-endpoint", desk.destination.url)
    desk.inside(*here, check_code=0)


def test_a_copy_and_a_plan_that_is_carried_out_leave_receipts(desk, model):
    receipts = desk.home / "receipts"
    desk.inside("copy", "hf:org/model", "ms:mine/model", "--plan-out", "p.jsonl", "--tag", "v1", check_code=0)
    desk.inside("apply", "p.jsonl", "--receipts", str(receipts), check_code=0)
    (place,) = receipts.glob("*/*.json")
    written = json.loads(place.read_text())
    assert (written["status"], written["pull_request"], written["edited"]) == ("copied", None, [])
    assert [(one["name"], one["kind"]) for one in written["names"]] == [("v1", "tag")]
    desk.inside("verify-receipt", str(place), check_code=0)
    desk.inside("copy", "hf:org/model", "ms:mine/model", "--receipts", str(receipts), check_code=0)
    assert len(list(receipts.glob("*/*.json"))) == 2  # without the tag it says something else

"""Pull requests and discussions, other names of repositories, and histories that are written anew."""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
)
from servers import HERE, running_hub

from hubferry.serve import Account, Credential, Policy, Refusal, Store, Strictness
from hubferry.serve.pulls import merge_pull, open_pull
from hubferry.serve.repository import Repository

FOREIGN = "hf_test_foreign_token"


@pytest.fixture
def hub(make_hub):
    """A hub with its usual account, confined to its own namespace, and one more."""
    mine = Account("tester", namespaces=frozenset(["tester", "org"]))
    other = Account("other", namespaces=frozenset(["other"]))
    return make_hub(
        policy=Policy([Credential("hf_test_write", mine), Credential(FOREIGN, other)], writable=True)
    )


@pytest.fixture
def api(hub):
    return HfApi(endpoint=hub.url, token=hub.token)


@pytest.fixture
def stranger(hub):
    return HfApi(endpoint=hub.url, token=FOREIGN)


def propose(api, path, content, **options):
    operations = [CommitOperationAdd(path, content)] if content else [CommitOperationDelete(path)]
    return api.create_commit(
        "org/model", operations, commit_message=f"Change {path}", create_pr=True, **options
    )


def files(hub, revision="main"):
    repository = hub.store.find("org/model")
    tree = repository.tree(repository.resolve(revision))
    return {path: hub.store.blobs.read(file.sha256) for path, file in tree.files.items()}


def test_a_stranger_proposes_and_only_who_may_write_merges(hub, api, stranger):
    hub.store.add("org/model", {"a.txt": b"1", "b.txt": b"1"})
    with pytest.raises(HfHubHTTPError):
        stranger.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="org/model")
    said = propose(stranger, "a.txt", b"2")
    assert said.pr_num == 1
    assert files(hub) == {"a.txt": b"1", "b.txt": b"1"}
    assert files(hub, "refs/pr/1") == {"a.txt": b"2", "b.txt": b"1"}
    refs = api.list_repo_refs("org/model", include_pull_requests=True)
    assert [(ref.ref, ref.target_commit) for ref in refs.pull_requests] == [("refs/pr/1", said.oid)]
    with pytest.raises(HfHubHTTPError):
        stranger.merge_pull_request("org/model", 1)
    api.upload_file(path_or_fileobj=b"3", path_in_repo="b.txt", repo_id="org/model")
    api.merge_pull_request("org/model", 1)
    assert files(hub) == {"a.txt": b"2", "b.txt": b"3"}
    assert api.get_discussion_details("org/model", 1).status == "merged"
    with pytest.raises(BadRequestError):
        api.merge_pull_request("org/model", 1)


def test_what_both_sides_changed_is_a_conflict_and_nothing_is_merged(hub, api):
    hub.store.add("org/model", {"a.txt": b"1", "b.txt": b"1"})
    propose(api, "a.txt", b"2")
    propose(api, "b.txt", b"")
    hub.store.add("org/model", {"a.txt": b"3"})
    assert api.get_discussion_details("org/model", 1).conflicting_files == ["a.txt"]
    before = api.repo_info("org/model").sha
    with pytest.raises(HfHubHTTPError, match=r"a\.txt"):
        api.merge_pull_request("org/model", 1)
    assert api.repo_info("org/model").sha == before
    api.merge_pull_request("org/model", 2)
    assert files(hub) == {"a.txt": b"3"}


def test_what_comes_to_the_branch_while_a_pull_request_is_merged_is_not_lost(hub, api, monkeypatch):
    hub.store.add("org/model", {"a.txt": b"1", "b.txt": b"1"})
    propose(api, "a.txt", b"2")
    propose(api, "b.txt", b"2")
    apply, meanwhile = Repository.apply, [{"a.txt": b"3"}, {"c.txt": b"3"}]

    def late(repository, *words, **named):
        if meanwhile:
            hub.store.add("org/model", meanwhile.pop(0))
        return apply(repository, *words, **named)

    monkeypatch.setattr(Repository, "apply", late)
    with pytest.raises(HfHubHTTPError, match=r"Conflicting files: a\.txt"):
        api.merge_pull_request("org/model", 1)
    api.merge_pull_request("org/model", 2)
    assert files(hub) == {"a.txt": b"3", "b.txt": b"2", "c.txt": b"3"}


def test_a_pull_request_is_merged_once_whoever_does_so_at_the_same_time(hub, api):
    hub.store.add("org/model", {"a.txt": b"1"})
    propose(api, "a.txt", b"2")
    repository, ended = hub.store.find("org/model"), []

    def merge() -> None:
        try:
            ended.append(merge_pull(repository, 1, "tester", "").status)
        except Refusal as refusal:
            ended.append(refusal.text)

    threads = [threading.Thread(target=merge) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert ended.count("merged") == 1
    assert len(ended) == 4
    titles = [head.title for head in repository.history.walk(repository.resolve(None))]
    assert len([title for title in titles if title.endswith("(#1)")]) == 1


def test_a_commit_that_is_refused_leaves_no_pull_request(make_hub):
    hub = make_hub(strict=Strictness(cards=True))
    hub.store.add("org/model", {"a.txt": b"1"})
    api = HfApi(endpoint=hub.url, token=hub.token)
    request = urllib.request.Request(
        f"{hub.url}/api/models/org/model/commit/main?create_pr=1",
        data=b'{"key":"header","value":{"summary":"s"}}\n'
        b'{"key":"file","value":{"path":"README.md","content":"---\\nlicense: none of them\\n---\\n"}}',
        headers={"Authorization": f"Bearer {hub.token}"},
    )
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)
    assert not list(api.get_repo_discussions("org/model"))
    assert not api.list_repo_refs("org/model", include_pull_requests=True).pull_requests
    assert propose(api, "a.txt", b"2").pr_num == 1


def test_pull_requests_that_are_opened_at_the_same_time_all_keep_their_commits(hub):
    commit = hub.store.add("org/model", {"a.txt": b"1"}).id
    repository = hub.store.find("org/model")

    def begin() -> None:
        open_pull(repository, "main", "title", "ann", "", status="open")

    threads = [threading.Thread(target=begin) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert repository.record.pulls == {str(number): commit for number in range(1, 9)}


def test_pull_requests_outlive_a_restart_and_closed_ones_are_not_merged(hub, api, tmp_path):
    hub.store.add("org/model", {"a.txt": b"1"})
    propose(api, "a.txt", b"2")
    again = Store(hub.store.root).find("org/model")
    assert again.discussions.find(1).base == "main"
    assert again.tree(again.resolve("refs/pr/1")).paths == ["a.txt"]
    api.change_discussion_status("org/model", 1, "closed")
    with pytest.raises(BadRequestError):
        api.merge_pull_request("org/model", 1)


def test_nobody_else_changes_a_comment_or_a_title(hub, api, stranger):
    hub.store.create("org/model")
    made = stranger.create_discussion("org/model", "Title", description="first")
    with pytest.raises(HfHubHTTPError):
        api.edit_discussion_comment("org/model", 1, made.events[0].id, new_content="changed")
    second = api.comment_discussion("org/model", 1, "second")
    with pytest.raises(HfHubHTTPError):
        stranger.edit_discussion_comment("org/model", 1, second.id, new_content="changed")
    theirs = api.create_discussion("org/model", "Ours")
    with pytest.raises(HfHubHTTPError):
        stranger.rename_discussion("org/model", theirs.num, new_title="Theirs")
    with pytest.raises(EntryNotFoundError):
        api.get_discussion_details("org/model", 99)


def test_a_commit_on_a_stale_parent_opens_no_pull_request(hub, api):
    hub.store.add("org/model", {"a.txt": b"1"})
    old = api.repo_info("org/model").sha
    hub.store.add("org/model", {"a.txt": b"2"})
    with pytest.raises(HfHubHTTPError, match="The branch was updated since you opened this page"):
        propose(api, "a.txt", b"3", parent_commit=old)
    assert not list(api.get_repo_discussions("org/model"))


def test_a_moved_repository_answers_to_its_old_name_until_somebody_takes_that(hub, api):
    hub.store.add("org/model", {"a.txt": b"1"})
    api.move_repo("org/model", "tester/Moved")
    assert api.repo_info("org/model").id == "tester/Moved"
    assert Store(hub.store.root).find("tester/Moved").record.former == ("org/model",)
    assert Store(hub.store.root).renamed("org/model", "model") == "tester/Moved"
    api.create_repo("org/model")
    assert api.repo_info("org/model").id == "org/model"
    with pytest.raises(HfHubHTTPError, match=r"A model repository called .* already exists"):
        api.move_repo("org/model", "tester/moved")


def test_the_old_name_of_a_private_repository_tells_a_stranger_nothing(hub, api, stranger):
    hub.store.create("org/secret", private=True)
    api.move_repo("org/secret", "tester/where-it-went")
    assert api.repo_info("org/secret").id == "tester/where-it-went"
    for repo_id in ("org/secret", "tester/where-it-went"):
        asked = httpx2.get(
            f"{hub.url}/api/models/{repo_id}", headers={"Authorization": f"Bearer {FOREIGN}"}, trust_env=False
        )
        assert asked.status_code == 404
        assert "where-it-went" not in str(asked.headers) + asked.text


def test_nobody_moves_or_copies_what_is_not_his_or_to_where_he_may_not_write(hub, api, stranger):
    hub.store.create("org/secret", private=True)
    hub.store.create("org/model")
    with pytest.raises(RepositoryNotFoundError):
        stranger.move_repo("org/secret", "other/secret")
    with pytest.raises(HfHubHTTPError):
        stranger.move_repo("org/model", "other/model")
    with pytest.raises(HfHubHTTPError):
        api.move_repo("org/model", "other/model")
    with pytest.raises(RepositoryNotFoundError):
        stranger.duplicate_repo("org/secret", "other/secret")


def test_a_copy_has_the_history_and_is_as_private_as_what_it_was_made_of(hub, api):
    hub.store.create("org/model", private=True)
    hub.store.add("org/model", {"a.txt": b"1"})
    api.duplicate_repo("org/model", "tester/copy")
    assert api.repo_info("tester/copy").private
    commits = [commit.commit_id for commit in api.list_repo_commits("tester/copy")]
    assert commits == [commit.commit_id for commit in api.list_repo_commits("org/model")]
    api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="tester/copy")
    assert files(hub) == {"a.txt": b"1"}


def test_names_are_one_whatever_their_case(hub, api):
    hub.store.add("org/Model", {"a.txt": b"1"})
    assert api.repo_info("Org/mODEL").id == "org/Model"
    with pytest.raises(HfHubHTTPError):
        api.create_repo("org/model")


def test_blobs_are_forgotten_by_every_branch_tag_and_commit(hub, api):
    hub.store.add("org/model", {"w.bin": b"weights", "a.txt": b"1"})
    old = api.repo_info("org/model").sha
    api.create_tag("org/model", tag="v1")
    hub.store.add("org/model", {"a.txt": b"2"})
    (blob,) = api.list_lfs_files("org/model")
    api.permanently_delete_lfs_files("org/model", [blob])
    for revision in ("main", "v1"):
        assert "w.bin" not in files(hub, revision)
    assert files(hub, "v1") == {"a.txt": b"1"}
    assert not api.revision_exists("org/model", old)
    assert blob.file_oid not in set(hub.store.find("org/model").history.named_blobs())


def test_a_squashed_branch_has_one_commit_and_the_same_files(hub, api):
    hub.store.add("org/model", {"a.txt": b"1"})
    hub.store.add("org/model", {"b.txt": b"2"})
    old = api.repo_info("org/model").sha
    api.super_squash_history("org/model")
    (only,) = api.list_repo_commits("org/model")
    assert only.commit_id != old
    assert files(hub) == {"a.txt": b"1", "b.txt": b"2"} == files(hub, old)


def test_the_hub_speaks_https_by_itself(tmp_path):
    certificate = HERE.parent / "wire" / "loopback.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running_hub(tmp_path / "hub", tls=context) as hub:
        assert hub.url.startswith("https://")
        content = b"x" * (300 << 10)
        hub.store.add("org/model", {"w.bin": content})
        trust = ssl.create_default_context(cafile=certificate)
        with urllib.request.urlopen(f"{hub.url}/org/model/resolve/main/w.bin", context=trust) as answer:
            assert answer.read() == content
            assert answer.url.startswith(hub.url)


def test_tags_are_told_by_type_and_not_of_what_is_hidden(hub, api):
    hub.store.add("org/model", {"README.md": b"---\nlicense: mit\ntags: [nice]\n---\n"})
    hub.store.create("org/secret", private=True)
    hub.store.add("org/secret", {"README.md": b"---\ntags: [hidden]\n---\n"})
    assert [tag["label"] for tag in api.get_model_tags()["other"]] == ["nice"]  # asked without a token
    assert api.get_model_tags()["license"] == [{"id": "license:mit", "label": "mit", "type": "license"}]
    assert api.get_dataset_tags() == {}
    assert list(api.list_spaces()) == []

"""The official Hugging Face client, unmodified, against the embedded hub."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from servers import READ_TOKEN, USER, running_hub

from hubferry.serve import ServerLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers import TestHub

README = b"---\nlicense: mit\n---\n# A model\n"
WEIGHTS = random.Random("serve huggingface 1").randbytes(300_000)


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[TestHub]:
    with running_hub(tmp_path_factory.mktemp("hub"), limits=ServerLimits(page=7)) as running:
        running.store.create("org/model", license="mit")
        running.store.add(
            "org/model",
            {
                "README.md": README,
                "config.json": b"{}\n",
                "weights/model.safetensors": WEIGHTS,
                **{f"many/{n:02}.txt": b"%d" % n for n in range(20)},
            },
            "First files",
        )
        yield running


@pytest.fixture
def api(shared) -> HfApi:
    return HfApi(endpoint=shared.url, token=shared.token)


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "README.md").write_bytes(README)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "sub" / "empty.bin").write_bytes(b"")
    (folder / "sub" / "说明 1.txt").write_text("你好")
    return folder


@pytest.fixture(scope="module")
def versions(shared) -> str:
    first = shared.store.add("org/versions", {"a.txt": b"one", "w.safetensors": WEIGHTS})
    repository = shared.store.find("org/versions")
    repository.add_tag("v1", first.id)
    repository.add_branch("frozen", first.id)
    shared.store.add("org/versions", {"a.txt": b"two"})
    return first.id


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


class TestRepositories:
    def test_a_repository_is_created_with_its_address(self, api, shared):
        url = api.create_repo("org/created", private=True)
        assert (url, url.repo_id) == (f"{shared.url}/org/created", "org/created")
        assert api.model_info("org/created").private is True

    def test_a_name_without_an_owner_belongs_to_the_user(self, api):
        assert api.create_repo("nameless").repo_id == f"{USER}/nameless"

    def test_creating_what_exists_is_an_error_unless_that_is_fine(self, api, shared):
        api.create_repo("org/twice")
        assert api.create_repo("org/twice", exist_ok=True) == f"{shared.url}/org/twice"
        with pytest.raises(HfHubHTTPError) as caught:
            api.create_repo("org/twice")
        assert caught.value.response.status_code == 409

    def test_a_deleted_repository_is_gone(self, api):
        api.create_repo("org/doomed")
        api.delete_repo("org/doomed")
        assert not api.repo_exists("org/doomed")

    def test_datasets_are_kept_apart_from_models(self, api):
        api.create_repo("org/model", repo_type="dataset")
        api.upload_file(
            path_or_fileobj=b"a,b\n", path_in_repo="data.csv", repo_id="org/model", repo_type="dataset"
        )
        assert "data.csv" in api.list_repo_files("org/model", repo_type="dataset")
        assert "data.csv" not in api.list_repo_files("org/model")
        path = api.hf_hub_download("org/model", "data.csv", repo_type="dataset")
        assert Path(path).read_bytes() == b"a,b\n"

    def test_whoami_names_the_account_and_its_role(self, api, shared):
        assert api.whoami()["name"] == USER
        reader = HfApi(endpoint=shared.url, token=READ_TOKEN).whoami()
        assert reader["auth"]["accessToken"]["role"] == "read"

    def test_visible_repositories_are_found_by_a_word(self, api, shared):
        shared.store.create("finders/public-jewel")
        shared.store.create("finders/secret-jewel", private=True)
        assert {m.id for m in api.list_models(author="finders")} == {
            "finders/public-jewel",
            "finders/secret-jewel",
        }
        anonymous = HfApi(endpoint=shared.url, token=False)
        assert [m.id for m in anonymous.list_models(search="JEWEL")] == ["finders/public-jewel"]

    def test_settings_make_a_repository_private_and_gated(self, api):
        api.create_repo("org/settings")
        api.update_repo_settings("org/settings", gated="auto", visibility="private")
        info = api.model_info("org/settings")
        assert (info.private, info.gated) == (True, "auto")


class TestListings:
    def test_model_info_tells_size_and_both_hashes_of_every_file(self, api):
        siblings = {s.rfilename: s for s in api.model_info("org/model", files_metadata=True).siblings}
        weights = siblings["weights/model.safetensors"]
        assert (weights.size, weights.lfs.sha256) == (len(WEIGHTS), sha256(WEIGHTS))
        readme = siblings["README.md"]
        assert (readme.size, readme.blob_id, readme.lfs) == (len(README), git_sha1(README), None)

    def test_model_info_tells_the_license_and_the_commit(self, api):
        info = api.model_info("org/model")
        assert "license:mit" in info.tags
        assert info.sha == api.list_repo_commits("org/model")[0].commit_id

    def test_a_repository_without_a_licence_of_its_own_has_that_of_its_card(self, api, shared):
        shared.store.create("org/carded", "model")
        shared.store.add("org/carded", {"README.md": b"---\nlicense: gpl-3.0\n---\n# A card\n"})
        info = api.model_info("org/carded")
        assert "license:gpl-3.0" in info.tags
        assert info.card_data.license == "gpl-3.0"

    def test_a_recursive_tree_comes_in_pages_and_whole(self, api, shared):
        shared.requests.clear()
        tree = list(api.list_repo_tree("org/model", recursive=True))
        assert shared.requests.count("hf:tree") == 4
        files = {entry.path: entry for entry in tree if hasattr(entry, "blob_id")}
        assert len(files) == 23
        assert files["weights/model.safetensors"].lfs.sha256 == sha256(WEIGHTS)
        assert files["weights/model.safetensors"].xet_hash is None
        assert {entry.path for entry in tree} - set(files) == {"many", "weights"}

    def test_a_folder_is_listed_alone(self, api):
        assert [e.path for e in api.list_repo_tree("org/model", "weights")] == ["weights/model.safetensors"]
        assert "many" in [e.path for e in api.list_repo_tree("org/model")]
        assert "many/00.txt" not in [e.path for e in api.list_repo_tree("org/model")]

    def test_an_expanded_tree_names_each_files_last_commit(self, api):
        entries = list(api.list_repo_tree("org/model", "weights", expand=True))
        assert entries[0].last_commit.title == "First files"

    def test_a_missing_folder_is_an_error(self, api):
        with pytest.raises(EntryNotFoundError):
            list(api.list_repo_tree("org/model", "nowhere"))

    def test_paths_info_leaves_out_what_is_not_there(self, api):
        found = api.get_paths_info("org/model", ["README.md", "weights", "nothing"])
        assert [entry.path for entry in found] == ["README.md", "weights"]

    def test_branches_tags_and_history_are_listed(self, api):
        api.create_repo("org/refs")
        first = api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="org/refs")
        api.create_tag("org/refs", tag="v1", tag_message="one")
        api.create_branch("org/refs", branch="feature/x")
        second = api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="org/refs")
        refs = api.list_repo_refs("org/refs")
        assert {b.name: b.target_commit for b in refs.branches} == {
            "main": second.oid,
            "feature/x": first.oid,
        }
        assert {t.name: t.target_commit for t in refs.tags} == {"v1": first.oid}
        history = [c.commit_id for c in api.list_repo_commits("org/refs")]
        assert history[:2] == [second.oid, first.oid]
        assert [c.commit_id for c in api.list_repo_commits("org/refs", revision="v1")] == history[1:]
        api.delete_tag("org/refs", tag="v1")
        api.delete_branch("org/refs", branch="feature/x")
        assert [r.name for r in api.list_repo_refs("org/refs").branches] == ["main"]

    def test_a_long_history_comes_in_pages(self, api, shared):
        for number in range(60):
            shared.store.add("org/long", {"n.txt": b"%d" % number}, f"Commit {number}")
        shared.requests.clear()
        titles = [commit.title for commit in api.list_repo_commits("org/long")]
        assert titles == [f"Commit {n}" for n in reversed(range(60))] + ["initial commit"]
        assert shared.requests.count("hf:commits") == 2

    def test_a_reference_cannot_be_made_twice(self, api):
        api.create_repo("org/reftwice")
        api.create_tag("org/reftwice", tag="v1")
        with pytest.raises(HfHubHTTPError) as caught:
            api.create_tag("org/reftwice", tag="v1")
        assert caught.value.response.status_code == 409
        api.create_tag("org/reftwice", tag="v1", exist_ok=True)


class TestUploads:
    def test_a_folder_arrives_whole_in_one_commit(self, api, shared, folder, tmp_path):
        api.create_repo("org/folder")
        (folder / "model.safetensors").write_bytes(random.Random("serve huggingface 2").randbytes(200_000))
        shared.requests.clear()
        api.upload_folder(repo_id="org/folder", folder_path=folder)
        assert (shared.requests.commits, shared.requests.blobs_received) == (1, 1)
        target = tmp_path / "copy"
        api.snapshot_download("org/folder", local_dir=target)
        assert contents(target) == contents(folder)

    def test_the_same_folder_again_sends_nothing(self, api, shared, folder):
        api.create_repo("org/again")
        first = api.upload_folder(repo_id="org/again", folder_path=folder)
        shared.requests.clear()
        second = api.upload_folder(repo_id="org/again", folder_path=folder)
        assert (shared.requests.commits, shared.requests.blobs_received) == (0, 0)
        assert second.oid == first.oid

    def test_a_blob_that_any_repository_has_is_not_sent(self, api, shared, folder):
        shared.store.add("org/owner-of-blob", {"w.safetensors": WEIGHTS})
        api.create_repo("org/reuser")
        shared.requests.clear()
        api.upload_folder(repo_id="org/reuser", folder_path=folder)
        assert shared.requests.blobs_received == 0

    def test_files_are_added_deleted_and_copied_in_one_commit(self, api):
        api.create_repo("org/operations")
        api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="old.safetensors", repo_id="org/operations")
        api.upload_file(path_or_fileobj=b"x", path_in_repo="gone/a.txt", repo_id="org/operations")
        api.create_commit(
            "org/operations",
            [
                CommitOperationAdd("new.txt", b"new"),
                CommitOperationCopy("old.safetensors", "copy.safetensors"),
                CommitOperationDelete("gone/"),
            ],
            commit_message="All at once",
            commit_description="and why",
        )
        assert set(api.list_repo_files("org/operations")) == {
            "new.txt",
            "old.safetensors",
            "copy.safetensors",
        }
        last = api.list_repo_commits("org/operations")[0]
        assert (last.title, last.message) == ("All at once", "and why")

    def test_a_commit_on_a_branch_leaves_the_default_one(self, api):
        api.create_repo("org/branched")
        api.create_branch("org/branched", branch="dev")
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="org/branched", revision="dev")
        assert api.file_exists("org/branched", "x.txt", revision="dev")
        assert not api.file_exists("org/branched", "x.txt")

    def test_an_outdated_parent_is_refused(self, api):
        api.create_repo("org/outdated")
        first = api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id="org/outdated")
        api.upload_file(path_or_fileobj=b"2", path_in_repo="a", repo_id="org/outdated")
        with pytest.raises(HfHubHTTPError) as caught:
            api.upload_file(
                path_or_fileobj=b"3", path_in_repo="a", repo_id="org/outdated", parent_commit=first.oid
            )
        assert caught.value.response.status_code == 412

    def test_a_file_cannot_also_be_a_folder(self, api):
        api.create_repo("org/both")
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id="org/both")
        with pytest.raises(BadRequestError):
            api.upload_file(path_or_fileobj=b"1", path_in_repo="a/b", repo_id="org/both")

    def test_deleting_what_is_not_there_is_an_error(self, api):
        api.create_repo("org/nothing")
        with pytest.raises(EntryNotFoundError):
            api.delete_file("nothing.txt", repo_id="org/nothing")

    def test_main_and_master_are_one_branch(self, api):
        api.create_repo("org/onebranch")
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id="org/onebranch", revision="master")
        assert api.file_exists("org/onebranch", "a", revision="main")
        assert [b.name for b in api.list_repo_refs("org/onebranch").branches] == ["main"]


class TestDownloads:
    @pytest.mark.parametrize("revision", ["v1", "frozen", "commit"])
    def test_a_file_comes_by_tag_branch_and_commit(self, api, versions, revision, tmp_path):
        revision = versions if revision == "commit" else revision
        path = api.hf_hub_download("org/versions", "a.txt", revision=revision, cache_dir=tmp_path)
        assert Path(path).read_bytes() == b"one"
        assert versions in path

    def test_the_default_branch_has_the_newest(self, api, versions, tmp_path):
        path = api.snapshot_download("org/versions", cache_dir=tmp_path)
        assert contents(Path(path)) == {"a.txt": b"two", "w.safetensors": WEIGHTS}

    def test_the_cache_keeps_blobs_by_their_right_hashes(self, api, versions, tmp_path):
        api.snapshot_download("org/versions", cache_dir=tmp_path)
        blobs = {path.name for path in (tmp_path / "models--org--versions" / "blobs").iterdir()}
        assert blobs == {git_sha1(b"two"), sha256(WEIGHTS)}

    def test_a_broken_off_download_is_continued(self, api, shared, tmp_path):
        content = random.Random("serve huggingface 3").randbytes(2_000_000)
        shared.store.add("org/resume", {"w.safetensors": content})
        target = tmp_path / "w.safetensors.incomplete"
        target.write_bytes(content[:1_234_567])
        shared.requests.clear()
        from huggingface_hub.file_download import http_get

        with target.open("ab") as file:
            http_get(f"{shared.url}/org/resume/resolve/main/w.safetensors", file, resume_size=1_234_567)
        assert target.read_bytes() == content
        assert shared.requests.bytes_sent < 1_000_000


class TestErrors:
    def test_a_missing_repository_revision_and_file_are_told_apart(self, api):
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download("org/no-such", "a")
        with pytest.raises(RepositoryNotFoundError):
            api.model_info("org/no-such")
        with pytest.raises(RevisionNotFoundError):
            api.hf_hub_download("org/model", "README.md", revision="no-such")
        with pytest.raises(RevisionNotFoundError):
            api.model_info("org/model", revision="0123456789" * 4)
        with pytest.raises(EntryNotFoundError):
            api.hf_hub_download("org/model", "no-such.txt")

    def test_a_private_repository_looks_like_a_missing_one_to_strangers(self, shared):
        shared.store.add("org/private", {"a.txt": b"secret"})
        shared.store.find("org/private").change(private=True)
        anonymous = HfApi(endpoint=shared.url, token=False)
        with pytest.raises(RepositoryNotFoundError) as caught:
            anonymous.hf_hub_download("org/private", "a.txt")
        assert caught.value.response.status_code == 401
        with pytest.raises(RepositoryNotFoundError):
            anonymous.list_repo_files("org/private")
        HfApi(endpoint=shared.url, token=READ_TOKEN).hf_hub_download("org/private", "a.txt")

    def test_a_gated_repository_lists_but_does_not_give_its_files(self, api, shared):
        shared.store.create("org/gated", gated="manual", granted=["reader"])
        shared.store.add("org/gated", {"a.txt": b"terms"})
        assert api.model_info("org/gated").gated == "manual"
        assert api.list_repo_files("org/gated") == ["a.txt"]
        for token, status in ((shared.token, 403), (False, 401)):
            with pytest.raises(GatedRepoError) as caught:
                HfApi(endpoint=shared.url, token=token).hf_hub_download("org/gated", "a.txt")
            assert caught.value.response.status_code == status
        with pytest.raises(GatedRepoError):
            api.auth_check("org/gated")
        HfApi(endpoint=shared.url, token=READ_TOKEN).hf_hub_download("org/gated", "a.txt")

    def test_a_wrong_token_is_refused_also_where_none_is_needed(self, shared):
        wrong = HfApi(endpoint=shared.url, token="hf_wrong")
        with pytest.raises(HfHubHTTPError, match="Invalid credentials") as caught:
            wrong.model_info("org/model")
        assert caught.value.response.status_code == 401
        assert not isinstance(caught.value, RepositoryNotFoundError)
        with pytest.raises(HfHubHTTPError):
            wrong.whoami()

    def test_writing_needs_a_token_that_may_write(self, shared):
        reader = HfApi(endpoint=shared.url, token=READ_TOKEN)
        for attempt in (
            lambda: reader.create_repo("org/by-reader"),
            lambda: reader.upload_file(path_or_fileobj=b"", path_in_repo="a", repo_id="org/model"),
            lambda: reader.create_tag("org/model", tag="v9"),
            lambda: reader.delete_repo("org/model"),
        ):
            with pytest.raises(HfHubHTTPError) as caught:
                attempt()
            assert caught.value.response.status_code == 403
        with pytest.raises(HfHubHTTPError) as caught:
            HfApi(endpoint=shared.url, token=False).create_repo("org/by-nobody")
        assert caught.value.response.status_code == 401

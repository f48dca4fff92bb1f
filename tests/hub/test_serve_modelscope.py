"""The official ModelScope client, unmodified, against the embedded hub."""

from __future__ import annotations

import hashlib
import json
import random
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from modelscope_hub import HubApi
from modelscope_hub._legacy_api import LegacyClient
from modelscope_hub.errors import (
    AlreadyExistsError,
    APIError,
    AuthenticationError,
    NotExistError,
    PermissionDeniedError,
)
from servers import READ_TOKEN, USER, running_hub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers import TestHub

README = b"---\nlicense: mit\n---\n# A model\n"
WEIGHTS = random.Random("serve modelscope 1").randbytes(300_000)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[TestHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        running.store.create("org/model", license="mit")
        running.store.add("org/model", {"README.md": README}, "Readme")
        running.store.add("org/model", {"sub/w.safetensors": WEIGHTS}, "Weights")
        yield running


def client(hub, token=None) -> HubApi:
    return HubApi(endpoint=hub.url, token=token or hub.token)


@pytest.fixture
def api(shared) -> Iterator[HubApi]:
    yield (api := client(shared))
    api.openapi.close()


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "README.md").write_bytes(README)
    (folder / "config.json").write_bytes(b"{}\n")
    (folder / "sub" / "w.safetensors").write_bytes(random.Random("serve modelscope 2").randbytes(200_000))
    (folder / "sub" / "说明 1.txt").write_text("你好")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".m")
    }


class TestRepositories:
    def test_a_repository_is_created_with_its_license_and_visibility(self, api):
        created = api.create_repo("org/created", "model", license="mit", visibility="private")
        assert (created.owner, created.name) == ("org", "created")
        found = api.get_repo("org/created", "model")
        assert (found.license, found.visibility.label) == ("mit", "private")

    def test_without_a_license_it_is_apache_as_on_the_real_hub(self, api):
        api.create_repo("org/silent", "model")
        assert api.get_repo("org/silent", "model").license == "Apache-2.0"

    def test_creating_what_exists_is_an_error(self, api):
        api.create_repo("org/twice", "model")
        with pytest.raises(AlreadyExistsError):
            api.create_repo("org/twice", "model")

    def test_a_dataset_is_created_by_its_form(self, api):
        api.create_repo("org/data", "dataset", license="mit")
        assert api.get_repo("org/data", "dataset").license == "mit"
        api.upload_file("org/data", "dataset", path_or_fileobj=b"a,b", path_in_repo="d.csv")
        assert [f.path for f in api.list_repo_files("org/data", "dataset")] == ["d.csv"]

    def test_a_missing_repository_is_said_to_be_missing(self, api):
        with pytest.raises(NotExistError):
            api.get_repo("org/no-such", "model")
        assert not api.repo_exists("org/no-such", "model")

    def test_whoami_names_the_account(self, api, shared):
        assert api.whoami().username == USER

    def test_logging_in_takes_a_right_token_only(self, shared, tmp_path, monkeypatch):
        monkeypatch.setenv("MODELSCOPE_CREDENTIALS_PATH", str(tmp_path))
        data, cookies = client(shared).legacy.login(shared.token)
        assert (data["Username"], cookies.get("m_session_id")) == (USER, shared.token)
        with pytest.raises(AuthenticationError) as caught:
            client(shared).legacy.login("ms-wrong")
        assert caught.value.status_code == 400

    def test_new_repositories_bring_their_own_files_where_that_is_wanted(self, make_hub):
        api = client(make_hub(initial_files=True))
        api.create_repo("org/new", "model", license="mit")
        assert [f.path for f in api.list_repo_files("org/new", "model")] == [".gitattributes", "README.md"]

    def test_a_token_deletes_no_repository(self, api):
        api.create_repo("org/stays", "model")
        with pytest.raises(PermissionDeniedError):
            api.legacy.delete_repo("org/stays", "model")
        assert api.repo_exists("org/stays", "model")

    def test_repositories_are_listed_by_owner(self, api, shared):
        shared.store.create("lister/one")
        assert [repo.name for repo in api.list_repos("model", owner="lister")] == ["one"]


class TestListings:
    def test_every_file_has_a_sha256_and_its_own_last_commit(self, api, shared):
        repository = shared.store.find("org/model")
        commits = [record.id for record in repository.history.walk(repository.resolve(None))]
        raw = {e["Path"]: e for e in api.legacy.list_repo_files("org/model", "model")}
        assert raw["README.md"]["Sha256"] == sha256(README)
        assert raw["README.md"]["Revision"] == commits[1]
        assert raw["README.md"]["IsLFS"] is False
        assert raw["sub/w.safetensors"]["Sha256"] == sha256(WEIGHTS)
        assert raw["sub/w.safetensors"]["Revision"] == commits[0]
        assert raw["sub/w.safetensors"]["IsLFS"] is True
        assert raw["sub"]["Type"] == "tree"

    def test_a_folder_is_listed_alone(self, api):
        found = api.legacy.list_repo_files("org/model", "model", recursive=False, root="sub")
        assert [entry["Path"] for entry in found] == ["sub/w.safetensors"]

    def test_a_listing_is_cut_at_3000_entries_and_the_client_walks_around_it(self, api, shared):
        files = {f"f{n % 4}/{n:05}.txt": b"x" for n in range(4_000)}
        shared.store.add("org/many", files)
        shared.requests.clear()
        raw = api.legacy._list_files_page("org/many", "model", "master", recursive=True)
        assert len(raw) == 3_000
        assert {f.path for f in api.list_repo_files("org/many", "model") if f.type == "blob"} == set(files)

    def test_branches_and_tags_are_named_without_commits(self, api):
        api.create_repo("org/refs", "model")
        api.upload_file("org/refs", "model", path_or_fileobj=b"1", path_in_repo="a.txt")
        api.create_repo_tag("org/refs", "model", "v1", revision="master")
        names = {item["Revision"] for item in api.legacy.list_revisions("org/refs", "model")}
        assert names == {"master", "v1"}
        assert {item["Revision"] for item in api.list_repo_revisions("org/refs", "model")} == {
            "master",
            "v1",
        }


class TestUploads:
    def test_a_folder_arrives_whole_in_one_commit(self, api, shared, folder, tmp_path):
        api.create_repo("org/folder", "model")
        shared.requests.clear()
        api.upload_folder("org/folder", "model", folder_path=str(folder))
        assert (shared.requests.commits, shared.requests.blobs_received) == (1, 1)
        target = tmp_path / "copy"
        api.download_repo("org/folder", "model", local_dir=str(target))
        expected = {name: body for name, body in contents(folder).items() if ".ms_upload" not in name}
        assert {name: body for name, body in contents(target).items() if name in expected} == expected

    def test_a_blob_that_is_there_is_not_sent(self, api, shared):
        api.create_repo("org/reuse", "model")
        shared.requests.clear()
        api.upload_file("org/reuse", "model", path_or_fileobj=WEIGHTS, path_in_repo="w.safetensors")
        assert (shared.requests.commits, shared.requests.blobs_received) == (1, 0)

    def test_files_are_deleted_by_a_commit(self, api):
        api.create_repo("org/deleting", "model")
        for name in ("a.txt", "b.txt"):
            api.upload_file("org/deleting", "model", path_or_fileobj=b"1", path_in_repo=name)
        api.delete_files("org/deleting", "model", ["a.txt"])
        assert [f.path for f in api.list_repo_files("org/deleting", "model")] == ["b.txt"]


class TestDownloads:
    def test_a_file_comes_by_branch_tag_and_commit(self, api, shared, tmp_path):
        first = shared.store.add("org/versions", {"a.txt": b"one"})
        shared.store.find("org/versions").add_tag("v1", first.id)
        shared.store.add("org/versions", {"a.txt": b"two"})
        for revision, content in (("master", b"two"), ("main", b"two"), ("v1", b"one"), (first.id, b"one")):
            path = api.download_file(
                "org/versions", "model", "a.txt", revision=revision, cache_dir=str(tmp_path / revision)
            )
            assert Path(path).read_bytes() == content

    def test_a_large_file_is_redirected_to_storage(self, api, shared, tmp_path):
        shared.requests.clear()
        path = api.download_file("org/model", "model", "sub/w.safetensors", cache_dir=str(tmp_path))
        assert Path(path).read_bytes() == WEIGHTS
        statuses = [(r.route, r.status) for r in shared.requests.records if r.route != "ms:region"]
        assert ("ms:download", 302) in statuses
        assert ("storage:get", 200) in statuses

    def test_a_missing_file_or_revision_is_said_to_be_missing(self, api, tmp_path):
        with pytest.raises(NotExistError):
            api.download_file("org/model", "model", "no-such.txt", cache_dir=str(tmp_path))
        with pytest.raises(NotExistError):
            api.download_file("org/model", "model", "README.md", revision="nope", cache_dir=str(tmp_path))


class TestAccess:
    def test_a_wrong_token_is_refused(self, shared):
        wrong = client(shared, "ms-wrong")
        with pytest.raises(AuthenticationError):
            wrong.whoami()
        with pytest.raises(AuthenticationError):
            wrong.legacy.list_repo_files("org/model", "model")

    def test_a_token_that_may_only_read_writes_nothing(self, shared):
        reader = client(shared, READ_TOKEN)
        with pytest.raises(PermissionDeniedError):
            reader.create_repo("org/by-reader", "model")
        with pytest.raises(APIError) as caught:
            reader.legacy.create_commit("org/model", "model", [], "x")
        assert caught.value.status_code == 403

    def test_a_private_repository_needs_a_token(self, shared, tmp_path):
        shared.store.add("org/private", {"a.txt": b"secret"})
        shared.store.find("org/private").change(private=True)
        api = client(shared)
        assert api.download_file("org/private", "model", "a.txt", cache_dir=str(tmp_path))
        anonymous = LegacyClient(None, shared.url)
        with pytest.raises(NotExistError):
            anonymous.list_repo_files("org/private", "model")

    def test_a_gated_repository_gives_its_files_to_whom_they_were_granted(self, shared, tmp_path):
        shared.store.create("org/gated", gated="manual", granted=["reader"])
        shared.store.add("org/gated", {"a.txt": b"terms"})
        with pytest.raises(PermissionDeniedError):
            client(shared).download_file("org/gated", "model", "a.txt", cache_dir=str(tmp_path))
        granted = client(shared, READ_TOKEN)
        assert granted.download_file("org/gated", "model", "a.txt", cache_dir=str(tmp_path))


def test_a_dataset_is_listed_by_its_number_to_who_may_see_it(shared):
    hub = shared
    hub.store.add("org/rows", {"data/a.csv": b"a\n"}, kind="dataset")
    hub.store.add("org/secret", {"a.csv": b"a\n"}, kind="dataset")
    hub.store.find("org/secret", "dataset").change(private=True)

    def get(path: str, token: str | None = hub.token):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"{hub.url}/api/v1/datasets/{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["Data"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    numbers = [get(name)["Id"] for name in ("org/rows", "org/secret")]
    assert get("org/rows")["Type"] == 4
    listed = get(f"{numbers[0]}/repo/tree?Recursive=True&Root=/", None)["Files"]
    assert [(one["Path"], bool(one["Sha256"])) for one in listed] == [("data", False), ("data/a.csv", True)]
    assert len(get(f"{numbers[1]}/repo/tree?Root=/")["Files"]) == 1
    assert get(f"{numbers[1]}/repo/tree", None) == get("17/repo/tree", None) == 404

"""The ModelScope dialect of a strict hub: on the wire, and to the official client."""

from __future__ import annotations

import hashlib
import json
import random

import aiohttp
import pytest
from modelscope_hub import HubApi
from modelscope_hub._legacy_api import LegacyClient
from modelscope_hub._upload import _is_retryable_commit_error
from modelscope_hub.errors import (
    APIError,
    InvalidParameter,
    NotExistError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from servers import USER, WRITE_TOKEN, TestHub

from hubferry.serve import (
    Account,
    Credential,
    Policy,
    Quota,
    Reason,
    Seams,
    Strictness,
    Throttle,
    refusing,
)

WEIGHTS = random.Random("serve strict 2").randbytes(50_000)
BAD_CARD = b"---\nlicense: Apache License 2.0\n---\n# A model\n"


def client(hub: TestHub) -> LegacyClient:
    return LegacyClient(hub.token, hub.url, max_retries=0)


def create(path: str, content: str = "eA==") -> dict[str, object]:
    return {"action": "create", "path": path, "type": "normal", "content": content, "encoding": "base64"}


def commit(hub: TestHub, path: str = "a.txt", branch: str = "master") -> object:
    return client(hub).create_commit("org/model", "model", [create(path)], "m", branch)


async def ask(hub: TestHub, method: str, path: str, **options):
    headers = {"Authorization": f"Bearer {hub.token}"}
    async with (
        aiohttp.ClientSession(hub.url) as session,
        session.request(method, path, headers=headers, **options) as answer,
    ):
        body = await answer.read()
        return answer, json.loads(body) if body.startswith(b"{") else body


async def post_commit(hub: TestHub, path: str = "a.txt", branch: str = "master"):
    body = {"commit_message": "m", "actions": [create(path)]}
    return await ask(hub, "POST", f"/api/v1/repos/models/org/model/commit/{branch}", json=body)


def paths(hub: TestHub, repo_id: str = "org/model") -> list[str]:
    repository = hub.store.find(repo_id)
    return repository.tree(repository.resolve(None)).paths


class TestUploads:
    def test_the_official_client_uploads_a_folder_to_a_hub_with_every_rule(self, make_hub, tmp_path):
        hub = make_hub(strict=Strictness.real(), initial_files=True)
        folder = tmp_path / "model"
        (folder / "sub").mkdir(parents=True)
        (folder / "README.md").write_bytes(BAD_CARD)
        (folder / "sub" / "weights.safetensors").write_bytes(WEIGHTS)
        api = HubApi(endpoint=hub.url, token=hub.token)
        api.create_repo("org/model", "model", license="mit")
        api.upload_folder("org/model", "model", str(folder))
        api.openapi.close()
        assert paths(hub) == [".gitattributes", "README.md", "sub/weights.safetensors"]

    def test_only_hugging_face_has_rules_about_contents(self, make_hub):
        strict = Strictness(cards=True, attributes=True, folder_files=1, inline_bytes=1, inline_text=True)
        hub = make_hub(strict=strict)
        hub.store.create("org/model")
        actions = [create("README.md", "LS0tCmxpY2Vuc2U6IHgKLS0t"), create("a.txt", "AAAA")]
        client(hub).create_commit("org/model", "model", actions, "m")
        assert paths(hub) == ["README.md", "a.txt"]


class TestBranches:
    async def test_a_branch_that_moves_meanwhile_is_a_conflict_to_be_tried_again(self, make_hub):
        def move(repository, number):
            if number == 1:
                repository.commit("main", [], title="somebody else")

        hub = make_hub(strict=Strictness(branches=True), seams=Seams(before_commit=move))
        hub.store.create("org/model")
        answer, body = await post_commit(hub)
        assert (answer.status, body["Code"], body["Success"]) == (409, 10030000001, False)
        assert body["Message"] == "branch changed, please retry"
        assert paths(hub) == []
        assert (await post_commit(hub))[0].status == 200

    def test_the_client_takes_it_for_something_to_try_again(self, make_hub):
        def move(repository, _number):
            repository.commit("main", [], title="somebody else")

        hub = make_hub(strict=Strictness(branches=True), seams=Seams(before_commit=move))
        hub.store.create("org/model")
        with pytest.raises(ServerError, match="branch changed") as refused:
            commit(hub)
        assert _is_retryable_commit_error(refused.value)

    async def test_a_commit_is_on_a_branch_that_is_there(self, make_hub):
        hub = make_hub(strict=Strictness(branches=True))
        head = hub.store.create("org/model").resolve(None)
        hub.store.find("org/model").add_tag("v1", head)
        for branch in ("none", "v1"):
            answer, body = await post_commit(hub, branch=branch)
            assert answer.status == 400
            assert (
                body["Message"] == '{"message":"You can only create or edit files when you are on a branch"}'
            )
            with pytest.raises(InvalidParameter, match="You can only create or edit files"):
                commit(hub, branch=branch)

    @pytest.mark.parametrize("path", ["repo/branch", "branch/new", "branches", "repo/branches"])
    async def test_no_call_makes_a_branch(self, make_hub, path):
        hub = make_hub(strict=Strictness.real())
        hub.store.create("org/model")
        body = {"BranchName": "new", "Ref": "master"}
        answer, _body = await ask(hub, "POST", f"/api/v1/models/org/model/{path}", json=body)
        assert answer.status in (404, 405)


class TestThrottle:
    @pytest.mark.parametrize(
        ("kind", "status", "code", "words", "waits"),
        [
            ("wait", 429, 10010101429, "Commit frequency limit exceeded", True),
            ("bare", 429, 10010101429, "Commit frequency limit exceeded", False),
            ("policy", 400, 10030000001, "commit rejected by repository policy", False),
            ("forbidden", 403, 10030000001, "commit rejected by repository policy", False),
        ],
    )
    async def test_one_commit_too_many_is_told_so(self, make_hub, kind, status, code, words, waits):
        hub = make_hub(strict=Strictness(modelscope_commits=Throttle(1, 60, kind)))
        hub.store.create("org/model")
        hub.store.create("org/other")
        assert (await post_commit(hub))[0].status == 200
        answer, body = await post_commit(hub, "b.txt")
        assert (answer.status, body["Code"], body["Message"]) == (status, code, words)
        assert ("Retry-After" in answer.headers) is waits
        client(hub).create_commit("org/other", "model", [create("a.txt")], "m")
        assert paths(hub) == ["a.txt"]

    def test_the_client_knows_how_long_to_wait(self, make_hub):
        hub = make_hub(strict=Strictness(modelscope_commits=Throttle(0, 60, "wait")))
        hub.store.create("org/model")
        with pytest.raises(RateLimitError, match="Commit frequency limit exceeded") as refused:
            commit(hub)
        assert refused.value.error_code == "E1021"
        assert refused.value.retry_after == 60

    @pytest.mark.parametrize("kind", ["policy", "forbidden"])
    def test_the_client_takes_a_policy_for_something_to_try_again(self, make_hub, kind):
        hub = make_hub(strict=Strictness(modelscope_commits=Throttle(0, 60, kind)))
        hub.store.create("org/model")
        with pytest.raises(APIError, match="commit rejected by repository policy") as refused:
            commit(hub)
        assert _is_retryable_commit_error(refused.value)

    def test_commits_pass_again_in_the_next_window(self, make_hub):
        now = [0.0]
        hub = make_hub(
            strict=Strictness(modelscope_commits=Throttle(1, 60)), seams=Seams(clock=lambda: now[0])
        )
        hub.store.create("org/model")
        commit(hub, "a")
        now[0] += 59
        with pytest.raises(RateLimitError):
            commit(hub, "b")
        now[0] += 1
        commit(hub, "b")
        assert paths(hub) == ["a", "b"]


class TestRefusals:
    async def test_a_commit_request_can_be_too_large(self, make_hub):
        hub = make_hub(strict=Strictness(commit_bytes=500))
        hub.store.create("org/model")
        body = {"commit_message": "m", "actions": [create("a.txt", "A" * 500)]}
        answer, _body = await ask(hub, "POST", "/api/v1/repos/models/org/model/commit/master", json=body)
        assert answer.status == 413
        with pytest.raises(APIError) as refused:
            client(hub).create_commit("org/model", "model", [create("a.txt", "A" * 500)], "m")
        assert refused.value.status_code == 413

    def test_a_quota_refuses_blobs(self, make_hub):
        hub = make_hub(strict=Strictness(quota=Quota(account=60_000)))
        hub.store.add("org/model", {"w.safetensors": WEIGHTS})
        oid = hashlib.sha256(b"").hexdigest()
        with pytest.raises(PermissionDeniedError, match="quota"):
            client(hub).validate_blobs("org/model", "model", [{"oid": oid, "size": 10_001}])

    async def test_nobody_writes_to_or_creates_in_a_namespace_of_others(self, make_hub):
        account = Account(USER, namespaces=frozenset({USER, "org"}))
        hub = make_hub(policy=Policy([Credential(WRITE_TOKEN, account)], writable=True))
        hub.store.create("foreign/model")
        actions = [create("a.txt")]
        with pytest.raises(PermissionDeniedError):
            client(hub).create_commit("foreign/model", "model", actions, "m")
        api = HubApi(endpoint=hub.url, token=hub.token)
        with pytest.raises(PermissionDeniedError, match='under the namespace "foreign"'):
            api.create_repo("foreign/new", "model")
        api.openapi.close()

    @pytest.mark.parametrize("reason", list(Reason))
    def test_every_reason_has_an_answer_that_the_client_understands(self, make_hub, reason):
        hub = make_hub(seams=Seams(before_commit=refusing([reason])))
        hub.store.create("org/model")
        with pytest.raises(APIError):
            commit(hub)
        assert paths(hub) == []

    async def test_a_missing_repository_can_come_with_a_status_of_success(self, make_hub):
        hub = make_hub(strict=Strictness(missing_succeeds=True))
        answer, body = await ask(hub, "GET", "/api/v1/models/org/none")
        assert (answer.status, body["Success"], body["Code"]) == (200, False, 10010205001)
        assert client(hub).list_repo_files("org/none", "model") == []  # the official client is taken in by it


class TestListings:
    def dataset(self, hub: TestHub) -> None:
        hub.store.add("org/data", {f"{n:03}.txt": b"x" for n in range(45)}, kind="dataset")

    async def page(self, hub: TestHub, number: int, size: int = 200):
        query = {"Revision": "master", "Recursive": "True", "PageNumber": str(number), "PageSize": str(size)}
        _, body = await ask(hub, "GET", "/api/v1/datasets/org/data/repo/tree", params=query)
        return body["Data"]["TotalCount"], [entry["Path"] for entry in body["Data"]["Files"]]

    async def test_a_page_may_have_fewer_entries_than_were_asked_for(self, make_hub):
        hub = make_hub(strict=Strictness(dataset_page=20))
        self.dataset(hub)
        pages = [await self.page(hub, number) for number in (1, 2, 3, 4)]
        assert [len(shown) for _total, shown in pages] == [20, 20, 5, 0]
        assert {total for total, _shown in pages} == {45}
        assert len({path for _total, shown in pages for path in shown}) == 45
        assert len((await self.page(hub, 1, size=7))[1]) == 7

    async def test_pages_past_the_end_may_show_the_last_one_again(self, make_hub):
        hub = make_hub(strict=Strictness(dataset_page=20, repeated_pages=True))
        self.dataset(hub)
        assert await self.page(hub, 3) == await self.page(hub, 4) == await self.page(hub, 99)
        hub.store.create("org/empty", "dataset")
        answer, body = await ask(hub, "GET", "/api/v1/datasets/org/empty/repo/tree?PageNumber=5")
        assert (answer.status, body["Data"]["Files"]) == (200, [])

    async def test_a_listing_can_lag_behind_a_commit(self, make_hub):
        hub = make_hub(strict=Strictness(lag=2))
        hub.store.create("org/model")
        commit(hub, "a.txt")
        seen = [client(hub).list_repo_files("org/model", "model") for _ in range(3)]
        assert [len(entries) for entries in seen] == [0, 0, 1]

    async def test_a_listing_is_refused_in_passing(self, make_hub):
        hub = make_hub(strict=Strictness(passing_refusal=3))
        hub.store.add("org/model", {"a.txt": b"x"})
        path = "/api/v1/models/org/model/repo/files?Revision=master"
        statuses = [(await ask(hub, "GET", path))[0].status for _ in range(7)]
        assert statuses == [200, 200, 403, 200, 200, 403, 200]

    def test_the_client_asks_again_after_a_refusal_in_passing(self, make_hub, monkeypatch):
        monkeypatch.setattr("modelscope_hub._legacy_api.time.sleep", lambda _seconds: None)
        hub = make_hub(strict=Strictness(passing_refusal=2))
        hub.store.add("org/model", {"a.txt": b"x"})
        api = client(hub)
        assert [len(api.list_repo_files("org/model", "model")) for _ in range(4)] == [1, 1, 1, 1]


def test_a_missing_repository_is_404_by_default(hub):
    with pytest.raises(NotExistError):
        client(hub).list_repo_files("org/none", "model")

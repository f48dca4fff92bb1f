"""The Hugging Face dialect of a strict hub: on the wire, and to the official client."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import fields
from pathlib import Path

import aiohttp
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, HfUriError, RepositoryNotFoundError
from huggingface_hub.utils import parse_ratelimit_headers
from servers import CREDENTIALS, READ_TOKEN, USER, WRITE_TOKEN, TestHub

from hubferry.licenses import IDENTIFIERS
from hubferry.serve import (
    Account,
    Credential,
    Policy,
    Quota,
    Rates,
    Reason,
    Refusal,
    Seams,
    ServerLimits,
    Strictness,
    Throttle,
    refusing,
)

GOOD = b"---\nlicense: mit\n---\n# A model\n"
BAD = b"---\nlicense: Apache License 2.0\n---\n# A model\n"
WEIGHTS = random.Random("serve strict 1").randbytes(50_000)


class Clock:
    """Time that passes when a test says so."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def client(hub: TestHub, token: str | None = None) -> HfApi:
    return HfApi(endpoint=hub.url, token=token or hub.token)


def add(path: str, content: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path, content)


async def ask(hub: TestHub, method: str, path: str, *, token: str | None = None, **options):
    headers = {"Authorization": f"Bearer {token or hub.token}", **options.pop("headers", {})}
    async with (
        aiohttp.ClientSession(hub.url) as session,
        session.request(method, path, headers=headers, **options) as answer,
    ):
        body = await answer.read()
        return answer, json.loads(body) if body.startswith((b"{", b"[")) else body


async def commit(hub: TestHub, *items: dict, **header: str):
    lines = [{"key": "header", "value": {"summary": "s", **header}}, *items]
    return await ask(hub, "POST", "/api/models/org/model/commit/main", data="\n".join(map(json.dumps, lines)))


def inline(path: str, text: str = "x") -> dict:
    return {"key": "file", "value": {"path": path, "content": text, "encoding": "utf-8"}}


def paths(hub: TestHub, repo_id: str = "org/model") -> list[str]:
    repository = hub.store.find(repo_id)
    return repository.tree(repository.resolve(None)).paths


class TestSwitches:
    def test_a_hub_is_not_strict_unless_told_to_be(self, hub):
        hub.store.create("org/model")
        client(hub).create_commit(
            "org/model", [add("README.md", BAD), add("a.txt", b"\0" * 100)], commit_message="m"
        )
        assert paths(hub) == ["README.md", "a.txt"]

    def test_a_real_hub_has_every_rule_and_no_oddity(self):
        off, real = Strictness(), Strictness.real()
        same = {field.name for field in fields(off) if getattr(off, field.name) == getattr(real, field.name)}
        oddities = {"renamed", "lag", "passing_refusal", "missing_succeeds", "repeated_pages", "tag_objects"}
        assert same == oddities

    def test_every_rule_is_explained_where_people_look(self):
        page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text()
        assert [field.name for field in fields(Strictness) if f"`{field.name}" not in page] == []

    def test_the_official_client_uploads_a_folder_to_a_hub_with_every_rule(self, make_hub, tmp_path):
        hub = make_hub(strict=Strictness.real())
        folder = tmp_path / "model"
        (folder / "sub").mkdir(parents=True)
        (folder / "README.md").write_bytes(GOOD)
        (folder / "sub" / "weights.safetensors").write_bytes(WEIGHTS)
        api = client(hub)
        api.create_repo("org/model", private=True)
        api.upload_folder(repo_id="org/model", folder_path=folder)
        assert paths(hub) == [".gitattributes", "README.md", "sub/weights.safetensors"]


class TestCards:
    @pytest.fixture
    def hub(self, make_hub):
        hub = make_hub(strict=Strictness(cards=True))
        hub.store.create("org/model")
        return hub

    @pytest.mark.parametrize(
        ("metadata", "message"),
        [
            ("license: Apache License 2.0", '"license" must be one of [apache-2.0, mit, openrail, '),
            ("license: null", '"license" must be one of ['),
            ("license: [mit, 1]", '"license" must be one of ['),
            ("a: b: c", "Invalid YAML in README.md: "),
            ("tags: [a\n", "Invalid YAML in README.md: "),
            ("a: 1\na: 2", "Invalid YAML in README.md: duplicated mapping key"),
            ("- a\n- b", '"value" must be of type object'),
            ("tags: text", '"tags" must be an array'),
            ("tags: [1]", '"tags[0]" must be a string'),
            ("base_model: ''", '"base_model" is not allowed to be empty'),
            (
                "base_model: Kokoro 82M",
                '"base_model" with value "Kokoro 82M" is not valid. Use a model id from',
            ),
            ("base_model: [a/b, /local/x]", '"base_model[1]" with value "/local/x" is not valid. '),
            ("datasets: [null]", '"datasets[0]" must be a string'),
            ("datasets: a/b/c.jsonl", '"datasets" with value "a/b/c.jsonl" is not valid. '),
            ("pipeline_tag: [a]", '"pipeline_tag" must be a string'),
            ("language: zh-CN", '"language" must only contain lowercase characters'),
            (
                "language: [en, english]",
                '"language[1]" with value "english" is not valid. It must be an ISO 639',
            ),
        ],
    )
    async def test_a_mistake_in_a_card_is_named(self, hub, metadata, message):
        question = {"content": f"---\n{metadata}\n---\n# A\n", "repoType": "model"}
        answer, body = await ask(hub, "POST", "/api/validate-yaml", json=question)
        assert answer.status == 400
        assert body["errors"][0]["message"].startswith(message)
        assert body["warnings"] == []

    @pytest.mark.parametrize(
        "content",
        [
            "---\nlicense: other\nlicense_name: my own\ntags: [a, b]\nlanguage: [en, zh, code]\n---\n",
            "---\r\nlicense: [mit, apache-2.0]\r\nbase_model: [org/a]\r\npipeline_tag: any\r\n---",
        ],
    )
    async def test_a_right_card_passes(self, hub, content):
        question = {"content": content, "repoType": "model"}
        answer, body = await ask(hub, "POST", "/api/validate-yaml", json=question)
        assert (answer.status, body) == (200, {"errors": [], "warnings": []})

    @pytest.mark.parametrize(
        "content", ["", "# Only text\n", "---\n\n---\n# Empty\n", "text\n---\na: b\n---\n"]
    )
    async def test_a_card_without_metadata_is_only_warned_of(self, hub, content):
        question = {"content": content, "repoType": "model"}
        answer, body = await ask(hub, "POST", "/api/validate-yaml", json=question)
        assert answer.status == 200
        assert body == {
            "errors": [],
            "warnings": [{"message": "empty or missing yaml metadata in repo card"}],
        }

    async def test_a_commit_with_a_bad_card_is_refused_whole(self, hub):
        answer, body = await commit(hub, inline("README.md", BAD.decode()), inline("a.txt"))
        assert answer.status == 400
        assert body["error"].startswith('"license" must be one of [')
        assert answer.headers["X-Error-Message"] == body["error"]
        assert paths(hub) == []

    async def test_only_the_card_at_the_top_is_looked_at(self, hub):
        answer, _body = await commit(hub, inline("sub/README.md", BAD.decode()))
        assert answer.status == 200

    def test_the_client_names_the_mistake_before_it_uploads(self, hub):
        with pytest.raises(ValueError, match=r'Invalid metadata in README.md.\n- "license" must be one of'):
            client(hub).create_commit("org/model", [add("README.md", BAD)], commit_message="m")
        assert hub.requests.count("hf:commit", "hf:preupload") == 0

    def test_the_client_passes_a_warning_on(self, hub):
        with pytest.warns(UserWarning, match="empty or missing yaml metadata in repo card"):
            client(hub).create_commit("org/model", [add("README.md", b"# A\n")], commit_message="m")
        assert paths(hub) == ["README.md"]

    def test_the_client_raises_what_the_commit_is_refused_for(self, make_hub):
        hub = make_hub(
            seams=Seams(before_commit=refusing([Refusal(Reason.BAD_CARD, '"tags" must be an array')]))
        )
        hub.store.create("org/model")
        with pytest.raises(
            BadRequestError, match='Bad request for commit endpoint:\n"tags" must be an array'
        ):
            client(hub).create_commit("org/model", [add("a.txt", b"x")], commit_message="m")


class TestParents:
    async def test_a_commit_on_an_older_one_is_refused_with_the_hubs_words(self, hub):
        first = hub.store.add("org/model", {"a": b"1"})
        hub.store.add("org/model", {"a": b"2"})
        answer, body = await commit(hub, inline("b"), parentCommit=first.id)
        assert (answer.status, body) == (
            412,
            {"error": "The branch was updated since you opened this page. Please refresh and try again."},
        )

    async def test_the_first_seven_digits_of_the_head_will_do(self, hub):
        head = hub.store.add("org/model", {"a": b"1"})
        assert (await commit(hub, inline("b"), parentCommit=head.id[:6]))[0].status == 412
        assert (await commit(hub, inline("b"), parentCommit=head.id[:7]))[0].status == 200

    def test_a_branch_that_moves_before_a_commit_is_noticed_by_the_client(self, make_hub):
        def move(repository, number):
            if number == 2:
                repository.commit("main", [], title="somebody else")

        hub = make_hub(seams=Seams(before_commit=move))
        api = client(hub)
        head = hub.store.create("org/model").resolve(None)
        head = api.create_commit("org/model", [add("a", b"1")], commit_message="m", parent_commit=head).oid
        with pytest.raises(HfHubHTTPError, match="The branch was updated since") as refused:
            api.create_commit("org/model", [add("b", b"1")], commit_message="m", parent_commit=head)
        assert refused.value.response.status_code == 412
        assert paths(hub) == ["a"]


class TestSizes:
    async def test_a_folder_takes_no_more_entries_than_the_hub_allows(self, make_hub):
        hub = make_hub(strict=Strictness(folder_files=3))
        hub.store.add("org/model", {f"data/{n}.txt": b"x" for n in range(2)})
        assert (await commit(hub, inline("data/2.txt")))[0].status == 200
        answer, body = await commit(hub, inline("data/sub/3.txt"))
        assert answer.status == 400
        assert body["error"] == (
            "Your push was rejected because it contains too many files per directory. Each directory in your "
            "git repo can only contain up to 3 files. Offending reference: refs/heads/main "
            "Offending directories: /data/"
        )
        with pytest.raises(BadRequestError, match="too many files per directory"):
            client(hub).create_commit("org/model", [add("data/3.txt", b"x")], commit_message="m")

    def test_what_a_full_folder_already_has_can_be_changed_and_deleted(self, make_hub):
        hub = make_hub(strict=Strictness(folder_files=2))
        hub.store.add("org/model", {f"{n}.txt": b"x" for n in range(4)})
        api = client(hub)
        with pytest.raises(BadRequestError, match=r"Offending directories: /$"):
            api.create_commit("org/model", [add("0.txt", b"y")], commit_message="m")
        gone = [CommitOperationDelete("2.txt"), CommitOperationDelete("3.txt")]
        api.create_commit("org/model", [add("0.txt", b"y"), *gone], commit_message="m")
        assert paths(hub) == ["0.txt", "1.txt"]

    def test_a_repository_takes_no_more_files_than_the_hub_allows(self, make_hub):
        hub = make_hub(strict=Strictness(repository_files=3))
        hub.store.add("org/model", {f"{n}/a": b"x" for n in range(3)})
        words = "would contain 4 files after this push, over the limit of 3 files. Offending reference: "
        with pytest.raises(BadRequestError, match=words):
            client(hub).create_commit("org/model", [add("new", b"x")], commit_message="m")
        moved = [CommitOperationDelete("0/a"), add("new", b"x")]
        client(hub).create_commit("org/model", moved, commit_message="m")
        assert paths(hub) == ["1/a", "2/a", "new"]

    async def test_a_large_file_must_be_a_blob(self, make_hub):
        hub = make_hub(strict=Strictness(inline_bytes=10))
        hub.store.create("org/model")
        assert (await commit(hub, inline("a.txt", "x" * 10)))[0].status == 200
        answer, body = await commit(hub, inline("b.txt", "x" * 11))
        assert answer.status == 400
        assert body["error"].startswith(
            "Your push was rejected because it contains files larger than 10 bytes."
        )
        assert body["error"].endswith("Offending files: - b.txt (ref: refs/heads/main)")
        with pytest.raises(BadRequestError, match="files larger than 10 bytes"):
            client(hub).create_commit("org/model", [add("b.txt", b"x" * 11)], commit_message="m")

    def test_the_real_limit_is_said_in_mebibytes(self, make_hub):
        hub = make_hub(strict=Strictness(inline_bytes=1 << 20))
        hub.store.create("org/model")
        with pytest.raises(BadRequestError, match="files larger than 1 MiB"):
            client(hub).create_commit("org/model", [add("b.txt", b"x" * 1_100_000)], commit_message="m")

    async def test_a_binary_file_must_be_a_blob(self, make_hub):
        hub = make_hub(strict=Strictness(inline_text=True))
        hub.store.create("org/model")
        answer, body = await commit(hub, inline("a.txt", "a\0b"))
        assert answer.status == 400
        assert body["error"].startswith("Your push was rejected because it contains binary files.")
        client(hub).create_commit("org/model", [add("a.txt", b"a\0b")], commit_message="m")

    async def test_a_commit_request_can_be_too_large(self, make_hub):
        hub = make_hub(strict=Strictness(commit_bytes=1_000))
        hub.store.create("org/model")
        answer, _body = await commit(hub, inline("a.txt", "x" * 1_000))
        assert answer.status == 413
        with pytest.raises(HfHubHTTPError) as refused:
            client(hub).create_commit("org/model", [add("a.txt", b"x" * 1_000)], commit_message="m")
        assert refused.value.response.status_code == 413

    async def test_a_commit_can_name_too_many_files(self, make_hub):
        hub = make_hub(limits=ServerLimits(actions=2))
        hub.store.create("org/model")
        answer, _body = await commit(hub, *(inline(f"{n}.txt") for n in range(3)))
        assert answer.status == 422

    async def test_a_blob_comes_with_its_length(self, make_hub):
        hub = make_hub(strict=Strictness(lengths=True))
        hub.store.create("org/model")
        oid = hashlib.sha256(WEIGHTS).hexdigest()
        question = {"operation": "upload", "objects": [{"oid": oid, "size": len(WEIGHTS)}]}
        _, body = await ask(hub, "POST", "/org/model.git/info/lfs/objects/batch", json=question)
        address = body["objects"][0]["actions"]["upload"]["href"]

        async def pieces():
            yield WEIGHTS

        answer, body = await ask(hub, "PUT", address.removeprefix(hub.url), data=pieces())
        assert answer.status == 411
        answer, _body = await ask(hub, "PUT", address.removeprefix(hub.url), data=WEIGHTS)
        assert answer.status == 200


class TestRates:
    async def test_every_answer_says_what_is_left(self, make_hub):
        hub = make_hub(strict=Strictness(rates=Rates(api=10, resolvers=20, seconds=300)))
        hub.store.add("org/model", {"a.txt": b"x"})
        found = []
        for path in ("/api/models/org/model", "/org/model/resolve/main/a.txt", "/api/models/org/none"):
            answer, _body = await ask(hub, "GET", path)
            info = parse_ratelimit_headers(answer.headers)
            found.append((info.resource_type, info.remaining, info.limit, info.window_seconds))
        assert found == [("api", 9, 10, 300), ("resolvers", 19, 20, 300), ("api", 8, 10, 300)]

    def test_one_request_too_many_waits_for_the_next_window(self, make_hub):
        clock = Clock()
        hub = make_hub(strict=Strictness(rates=Rates(api=2, seconds=300)), seams=Seams(clock=clock))
        hub.store.create("org/model")
        api = client(hub)
        api.model_info("org/model")
        clock.now += 100
        api.model_info("org/model")
        with pytest.raises(HfHubHTTPError, match="you have reached your 'api' rate limit") as refused:
            api.model_info("org/model")
        assert refused.value.response.status_code == 429
        assert "Retry after 200 seconds (0/2 requests remaining in current 300s window)" in str(refused.value)
        assert "you hit the quota of 2 api requests per 5 minutes period" in str(refused.value)
        clock.now += 200
        assert api.model_info("org/model").id == "org/model"

    async def test_each_token_has_a_window_of_its_own(self, make_hub):
        hub = make_hub(strict=Strictness(rates=Rates(api=1)))
        hub.store.create("org/model")
        asked = [await ask(hub, "GET", "/api/models/org/model", token=token) for token in CREDENTIAL_TOKENS]
        assert [answer.status for answer, _body in asked] == [200, 200, 429, 429]

    async def test_less_is_allowed_without_a_token(self, make_hub):
        hub = make_hub(strict=Strictness(rates=Rates()))
        hub.store.add("org/model", {"a.txt": b"x"})
        found = []
        async with aiohttp.ClientSession(hub.url) as session:
            for path in ("/api/models/org/model", "/org/model/resolve/main/a.txt"):
                async with session.get(path) as answer:
                    found.append(parse_ratelimit_headers(answer.headers).limit)
        assert found == [500, 3_000]

    async def test_the_other_dialect_and_the_storage_are_not_counted(self, make_hub):
        hub = make_hub(strict=Strictness(rates=Rates(api=1)))
        hub.store.create("org/model")
        for _ in range(3):
            answer, _body = await ask(hub, "GET", "/api/v1/models/org/model")
            assert answer.status == 200
            assert "RateLimit" not in answer.headers

    async def test_commits_are_throttled_apart_from_requests(self, make_hub):
        clock = Clock()
        strict = Strictness(rates=Rates(), huggingface_commits=Throttle(1, seconds=3_600))
        hub = make_hub(strict=strict, seams=Seams(clock=clock))
        hub.store.create("org/model")
        assert (await commit(hub, inline("a")))[0].status == 200
        answer, body = await commit(hub, inline("b"))
        assert answer.status == 429
        assert body["error"].startswith(
            "You have exceeded the rate limit for repository commits (1 per hour)."
        )
        assert parse_ratelimit_headers(answer.headers).remaining > 0
        assert "Retry-After" not in answer.headers
        clock.now += 3_600
        assert (await commit(hub, inline("b")))[0].status == 200

    def test_the_client_raises_what_a_throttled_commit_was_told(self, make_hub):
        hub = make_hub(strict=Strictness(huggingface_commits=Throttle(0)))
        hub.store.create("org/model")
        with pytest.raises(HfHubHTTPError, match="exceeded the rate limit for repository commits") as refused:
            client(hub).create_commit("org/model", [add("a", b"x")], commit_message="m")
        assert refused.value.response.status_code == 429


CREDENTIAL_TOKENS = (WRITE_TOKEN, READ_TOKEN, WRITE_TOKEN, READ_TOKEN)


class TestAttributes:
    @pytest.fixture
    def hub(self, make_hub):
        return make_hub(strict=Strictness(attributes=True))

    def content(self, hub) -> list[str]:
        repository = hub.store.find("org/model")
        file = repository.file(repository.resolve(None), ".gitattributes")
        return hub.store.blobs.read(file.sha256).decode().splitlines()

    @pytest.mark.parametrize(("kind", "line"), [("model", "*.safetensors"), ("dataset", "*.mp4")])
    def test_a_new_repository_has_one_in_its_first_commit(self, hub, kind, line):
        api = client(hub)
        api.create_repo("org/new", repo_type=kind)
        assert len(api.list_repo_commits("org/new", repo_type=kind)) == 1
        there = Path(api.hf_hub_download("org/new", ".gitattributes", repo_type=kind))
        assert f"{line} filter=lfs diff=lfs merge=lfs -text" in there.read_text().splitlines()

    def test_a_blob_that_no_line_covers_gets_one_in_the_same_commit(self, hub):
        api = client(hub)
        api.create_repo("org/model")
        before = self.content(hub)
        api.create_commit(
            "org/model",
            [add("w.safetensors", WEIGHTS), add("sub/a b[1].dat", b"\0" + WEIGHTS), add("c.txt", b"text")],
            commit_message="m",
        )
        line = r"sub/a[[:space:]]b\[1\].dat filter=lfs diff=lfs merge=lfs -text"
        assert self.content(hub) == [*before, line]
        assert len(api.list_repo_commits("org/model")) == 2
        api.create_commit("org/model", [add("sub/a b[1].dat", b"\0")], commit_message="m")
        assert self.content(hub) == [*before, line]

    def test_the_lines_of_the_commit_itself_count(self, hub):
        api = client(hub)
        api.create_repo("org/model")
        lines = b"*.dat filter=lfs diff=lfs merge=lfs -text"
        api.create_commit(
            "org/model", [add(".gitattributes", lines), add("a.dat", b"\0" + WEIGHTS)], commit_message="m"
        )
        assert self.content(hub) == [lines.decode()]

    async def test_they_decide_which_file_is_a_blob(self, hub):
        lines = b"*.txt filter=lfs diff=lfs merge=lfs -text\nkeep.txt -filter\n"
        hub.store.add("org/model", {".gitattributes": lines})
        files = [{"path": path, "size": 3, "sample": "YWJj"} for path in ("a.txt", "keep.txt", "a.bin", "z")]
        _, body = await ask(hub, "POST", "/api/models/org/model/preupload/main", json={"files": files})
        modes = {file["path"]: file["uploadMode"] for file in body["files"]}
        assert modes == {"a.txt": "lfs", "keep.txt": "regular", "a.bin": "regular", "z": "regular"}


class TestQuotas:
    @pytest.mark.parametrize("quota", [Quota(repository=60_000), Quota(account=60_000)])
    async def test_a_blob_that_does_not_fit_is_refused_before_it_is_sent(self, make_hub, quota):
        hub = make_hub(strict=Strictness(quota=quota))
        hub.store.add("org/model", {"w.safetensors": WEIGHTS})
        question = {"operation": "upload", "objects": [{"oid": "a" * 64, "size": 10_001}]}
        answer, body = await ask(hub, "POST", "/org/model.git/info/lfs/objects/batch", json=question)
        assert answer.status == 403
        assert body["error"].startswith("Your storage patterns tripped our internal systems!")
        question["objects"][0]["size"] = 10_000
        answer, _body = await ask(hub, "POST", "/org/model.git/info/lfs/objects/batch", json=question)
        assert answer.status == 200

    def test_the_client_says_that_the_storage_is_used_up(self, make_hub):
        hub = make_hub(strict=Strictness(quota=Quota(account=60_000)))
        hub.store.create("org/other", private=True)
        hub.store.add("org/other", {"w.safetensors": WEIGHTS})
        hub.store.create("org/model", private=True)
        api = client(hub)
        with pytest.raises(HfHubHTTPError, match="403 Forbidden: Private repository storage limit reached"):
            api.create_commit("org/model", [add("v.safetensors", WEIGHTS[1:])], commit_message="m")
        assert hub.requests.count("storage:put") == 0

    async def test_only_what_is_private_counts_towards_the_private_quota(self, make_hub):
        hub = make_hub(strict=Strictness(quota=Quota(private=60_000)))
        hub.store.add("org/open", {"w.safetensors": WEIGHTS})
        hub.store.create("org/hidden", private=True)
        hub.store.add("org/hidden", {"v.safetensors": WEIGHTS[1:]})
        for repo_id, size, status in (
            ("org/open", 20_000, 200),
            ("org/hidden", 10_001, 200),
            ("org/hidden", 10_002, 403),
        ):
            question = {"operation": "upload", "objects": [{"oid": "a" * 64, "size": size}]}
            answer, _body = await ask(hub, "POST", f"/{repo_id}.git/info/lfs/objects/batch", json=question)
            assert answer.status == status

    async def test_a_commit_of_blobs_that_are_there_is_refused_too(self, make_hub):
        hub = make_hub(strict=Strictness(quota=Quota(repository=60_000)))
        hub.store.add("other/model", {"v.safetensors": WEIGHTS[1:]})
        hub.store.add("org/model", {"w.safetensors": WEIGHTS})
        oid, size = hashlib.sha256(WEIGHTS[1:]).hexdigest(), len(WEIGHTS) - 1
        item = {"key": "lfsFile", "value": {"path": "v", "algo": "sha256", "oid": oid, "size": size}}
        answer, _body = await commit(hub, item)
        assert answer.status == 400  # there alone, with the same words
        again = {
            "key": "lfsFile",
            "value": {"path": "v", "oid": hashlib.sha256(WEIGHTS).hexdigest(), "size": 50_000},
        }
        assert (await commit(hub, again))[0].status == 200


FINE = "hf_fine"


class TestRights:
    @pytest.fixture
    def hub(self, make_hub):
        own = frozenset({USER, "org"})
        fine = Account(USER, namespaces=own, repositories=frozenset({"org/model"}))
        credentials = [
            Credential(WRITE_TOKEN, Account(USER, namespaces=own)),
            CREDENTIALS[1],
            Credential(FINE, fine),
        ]
        hub = make_hub(policy=Policy(credentials, writable=True), strict=Strictness(rights=True))
        for repo_id in ("org/model", "org/second", "foreign/model"):
            hub.store.create(repo_id)
        return hub

    @pytest.mark.parametrize(
        ("token", "repo_id", "status"),
        [
            (WRITE_TOKEN, "org/model", 200),
            (WRITE_TOKEN, "foreign/model", 403),
            (READ_TOKEN, "org/model", 403),
            (FINE, "org/model", 200),
            (FINE, "org/second", 403),
            (WRITE_TOKEN, "org/none", 404),
            ("hf_wrong", "org/model", 401),
        ],
    )
    async def test_the_right_to_write_can_be_asked_for(self, hub, token, repo_id, status):
        answer, _body = await ask(hub, "GET", f"/api/models/{repo_id}/auth-check/write", token=token)
        assert answer.status == status

    def test_the_client_asks_for_the_right_to_write(self, hub):
        client(hub).auth_check("org/model", write=True)
        with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
            client(hub).auth_check("foreign/model", write=True)
        with pytest.raises(RepositoryNotFoundError):
            client(hub).auth_check("org/none", write=True)

    @pytest.mark.parametrize("kind", ["model", "dataset"])
    def test_nobody_creates_in_a_namespace_of_others(self, hub, kind):
        words = f'You don\'t have the rights to create a {kind} under the namespace "foreign"'
        with pytest.raises(HfHubHTTPError, match=words) as refused:
            client(hub).create_repo("foreign/new", repo_type=kind)
        assert refused.value.response.status_code == 403

    def test_a_fine_grained_token_creates_nothing_and_uses_what_is_there(self, hub):
        api = client(hub, FINE)
        with pytest.raises(HfHubHTTPError, match="don't have the rights to create"):
            api.create_repo("org/model")
        with pytest.raises(
            HfUriError
        ):  # huggingface_hub 2.4 looks, finds it, and mistakes the host in its address
            api.create_repo("org/model", exist_ok=True)
        assert hub.requests.routes()[-2:] == ["hf:create", "hf:info"]
        api.create_commit("org/model", [add("a", b"x")], commit_message="m")
        with pytest.raises(HfHubHTTPError, match="pass `create_pr=1` as a query parameter"):
            api.create_commit("org/second", [add("a", b"x")], commit_message="m")

    async def test_the_batch_has_words_of_its_own(self, hub):
        question = {"operation": "upload", "objects": []}
        answer, body = await ask(
            hub, "POST", "/org/model.git/info/lfs/objects/batch", json=question, token=READ_TOKEN
        )
        assert (answer.status, body["error"]) == (403, "Authorization error.")

    def test_a_token_says_what_it_may(self, hub):
        assert client(hub).whoami()["auth"]["accessToken"]["role"] == "write"
        assert client(hub).whoami()["orgs"][0]["name"] == "org"
        token = client(hub, FINE).whoami()["auth"]["accessToken"]
        assert token["role"] == "fineGrained"
        (scope,) = token["fineGrained"]["scoped"]
        assert scope["entity"]["name"] == "org/model"
        assert "repo.write" in scope["permissions"]


class TestNames:
    @pytest.mark.parametrize(
        "path",
        [
            ".git/config",
            "a/.git/b",
            "../a",
            "a/../b",
            "a//b",
            "/a",
            "a\tb",
            "a\x7fb",
            "n" * 256,
            "p/" * 600 + "q",
        ],
    )
    async def test_a_path_that_git_cannot_hold_is_refused(self, make_hub, path):
        hub = make_hub(strict=Strictness.real())
        hub.store.create("org/model")
        answer, body = await commit(hub, inline(path))
        assert answer.status == 400
        assert body["error"].startswith("Invalid path")

    @pytest.mark.parametrize("name", ["a--b", "a..b", "-a", "a.", ".a", "a.git", "n" * 97, "a b"])
    async def test_a_name_that_the_hub_would_not_take_is_refused(self, make_hub, name):
        hub = make_hub(strict=Strictness(names=True))
        body = {"name": name, "organization": "org", "type": "model"}
        answer, body = await ask(hub, "POST", "/api/repos/create", json=body)
        assert answer.status == 400
        assert body["error"].startswith("Only regular characters and '-', '_', '.' are accepted.")
        assert list(hub.store.repositories()) == []


class TestRedirects:
    async def test_a_small_file_is_found_by_way_of_a_relative_address(self, make_hub):
        hub = make_hub(strict=Strictness(resolve_cache=True))
        head = hub.store.add("org/model", {"sub/a b#.txt": b"text"})
        path = "/org/model/resolve/main/sub/a%20b%23.txt"
        answer, _body = await ask(hub, "GET", path, allow_redirects=False)
        assert answer.status == 307
        assert answer.headers["Location"].startswith(
            f"/api/resolve-cache/models/org/model/{head.id}/sub/a%20b%23.txt?"
        )
        assert answer.headers["X-Repo-Commit"] == head.id
        assert (answer.headers["X-Linked-Size"], "ETag" in answer.headers) == ("4", False)
        linked = answer.headers["X-Linked-Etag"]
        answer, body = await ask(hub, "GET", path)
        assert (answer.status, body, answer.headers["ETag"]) == (200, b"text", linked)

    def test_the_client_follows_to_small_and_large_files(self, make_hub, tmp_path):
        hub = make_hub(strict=Strictness(resolve_cache=True))
        files = {"a.txt": b"text", "sub/w.safetensors": WEIGHTS}
        hub.store.add("org/model", files)
        folder = Path(client(hub).snapshot_download("org/model", local_dir=tmp_path / "copy"))
        assert {path: (folder / path).read_bytes() for path in files} == files

    def test_who_asks_by_an_old_name_is_sent_to_the_new_one(self, make_hub, tmp_path):
        hub = make_hub(strict=Strictness(renamed=(("org/old", "org/model"),)))
        hub.store.add("org/model", {"a.txt": b"text"})
        api = client(hub)
        assert api.model_info("org/old").id == "org/model"
        assert Path(api.hf_hub_download("org/old", "a.txt", local_dir=tmp_path)).read_bytes() == b"text"
        api.create_commit("org/old", [add("b.txt", b"x")], commit_message="m")
        assert paths(hub) == ["a.txt", "b.txt"]

    async def test_the_addresses_are_relative(self, make_hub):
        hub = make_hub(strict=Strictness(renamed=(("org/old", "org/model"),)))
        for path in ("/api/models/org/old/tree/main?recursive=1", "/org/old/resolve/main/a%20b"):
            answer, _body = await ask(hub, "GET", path, allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (307, path.replace("org/old", "org/model"))


class TestSeams:
    def test_each_commit_can_be_given_its_answer(self, make_hub):
        answers = [Reason.POLICY, None, Refusal(Reason.BROKEN, status=504), Reason.OUTDATED]
        hub = make_hub(seams=Seams(before_commit=refusing(answers)))
        hub.store.create("org/model")
        api, found = client(hub), []
        for number in range(5):
            try:
                api.create_commit("org/model", [add(f"{number}", b"x")], commit_message="m")
            except HfHubHTTPError as error:
                found.append(error.response.status_code)
            else:
                found.append(200)
        assert found == [403, 200, 504, 412, 200]
        assert paths(hub) == ["1", "4"]

    @pytest.mark.parametrize("reason", list(Reason))
    def test_every_reason_has_an_answer_that_the_client_understands(self, make_hub, reason):
        hub = make_hub(seams=Seams(before_commit=refusing([reason])))
        hub.store.create("org/model")
        with pytest.raises((HfHubHTTPError, BadRequestError)):
            client(hub).create_commit("org/model", [add("a", b"x")], commit_message="m")
        assert paths(hub) == []

    def test_a_listing_can_lag_behind_a_commit(self, make_hub):
        hub = make_hub(strict=Strictness(lag=2))
        hub.store.create("org/model")
        api = client(hub)
        oid = api.create_commit("org/model", [add("a", b"x")], commit_message="m").oid
        assert api.list_repo_files("org/model", revision=oid) == ["a"]
        seen = [list(api.list_repo_tree("org/model")) for _ in range(3)]
        assert [len(entries) for entries in seen] == [0, 0, 1]


def test_the_licenses_are_those_that_the_hub_lists():
    assert len(IDENTIFIERS) == len(set(IDENTIFIERS)) == 82
    assert {"apache-2.0", "mit", "other", "llama3.1", "gemma", "cc-by-nc-4.0"} <= set(IDENTIFIERS)

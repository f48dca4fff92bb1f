"""What the embedded hub says on the wire: strictness, ranges, signatures, limits."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from typing import TYPE_CHECKING

import aiohttp
import pytest
from servers import READ_TOKEN, running_hub

from hubferry.serve import ServerLimits, Signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from servers import TestHub

WEIGHTS = random.Random("serve wire 1").randbytes(500_000)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[TestHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        running.store.add("org/model", {"README.md": b"hello", "w.safetensors": WEIGHTS, "empty": b""})
        yield running


@pytest.fixture
async def web(shared) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {shared.token}"}
    async with aiohttp.ClientSession(shared.url, headers=headers) as session:
        yield session


async def ms_commit(web, actions, repo="org/model", branch="master"):
    body = {"commit_message": "m", "actions": actions}
    async with web.post(f"/api/v1/repos/models/{repo}/commit/{branch}", json=body) as answer:
        return answer.status, await answer.json()


async def hf_commit(web, *items, repo="org/model", summary="s"):
    lines = [{"key": "header", "value": {"summary": summary}}, *items]
    body = "\n".join(map(json.dumps, lines)).encode()
    async with web.post(
        f"/api/models/{repo}/commit/main", data=body, headers={"Content-Type": "application/x-ndjson"}
    ) as answer:
        return answer.status, await answer.json()


def lfs_action(path, content, **changes):
    return {
        "action": "create",
        "path": path,
        "type": "lfs",
        "size": len(content),
        "sha256": sha256(content),
        **changes,
    }


def inline(path, content=b"x"):
    encoded = base64.b64encode(content).decode()
    return {"action": "create", "path": path, "type": "normal", "content": encoded, "encoding": "base64"}


async def upload_address(web, content, *, size=None):
    wish = {
        "operation": "upload",
        "objects": [{"oid": sha256(content), "size": len(content) if size is None else size}],
    }
    async with web.post("/api/v1/repos/models/org/model/info/lfs/objects/batch", json=wish) as answer:
        objects = (await answer.json())["Data"]["objects"]
    return objects[0]["actions"]["upload"]["href"] if objects else None


class TestStrictness:
    async def test_a_commit_that_names_a_blob_never_uploaded_is_refused(self, web, shared):
        before = shared.store.find("org/model").resolve("main")
        status, answer = await ms_commit(web, [lfs_action("x.safetensors", b"never sent")])
        assert (status, answer["Success"]) == (400, False)
        value = {"path": "x.safetensors", "algo": "sha256", "oid": sha256(b"never sent"), "size": 10}
        status, answer = await hf_commit(web, {"key": "lfsFile", "value": value})
        assert status == 400
        assert shared.store.find("org/model").resolve("main") == before

    async def test_a_commit_that_lies_about_a_size_is_refused(self, web):
        assert (await ms_commit(web, [lfs_action("x.safetensors", WEIGHTS, size=1)]))[0] == 400

    async def test_a_blob_whose_bytes_do_not_hash_to_its_name_is_refused(self, web, shared):
        content = random.Random("serve wire 2").randbytes(1000)
        address = await upload_address(web, content)
        async with web.put(address, data=content[:-1] + bytes([content[-1] ^ 1])) as answer:
            assert answer.status == 400
        assert shared.store.blobs.size(sha256(content)) is None
        assert await upload_address(web, content) is not None
        async with web.put(address, data=content) as answer:
            assert answer.status == 200
        assert await upload_address(web, content) is None

    @pytest.mark.parametrize("change", [-1, 1])
    async def test_a_blob_of_another_length_is_refused(self, web, shared, change):
        content = random.Random("serve wire 3").randbytes(1000)
        address = await upload_address(web, content)
        body = content[:change] if change < 0 else content + b"x"

        async def chunks():
            yield body

        for data in (body, chunks()):
            async with web.put(address, data=data) as answer:
                assert answer.status == 400
        assert shared.store.blobs.size(sha256(content)) is None

    async def test_more_than_2000_actions_are_422(self, web):
        status, answer = await ms_commit(web, [inline(f"{n}.txt") for n in range(2001)])
        assert status == 422
        assert "2001 > 2000" in answer["Message"]
        item = {"content": "", "encoding": "base64"}
        items = [{"key": "file", "value": {"path": f"{n}.txt", **item}} for n in range(2001)]
        assert (await hf_commit(web, *items))[0] == 422

    @pytest.mark.parametrize("path", ["README.md", "sub/.gitattributes", "configuration.json"])
    async def test_a_file_the_hub_must_read_is_refused_as_a_blob(self, web, path):
        assert (await ms_commit(web, [lfs_action(path, WEIGHTS)]))[0] == 400
        value = {"path": path, "oid": SHA256, "size": len(WEIGHTS)}
        assert (await hf_commit(web, {"key": "lfsFile", "value": value}))[0] == 400

    @pytest.mark.parametrize(
        "path",
        ["../x", "a/../../x", "/etc/passwd", "a//b", "a/", ".", ".git/config", "a/.GIT/x", "nul\0", "a\nb",
         "x" * 256, "/".join(["abcdefgh"] * 200), ""],
    )  # fmt: skip
    async def test_a_path_that_git_would_not_hold_is_refused(self, web, path):
        assert (await ms_commit(web, [inline(path)]))[0] == 400
        assert (await hf_commit(web, {"key": "file", "value": {"path": path, "content": ""}}))[0] == 400

    @pytest.mark.parametrize("path", ["说明.txt", "-x", "a b%20+#.txt", "😀/é.txt", "..x", "con.txt"])
    async def test_any_other_name_is_kept_as_it_is(self, web, shared, path):
        status, answer = await ms_commit(web, [inline(path)])
        assert status == 200
        async with web.get("/api/v1/models/org/model/repo", params={"FilePath": path}) as file:
            assert await file.read() == b"x"
        assert shared.store.find("org/model").file(answer["Data"]["Id"], path).size == 1

    async def test_a_tag_takes_no_commit(self, web, shared):
        shared.store.find("org/model").add_tag("v1", shared.store.find("org/model").resolve(None))
        assert (await ms_commit(web, [inline("a.txt")], branch="v1"))[0] == 404

    async def test_a_commit_without_files_or_summary_is_refused(self, web):
        assert (await ms_commit(web, []))[0] == 400
        assert (await hf_commit(web, summary=""))[0] == 400

    async def test_preupload_takes_256_files(self, web):
        files = [{"path": f"{n}", "size": 1, "sample": ""} for n in range(257)]
        async with web.post("/api/models/org/model/preupload/main", json={"files": files}) as answer:
            assert answer.status == 400

    async def test_empty_files_are_regular_and_binary_ones_are_blobs(self, web):
        sample = base64.b64encode(b"\0\1\2").decode()
        files = [
            {"path": "empty.safetensors", "size": 0, "sample": ""},
            {"path": "a.unknown", "size": 3, "sample": sample},
            {"path": "a.txt", "size": 3, "sample": base64.b64encode(b"abc").decode()},
            {"path": "big.txt", "size": 20 << 20, "sample": base64.b64encode(b"abc").decode()},
        ]
        async with web.post("/api/models/org/model/preupload/main", json={"files": files}) as answer:
            modes = {file["path"]: file["uploadMode"] for file in (await answer.json())["files"]}
        assert modes == {
            "empty.safetensors": "regular",
            "a.unknown": "lfs",
            "a.txt": "regular",
            "big.txt": "lfs",
        }


class TestRanges:
    @pytest.fixture
    async def address(self, web) -> str:
        async with web.get("/org/model/resolve/main/w.safetensors", allow_redirects=False) as answer:
            return answer.headers["Location"]

    @pytest.mark.parametrize(
        ("header", "start", "stop"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=100-199", 100, 200),
            ("bytes=499999-", 499_999, 500_000),
            ("bytes=400000-9999999", 400_000, 500_000),
            ("bytes=-10", 499_990, 500_000),
            ("bytes=-9999999", 0, 500_000),
            ("bytes=1-400000", 1, 400_001),
        ],
    )
    async def test_a_range_is_answered_exactly(self, web, address, header, start, stop):
        async with web.get(address, headers={"Range": header}) as answer:
            assert answer.status == 206
            assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/500000"
            assert int(answer.headers["Content-Length"]) == stop - start
            assert await answer.read() == WEIGHTS[start:stop]

    @pytest.mark.parametrize("header", ["bytes=500000-", "bytes=9999999-", "bytes=-0"])
    async def test_a_range_after_the_end_is_416_with_the_size(self, web, address, header):
        async with web.get(address, headers={"Range": header}) as answer:
            assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */500000")

    @pytest.mark.parametrize(
        "header", ["bytes=5-2", "bytes=0-1,3-4", "bytes=-", "bytes=x-y", "lines=1-2", "bytes=٣-٤"]
    )
    async def test_what_is_no_range_is_answered_with_the_whole(self, web, address, header):
        async with web.get(address, headers={"Range": header}) as answer:
            assert answer.status == 200
            assert await answer.read() == WEIGHTS

    async def test_a_range_of_changed_content_is_answered_with_the_whole(self, web, address):
        same = {"Range": "bytes=0-9", "If-Range": f'"{SHA256}"'}
        other = {"Range": "bytes=0-9", "If-Range": '"something else"'}
        async with web.get(address, headers=same) as answer:
            assert answer.status == 206
        async with web.get(address, headers=other) as answer:
            assert answer.status == 200

    async def test_content_that_the_client_has_is_304(self, web, address):
        async with web.get(address, headers={"If-None-Match": f'"x", W/"{SHA256}"'}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")

    async def test_head_tells_everything_and_sends_nothing(self, web, address):
        async with web.head(address) as answer:
            assert answer.headers["Content-Length"] == "500000"
            assert answer.headers["ETag"] == f'"{SHA256}"'
            assert await answer.read() == b""

    async def test_small_files_take_ranges_in_both_dialects(self, web):
        for path in ("/org/model/resolve/main/README.md", "/api/v1/models/org/model/repo?FilePath=README.md"):
            async with web.get(path, headers={"Range": "bytes=1-3"}) as answer:
                assert (answer.status, await answer.read()) == (206, b"ell")

    async def test_an_empty_file_is_empty(self, web):
        async with web.get("/org/model/resolve/main/empty") as answer:
            assert (answer.status, await answer.read()) == (200, b"")


class TestHuggingFaceHeaders:
    async def test_a_blob_is_a_redirect_that_names_its_size_hash_and_commit(self, web, shared):
        commit = shared.store.find("org/model").resolve("main")
        async with web.head("/org/model/resolve/main/w.safetensors", allow_redirects=False) as answer:
            assert answer.status == 302
            assert answer.headers["X-Repo-Commit"] == commit
            assert answer.headers["X-Linked-Size"] == "500000"
            assert answer.headers["X-Linked-Etag"] == f'"{SHA256}"'
            location = answer.headers["Location"]
        async with web.head(location) as answer:
            assert answer.headers["X-Repo-Commit"] == commit
            assert answer.headers["X-Linked-Etag"] == f'"{SHA256}"'

    async def test_a_small_file_comes_at_once_with_its_git_hash(self, web, shared):
        async with web.get("/org/model/resolve/main/README.md", allow_redirects=False) as answer:
            assert answer.status == 200
            expected = hashlib.sha1(b"blob 5\0hello").hexdigest()
            assert answer.headers["ETag"] == f'"{expected}"'
            assert "X-Linked-Etag" not in answer.headers

    @pytest.mark.parametrize(
        ("path", "status", "code"),
        [
            ("/org/nothing/resolve/main/a", 404, "RepoNotFound"),
            ("/org/model/resolve/nothing/a", 404, "RevisionNotFound"),
            ("/org/model/resolve/main/nothing", 404, "EntryNotFound"),
            ("/api/models/org/nothing", 404, "RepoNotFound"),
            ("/api/models/org/model/revision/nothing", 404, "RevisionNotFound"),
        ],
    )
    async def test_what_is_missing_is_named_by_a_code(self, web, path, status, code):
        async with web.get(path) as answer:
            assert (answer.status, answer.headers["X-Error-Code"]) == (status, code)
            assert "error" in await answer.json()

    async def test_to_nobody_a_missing_repository_is_401(self, shared):
        async with (
            aiohttp.ClientSession(shared.url) as nobody,
            nobody.get("/api/models/org/nothing") as answer,
        ):
            assert (answer.status, answer.headers["X-Error-Code"]) == (401, "RepoNotFound")

    async def test_creating_what_exists_names_its_address(self, web, shared):
        async with web.post("/api/repos/create", json={"name": "model", "organization": "org"}) as answer:
            assert (answer.status, (await answer.json())["url"]) == (409, f"{shared.url}/org/model")

    async def test_pointers_have_the_hash_that_git_gives_them(self, web):
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize 500000\n".encode()
        expected = hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()
        async with web.post(
            "/api/models/org/model/paths-info/main", json={"paths": ["w.safetensors"]}
        ) as answer:
            found = (await answer.json())[0]
        assert (found["oid"], found["lfs"]["pointerSize"]) == (expected, len(pointer))


class TestSignatures:
    async def test_a_signed_address_needs_no_token_and_works_for_one_blob_only(self, shared, web):
        async with web.get("/org/model/resolve/main/w.safetensors", allow_redirects=False) as answer:
            location = answer.headers["Location"]
        async with aiohttp.ClientSession() as nobody:
            async with nobody.get(location) as answer:
                assert answer.status == 200
            other = location.replace(SHA256, sha256(b"hello"))
            async with nobody.get(other) as answer:
                assert answer.status == 403
            async with nobody.put(location, data=WEIGHTS) as answer:
                assert answer.status == 403
            async with nobody.get(location.replace("expires=", "expires=9")) as answer:
                assert answer.status == 403
            async with nobody.get(f"{shared.url}/storage/{SHA256}") as answer:
                assert answer.status == 403

    async def test_a_signed_address_expires(self, make_hub):
        hub = make_hub(signer=Signer(lifetime=-1))
        hub.store.add("org/model", {"w.safetensors": WEIGHTS})
        address = f"{hub.url}/org/model/resolve/main/w.safetensors"
        async with aiohttp.ClientSession() as nobody, nobody.get(address) as answer:
            assert answer.status == 403

    async def test_a_read_token_gets_no_upload_address(self, shared):
        headers = {"Authorization": f"Bearer {READ_TOKEN}"}
        body = {"operation": "upload", "objects": [{"oid": SHA256, "size": 1}]}
        async with aiohttp.ClientSession(shared.url, headers=headers) as reader:
            for path in (
                "/org/model.git/info/lfs/objects/batch",
                "/api/v1/repos/models/org/model/info/lfs/objects/batch",
            ):
                async with reader.post(path, json=body) as answer:
                    assert answer.status == 403


class TestLimits:
    async def test_a_request_larger_than_the_limit_is_refused(self, make_hub):
        hub = make_hub(limits=ServerLimits(json_bytes=1_000, commit_line_bytes=5_000, commit_bytes=20_000))
        hub.store.create("org/model")
        headers = {"Authorization": f"Bearer {hub.token}"}
        async with aiohttp.ClientSession(hub.url, headers=headers) as web:
            async with web.post("/api/repos/create", json={"name": "x" * 2_000}) as answer:
                assert answer.status == 413
            assert (await ms_commit(web, [inline("a", b"x" * 10_000)]))[0] == 413
            one = {"key": "file", "value": {"path": "a", "content": "x" * 10_000, "encoding": "utf-8"}}
            assert (await hf_commit(web, one))[0] == 413
            many = {"key": "file", "value": {"path": "a", "content": "x" * 3_000, "encoding": "utf-8"}}
            assert (await hf_commit(web, *[many] * 10))[0] == 413

    async def test_a_browser_may_not_write(self, web):
        headers = {"Origin": "https://evil.example"}
        async with web.post("/api/repos/create", json={"name": "org/evil"}, headers=headers) as answer:
            assert answer.status == 403

    async def test_a_body_that_stops_arriving_is_given_up(self, make_hub):
        hub = make_hub(limits=ServerLimits(idle_seconds=0.2))
        hub.store.create("org/model")

        async def stalling():
            yield b"{"
            import asyncio

            await asyncio.sleep(30)

        headers = {"Authorization": f"Bearer {hub.token}"}
        address = f"{hub.url}/api/repos/create"
        async with (
            aiohttp.ClientSession(headers=headers) as web,
            web.post(address, data=stalling()) as answer,
        ):
            assert answer.status == 408

    async def test_a_connection_that_says_nothing_is_closed(self, make_hub):
        import asyncio

        hub = make_hub(limits=ServerLimits(idle_seconds=0.2))
        host, port = hub.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTT")
        assert await asyncio.wait_for(_until_closed(reader), 10) == b""
        writer.close()


async def _until_closed(reader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


class TestAnonymousHub:
    """A hub on loopback that was given no token takes any, and demands one for changes."""

    async def test_any_token_writes_and_none_does_not(self, make_hub):
        from hubferry.serve import Policy

        hub = make_hub(policy=Policy(writable=True))
        async with aiohttp.ClientSession(hub.url) as web:
            async with web.post("/api/repos/create", json={"name": "org/a"}) as answer:
                assert answer.status == 401
            headers = {"Authorization": "Bearer whatever"}
            async with web.post("/api/repos/create", json={"name": "org/a"}, headers=headers) as answer:
                assert answer.status == 200

    async def test_a_read_only_hub_takes_nothing_from_anyone(self, make_hub):
        from hubferry.serve import Policy

        hub = make_hub(policy=Policy())
        hub.store.create("org/model")
        async with aiohttp.ClientSession(hub.url, headers={"Authorization": "Bearer x"}) as web:
            assert (await ms_commit(web, [inline("a")]))[0] == 403
            async with web.post("/api/repos/create", json={"name": "org/a"}) as answer:
                assert answer.status == 403

    async def test_where_even_reading_needs_a_token_nobody_reads(self, make_hub):
        from servers import CREDENTIALS

        from hubferry.serve import Policy

        hub = make_hub(policy=Policy(CREDENTIALS, anonymous_reads=False))
        hub.store.add("org/model", {"a": b"x"})
        async with aiohttp.ClientSession(hub.url) as nobody:
            for path in (
                "/org/model/resolve/main/a",
                "/api/models/org/model",
                "/api/models",
                "/api/v1/models/org/model/repo/files",
                "/openapi/v1/models/org/model",
            ):
                async with nobody.get(path) as answer:
                    assert answer.status == 401, path

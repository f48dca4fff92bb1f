"""Servers that speak Hugging Face's dialect less fully, or in ways that the embedded hub does not."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest
from aiohttp import web
from scripted import scripted

from hubferry.errors import HubferryError, IntegrityError, NetworkError, NotFoundError
from hubferry.hubs import open_destination, open_source
from hubferry.model import Blob, RepoFile, RepoRef

COMMIT, OTHER_COMMIT = "a" * 40, "b" * 40
SHA256, SHA1 = "d" * 64, "e" * 40


def ref(revision=None):
    return RepoRef("hf", "org/model", revision)


class Hub:
    """A Hugging Face server of which a test says what it knows: address to answer."""

    def __init__(self, **answers):
        self.answers = answers
        self.info = {"sha": COMMIT, "private": False, "gated": False}

    async def __call__(self, request):
        path = request.path.removeprefix("/api/models/org/model")
        if path in ("", "/") or path.startswith("/revision/"):
            return web.json_response(self.info)
        for part, answer in self.answers.items():
            if path.startswith(f"/{part}") or f"/{part}/" in path:
                return await answer(request) if callable(answer) else web.json_response(answer)
        return web.Response(status=404)


async def listed(hub, revision=None):
    async with scripted(hub) as server:
        source = open_source(ref(), token="t", endpoint=server.url)
        try:
            return await source.files(await source.resolve(ref(revision))), server
        finally:
            await source.close()


async def test_folders_come_in_many_forms_and_are_left_out():
    tree = [
        {"type": "directory", "path": "sub", "oid": SHA1, "size": 0},
        {"type": "directory", "path": ""},
        {"path": ""},
        {"path": "sub/"},
        {"type": "file"},
        {"type": "file", "path": "sub/a.txt", "oid": SHA1, "size": 3},
    ]
    files, _server = await listed(Hub(tree=tree))
    assert files == [RepoFile("sub/a.txt", 3, git_sha1=SHA1)]


async def test_digests_are_read_from_all_the_places_where_servers_put_them():
    tree = [
        {
            "type": "file",
            "path": "a",
            "oid": SHA1,
            "size": 9,
            "lfs": {"oid": SHA256, "size": 9},
            "xetHash": "f" * 64,
        },
        {"type": "file", "path": "b", "oid": SHA1, "size": 134, "lfs": {"sha256": SHA256, "size": 7}},
        {"type": "file", "path": "c", "oid": "no digest", "size": 1},
        {"type": "file", "path": "d", "oid": None, "size": 1, "lfs": None},
    ]
    files, _server = await listed(Hub(tree=tree))
    assert files == [
        RepoFile("a", 9, SHA256, lfs=True, xet_hash="f" * 64),
        RepoFile("b", 7, SHA256, lfs=True),
        RepoFile("c", 1),
        RepoFile("d", 1),
    ]


async def test_sizes_that_the_listing_lacks_are_asked_for():
    async def resolve(request):
        name = request.path.rpartition("/")[2]
        if name == "linked":
            headers = {
                "X-Linked-Size": "77",
                "X-Linked-Etag": f'"{SHA256}"',
                "Location": "https://cdn.invalid/x",
            }
            return web.Response(status=302, headers=headers)
        return web.Response(body=b"12345", headers={"ETag": f'W/"{SHA1}"'})

    tree = [{"type": "file", "path": "linked"}, {"type": "file", "path": "plain"}]
    files, server = await listed(Hub(tree=tree, resolve=resolve))
    assert files == [RepoFile("linked", 77, SHA256, lfs=True), RepoFile("plain", 5, git_sha1=SHA1)]
    assert {one.method for one in server.asked("/resolve/")} == {"HEAD"}


async def test_when_one_size_cannot_be_had_no_other_is_asked_for_afterwards():
    async def resolve(request):
        return web.Response(status=500 if request.path.endswith("/0") else 200, body=b"1")

    tree = [{"type": "file", "path": str(number)} for number in range(400)]
    async with scripted(Hub(tree=tree, resolve=resolve)) as server:
        source = open_source(ref(), token="t", endpoint=server.url)
        revision = await source.resolve(ref())
        with pytest.raises(NetworkError):
            await source.files(revision)
        asked = len(server.asked("/resolve/"))
        await asyncio.sleep(0.2)
        assert len(server.asked("/resolve/")) - asked < 16  # those that were on their way
        await source.close()


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_size_that_only_storage_knows_is_asked_for_there_without_the_token(ranges):
    async def stored(request):
        if request.method == "HEAD":
            return web.Response(status=403)
        if ranges:
            return web.Response(body=b"1", status=206, headers={"Content-Range": "bytes 0-0/4096"})
        return web.Response(body=bytes(4096))

    async def resolve(_request):
        return web.Response(status=302, headers={"Location": f"{storage.url}/x?sig=1", "ETag": f'"{SHA256}"'})

    async with scripted(stored) as storage:
        files, _server = await listed(Hub(tree=[{"type": "file", "path": "a"}], resolve=resolve))
        assert files == [RepoFile("a", 4096, SHA256, lfs=True)]
        assert not any(one.has_token for one in storage.seen)


async def test_a_size_that_nobody_tells_stays_unknown():
    async def resolve(_request):
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        return response

    files, _server = await listed(Hub(tree=[{"type": "file", "path": "a"}], resolve=resolve))
    assert files == [RepoFile("a", None)]


async def test_a_server_without_a_tree_is_listed_by_its_record():
    hub = Hub()
    hub.info["siblings"] = [
        {"rfilename": "a.txt", "size": 3, "blobId": SHA1},
        {
            "rfilename": "w.bin",
            "size": 9,
            "blobId": SHA1,
            "lfs": {"sha256": SHA256, "size": 9, "pointerSize": 1},
        },
    ]
    files, _server = await listed(hub)
    assert files == [RepoFile("a.txt", 3, git_sha1=SHA1), RepoFile("w.bin", 9, SHA256, lfs=True)]


async def test_a_server_that_cannot_list_at_all_is_an_error():
    with pytest.raises(NetworkError):
        await listed(Hub())


async def test_the_next_page_is_asked_of_the_mirror_and_not_of_the_hub_it_names():
    async def tree(request):
        if "cursor" in request.query:
            assert request.query["cursor"] == "x/+="
            return web.json_response([{"type": "file", "path": "b", "size": 1}])
        original = "https://huggingface.co/api/models/org/model/tree/x?recursive=true"
        link = f'<{original}&cursor=x%2F%2B%3D>; rel="next"'
        return web.json_response([{"type": "file", "path": "a", "size": 1}], headers={"Link": link})

    files, server = await listed(Hub(tree=tree))
    assert [file.path for file in files] == ["a", "b"]
    assert len(server.asked("/tree/")) == 2


async def test_an_endpoint_may_have_a_path_of_its_own():
    async def answer(request):
        assert request.path.startswith("/hub/api/models/org/model")
        if request.path.endswith("/model"):
            return web.json_response({"sha": COMMIT})
        if "cursor" in request.query:
            return web.json_response([{"type": "file", "path": "b", "size": 1}])
        return web.json_response(
            [{"type": "file", "path": "a", "size": 1}],
            headers={"Link": f"<{server.url}/api/models/org/model/tree/x?cursor=1>; rel=next"},
        )

    async with scripted(answer) as server:
        source = open_source(ref(), token="t", endpoint=f"{server.url}/hub/")
        files = await source.files(await source.resolve(ref()))
        await source.close()
    assert [file.path for file in files] == ["a", "b"]


async def test_pages_that_never_end_are_given_up():
    async def tree(request):
        return web.json_response([], headers={"Link": f'<{request.url}>; rel="next"'})

    with pytest.raises(NetworkError, match="never ends"):
        await listed(Hub(tree=tree))


async def test_a_page_that_is_no_list_is_no_end_of_the_listing():
    async def tree(request):
        if "cursor" in request.query:
            return web.json_response({"error": "later"})
        link = f'<{request.url}&cursor=1>; rel="next"'
        return web.json_response([{"type": "file", "path": "a", "size": 1}], headers={"Link": link})

    with pytest.raises(NetworkError):
        await listed(Hub(tree=tree))


async def test_one_path_with_two_contents_is_refused_and_listed_twice_alike_is_one():
    one = {"type": "file", "path": "a", "oid": SHA1, "size": 3}
    assert len((await listed(Hub(tree=[one, one])))[0]) == 1
    with pytest.raises(IntegrityError) as caught:
        await listed(Hub(tree=[one, {**one, "size": 4}]))
    assert caught.value.path == "a"


async def test_a_revision_that_the_server_does_not_know_is_not_taken_for_its_main_one():
    refs = {"branches": [{"name": "main", "targetCommit": COMMIT}], "tags": [{"name": "v1"}], "converts": []}
    tree = [{"type": "file", "path": "a", "size": 1}]
    for unknown in ("v9", OTHER_COMMIT, "bbbbbbb"):
        with pytest.raises(NotFoundError):
            await listed(Hub(refs=refs, tree=tree), unknown)
    for known in ("v1", "main", COMMIT, COMMIT[:8], "refs/pr/1"):
        assert (await listed(Hub(refs=refs, tree=tree), known))[0]


async def test_a_server_without_a_list_of_its_branches_is_believed():
    assert (await listed(Hub(tree=[{"type": "file", "path": "a", "size": 1}]), "v9"))[0]


async def test_a_server_that_names_no_commit_is_asked_by_commit_only():
    hub = Hub(tree=[{"type": "file", "path": "a", "size": 1}])
    hub.info = {"id": "org/model"}
    assert (await listed(hub, COMMIT))[0]
    with pytest.raises(NetworkError) as caught:
        await listed(hub)
    assert "COMMIT" in caught.value.hint


@pytest.mark.parametrize(
    ("info", "license_name"),
    [
        ({"cardData": {"license": "mit"}}, "mit"),
        ({"cardData": {"license": ["apache-2.0", "mit"]}}, "apache-2.0"),
        ({"cardData": {}, "tags": ["pytorch", "license:openrail"]}, "openrail"),
        ({"cardData": None, "tags": None}, None),
        ({"cardData": {"license": []}}, None),
    ],
)
async def test_the_licence_is_what_the_model_card_says(info, license_name):
    hub = Hub()
    hub.info.update(info)
    async with scripted(hub) as server:
        source = open_source(ref(), token="t", endpoint=server.url)
        assert (await source.resolve(ref())).license == license_name
        await source.close()


# ------------------------------------------------------------------------------------- blobs in several parts

CONTENT = bytes(range(256)) * 10
BLOB = Blob(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class PartStorage:
    """Takes a blob in parts as the hub's own storage does."""

    def __init__(self, size=1000):
        self.size = size
        self.parts = {}
        self.joined = None
        self.verified = None
        self.url = ""

    async def __call__(self, request):
        if request.path.endswith("/batch"):
            header = {"chunk_size": str(self.size)}
            count = -(-len(CONTENT) // self.size)
            header |= {f"{n:05}": f"{self.url}/part/{n}?sig=s3cret" for n in range(1, count + 1)}
            actions = {"upload": {"href": "/complete", "header": header}, "verify": {"href": "/verify"}}
            return web.json_response(
                {"objects": [{"oid": BLOB.sha256, "size": BLOB.size, "actions": actions}]}
            )
        if request.method == "PUT":
            number = int(request.path.rpartition("/")[2])
            self.parts[number] = await request.read()
            return web.Response(headers={"ETag": f'"etag-{number}"'})
        if request.path == "/complete":
            self.joined = json.loads(await request.read())
            return web.json_response({})
        self.verified = json.loads(await request.read())
        return web.json_response({})


async def upload_in_parts(content, piece, storage=None):
    async def body():
        for at in range(0, len(content), piece):
            yield content[at : at + piece]

    storage = storage or PartStorage()
    async with scripted(storage) as server:
        storage.url = server.url
        destination = open_destination(ref(), token="t", endpoint=server.url)
        try:
            await destination.upload(ref(), BLOB, body)
        finally:
            await destination.close()
    return storage


@pytest.mark.parametrize("piece", [17, 999, 1000, 1001, 2500, 5000])
async def test_a_large_blob_goes_in_the_parts_that_the_hub_wants(piece):
    storage = await upload_in_parts(CONTENT, piece)
    assert [len(storage.parts[n]) for n in (1, 2, 3)] == [1000, 1000, 560]
    assert b"".join(storage.parts[n] for n in (1, 2, 3)) == CONTENT
    assert storage.joined["oid"] == BLOB.sha256
    assert storage.joined["parts"][2] == {"partNumber": 3, "etag": '"etag-3"'}
    assert storage.verified == {"oid": BLOB.sha256, "size": BLOB.size}


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:1000], CONTENT + b"x"])
async def test_parts_of_a_body_of_another_length_are_never_joined(content):
    storage = PartStorage()
    with pytest.raises(HubferryError):
        await upload_in_parts(content, 300, storage)
    assert storage.joined is None

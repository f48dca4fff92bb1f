"""What a hub does wrong never becomes a wrong byte, a false "there", or a leaked token."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket

import pytest
from aiohttp import web
from scripted import cut, scripted

from hubferry.errors import (
    AccessError,
    BusyError,
    ConflictError,
    GatedError,
    HubferryError,
    IntegrityError,
    NetworkError,
    NotFoundError,
    PolicyError,
    TimedOutError,
)
from hubferry.hubs import open_destination, open_source
from hubferry.hubs.http.client import HubClient, Request
from hubferry.hubs.modelscope import blobs as modelscope_blobs
from hubferry.hubs.modelscope.listing import Listing
from hubferry.model import Blob, CommitAction, RepoFile, RepoRef, Revision
from hubferry.patience import Account, Policy
from hubferry.retry import attempt

CONTENT = bytes(range(256)) * 16
FILE = RepoFile("a.bin", len(CONTENT))
HF, MS = RepoRef("hf", "org/model"), RepoRef("ms", "org/model")
PINNED = Revision(HF, "c" * 40)
BLOB = Blob(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
TOKEN = "canary-token"


async def read(server, start=0, stop=None, file=FILE, ref=HF, revision=PINNED):
    source = open_source(ref, token=TOKEN, endpoint=server.url)
    got, failed = bytearray(), None
    try:
        async for piece in source.read(revision, file, start, stop):
            got += piece
    except HubferryError as error:
        failed = error
    await source.close()
    assert CONTENT[start:].startswith(bytes(got)), "a wrong byte was yielded"
    if (start, stop) == (0, None) and file.size:
        await assert_at_one_go(server, ref, revision, file, bytes(got), failed)
    if failed is not None:
        assert failed.path == file.path
        raise failed
    return bytes(got), source


async def assert_at_one_go(server, ref, revision, file, content, failed):
    """A small file that is asked for as a whole comes, or fails, as one that is read."""
    source = open_source(ref, token=TOKEN, endpoint=server.url)
    got, error = None, None
    try:
        got = await source.whole(revision, file)
    except HubferryError as one:
        error = one
    await source.close()
    if failed is None:
        assert (got, error) == (content, None)
    else:
        assert (type(error), error.path, error.side) == (type(failed), file.path, failed.side)


async def upload(server, content=CONTENT, blob=BLOB):
    async def body():
        for at in range(0, len(content), 1000):
            yield content[at : at + 1000]

    destination = open_destination(MS, token=TOKEN, endpoint=server.url)
    try:
        await destination.upload(MS, blob, body)
    finally:
        await destination.close()


async def commit(server):
    destination = open_destination(MS, token=TOKEN, endpoint=server.url)
    try:
        return await destination.commit(MS, [CommitAction("create", "a", 1, None, b"x")], "m")
    finally:
        await destination.close()


def envelope(data=None, status=200, **more):
    return web.json_response(
        {"Code": 200, "Success": True, "Data": data, "Message": "", **more}, status=status
    )


# ------------------------------------------------------------------------------------ reading a range


@pytest.mark.parametrize(("start", "stop"), [(100, 200), (0, 50), (4000, None), (4095, 4096)])
async def test_a_server_that_ignores_a_range_is_read_through_and_seen_through(start, stop):
    async def whole(_request):
        return web.Response(body=CONTENT)

    async with scripted(whole) as server:
        got, source = await read(server, start, stop)
    assert got == CONTENT[start:stop]
    assert source.ignores_ranges == (start > 0)


@pytest.mark.parametrize(
    ("answered", "error"),
    [
        ("bytes 101-200/4096", NetworkError),
        ("bytes 100-150/4096", NetworkError),
        ("bytes 100-300/4096", NetworkError),
        ("bytes 100-199/5000", IntegrityError),
        ("", NetworkError),
        ("rubbish", NetworkError),
    ],
)
async def test_another_range_than_the_one_asked_for_is_refused(answered, error):
    async def shifted(_request):
        headers = {"Content-Range": answered} if answered else {}
        return web.Response(body=b"?" * 100, status=206, headers=headers)

    async with scripted(shifted) as server:
        with pytest.raises(error):
            await read(server, 100, 200)


async def test_a_range_whose_length_is_not_what_it_says_is_refused():
    async def lying(_request):
        headers = {"Content-Range": "bytes 100-199/4096"}
        return web.Response(body=CONTENT[100:180], status=206, headers=headers)

    async with scripted(lying) as server:
        with pytest.raises(NetworkError):
            await read(server, 100, 200)


@pytest.mark.parametrize("length", [0, 1, 4000])
async def test_a_body_that_ends_early_is_a_network_error(length):
    async def short(request):
        return await cut(request, web.StreamResponse(headers={"Content-Length": "4096"}), CONTENT[:length])

    async with scripted(short) as server:
        with pytest.raises(NetworkError):
            await read(server)


async def test_a_body_without_a_length_that_ends_early_is_a_network_error():
    async def short(request):
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(CONTENT[:1000])
        return response

    async with scripted(short) as server:
        with pytest.raises(NetworkError):
            await read(server)


async def test_a_body_that_goes_on_too_long_is_refused_and_none_of_the_rest_is_given():
    async def long(request):
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(CONTENT + b"more")
        return response

    async with scripted(long) as server:
        with pytest.raises(IntegrityError):
            await read(server)


async def test_a_file_of_another_size_than_listed_is_refused_before_its_bytes():
    async def other(_request):
        return web.Response(body=CONTENT[:-1])

    async with scripted(other) as server:
        with pytest.raises(IntegrityError):
            await read(server)


@pytest.mark.parametrize("answered", ["bytes 0-4095/4096", "bytes 0-99/4096", "bytes 1-4096/4097", "rubbish"])
async def test_a_part_is_not_taken_for_the_whole(answered):
    async def part(_request):
        return web.Response(body=CONTENT, status=206, headers={"Content-Range": answered})

    async with scripted(part) as server:
        if answered == "bytes 0-4095/4096":
            assert (await read(server))[0] == CONTENT
        else:
            with pytest.raises((NetworkError, IntegrityError)):
                await read(server)


async def test_a_range_beyond_the_end_is_an_integrity_error():
    async def beyond(_request):
        return web.Response(status=416, headers={"Content-Range": "bytes */10"})

    async with scripted(beyond) as server:
        with pytest.raises(IntegrityError):
            await read(server, 100, 200)


async def test_a_compressed_body_is_not_taken_for_the_file():
    async def compressed(_request):
        response = web.Response(body=CONTENT)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with scripted(compressed) as server:
        for size in (None, len(CONTENT)):
            with pytest.raises(NetworkError):
                await read(server, file=RepoFile("a.bin", size))


async def test_a_server_that_stalls_is_given_up(monkeypatch):
    monkeypatch.setenv("HUBFERRY_TIMEOUT", "0.3")

    async def stalling(request):
        response = web.StreamResponse(headers={"Content-Length": "4096"})
        await response.prepare(request)
        await response.write(CONTENT[:100])
        await asyncio.sleep(30)
        return response

    async with scripted(stalling) as server:
        with pytest.raises(NetworkError):
            await read(server)


async def test_a_file_of_unknown_size_is_read_to_its_end():
    async def whole(_request):
        return web.Response(body=CONTENT)

    async with scripted(whole) as server:
        got, _source = await read(server, file=RepoFile("a.bin", None))
    assert got == CONTENT


async def test_an_empty_file_needs_no_request():
    async def never(_request):
        raise AssertionError

    async with scripted(never) as server:
        got, _source = await read(server, file=RepoFile("a.bin", 0))
        assert got == b""
        assert server.seen == []


# --------------------------------------------------------------------------- redirects and signatures


class Storage:
    """Object storage at another origin, whose addresses are good once each unless told otherwise."""

    def __init__(self, uses=1):
        self.uses = uses
        self.spent: dict[str, int] = {}

    async def __call__(self, request):
        signature = request.query.get("signature", "")
        self.spent[signature] = self.spent.get(signature, 0) + 1
        if self.spent[signature] > self.uses:
            return web.Response(status=403, text=f"<Error>expired signature={signature}</Error>")
        start, stop = request.http_range.start or 0, request.http_range.stop
        if "Range" not in request.headers:
            return web.Response(body=CONTENT)
        stop = len(CONTENT) if stop is None else stop
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(CONTENT)}"}
        return web.Response(body=CONTENT[start:stop], status=206, headers=headers)


def redirecting_to(storage, status=302):
    count = iter(range(1000))

    async def redirect(_request):
        raise web.HTTPFound(f"{storage.url}/blob?signature=signed-{next(count)}")

    return redirect


@pytest.mark.parametrize(("ref", "revision"), [(HF, PINNED), (MS, Revision(MS, "x"))])
async def test_the_token_does_not_follow_a_redirect_to_another_origin(ref, revision):
    async with scripted(Storage()) as storage, scripted(redirecting_to(storage)) as hub:
        got, _source = await read(hub, 5, 50, ref=ref, revision=revision)
        assert got == CONTENT[5:50]
        assert all(one.has_token for one in hub.seen)
        assert len(storage.seen) == 1
        assert not any(one.has_token for one in storage.seen)


async def test_the_token_does_not_come_back_with_a_redirect_from_elsewhere():
    async def answer(request):
        if "back" in request.path:
            return web.Response(body=CONTENT)
        raise web.HTTPFound(f"{elsewhere.url}/there")

    async def send_back(_request):
        raise web.HTTPFound(f"{hub.url}/back")

    async with scripted(send_back) as elsewhere, scripted(answer) as hub:
        got, _source = await read(hub)
        assert got == CONTENT
        assert not any(one.has_token for one in hub.asked("back"))
        assert hub.asked("back")


async def test_an_address_that_expires_is_asked_for_again():
    async with scripted(Storage(uses=2)) as storage, scripted(redirecting_to(storage)) as hub:
        source = open_source(HF, token=TOKEN, endpoint=hub.url)
        got = b""
        for start in range(0, len(CONTENT), 1024):
            got += b"".join([bytes(piece) async for piece in source.read(PINNED, FILE, start, start + 1024)])
        await source.close()
        assert got == CONTENT
        assert len(hub.seen) == 2


async def test_a_fresh_address_that_is_refused_may_be_tried_again_and_is_not_shown():
    async with scripted(Storage(uses=0)) as storage, scripted(redirecting_to(storage)) as hub:
        with pytest.raises(NetworkError) as caught:
            await read(hub)
    assert "signed-0" not in caught.value.message


async def test_a_redirect_within_the_hub_keeps_the_token():
    async def moved(request):
        if request.path.startswith("/new"):
            return web.Response(body=CONTENT)
        raise web.HTTPTemporaryRedirect("/new/name")

    async with scripted(moved) as hub:
        got, _source = await read(hub)
        assert got == CONTENT
        assert all(one.has_token for one in hub.seen)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[::1", "gopher://x/y", "http://"])
async def test_a_redirect_to_no_web_address_is_refused(location):
    async def strange(_request):
        return web.Response(status=302, headers={"Location": location})

    async with scripted(strange) as hub:
        source = open_source(HF, token=TOKEN, endpoint=hub.url)
        with pytest.raises(NetworkError):
            await source.resolve(HF)
        await source.close()


async def test_a_redirect_in_a_circle_is_given_up():
    async def circle(_request):
        raise web.HTTPFound("/api/models/org/model")

    async with scripted(circle) as hub:
        source = open_source(HF, token=TOKEN, endpoint=hub.url)
        with pytest.raises(NetworkError):
            await source.resolve(HF)
        await source.close()
        assert len(hub.seen) < 20


async def test_a_mirror_that_sends_writes_elsewhere_is_named_with_the_endpoint_to_use():
    async def never(_request):
        raise AssertionError

    async def mirror(_request):
        raise web.HTTPPermanentRedirect(f"{original.url}/api/repos/create")

    from hubferry.model import NewRepository

    async with scripted(never) as original, scripted(mirror) as hub:
        destination = open_destination(HF, token=TOKEN, endpoint=hub.url)
        with pytest.raises(HubferryError) as caught:
            await destination.ensure(HF, NewRepository())
        await destination.close()
        assert original.url in caught.value.hint
        assert original.seen == []


# --------------------------------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("status", "headers", "body", "error"),
    [
        (429, {"Retry-After": "7"}, "", BusyError),
        (503, {"Retry-After": "7"}, "", BusyError),
        (503, {}, "", NetworkError),
        (500, {}, "<html>", NetworkError),
        (200, {"Content-Type": "text/html"}, "<html>sign in to the wifi</html>", NetworkError),
        (200, {}, "[1, 2]", NetworkError),
        (200, {}, "{", NetworkError),
        (404, {"X-Error-Code": "RepoNotFound"}, "", NotFoundError),
        (404, {"X-Error-Code": "RevisionNotFound"}, "", NotFoundError),
        (401, {}, "", AccessError),
        (403, {"X-Error-Code": "GatedRepo"}, "", GatedError),
        (403, {"X-Error-Message": "Access to this resource is disabled."}, "", AccessError),
    ],
)
async def test_a_hugging_face_refusal_says_what_kind_it_is(status, headers, body, error):
    async def refusing(_request):
        return web.Response(status=status, headers=headers, text=None, body=body.encode())

    async with scripted(refusing) as hub:
        source = open_source(HF, token=TOKEN, endpoint=hub.url)
        with pytest.raises(error) as caught:
            await source.resolve(HF)
        await source.close()
    assert type(caught.value) is error
    assert caught.value.side == "source"
    if error is BusyError:
        assert caught.value.retry_after == 7.0


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"Code": 404, "Success": False, "Message": "模型不存在"}, NotFoundError),
        (200, {"Success": False, "Message": "record not found"}, NotFoundError),
        (404, {"Code": 10010205001, "Success": False, "Message": "nope"}, NotFoundError),
        (400, {"Code": 10010103009, "Success": False, "Message": "x"}, AccessError),
        (200, {"Code": 10010103009, "Success": False, "Message": "x"}, AccessError),
        (200, {"Success": False, "Message": "用户未登录"}, AccessError),
        (403, {"Message": "access denied"}, AccessError),
        (401, {}, AccessError),
        (200, {"Code": 500, "Success": False, "Message": "system busy"}, NetworkError),
        (500, {"Code": 500, "Success": False, "Message": "does not exist"}, NetworkError),
        (429, {"Message": "slow down"}, BusyError),
    ],
)
async def test_a_modelscope_refusal_counts_whatever_its_status(status, body, error):
    async def refusing(_request):
        return web.json_response(body, status=status)

    async with scripted(refusing) as hub:
        source = open_source(MS, token=TOKEN, endpoint=hub.url)
        with pytest.raises(error) as caught:
            await source.resolve(MS)
        await source.close()
    assert type(caught.value) is error


async def test_a_page_in_place_of_a_listing_is_no_empty_repository():
    for body in (
        "<html></html>",
        '{"Code":200,"Success":true,"Data":null}',
        '{"Code":200,"Data":{}}',
        "[]",
        "",
    ):

        async def page(_request, body=body):
            return web.Response(text=body)

        async with scripted(page) as hub:
            destination = open_destination(MS, token=TOKEN, endpoint=hub.url)
            with pytest.raises(NetworkError):
                await destination.resolve(MS)
            await destination.close()


async def test_a_hub_that_cannot_be_reached_is_a_network_error():
    with socket.socket() as taken:  # and nobody listens there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for ref in (HF, MS):
            source = open_source(ref, token=TOKEN, endpoint=url)
            with pytest.raises(NetworkError) as caught:
                await source.resolve(ref)
            await source.close()
            assert caught.value.hint
            assert TOKEN not in str(caught.value)


async def test_a_host_that_has_no_address_is_a_network_error():
    source = open_source(HF, token=TOKEN, endpoint="https://hub.invalid")
    with pytest.raises(NetworkError, match=r"hub\.invalid"):
        await source.resolve(HF)
    await source.close()


async def test_an_echoed_token_is_not_shown():
    async def echo(request):
        return web.json_response({"error": f"bad {request.headers['Authorization']}"}, status=400)

    async with scripted(echo) as hub:
        source = open_source(HF, token=TOKEN, endpoint=hub.url)
        with pytest.raises(HubferryError) as caught:
            await source.resolve(HF)
        await source.close()
    assert TOKEN not in caught.value.message


# ---------------------------------------------------------------------------------------- the listing


async def test_a_passing_denial_in_the_middle_of_a_walk_is_asked_again():
    denied = {"d3": 2}

    async def hub_with_hiccups(request):
        root = request.query.get("Root")
        if denied.get(root or "", 0) > 0:
            denied[root] -= 1
            return web.json_response({"Message": "access denied"}, status=403)
        if root is None and request.query["Recursive"] == "True":
            return envelope({"Files": [{"Path": f"d0/{n}", "Type": "blob", "Size": 1} for n in range(3000)]})
        if root is None:
            return envelope({"Files": [{"Path": f"d{n}", "Type": "tree"} for n in range(5)]})
        return envelope({"Files": [{"Path": f"{root}/{n}", "Type": "blob", "Size": 1} for n in range(1000)]})

    async with scripted(hub_with_hiccups) as hub:
        source = open_source(MS, token=TOKEN, endpoint=hub.url)
        account = Account(Policy(attempts=4, first=0.01))
        files = await attempt(Listing(source._wire, MS).files, "m", account)
        await source.close()
    assert len(files) == 5000


async def test_a_denial_before_any_success_is_taken_at_its_word():
    async def denying(_request):
        return web.json_response({"Message": "access denied"}, status=403)

    async with scripted(denying) as hub:
        source = open_source(MS, token=TOKEN, endpoint=hub.url)
        with pytest.raises(AccessError):
            await Listing(source._wire, MS).files()
        await source.close()
        assert len(hub.seen) == 1


async def test_a_denial_that_does_not_pass_is_an_error_and_not_a_shorter_listing():
    async def denying_below(request):
        if "Root" in request.query:
            return web.json_response({"Message": "access denied"}, status=403)
        if request.query["Recursive"] == "True":
            return envelope({"Files": [{"Path": f"d0/{n}", "Type": "blob"} for n in range(3000)]})
        return envelope({"Files": [{"Path": "d0", "Type": "tree"}]})

    async with scripted(denying_below) as hub:
        source = open_source(MS, token=TOKEN, endpoint=hub.url)
        with pytest.raises(NetworkError):
            await Listing(source._wire, MS).files()
        await source.close()


# ---------------------------------------------------------------------------------- which are missing


OTHER = Blob("b" * 64, 7)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"objects": None},
        {"objects": "none"},
        {"objects": [None]},
        {"objects": [{"oid": "f" * 64}]},
        {"objects": [{"size": 7}]},
        {"objects": [{"oid": {}, "size": 7}]},
        {"objects": [{"oid": [BLOB.sha256], "size": 7}]},
        {"objects": [{"oid": BLOB.sha256, "actions": "none"}]},
        {"objects": [{"oid": BLOB.sha256, "actions": {"upload": {}}}]},
        {"objects": [{"oid": BLOB.sha256, "actions": {"upload": {"href": ""}}}]},
        {"objects": [{"oid": BLOB.sha256, "actions": {"upload": "there"}}]},
        {"objects": [{"oid": BLOB.sha256, "error": {"code": 500, "message": "try later"}}]},
    ],
)
async def test_an_improper_answer_is_never_taken_for_there(data):
    async def improper(_request):
        return envelope(data)

    async with scripted(improper) as hub:
        destination = open_destination(MS, token=TOKEN, endpoint=hub.url)
        with pytest.raises(NetworkError):
            await destination.missing(MS, [BLOB, OTHER])
        await destination.close()


async def test_what_a_proper_answer_leaves_out_is_there():
    async def proper(_request):
        asked = [
            {"oid": BLOB.sha256, "size": BLOB.size, "actions": {"upload": {"href": "/up"}}},
            {"oid": "d" * 64, "size": 9, "actions": {}},
            {"oid": "e" * 64, "size": 9},
        ]
        return envelope({"objects": asked})

    async with scripted(proper) as hub:
        destination = open_destination(MS, token=TOKEN, endpoint=hub.url)
        blobs = [BLOB, OTHER, Blob("d" * 64, 9), Blob("e" * 64, 9)]
        assert await destination.missing(MS, blobs) == {BLOB.sha256}
        await destination.close()


async def test_one_group_without_an_answer_fails_the_whole_question():
    async def second_fails(request):
        objects = json.loads(await request.read())["objects"]
        return envelope({"objects": []}) if len(objects) == 64 else web.Response(status=502)

    async with scripted(second_fails) as hub:
        destination = open_destination(MS, token=TOKEN, endpoint=hub.url)
        with pytest.raises(NetworkError):
            await destination.missing(MS, [Blob(f"{n:064x}", 1) for n in range(100)])
        await destination.close()


async def test_a_blob_that_the_hub_refuses_for_good_is_not_tried_again():
    async def refusing(_request):
        return envelope({"objects": [{"oid": BLOB.sha256, "error": {"code": 422, "message": "too large"}}]})

    async with scripted(refusing) as hub:
        with pytest.raises(HubferryError, match="too large") as caught:
            await upload(hub)
    assert not caught.value.retryable


async def test_a_hugging_face_answer_that_leaves_a_blob_out_does_not_say_that_it_is_there():
    async def leaving_out(_request):
        return web.json_response({"objects": [{"oid": OTHER.sha256, "size": 7}]})

    async with scripted(leaving_out) as hub:
        destination = open_destination(HF, token=TOKEN, endpoint=hub.url)
        assert await destination.missing(HF, [BLOB, OTHER]) == {BLOB.sha256}
        with pytest.raises(NetworkError):
            await destination.upload(HF, BLOB, lambda: None)
        await destination.close()


@pytest.mark.parametrize("oid", [{}, [BLOB.sha256], 7, None])
async def test_a_hugging_face_answer_about_no_blob_at_all_says_nothing_about_any(oid):
    async def odd(_request):
        return web.json_response({"objects": [{"oid": oid, "size": 7}]})

    async with scripted(odd) as hub:
        destination = open_destination(HF, token=TOKEN, endpoint=hub.url)
        assert await destination.missing(HF, [BLOB]) == {BLOB.sha256}
        await destination.close()


async def test_a_hugging_face_answer_with_actions_of_another_kind_is_not_understood():
    async def odd(_request):
        return web.json_response({"objects": [{"oid": BLOB.sha256, "actions": ["upload"]}]})

    async with scripted(odd) as hub:
        destination = open_destination(HF, token=TOKEN, endpoint=hub.url)
        with pytest.raises(NetworkError):
            await destination.missing(HF, [BLOB])
        await destination.close()


# -------------------------------------------------------------------------------------- storing blobs


def batch_answer(href, header=None):
    return envelope(
        {"objects": [{"oid": BLOB.sha256, "actions": {"upload": {"href": href, "header": header or {}}}}]}
    )


async def test_a_blob_goes_to_storage_elsewhere_without_the_token_and_with_the_headers_it_wants():
    async def storing(_request):
        return web.Response()

    async def hub_answer(_request):
        return batch_answer(f"{storage.url}/put?signature=s3cret", {"X-Ticket": "7"})

    async with scripted(storing) as storage, scripted(hub_answer) as hub:
        await upload(hub)
        (put,) = storage.seen
        assert put.body == CONTENT
        assert not put.has_token
        assert put.headers["X-Ticket"] == "7"
        assert put.headers["Content-Length"] == str(len(CONTENT))
        assert "Transfer-Encoding" not in put.headers


async def test_a_blob_goes_to_the_hub_itself_with_the_token():
    async def answer(request):
        return web.Response() if request.method == "PUT" else batch_answer("/put")

    async with scripted(answer) as hub:
        await upload(hub)
        assert hub.asked("/put")[0].has_token
        assert "m_session_id" in hub.asked("/put")[0].headers["Cookie"]


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://www.modelscope.cn/x", True),
        ("https://lfs.modelscope.cn/x", True),
        ("https://modelscope.ai/x", True),
        ("http://lfs.modelscope.cn/x", False),
        ("https://modelscope.cn.evil.example/x", False),
        ("https://evilmodelscope.cn/x", False),
        ("https://oss.example/x", False),
    ],
)
def test_only_modelscope_itself_may_see_the_token_of_an_upload(url, trusted):
    assert modelscope_blobs._may_see_token(url) is trusted


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ({"status": 500}, NetworkError),
        ({"status": 200, "text": '{"Code": 500, "Message": "hash mismatch"}'}, NetworkError),
        ({"status": 200, "text": '{"Success": false, "Message": "x"}'}, NetworkError),
        ({"status": 403, "text": "<Error>signature=s3cret</Error>"}, NetworkError),
        ({"status": 413}, HubferryError),
    ],
)
async def test_a_blob_counts_as_stored_only_when_the_answer_says_so(response, error):
    async def storing(_request):
        return web.Response(**response)

    async def hub_answer(_request):
        return batch_answer(f"{storage.url}/put?signature=s3cret")

    async with scripted(storing) as storage, scripted(hub_answer) as hub:
        with pytest.raises(error) as caught:
            await upload(hub)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("response", [{"status": 201}, {"text": '{"Code": 200}'}, {"text": "OK"}])
async def test_an_answer_without_a_word_of_failure_is_success(response):
    taken = []

    async def answer(request):
        if request.method != "PUT":
            return batch_answer("/put")
        taken.append(await request.read())
        return web.Response(**response)

    async with scripted(answer) as hub:
        await upload(hub)
    assert taken == [CONTENT]


async def test_a_success_before_the_last_byte_is_not_believed():
    async def early(request):
        return batch_answer("/put") if request.method == "POST" else web.Response()

    async def slow():
        yield CONTENT[:100]
        await asyncio.sleep(30)  # nobody waits for it who has an answer
        yield CONTENT[100:]

    async with scripted(early, reads=False) as hub:
        destination = open_destination(MS, token=TOKEN, endpoint=hub.url)
        with pytest.raises(NetworkError):
            await destination.upload(MS, BLOB, slow)
        await destination.close()


async def test_a_hub_that_stops_taking_bytes_is_given_up():
    large = Blob("a" * 64, 64 << 20)

    async def deaf(request):
        if request.method == "POST":
            return envelope({"objects": [{"oid": large.sha256, "actions": {"upload": {"href": "/put"}}}]})
        await asyncio.sleep(30)
        return web.Response()

    async def body():
        while True:
            yield bytes(1 << 20)

    async with scripted(deaf, reads=False) as hub:
        destination = open_destination(MS, token=TOKEN, endpoint=hub.url)
        await destination.missing(MS, [large])
        destination._client.silence = 0.3
        with pytest.raises(NetworkError, match="stopped taking"):
            await destination.upload(MS, large, body)
        await destination.close()


async def test_a_body_that_makes_a_pause_is_waited_for(monkeypatch):
    monkeypatch.setenv("HUBFERRY_TIMEOUT", "20")
    sleep, pause, looks, taken = asyncio.sleep, asyncio.Event(), [], []

    async def look_in_the_pause(seconds):
        """Let the watch look as often as it can, as if each time were twenty seconds later."""
        await pause.wait()
        looks.append(seconds)
        await sleep(0)

    async def answer(request):
        if request.method != "PUT":
            return batch_answer("/put")
        taken.append(await request.read())
        return web.Response()

    async def pausing():
        yield CONTENT[:100]
        pause.set()
        while looks.count(20.0) < 10:
            await sleep(0)
        monkeypatch.setattr(asyncio, "sleep", sleep)
        yield CONTENT[100:]

    async with scripted(answer) as hub:
        destination = open_destination(MS, token=TOKEN, endpoint=hub.url)
        await destination.missing(MS, [BLOB])
        monkeypatch.setattr(asyncio, "sleep", look_in_the_pause)
        await destination.upload(MS, BLOB, pausing)
        await destination.close()
    assert taken == [CONTENT]


@pytest.mark.parametrize(("lasts", "questions"), [(600.0, 1), (-1.0, 2)])
async def test_an_upload_address_that_has_grown_old_is_asked_for_again(monkeypatch, lasts, questions):
    monkeypatch.setattr(modelscope_blobs, "_LINK_SECONDS", lasts)

    async def answer(request):
        return web.Response() if request.method == "PUT" else batch_answer("/put")

    async def body():
        yield CONTENT

    async with scripted(answer) as hub:
        destination = open_destination(MS, token=TOKEN, endpoint=hub.url)
        await destination.missing(MS, [BLOB])
        await destination.upload(MS, BLOB, body)
        await destination.close()
        assert len(hub.asked("batch")) == questions
        assert len(hub.asked("/put")) == 1


# -------------------------------------------------------------------------------------------- commits


@pytest.mark.parametrize(
    ("status", "headers", "body", "seconds", "error"),
    [
        (429, {"Retry-After": "90"}, {}, 90.0, BusyError),
        (429, {}, {}, None, BusyError),
        (403, {}, {"Message": "E1021 Commit frequency limit exceeded"}, None, BusyError),
        (400, {"Retry-After": "9"}, {"Code": 10030000001, "Message": "x"}, 9.0, PolicyError),
        (400, {}, {"Message": "commit rejected by repository policy"}, None, PolicyError),
        (403, {}, {"Message": "commit rejected by repository policy"}, None, PolicyError),
        (409, {}, {"Code": 10030000001, "Message": "x"}, None, ConflictError),
        (409, {}, {"Message": "Branch changed while committing"}, None, ConflictError),
        (400, {}, {"Message": "could not update refs"}, None, ConflictError),
        (409, {}, {"Message": "please retry"}, None, ConflictError),
        (200, {}, {"Code": 10030000001, "Success": False, "Message": "x"}, None, ConflictError),
        (200, {}, {"Success": False, "Message": "please retry later"}, None, ConflictError),
    ],
)
async def test_a_commit_refused_for_the_moment_says_why_and_how_long(status, headers, body, seconds, error):
    async def busy(_request):
        return web.json_response(body, status=status, headers=headers)

    async with scripted(busy) as hub:
        with pytest.raises(error) as caught:
            await commit(hub)
    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after", None) == seconds
    assert caught.value.side == "destination"


async def test_a_commit_whose_answer_is_lost_is_no_busy_error():
    async def lost(request):
        return await cut(request, web.StreamResponse(headers={"Content-Length": "100"}), b"{")

    async def silent(request):
        request.transport.close()
        return web.Response()

    async def gateway(_request):
        return web.Response(status=504)

    for handler in (lost, silent, gateway):
        async with scripted(handler) as hub:
            with pytest.raises(NetworkError) as caught:
                await commit(hub)
            assert type(caught.value) is (TimedOutError if handler is gateway else NetworkError)
            assert len(hub.seen) == 1


async def test_a_commit_message_that_repeats_a_busy_word_does_not_make_a_success_busy():
    async def success(_request):
        return envelope({"Message": "please retry", "Sha": "1" * 40})

    async with scripted(success) as hub:
        assert await commit(hub) == "1" * 40


async def test_a_commit_answered_by_a_page_may_have_been_made():
    async def page(_request):
        return web.Response(text="<html>gateway</html>")

    for ref in (MS, HF):
        async with scripted(page) as hub:
            destination = open_destination(ref, token=TOKEN, endpoint=hub.url)
            with pytest.raises(NetworkError):
                await destination.commit(ref, [CommitAction("delete", "a")], "m")
            await destination.close()


@pytest.mark.parametrize(("silence", "pause", "connections"), [("60", 0.0, 1), ("3", 1.6, 2)])
async def test_a_connection_that_idled_nearly_as_long_as_one_may_be_silent_is_not_used_again(
    monkeypatch, silence, pause, connections
):
    monkeypatch.setenv("HUBFERRY_TIMEOUT", silence)
    used = set()

    async def answer(request):
        used.add(request.transport.get_extra_info("peername"))
        return web.Response()

    async with scripted(answer) as server:
        client = HubClient(server.url, None, side="source", login=lambda _token: {})
        await client.ask(Request("GET", server.url, {}))
        await asyncio.sleep(pause)
        await client.ask(Request("GET", server.url, {}))
        await client.close()
    assert len(used) == connections


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_no_error_holds_the_token_of_the_other_side(status):
    async def answer(_request):
        return web.json_response({"error": "you sent ms-canary-of-the-destination"}, status=status)

    async with scripted(answer) as server:
        destination = open_destination(MS, token="ms-canary-of-the-destination", endpoint=server.url)
        source = open_source(HF, token=TOKEN, endpoint=server.url)
        with pytest.raises(HubferryError) as caught:
            await source.resolve(HF)
        await source.close()
        await destination.close()
    assert "canary" not in f"{caught.value!r} {caught.value.message} {caught.value.hint}"

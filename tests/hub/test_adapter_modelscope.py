"""The ModelScope adapter against the embedded hub, in the dialect of the official client."""

from __future__ import annotations

import asyncio
import hashlib
import random

import pytest
from adapters import body, content_of
from scripted import count_of

from hubferry.errors import AccessError, HubferryError, NotFoundError, UsageError
from hubferry.hubs import open_destination, open_source
from hubferry.model import Blob, CommitAction, NewRepository, RepoRef
from hubferry.serve import ServerLimits

NAMES = ["a b.bin", "100%+#.bin", "子/模型 😀.bin", "-x.bin", "a&b=c;d.bin", "q?.bin"]
BIG = random.Random("adapter modelscope 1").randbytes(300_000)


def ref(name="org/model", revision=None, **more):
    return RepoRef("ms", name, revision, **more)


def sha(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
async def source(hub):
    opened = open_source(ref(), token=hub.token, endpoint=hub.url)
    yield opened
    await opened.close()


@pytest.fixture
async def destination(hub):
    opened = open_destination(ref(), token=hub.token, endpoint=hub.url)
    yield opened
    await opened.close()


async def test_a_revision_is_a_digest_of_the_listing(hub, source):
    hub.store.add("org/model", {"a.txt": b"one", "model.bin": BIG})
    first = await source.resolve(ref())
    assert (await source.resolve(ref(revision="master"))).commit == first.commit
    hub.store.add("org/model", {"a.txt": b"two"})
    assert (await source.resolve(ref())).commit != first.commit


async def test_what_was_listed_is_read_although_the_branch_moves(hub, source):
    hub.store.add("org/model", {"a.txt": b"one"})
    revision = await source.resolve(ref())
    hub.store.add("org/model", {"a.txt": b"two!"})
    (file,) = await source.files(revision)
    assert await content_of(source, revision, file) == b"one"


async def test_every_file_is_listed_with_its_sha256(hub, source):
    hub.store.add("org/model", {"sub/model.safetensors": BIG, "README.md": b"# hi\n", "empty": b""})
    files = await source.files(await source.resolve(ref()))
    assert [(file.path, file.size, file.sha256) for file in files] == [
        ("README.md", 5, sha(b"# hi\n")),
        ("empty", 0, sha(b"")),
        ("sub/model.safetensors", len(BIG), sha(BIG)),
    ]
    assert [file.lfs for file in files] == [False, False, True]


async def test_resolving_and_listing_is_two_requests(hub, source):
    hub.store.add("org/model", {"a.txt": b"one"})
    await source.files(await source.resolve(ref()))
    assert await count_of(hub, "ms:files", 1) == await count_of(hub, "ms:info", 1) == 1
    assert len(hub.requests.records) == 2


async def test_a_listing_that_the_hub_cuts_is_walked_whole(hub, source):
    contents = {f"d{n % 7}/e{n % 3}/f{n}.txt": b"x" for n in range(6000)} | {
        f"top{n}": b"y" for n in range(20)
    }
    hub.store.add("org/model", contents)
    files = await source.files(await source.resolve(ref()))
    assert {file.path for file in files} == set(contents)
    assert await count_of(hub, "ms:files", 9) == 9  # all, the top level, and seven folders


async def test_a_folder_too_full_to_be_listed_is_an_error_and_never_a_part_of_the_truth(hub, source):
    hub.store.add("org/model", {f"d/f{n}.txt": b"x" for n in range(3001)})
    with pytest.raises(HubferryError, match="d holds 3000 entries"):
        await source.resolve(ref())


@pytest.mark.parametrize("name", NAMES)
async def test_a_file_of_any_name_is_listed_and_read(hub, source, name):
    hub.store.add("org/model", {name: BIG})
    revision = await source.resolve(ref())
    (file,) = await source.files(revision)
    assert file.path == name
    assert await content_of(source, revision, file) == BIG


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 1), (1, 2), (99_999, 300_000), (5, None), (7, 7)])
@pytest.mark.parametrize("name", ["model.bin", "README.md"])
async def test_a_range_is_read_exactly(hub, source, name, start, stop):
    content = BIG if name == "model.bin" else BIG.hex().encode()[:300_000]
    hub.store.add("org/model", {name: content})
    revision = await source.resolve(ref())
    (file,) = await source.files(revision)
    assert await content_of(source, revision, file, start, stop) == content[start:stop]


async def test_what_is_missing_is_named_and_what_might_be_private_is_said(hub, source):
    hub.store.add("org/model", {"a.txt": b"one"})
    hub.store.find("org/model").change(private=True)
    assert (await source.resolve(ref())).private
    for name, revision in (("org/none", None), ("org/model", "v9")):
        with pytest.raises(NotFoundError) as caught:
            await source.resolve(ref(name, revision))
        assert name in caught.value.message
    anonymous = open_source(ref(), token="", endpoint=hub.url)
    with pytest.raises(NotFoundError) as caught:
        await anonymous.resolve(ref())
    await anonymous.close()
    assert "MODELSCOPE_API_TOKEN" in caught.value.hint


async def test_a_wrong_token_is_an_access_error_that_says_where_to_get_one(hub):
    hub.store.add("org/model", {"a.txt": b"one"})
    for opened in (open_source, open_destination):
        adapter = opened(ref(), token="ms-wrong", endpoint=hub.url)
        with pytest.raises(AccessError) as caught:
            await adapter.resolve(ref())
        await adapter.close()
        assert "my/myaccesstoken" in caught.value.hint
        assert "MODELSCOPE_API_TOKEN" in caught.value.hint
        assert "ms-wrong" not in caught.value.message


async def test_a_repository_is_created_once_with_its_licence_and_visibility(hub, destination):
    assert not (await destination.resolve(ref("me/new"))).exists
    assert await destination.ensure(ref("me/new"), NewRepository("private", "openrail"))
    assert not await destination.ensure(ref("me/new"), NewRepository("public", "mit"))
    revision = await destination.resolve(ref("me/new"))
    assert (revision.exists, revision.private, revision.license) == (True, True, "openrail")


async def test_a_repository_without_a_known_licence_is_not_called_apache(hub, destination):
    await destination.ensure(ref("me/new"), NewRepository())
    assert (await destination.resolve(ref("me/new"))).license == "other"


async def test_a_destination_without_an_owner_is_refused(destination):
    with pytest.raises(UsageError):
        await destination.ensure(ref("new"), NewRepository())


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_uploaded_and_committed_is_there(hub, destination, name):
    await destination.ensure(ref(), NewRepository())
    blob = Blob(sha(BIG), len(BIG))
    assert await destination.missing(ref(), [blob]) == {blob.sha256}
    await destination.upload(ref(), blob, body(BIG))
    assert await destination.missing(ref(), [blob]) == frozenset()
    actions = [
        CommitAction("create", name, len(BIG), blob.sha256),
        CommitAction("create", "README.md", 3, None, b"# \n"),
        CommitAction("create", "empty.txt", 0, None, b""),
    ]
    assert await destination.commit(ref(), actions, "say 你好")
    files = {file.path: file for file in await destination.files(await destination.resolve(ref()))}
    assert files[name].sha256 == blob.sha256
    assert files["README.md"].sha256 == sha(b"# \n")
    assert files["empty.txt"].size == 0
    await destination.commit(
        ref(), [CommitAction("delete", name), CommitAction("update", "README.md", 1, None, b"x")], "less"
    )
    files = {file.path: file for file in await destination.files(await destination.resolve(ref()))}
    assert name not in files
    assert files["README.md"].sha256 == sha(b"x")


async def test_an_upload_nobody_asked_about_asks_for_its_address(hub, destination):
    await destination.ensure(ref(), NewRepository())
    blob = Blob(sha(BIG), len(BIG))
    hub.requests.clear()
    await destination.upload(ref(), blob, body(BIG))
    assert await count_of(hub, "storage:put", 1) == await count_of(hub, "ms:batch", 1) == 1
    await destination.upload(ref(), blob, body(BIG))
    assert await count_of(hub, "ms:batch", 2) == 2
    assert await count_of(hub, "storage:put", 1) == 1


async def test_bytes_of_another_digest_are_refused(hub, destination):
    await destination.ensure(ref(), NewRepository())
    with pytest.raises(HubferryError):
        await destination.upload(ref(), Blob(sha(b"else"), len(BIG)), body(BIG))
    assert await destination.missing(ref(), [Blob(sha(b"else"), len(BIG))])


async def test_a_commit_of_a_blob_never_stored_is_refused(destination):
    await destination.ensure(ref(), NewRepository())
    with pytest.raises(HubferryError) as caught:
        await destination.commit(ref(), [CommitAction("create", "a.bin", 4, sha(b"none"))], "m")
    assert not isinstance(caught.value, NotFoundError)
    assert not caught.value.retryable


async def test_more_actions_than_the_hub_takes_are_refused(destination):
    await destination.ensure(ref(), NewRepository())
    actions = [CommitAction("create", f"f{n}.txt", 1, None, b"x") for n in range(2001)]
    with pytest.raises(HubferryError, match="422"):
        await destination.commit(ref(), actions, "m")
    assert await destination.commit(ref(), actions[:2000], "m")


async def test_writing_needs_a_token_that_may_write(hub):
    hub.store.add("org/model", {"a.txt": b"one"})
    for token in ("", hub.read_token):
        destination = open_destination(ref(), token=token, endpoint=hub.url)
        for attempt in (
            destination.ensure(ref("me/new"), NewRepository()),
            destination.missing(ref(), [Blob(sha(BIG), len(BIG))]),
            destination.commit(ref(), [CommitAction("create", "b.txt", 1, None, b"b")], "m"),
        ):
            with pytest.raises(AccessError) as caught:
                await attempt
            assert "MODELSCOPE_API_TOKEN" in caught.value.hint
            assert caught.value.side == "destination"
        await destination.close()


async def test_many_blobs_are_asked_for_in_groups_of_sixty_four(hub, destination):
    await destination.ensure(ref(), NewRepository())
    blobs = [Blob(sha(str(n).encode()), 1 + n) for n in range(200)]
    assert await destination.missing(ref(), [*blobs, *blobs]) == {blob.sha256 for blob in blobs}
    assert await count_of(hub, "ms:batch", 4) == 4


async def test_a_body_that_fails_stores_nothing_and_its_own_error_comes_out(hub, destination):
    await destination.ensure(ref(), NewRepository())
    blob = Blob(sha(BIG), len(BIG))

    async def failing():
        yield BIG[:200_000]
        await asyncio.sleep(0.05)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        await destination.upload(ref(), blob, failing)
    assert await destination.missing(ref(), [blob]) == {blob.sha256}
    assert hub.requests.blobs_received == 0
    await destination.upload(ref(), blob, body(BIG))
    assert await destination.missing(ref(), [blob]) == frozenset()


@pytest.mark.parametrize("content", [BIG[:-1], BIG + b"x", b""])
async def test_a_body_of_another_length_stores_nothing(hub, destination, content):
    await destination.ensure(ref(), NewRepository())
    with pytest.raises(HubferryError, match="not as long"):
        await destination.upload(ref(), Blob(sha(BIG), len(BIG)), body(content))
    assert hub.requests.blobs_received == 0


async def test_an_upload_that_is_cancelled_stores_nothing(hub, destination):
    await destination.ensure(ref(), NewRepository())
    blob, reached, closed = Blob(sha(BIG), len(BIG)), asyncio.Event(), asyncio.Event()

    async def waiting():
        try:
            yield BIG[:100_000]
            reached.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    task = asyncio.create_task(destination.upload(ref(), blob, waiting))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(closed.wait(), 10)
    assert await destination.missing(ref(), [blob]) == {blob.sha256}
    assert hub.requests.blobs_received == 0


async def test_a_dataset_is_listed_by_pages_and_written_like_a_model(make_hub):
    hub = make_hub(limits=ServerLimits())
    there = ref("org/data", repo_type="dataset")
    destination = open_destination(there, token=hub.token, endpoint=hub.url)
    assert await destination.ensure(there, NewRepository("public", "mit"))
    actions = [CommitAction("create", f"f{n}.txt", 1, None, b"x") for n in range(450)]
    await destination.commit(there, actions, "m")
    revision = await destination.resolve(there)
    files = await destination.files(revision)
    assert len(files) == 450
    assert await content_of(destination, revision, files[0]) == b"x"
    await destination.close()

"""The Hugging Face adapter against the embedded hub, in the dialect of the official client."""

from __future__ import annotations

import hashlib
import random

import pytest
from adapters import body, content_of
from scripted import count_of

from hubferry.errors import AccessError, GatedError, NotFoundError, UsageError
from hubferry.hubs import open_destination, open_source
from hubferry.model import Blob, CommitAction, NewRepository, RepoRef

NAMES = ["a b.bin", "100%+#.bin", "子/模型 😀.bin", "-x.bin", "a&b=c;d.bin", "q?.bin"]
BIG = random.Random("adapter huggingface 1").randbytes(300_000)


def ref(name="org/model", revision=None, **more):
    return RepoRef("hf", name, revision, **more)


def sha(content):
    return hashlib.sha256(content).hexdigest()


def git_sha(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
async def source(hub):
    opened = open_source(ref(), token=hub.token, endpoint=hub.url)
    yield opened
    await opened.close()


@pytest.fixture
async def anonymous(hub):
    opened = open_source(ref(), token="", endpoint=hub.url)
    yield opened
    await opened.close()


@pytest.fixture
async def destination(hub):
    opened = open_destination(ref(), token=hub.token, endpoint=hub.url)
    yield opened
    await opened.close()


async def test_branches_tags_and_commits_resolve_to_a_commit(hub, source):
    first = hub.store.add("org/model", {"a.txt": b"one"}).id
    second = hub.store.add("org/model", {"a.txt": b"two"}).id
    hub.store.find("org/model").add_tag("v1", first)
    assert (await source.resolve(ref())).commit == second
    assert (await source.resolve(ref(revision="main"))).commit == second
    assert (await source.resolve(ref(revision="v1"))).commit == first
    assert (await source.resolve(ref(revision=first))).commit == first


async def test_a_resolved_commit_is_read_although_the_branch_moves(hub, source):
    hub.store.add("org/model", {"a.txt": b"one"})
    revision = await source.resolve(ref())
    hub.store.add("org/model", {"a.txt": b"two!"})
    (file,) = await source.files(revision)
    assert await content_of(source, revision, file) == b"one"


async def test_the_listing_names_sizes_and_the_digest_each_file_has(hub, source):
    hub.store.add("org/model", {"sub/model.safetensors": BIG, "README.md": b"# hi\n", "empty": b""})
    files = {file.path: file for file in await source.files(await source.resolve(ref()))}
    assert list(files) == sorted(files) == ["README.md", "empty", "sub/model.safetensors"]
    weights, card = files["sub/model.safetensors"], files["README.md"]
    assert (weights.size, weights.sha256, weights.git_sha1, weights.lfs) == (len(BIG), sha(BIG), None, True)
    assert (card.size, card.sha256, card.git_sha1, card.lfs) == (5, None, git_sha(b"# hi\n"), False)


async def test_a_listing_of_many_pages_is_whole(make_hub):
    from hubferry.serve import ServerLimits

    hub = make_hub(limits=ServerLimits(page=7))
    hub.store.add("org/model", {f"d{n % 5}/f{n}.txt": str(n).encode() for n in range(40)})
    source = open_source(ref(), token=hub.token, endpoint=hub.url)
    files = await source.files(await source.resolve(ref()))
    await source.close()
    assert len(files) == 40
    assert await count_of(hub, "hf:tree", 6) >= 6


@pytest.mark.parametrize("name", NAMES)
async def test_a_file_of_any_name_is_listed_and_read(hub, source, name):
    hub.store.add("org/model", {name: BIG})
    revision = await source.resolve(ref())
    (file,) = await source.files(revision)
    assert file.path == name
    assert await content_of(source, revision, file) == BIG


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 1), (1, 2), (99_999, 300_000), (5, None), (7, 7)])
@pytest.mark.parametrize("name", ["model.bin", "words.txt"])
async def test_a_range_is_read_exactly(hub, source, name, start, stop):
    content = BIG if name == "model.bin" else BIG.hex().encode()[:300_000]
    hub.store.add("org/model", {name: content})
    revision = await source.resolve(ref())
    (file,) = await source.files(revision)
    assert await content_of(source, revision, file, start, stop) == content[start:stop]


async def test_the_hub_is_asked_once_where_a_file_is_however_many_parts_are_read(hub, source):
    import asyncio

    hub.store.add("org/model", {"model.bin": BIG})
    revision = await source.resolve(ref())
    (file,) = await source.files(revision)
    ranges = [(at, min(at + 10_000, len(BIG))) for at in range(0, len(BIG), 10_000)]
    parts = await asyncio.gather(*(content_of(source, revision, file, *one) for one in ranges))
    assert b"".join(parts) == BIG
    assert await count_of(hub, "storage:get", len(ranges)) == len(ranges)
    assert await count_of(hub, "hf:resolve", 1) == 1


async def test_a_copy_with_nothing_to_do_costs_two_requests_a_side(hub, source):
    hub.store.add("org/model", {"a.txt": b"one"})
    await source.files(await source.resolve(ref()))
    assert await count_of(hub, "hf:tree", 1) == await count_of(hub, "hf:info", 1) == 1
    assert len(hub.requests.records) == 2


async def test_what_is_missing_is_named_and_what_might_be_private_is_said(hub, source, anonymous):
    hub.store.add("org/model", {"a.txt": b"one"})
    with pytest.raises(NotFoundError) as caught:
        await source.resolve(ref("org/none"))
    assert "org/none" in caught.value.message
    assert caught.value.side == "source"
    with pytest.raises(NotFoundError) as caught:
        await anonymous.resolve(ref("org/none"))
    assert "HF_TOKEN" in caught.value.hint
    with pytest.raises(NotFoundError) as caught:
        await source.resolve(ref(revision="v9"))
    assert "v9" in caught.value.message


async def test_a_private_repository_is_there_for_its_owner_only(hub, source, anonymous):
    hub.store.add("org/model", {"a.txt": b"one"})
    hub.store.find("org/model").change(private=True)
    assert (await source.resolve(ref())).private
    with pytest.raises(NotFoundError) as caught:
        await anonymous.resolve(ref())
    assert "HF_TOKEN" in caught.value.hint


async def test_a_gated_repository_is_refused_before_the_first_byte(hub, anonymous, source):
    hub.store.add("org/model", {"a.txt": b"one"})
    hub.store.find("org/model").change(gated="manual", granted=(hub.user,))
    with pytest.raises(GatedError) as caught:
        await anonymous.resolve(ref())
    assert f"{hub.url}/org/model" in caught.value.hint
    assert "HF_TOKEN" in caught.value.hint
    assert (await source.resolve(ref())).gated


async def test_a_wrong_token_is_an_access_error(hub):
    hub.store.add("org/model", {"a.txt": b"one"})
    source = open_source(ref(), token="hf_wrong", endpoint=hub.url)
    with pytest.raises(AccessError) as caught:
        await source.resolve(ref())
    await source.close()
    assert "hf_wrong" not in caught.value.message
    assert "HF_TOKEN" in caught.value.hint


async def test_a_destination_that_is_not_there_yet_does_not_exist(destination):
    revision = await destination.resolve(ref("me/new"))
    assert not revision.exists
    assert await destination.files(revision) == []


async def test_a_repository_is_created_once_as_private_as_wished(hub, destination):
    assert await destination.ensure(ref("me/new"), NewRepository("private", "mit"))
    assert not await destination.ensure(ref("me/new"), NewRepository("public"))
    revision = await destination.resolve(ref("me/new"))
    assert revision.exists
    assert revision.private
    assert hub.store.find("me/new").record.private


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
        CommitAction("create", "empty.bin", 0, sha(b"")),
    ]
    commit = await destination.commit(ref(), actions, "say 你好")
    revision = await destination.resolve(ref())
    assert revision.commit == commit
    files = {file.path: file for file in await destination.files(revision)}
    assert files[name].sha256 == blob.sha256
    assert files["README.md"].git_sha1 == git_sha(b"# \n")
    assert files["empty.bin"].size == 0
    await destination.commit(ref(), [CommitAction("delete", name)], "less")
    assert name not in {file.path for file in await destination.files(await destination.resolve(ref()))}


async def test_an_inline_file_that_the_hub_wants_as_a_blob_becomes_one(hub, destination):
    await destination.ensure(ref(), NewRepository())
    content = b"\0\1\2" * 100
    await destination.commit(
        ref(), [CommitAction("create", "tiny.safetensors", len(content), None, content)], "m"
    )
    (file,) = [
        f for f in await destination.files(await destination.resolve(ref())) if f.path.startswith("tiny")
    ]
    assert file.lfs
    assert file.sha256 == sha(content)


async def test_another_branch_is_made_for_the_commit(hub, destination):
    hub.store.add("org/model", {"a.txt": b"one"})
    there = ref(revision="dev")
    assert not (await destination.resolve(there)).exists
    assert not await destination.ensure(there, NewRepository())
    await destination.commit(there, [CommitAction("create", "b.txt", 1, None, b"b")], "m")
    assert {file.path for file in await destination.files(await destination.resolve(there))} == {
        "a.txt",
        "b.txt",
    }
    assert [file.path for file in await destination.files(await destination.resolve(ref()))] == ["a.txt"]


async def test_a_commit_of_a_blob_never_stored_is_refused(destination):
    await destination.ensure(ref(), NewRepository())
    with pytest.raises(Exception, match="400"):
        await destination.commit(ref(), [CommitAction("create", "a.bin", 4, sha(b"none"))], "m")


async def test_writing_needs_a_token_that_may_write(hub):
    hub.store.add("org/model", {"a.txt": b"one"})
    for token in ("", hub.read_token):
        destination = open_destination(ref(), token=token, endpoint=hub.url)
        with pytest.raises(AccessError) as caught:
            await destination.ensure(ref("me/new"), NewRepository())
        assert "HF_TOKEN" in caught.value.hint
        assert caught.value.side == "destination"
        with pytest.raises(AccessError):
            await destination.commit(ref(), [CommitAction("create", "b.txt", 1, None, b"b")], "m")
        await destination.close()


async def test_many_blobs_are_asked_for_in_groups(hub, destination):
    await destination.ensure(ref(), NewRepository())
    blobs = [Blob(sha(str(n).encode()), 1 + n) for n in range(600)]
    assert await destination.missing(ref(), [*blobs, *blobs]) == {blob.sha256 for blob in blobs}
    assert await count_of(hub, "hf:batch", 3) == 3


async def test_a_dataset_is_read_and_written_like_a_model(hub):
    there = ref("org/data", repo_type="dataset")
    destination = open_destination(there, token=hub.token, endpoint=hub.url)
    await destination.ensure(there, NewRepository())
    blob = Blob(sha(BIG), len(BIG))
    await destination.upload(there, blob, body(BIG))
    await destination.commit(there, [CommitAction("create", "a.parquet", blob.size, blob.sha256)], "m")
    revision = await destination.resolve(there)
    (file,) = [file for file in await destination.files(revision) if file.path == "a.parquet"]
    assert await content_of(destination, revision, file, 10, 2000) == BIG[10:2000]
    await destination.close()

"""Branches, tags, history and tasks as the adapters read and make them, of our hub and of odder servers."""

from __future__ import annotations

import contextlib

import pytest
from aiohttp import web
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from modelscope_hub import HubApi
from scripted import scripted

from hubferry.catalog import Reference
from hubferry.errors import AccessError, ConflictError, NetworkError, UsageError
from hubferry.hubs import open_catalog, open_reference_writer
from hubferry.model import RepoRef
from hubferry.serve import Strictness

HF, MS = RepoRef("hf", "org/model"), RepoRef("ms", "org/model")
CARD = b"---\npipeline_tag: text-generation\ntags: [tiny]\n---\n"


@contextlib.asynccontextmanager
async def catalog_of(ref, url, token="t"):
    catalog = open_catalog(ref, token=token, endpoint=url)
    try:
        yield catalog
    finally:
        await catalog.close()


@contextlib.asynccontextmanager
async def writer_of(ref, url, token="t"):
    writer = open_reference_writer(ref, token=token, endpoint=url)
    assert writer is not None
    try:
        yield writer
    finally:
        await writer.close()


async def test_our_hub_says_branches_tags_and_history_to_our_adapters_as_to_the_official_client(hub):
    api = HfApi(hub.url, token=hub.token)
    commits = [hub.store.add("org/model", {"a.txt": bytes([n])}).id for n in range(120)]
    hub.store.find("org/model").add_tag("v1", commits[3])
    hub.store.find("org/model").add_branch("dev", commits[5])
    async with catalog_of(HF, hub.url, hub.token) as catalog:
        found = await catalog.references(HF)
        refs = api.list_repo_refs("org/model", include_pull_requests=True)
        assert {one.name: one.commit for one in found.tags} == {t.name: t.target_commit for t in refs.tags}
        assert {one.name: one.commit for one in found.branches} == {
            b.name: b.target_commit for b in refs.branches
        }
        assert refs.pull_requests == []
        assert (found.default, found.head) == ("main", commits[-1])
        history = await catalog.history(HF, frozenset({"nowhere"}))
        told = api.list_repo_commits("org/model")
        assert history is not None
        assert [one.commit for one in history] == [one.commit_id for one in told]
        assert history[0].time == pytest.approx(told[0].created_at.timestamp())


async def test_a_history_is_read_no_further_than_it_is_wanted(hub):
    commits = [hub.store.add("org/model", {"a.txt": bytes([n])}).id for n in range(120)]
    async with catalog_of(HF, hub.url, hub.token) as catalog:
        hub.requests.clear()
        await catalog.history(HF, frozenset({commits[-3]}))
        assert hub.requests.count("hf:commits") == 1
        await catalog.history(HF, frozenset({commits[-60]}))
        assert hub.requests.count("hf:commits") == 3
        await catalog.history(HF, frozenset({commits[-1], "nowhere"}), any_of=True)
        assert hub.requests.count("hf:commits") == 4


async def test_at_modelscope_names_have_times_and_no_commits(hub):
    commit = hub.store.add("org/model", {"a.txt": b"a"})
    hub.store.find("org/model").add_tag("v1", commit.id)
    async with catalog_of(MS, hub.url, hub.token) as catalog:
        found = await catalog.references(MS)
        assert found.tags == (Reference("v1", None, float(int(commit.time))),)
        assert [one.name for one in found.branches] == [found.default] == ["master"]
        assert found.tags[0].mark == f"created {int(commit.time)}"
        assert await catalog.history(MS, frozenset()) is None


async def test_what_our_adapters_make_the_official_clients_see(hub):
    first, second = (hub.store.add("org/model", {"a.txt": text}).id for text in (b"1", b"2"))
    async with writer_of(HF, hub.url, hub.token) as writer:
        await writer.tag(HF, "v/1", first)
        await writer.branch(HF, "dev/x", first)
        await writer.branch(HF, "gone", second)
        await writer.remove_branch(HF, "gone")
        await writer.remove_branch(HF, "gone")
        with pytest.raises(ConflictError):
            await writer.tag(HF, "v/1", second)
        with pytest.raises(ConflictError):
            await writer.branch(HF, "dev/x", second)
    async with writer_of(MS, hub.url, hub.token) as writer:
        await writer.tag(MS, "v2", second)
        with pytest.raises(ConflictError):
            await writer.tag(MS, "v2", first)
        with pytest.raises(UsageError, match="no call"):
            await writer.branch(MS, "dev", first)
    refs = HfApi(hub.url, token=hub.token).list_repo_refs("org/model")
    assert {one.name: one.target_commit for one in refs.tags} == {"v/1": first, "v2": second}
    assert {one.name: one.target_commit for one in refs.branches} == {"main": second, "dev/x": first}
    api = HubApi(endpoint=hub.url, token=hub.token)
    assert {one["Revision"] for one in api.list_repo_revisions("org/model", "model")} == {
        "master",
        "dev/x",
        "v/1",
        "v2",
    }


@pytest.mark.parametrize("ref", [HF, MS])
async def test_who_may_not_write_makes_no_tag(hub, ref):
    commit = hub.store.add("org/model", {"a.txt": b"a"}).id
    for token in (hub.read_token, None):
        async with writer_of(ref, hub.url, token) as writer:
            with pytest.raises(AccessError):
                await writer.tag(ref, "v1", commit)
    assert hub.store.find("org/model").record.tags == {}


async def test_a_modelscope_that_takes_only_branches_gets_the_branch():
    asked = []

    async def only_branches(request):
        wish = await request.json()
        asked.append(wish["Ref"])
        if wish["Ref"] != "master":
            return web.json_response(
                {"Code": 10010205006, "Success": False, "Message": "ref not found"}, status=404
            )
        return web.json_response({"Code": 200, "Success": True, "Data": {}})

    async with scripted(only_branches) as server, writer_of(MS, server.url) as writer:
        await writer.tag(MS, "v1", "c" * 40)
    assert asked == ["c" * 40, "master"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, {"Code": 1, "Success": False, "Message": "?"}),
        (400, {"Code": 10010101400, "Success": False, "Message": "tag v1 already exists"}),
        (200, {"Code": 10010101400, "Success": False, "Message": "标签已存在"}),
    ],
)
async def test_however_modelscope_says_that_a_tag_is_there_it_is_understood(status, body):
    async def there(_request):
        return web.json_response(body, status=status)

    async with scripted(there) as server, writer_of(MS, server.url) as writer:
        with pytest.raises(ConflictError):
            await writer.tag(MS, "v1", "c" * 40)


@pytest.mark.parametrize("map_", [{"Branches": None, "Tags": None}, {}, {"Tags": ["?", {}, {"Revision": 7}]}])
async def test_a_list_of_names_that_is_empty_or_odd_has_none(map_):
    async def odd(_request):
        return web.json_response({"Code": 200, "Success": True, "Data": {"RevisionMap": map_}})

    async with scripted(odd) as server, catalog_of(MS, server.url) as catalog:
        found = await catalog.references(MS)
        assert (found.branches, found.tags) == ((), ())


@pytest.mark.parametrize(("ref", "answer"), [(HF, {"tags": []}), (HF, []), (MS, {"Code": 200, "Data": None})])
async def test_what_is_no_list_of_names_is_an_error_and_never_none_at_all(ref, answer):
    async def odd(_request):
        return web.json_response(answer)

    async with scripted(odd) as server, catalog_of(ref, server.url) as catalog:
        with pytest.raises(NetworkError):
            await catalog.references(ref)


async def test_a_server_without_a_main_branch_has_another_default_one():
    async def old(_request):
        branches = [{"name": name, "targetCommit": "c" * 40} for name in ("master", "dev")]
        return web.json_response({"branches": branches, "tags": None})

    async with scripted(old) as server, catalog_of(HF, server.url) as catalog:
        assert (await catalog.references(HF)).default == "master"


async def test_a_history_that_never_ends_is_an_error_and_one_that_is_not_known_is_none():
    async def circle(request):
        return web.json_response([{"id": "c" * 40}], headers={"Link": f'<{request.path_qs}>; rel="next"'})

    async def unknown(_request):
        return web.json_response({"error": "Not Found"}, status=404)

    async with scripted(circle) as server, catalog_of(HF, server.url) as catalog:
        with pytest.raises(NetworkError, match="never ends"):
            await catalog.history(HF, frozenset({"nowhere"}))
    async with scripted(unknown) as server, catalog_of(HF, server.url) as catalog:
        assert await catalog.history(HF, frozenset()) is None


def test_a_tag_with_a_message_may_be_listed_by_an_id_of_its_own(make_hub):
    hub = make_hub(strict=Strictness(tag_objects=True))
    api = HfApi(hub.url, token=hub.token)
    commit = hub.store.add("org/model", {"a.txt": b"a"}).id
    api.create_tag("org/model", tag="plain")
    api.create_tag("org/model", tag="annotated", tag_message="the first")
    listed = {one.name: one.target_commit for one in api.list_repo_refs("org/model").tags}
    assert listed["plain"] == commit
    assert listed["annotated"] != commit
    assert api.model_info("org/model", revision="annotated").sha == commit
    api.delete_tag("org/model", tag="annotated")
    api.create_tag("org/model", tag="annotated")
    assert {one.target_commit for one in api.list_repo_refs("org/model").tags} == {commit}


async def test_the_task_of_a_model_comes_from_its_card_at_either_hub(hub):
    hub.store.add("org/model", {"README.md": CARD})
    hub.store.add("org/plain", {"a.txt": b"a"})
    hub.store.add("org/data", {"README.md": b"---\ntask_categories: [translation]\n---\n"}, kind="dataset")
    api = HfApi(hub.url, token=hub.token)
    told = {one.id: one.pipeline_tag for one in api.list_models(author="org", expand=["pipeline_tag"])}
    assert told == {"org/model": "text-generation", "org/plain": None}
    assert set(api.model_info("org/model").tags) == {"tiny", "text-generation"}
    for name in ("hf", "ms"):
        for kind, expected in (("model", told), ("dataset", {"org/data": "translation"})):
            ref = RepoRef(name, "org", repo_type=kind)
            async with catalog_of(ref, hub.url, hub.token) as catalog:
                owned = await catalog.owned(ref)
                assert {one.ref.repo_id: one.pipeline for one in owned.repositories} == expected
                for repo_id, task in expected.items():
                    one = await catalog.repository(RepoRef(name, repo_id, repo_type=kind))
                    assert one.pipeline == task


def test_a_list_expands_nothing_that_a_kind_does_not_have(hub):
    api = HfApi(hub.url, token=hub.token)
    hub.store.add("org/data", {"a.txt": b"a"}, kind="dataset")
    with pytest.raises(HfHubHTTPError):
        list(api.list_datasets(author="org", expand=["pipeline_tag"]))
    assert [one.id for one in api.list_datasets(author="org", expand=["tags"])] == ["org/data"]

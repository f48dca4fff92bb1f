"""What an owner has, asked of servers with ways of their own; and our hub, asked by the official clients."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from huggingface_hub import HfApi
from modelscope_hub import HubApi
from scripted import scripted

from hubferry.catalog import moment_of
from hubferry.errors import NetworkError
from hubferry.hubs import open_catalog
from hubferry.model import RepoRef

HF, MS = RepoRef("hf", "org"), RepoRef("ms", "org")


async def owned(ref, url):
    catalog = open_catalog(ref, token="t", endpoint=url)
    try:
        return await catalog.owned(ref)
    finally:
        await catalog.close()


def names(found):
    return [one.ref.repo_id for one in found.repositories]


async def test_pages_that_lead_to_the_original_hub_are_asked_of_the_mirror():
    async def mirror(request):
        page = int(request.query.get("cursor", "0"))
        headers = (
            {"Link": '<https://huggingface.co/api/models?author=org&cursor=1>; rel="next"'}
            if not page
            else {}
        )
        return web.json_response([{"id": f"org/m{page}"}], headers=headers)

    async with scripted(mirror) as server:
        assert names(await owned(HF, server.url)) == ["org/m0", "org/m1"]
        assert len(server.seen) == 2


async def test_a_list_that_leads_back_to_itself_is_an_error():
    async def circle(request):
        return web.json_response([{"id": "org/m"}], headers={"Link": f'<{request.path_qs}>; rel="next"'})

    async with scripted(circle) as server:
        with pytest.raises(NetworkError, match="never ends"):
            await owned(HF, server.url)


async def test_what_is_not_the_owners_is_not_listed_as_his():
    """A server that does not know how to filter sends everything."""
    entries = [
        {"id": "org/mine"},
        {"id": "organisation/other"},
        {"id": "org"},
        {"id": 7},
        "?",
        {"modelId": "ORG/too"},
    ]

    async def everything(_request):
        return web.json_response(entries)

    async with scripted(everything) as server:
        assert names(await owned(HF, server.url)) == ["ORG/too", "org/mine"]


async def test_what_a_server_does_not_say_is_not_guessed():
    async def silent(_request):
        return web.json_response([{"id": "org/m"}])

    async with scripted(silent) as server:
        (one,) = (await owned(HF, server.url)).repositories
    assert (one.private, one.gated, one.license, one.changed) == (None, None, None, None)


@pytest.mark.parametrize("answer", [{"models": []}, "text", None])
async def test_a_list_that_is_none_is_an_error(answer):
    async def odd(_request):
        return web.json_response(answer)

    async with scripted(odd) as server:
        with pytest.raises(NetworkError):
            await owned(HF, server.url)


def ms_page(request, entries, total):
    number = int(request.query["page_number"]) - 1
    data = {"models": entries[number * 2 : number * 2 + 2], "total_count": total}
    return web.json_response({"success": True, "data": data})


async def test_a_hub_that_gives_fewer_a_page_than_asked_for_is_asked_to_its_total():
    entries = [{"id": f"org/m{n}", "private": False} for n in range(5)]

    async def few(request):
        return ms_page(request, entries, 5)

    async with scripted(few) as server:
        found = await owned(MS, server.url)
        assert names(found) == [f"org/m{n}" for n in range(5)]
        assert found.complete
        assert len(server.seen) == 3


async def test_a_list_that_the_hub_cuts_is_said_to_be_cut():
    entries = [{"id": f"org/m{n}"} for n in range(4)]

    async def cut(request):
        return ms_page(request, entries, 900)

    async with scripted(cut) as server:
        found = await owned(MS, server.url)
    assert (len(found.repositories), found.total, found.complete) == (4, 900, False)


@pytest.mark.parametrize(
    "entry",
    [
        {"Path": "org", "Name": "m", "Visibility": 1, "License": "mit", "LastUpdatedTime": 1_700_000_000},
        {
            "owner": "org",
            "name": "m",
            "visibility": "private",
            "license": "mit",
            "last_modified": 1_700_000_000_000,
        },
        {"id": "org/m", "private": True, "license": "mit", "last_modified": "2023-11-14T22:13:20Z"},
        {"id": 12, "name": "m", "private": True, "license": " mit ", "updated_at": "1700000000"},
    ],
)
async def test_a_repository_is_known_in_every_spelling(entry):
    async def hub(_request):
        return web.json_response({"success": True, "data": {"models": [entry], "total_count": 1}})

    async with scripted(hub) as server:
        (one,) = (await owned(MS, server.url)).repositories
    assert (one.ref.repo_id, one.private, one.license, one.changed) == ("org/m", True, "mit", 1_700_000_000)


@pytest.mark.parametrize("value", ["yesterday", "", True, None, -1, 0, 1e300, 10**400, [], "9" * 400])
def test_a_time_that_is_none_is_none(value):
    assert moment_of(value) is None


def test_the_official_clients_list_an_owners_repositories_page_by_page(hub, monkeypatch, tmp_path):
    monkeypatch.setattr("hubferry.serve.huggingface.repositories._REPOSITORIES_A_PAGE", 2)
    for number in range(5):
        hub.store.create(f"many/m{number}", private=number == 3)
    api = HfApi(endpoint=hub.url, token=hub.token)
    listed = list(api.list_models(author="many", expand=["lastModified", "private"]))
    assert [one.id for one in listed] == [f"many/m{n}" for n in range(5)]
    assert [one.private for one in listed] == [False, False, False, True, False]
    assert all(one.last_modified and one.sha is None for one in listed)
    assert next(iter(api.list_models(author="many", full=True))).siblings is not None
    modelscope = HubApi(endpoint=hub.url, token=hub.token)
    page = modelscope.list_repos("model", owner="many", page_size=2, page_number=2)
    assert (page.total_count, [one.name for one in page.items]) == (5, ["m2", "m3"])
    assert page.items[0].last_modified.year >= 2024


def test_the_hub_lists_nobody_elses_private_repositories(make_hub):
    hub = make_hub()
    hub.store.create("many/hidden", private=True)
    assert json.dumps(list(HfApi(endpoint=hub.url, token=False).list_models(author="many"))) == "[]"

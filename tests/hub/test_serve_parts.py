"""Blobs in parts: as strict about them as the object storage behind the real hub."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import pytest
from huggingface_hub import HfApi

from hubferry.serve import Signer, Strictness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers import TestHub

CONTENT = random.Random("serve parts").randbytes(2_500)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SIZE = 1_000
PARTS = [CONTENT[at : at + SIZE] for at in range(0, len(CONTENT), SIZE)]


@pytest.fixture
def hub(make_hub):
    hub = make_hub(strict=Strictness(part_bytes=SIZE))
    hub.store.create("org/model")
    return hub


@dataclass
class Talk:
    """What a client in parts says to a hub."""

    hub: TestHub
    join: str = ""
    addresses: Sequence[str] = ()

    async def begin(self, **question) -> dict:
        wish = {"operation": "upload", "transfers": ["basic", "multipart"], **question}
        wish["objects"] = [{"oid": SHA256, "size": len(CONTENT)}]
        status, _head, told = await self.ask("POST", "/org/model.git/info/lfs/objects/batch", json=wish)
        assert status == 200
        action = told["objects"][0]["actions"]["upload"]
        header = dict(action.get("header", {}))
        self.join = action["href"]
        if header:
            assert header.pop("chunk_size") == str(SIZE)
            self.addresses = [header[key] for key in sorted(header)]
        return action

    async def ask(self, method: str, url: str, **options):
        parts = urlsplit(url)
        headers = {"Authorization": f"Bearer {self.hub.token}"} if not parts.netloc else {}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, url if parts.netloc else self.hub.url + url, headers=headers, **options
            ) as answer,
        ):
            told = await answer.json() if answer.content_type == "application/json" else None
            return answer.status, answer.headers, told

    async def put(self, number: int, content: bytes | None = None) -> str:
        content = PARTS[number - 1] if content is None else content
        status, head, _told = await self.ask("PUT", self.addresses[number - 1], data=content)
        assert status == 200
        return head["ETag"]

    async def joined(self, parts: Sequence[tuple[int, str]]):
        named = [{"partNumber": number, "etag": etag} for number, etag in parts]
        return await self.ask("POST", self.join, json={"oid": SHA256, "parts": named})


async def test_a_blob_is_there_when_its_parts_are_joined_and_not_before(hub):
    talk = Talk(hub)
    await talk.begin()
    etags = [(number, await talk.put(number)) for number in (2, 1, 3)]
    assert hub.store.blobs.size(SHA256) is None
    assert (await talk.joined(sorted(etags)))[0] == 200
    assert hub.store.blobs.read(SHA256) == CONTENT
    assert not list((hub.store.root / "incoming").iterdir())


async def test_a_part_that_comes_again_takes_the_place_of_the_first(hub):
    talk = Talk(hub)
    await talk.begin()
    etags = {number: await talk.put(number) for number in (1, 2, 3)}
    wrong = await talk.put(2, b"x" * SIZE)
    assert wrong != etags[2]
    status, _head, told = await talk.joined(sorted(etags.items()))
    assert (status, told["error"].partition(":")[0]) == (400, "InvalidPart")
    etags[2] = await talk.put(2)
    assert (await talk.joined(sorted(etags.items())))[0] == 200
    assert hub.store.blobs.read(SHA256) == CONTENT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda etags: [], "MalformedXML"),
        (lambda etags: etags[::-1], "InvalidPartOrder"),
        (lambda etags: [etags[0], etags[0], etags[2]], "InvalidPartOrder"),
        (lambda etags: [etags[0], (2, etags[0][1]), etags[2]], "InvalidPart"),
        (lambda etags: [*etags, (4, etags[0][1])], "InvalidPart"),
        (lambda etags: etags[:2], "hashes to"),
    ],
)
async def test_parts_are_not_joined_in_another_order_with_another_etag_or_without_one(hub, change, said):
    talk = Talk(hub)
    await talk.begin()
    etags = [(number, await talk.put(number)) for number in (1, 2, 3)]
    status, _head, told = await talk.joined(change(etags))
    assert status == 400
    assert said in told["error"]
    assert hub.store.blobs.size(SHA256) is None


async def test_a_part_of_another_length_is_not_taken(hub):
    talk = Talk(hub)
    await talk.begin()
    for content in (PARTS[0] + b"x", PARTS[0][:-1], b""):
        assert (await talk.ask("PUT", talk.addresses[0], data=content))[0] == 400
    assert not list((hub.store.root / "incoming").iterdir())


async def test_parts_of_an_upload_that_was_joined_are_not_known_any_more(hub):
    talk = Talk(hub)
    await talk.begin()
    etags = [(number, await talk.put(number)) for number in (1, 2, 3)]
    await talk.joined(etags)
    assert (await talk.joined(etags))[0] == 404
    assert (await talk.ask("PUT", talk.addresses[0], data=PARTS[0]))[0] == 404


async def test_parts_that_hash_to_something_else_are_thrown_away(hub):
    talk = Talk(hub)
    await talk.begin()
    etags = [(number, await talk.put(number, b"x" * len(PARTS[number - 1]))) for number in (1, 2, 3)]
    status, _head, told = await talk.joined(etags)
    assert status == 400
    assert "hashes to" in told["error"]
    assert hub.store.blobs.size(SHA256) is None
    assert not list((hub.store.root / "incoming").iterdir())


async def test_addresses_of_parts_expire_and_serve_for_nothing_else(make_hub):
    hub = make_hub(strict=Strictness(part_bytes=SIZE), signer=Signer(lifetime=-1))
    hub.store.create("org/model")
    talk = Talk(hub)
    await talk.begin()
    assert (await talk.ask("PUT", talk.addresses[0], data=PARTS[0]))[0] == 403
    assert (await talk.joined([(1, "e")]))[0] == 403
    fresh = Talk(make_hub(strict=Strictness(part_bytes=SIZE)))
    fresh.hub.store.create("org/model")
    await fresh.begin()
    assert (await fresh.ask("PUT", fresh.addresses[0].replace("/part?", "?"), data=PARTS[0]))[0] == 403
    moved = fresh.addresses[0].replace("number=1", "number=2")
    assert (await fresh.ask("PUT", moved, data=PARTS[1]))[0] == 403


async def test_a_client_that_does_not_offer_parts_is_not_asked_for_them(hub):
    action = await Talk(hub).begin(transfers=["basic"])
    assert action.get("header") is None


def test_the_official_client_uploads_in_parts(hub, tmp_path):
    place = tmp_path / "w.safetensors"
    place.write_bytes(CONTENT)
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.upload_file(path_or_fileobj=place, path_in_repo="w.safetensors", repo_id="org/model")
    assert hub.requests.count("storage:part") == 3
    assert hub.requests.count("storage:join") == 1
    repository = hub.store.find("org/model")
    assert repository.tree(repository.resolve(None)).files["w.safetensors"].sha256 == SHA256

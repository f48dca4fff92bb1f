"""Bodies that bring next to nothing, and forms that bring too much: the embedded hub waits for neither."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from typing import TYPE_CHECKING

import pytest
from exchanging import SECONDS, exchanged
from yarl import URL

from hubferry.serve import Seams, ServerLimits

if TYPE_CHECKING:
    from servers import TestHub

WEIGHTS = random.Random("serve bodies 1").randbytes(3_000)
TRICKLE = ServerLimits(idle_seconds=0.5, slowest=2_000)


async def connected(hub: TestHub, head: str, length: int, *more: str):
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(hub.url).port)
    fields = [f"Authorization: Bearer {hub.token}", f"Content-Length: {length}", "Host: localhost", *more]
    writer.write("\r\n".join([head, *fields, "", ""]).encode())
    return reader, writer


async def sent(hub: TestHub, head: str, piece: bytes, times: int) -> bytes:
    """Send a body piece by piece for as long as it is taken, and return the first line of the answer."""
    reader, writer = await connected(hub, head, len(piece) * times)
    answer = asyncio.ensure_future(reader.readline())
    for _piece in range(times):
        writer.write(piece)
        await asyncio.wait([answer], timeout=0.05)
        if answer.done():
            break
    found = await asyncio.wait_for(answer, SECONDS)
    writer.close()
    return found


async def put(hub: TestHub, content: bytes) -> str:
    """Return the head of a request that brings a blob."""
    hub.store.add("org/model", {"w.safetensors": WEIGHTS})
    sha256 = hashlib.sha256(content).hexdigest()
    wish = {"operation": "upload", "objects": [{"oid": sha256, "size": len(content)}]}
    head = "POST /org/model.git/info/lfs/objects/batch HTTP/1.1"
    told = await exchanged(hub, head, "Host: localhost", body=json.dumps(wish).encode())
    href = json.loads(told[2])["objects"][0]["actions"]["upload"]["href"]
    return f"PUT {URL(href).raw_path_qs} HTTP/1.1"


@pytest.mark.parametrize(
    "target",
    [
        "/api/repos/create",
        "/api/v1/models",
        "/api/v1/login",
        "/api/models/org/model/commit/main",
        "/api/validate-yaml",
        "storage",
    ],
)
async def test_a_body_that_only_trickles_is_cut_off(make_hub, target):
    hub = make_hub(limits=TRICKLE)
    head = await put(hub, b" " * 2_000)
    head = head if target == "storage" else f"POST {target} HTTP/1.1"
    assert (await sent(hub, head, b" ", 2_000)).startswith(b"HTTP/1.1 408 ")
    assert not list((hub.store.root / "incoming").iterdir())


async def test_one_that_is_slow_but_steady_is_kept(make_hub):
    hub = make_hub(limits=ServerLimits(idle_seconds=1.0, slowest=100))
    assert (await sent(hub, await put(hub, b"x" * 4_000), b"x" * 100, 40)).startswith(b"HTTP/1.1 200 ")


async def test_time_in_which_the_hub_takes_nothing_is_not_counted(make_hub):
    async def pace(_request, direction, _count):
        if direction == "in":
            await asyncio.sleep(1.2)  # two looks and more

    hub = make_hub(limits=TRICKLE, seams=Seams(pace=pace))
    assert (await sent(hub, await put(hub, b"y" * 900), b"y" * 300, 3)).startswith(b"HTTP/1.1 200 ")


HEAD = "POST /api/v1/datasets HTTP/1.1"
KIND = "Content-Type: multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("datasets", KIND), ("models", "Content-Type: application/json"), ("login", "Content-Type: text/plain")],
)
async def test_what_says_that_it_is_too_large_is_refused_before_any_of_it_is_read(hub, path, kind):
    reader, writer = await connected(hub, f"POST /api/v1/{path} HTTP/1.1", 100_000, kind)
    assert (await asyncio.wait_for(reader.readline(), SECONDS)).startswith(b"HTTP/1.1 413 ")
    writer.close()


def form(fields: dict[str, str]) -> bytes:
    return "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ).encode()


NESTED = (b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(1_000))


@pytest.mark.parametrize(
    "body", [b"--b\r\n\r\n\r\n" * 6_500, b"".join(NESTED)], ids=["many-fields", "nested"]
)
async def test_forms_in_forms_and_very_many_fields_are_refused(hub, body):
    body = form({"Name": "data", "Owner": "org"}) + body
    assert (await exchanged(hub, HEAD, "Host: localhost", KIND, body=body))[0] == 400


async def test_a_form_is_read_as_it_is_meant(hub):
    fields = {"Name": "data", "Owner": "org", "Visibility": "1", "Description": "中文; a=b\r\nmore"}
    told = await exchanged(hub, HEAD, "Host: localhost", KIND, body=form(fields) + b"--b--\r\n")
    record = json.loads(told[2])["Data"]
    assert (record["ModelId"], record["Visibility"]) == ("org/data", 1)
    assert record["Description"] == fields["Description"]

"""Broken upstreams under four clients: none of them completes a wrong file, and each ends."""

from __future__ import annotations

import http.client
import random
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp import web
from servers import running_hub

from hubferry.serve import Seams

CONTENT = {
    "model.safetensors": random.Random("mirror faults large").randbytes(3_300_000),
    "config.json": random.Random("mirror faults small").randbytes(900),
}


class Faults:
    """What an upstream does wrong, by chance."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self._chance = chance
        self._lock = threading.Lock()
        self.breaks = chance.choice([0.0, 0.02, 0.1])
        self.rots = chance.choice([0.0, 0.1, 0.5, 1.0])
        self.fails = chance.choice([0.0, 0.1, 0.3])
        self.ignores_ranges = chance.random() < 0.2
        self.until = chance.choice([3, 12, 40])  # answers after which it is mended
        self._answers = 0

    def _hits(self, share: float) -> bool:
        with self._lock:
            return self._answers < self.until and self._chance.random() < share

    async def pace(self, request, direction, _count) -> None:
        if direction == "out" and self._hits(self.breaks):
            request.transport.abort()
            raise ConnectionResetError

    async def change(self, request, handler):
        with self._lock:
            self._answers += 1
        if self._hits(self.fails):
            return web.Response(
                status=self._chance.choice([500, 502, 503, 429]), headers={"Retry-After": "0"}
            )
        if self.ignores_ranges and "Range" in request.headers:
            headers = {name: value for name, value in request.headers.items() if name != "Range"}
            request = request.clone(headers=headers)
        response = await handler(request)
        path = getattr(response, "path", None)
        if (
            path is None
            or request.method != "GET"
            or response.status not in (200, 206)
            or not self._hits(self.rots)
        ):
            return response
        body = bytearray(path.read_bytes()[response.start : response.stop])
        if body:
            body[self._chance.randrange(len(body))] ^= 255
        names = ("ETag", "Content-Range", "X-Repo-Commit", "X-Linked-Etag", "X-Linked-Size")
        headers = {name: response.headers[name] for name in names if name in response.headers}
        return web.Response(status=response.status, body=bytes(body), headers=headers)


def straight(url, place) -> bool:
    """Read from the first byte to the last; what ends early is not whole."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            body = answer.read()
            whole = len(body) == int(answer.headers["Content-Length"])
    except (OSError, urllib.error.URLError, http.client.IncompleteRead):
        return False
    place.write_bytes(body)
    return whole


def again_and_again(url, place) -> bool:
    """Go on where it broke off, as clients do that know how far they came."""
    for _try in range(6):
        done = subprocess.run(
            ["curl", "-sfL", "-C", "-", "-m", "30", "-o", place, url], check=False, capture_output=True
        )
        if done.returncode == 0:
            return True
        if done.returncode == 33:  # the server does not go on: whoever asks begins anew
            place.unlink()
    return False


def by_wget(url, place) -> bool:
    """Go on as wget does."""
    line = [
        "wget",
        "-q",
        "-c",
        "-t",
        "6",
        "--waitretry=0",
        "--retry-on-http-error=502,503,504,429",
        "-O",
        place,
        url,
    ]
    return subprocess.run(line, check=False, capture_output=True, timeout=60).returncode == 0


def in_parts(url, place) -> bool:
    """Read two halves one after the other, as clients with several connections do."""
    half = 1_650_000
    body = b""
    for part in (f"bytes=0-{half - 1}", f"bytes={half}-"):
        request = urllib.request.Request(url, headers={"Range": part})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                got = answer.read()
                if answer.status != 206 or len(got) != int(answer.headers["Content-Length"]):
                    return False
        except (OSError, urllib.error.URLError, http.client.IncompleteRead):
            return False
        body += got
    place.write_bytes(body)
    return True


CLIENTS = (straight, again_and_again, by_wget, in_parts)


def nobody_completes_a_wrong_file(seed: int, make_mirror, tmp_path) -> None:
    faults = Faults(seed)

    @web.middleware
    async def change(request, handler):
        return await faults.change(request, handler)

    with running_hub(
        tmp_path / f"hub-{seed}", seams=Seams(middlewares=[change], pace=faults.pace)
    ) as upstream:
        upstream.store.add("org/model", CONTENT)
        mirror = make_mirror(root=tmp_path / f"cache-{seed}", store=tmp_path / f"own-{seed}", hf=upstream.url)

        def one(number: int) -> list[tuple[str, bool]]:
            name = "config.json" if number >= len(CLIENTS) else "model.safetensors"
            client = CLIENTS[number % len(CLIENTS)]
            if client is in_parts and name == "config.json":
                client = straight
            place = tmp_path / f"{seed}-{number}"
            whole = client(f"{mirror.url}/org/model/resolve/main/{name}", place)
            return [(f"{client.__name__} {name}", not whole or place.read_bytes() == CONTENT[name])]

        with ThreadPoolExecutor(8) as clients:
            results = [found for group in clients.map(one, range(8)) for found in group]
        assert all(right for _name, right in results), (seed, results)
        mirror.settle()
        for name, content in CONTENT.items():
            for place in mirror.root.glob(f"*@*/{name}"):
                assert place.read_bytes() == content, (seed, name)


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("wget")), reason="curl and wget are clients here"
)
@pytest.mark.parametrize("first", range(0, 20, 5))
def test_under_broken_upstreams_no_client_completes_a_wrong_file(first, make_mirror, tmp_path):
    for seed in range(first, first + 5):
        nobody_completes_a_wrong_file(seed, make_mirror, tmp_path)


@pytest.mark.nightly
@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("wget")), reason="curl and wget are clients here"
)
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(0, 200, 20))
def test_under_two_hundred_broken_upstreams_no_client_completes_a_wrong_file(first, make_mirror, tmp_path):
    for seed in range(first, first + 20):
        nobody_completes_a_wrong_file(seed, make_mirror, tmp_path)

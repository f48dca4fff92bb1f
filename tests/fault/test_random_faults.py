"""Two or three faults at once, at both hubs: every copy converges, and none claims what is not.

A seed draws which faults, at which side and question, of which file, how often, and after how many answers.
"""

from __future__ import annotations

import gzip
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from faults import answer, lose_answer, refuse, rewrite, spoil, stall, stall_after, take_then
from test_network_bytes import flipped, longer, shifted, shifted_and_says_so, shorter
from worlds import KIB, drawn, sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults import Act, Fault
    from worlds import World

PAGE = b"<!doctype html><html><body>Please log in to the guest network</body></html>"
BUSY = {"Code": 500, "Success": False, "Message": "busy", "Data": None}
HTML = {"Content_Type": "text/html"}
CONTENT = {
    "model-00001-of-00002.safetensors": drawn(1300 * KIB + 17, "faults 1"),
    "model-00002-of-00002.safetensors": drawn(150 * KIB, "faults 2"),
    "README.md": b"---\nlicense: mit\n---\n# A model\n",
    "config.json": b'{"model_type": "test"}',
    "tokenizer.json": drawn(20 * KIB, "faults 3").hex().encode(),
    "empty.txt": b"",
}


def older(_request, status, headers, body):
    return status, headers, bytes(len(body))


def cut(_request, status, headers, body):
    return status, headers, body[: len(body) // 2]


def packed(_request, _status, headers, body):
    """Compress against the wish, as one that forgets whether a part was asked for."""
    kept = {name: value for name, value in headers.items() if name not in {"Content-Length", "ETag"}}
    small = gzip.compress(body)
    return 200, kept | {"Content-Encoding": "gzip", "Content-Length": str(len(small))}, small


def half(_request, status, headers, body):
    return status, headers | {"Content-Length": str(len(body) // 2)}, body[: len(body) // 2]


async def _taken(request, _handler):
    """Claim to have stored a blob, and store nothing."""
    await request.read()
    return web.Response()


ANYWHERE: dict[str, Act] = {
    "drop": refuse,
    "silence": stall,
    "429": answer(429, b""),
    "429 with a time": answer(429, b"", Retry_After="0.02"),
    "503": answer(503, b""),
    "503 with a time": answer(503, b"", Retry_After="0.02"),
    "500": answer(500, b"oops"),
    "204": answer(204),
    "a page": answer(200, PAGE, **HTML),
    "a bad gateway's page": answer(502, PAGE, **HTML),
}
OF_FILES: dict[str, Act] = ANYWHERE | {
    "reset in the middle": spoil(cut, reset=True),
    "an early end": spoil(cut),
    "slow, then silent": stall_after(70 * KIB),
    "short": spoil(shorter),
    "long": spoil(longer),
    "a wrong byte": spoil(flipped),
    "other bytes": spoil(shifted),
    "another range": spoil(shifted_and_says_so),
    "an older file": spoil(older),
    "compressed": spoil(packed),
    "401": answer(401, b""),
    "403": answer(403, b"<Error>AccessDenied</Error>"),
    "404": answer(404, b""),
    "410": answer(410, b""),
    "416": answer(416, b""),
    "501": answer(501, b""),
    "sent elsewhere": answer(302, b"", Location="http://127.0.0.1:9/login"),
}
OF_JSON: dict[str, Act] = ANYWHERE | {
    "half an answer": spoil(half),
    "cut off": spoil(cut),
    "null": answer(200, None),
    "deep": answer(200, b"[" * 100_000, Content_Type="application/json"),
    "its limit is used up": answer(503, b"", RateLimit='"api";r=0;t=0.05'),
}
OF_WRITES: dict[str, Act] = OF_JSON | {
    "an answer that gets lost": lose_answer,
    "denied in its envelope": answer(200, BUSY),
    "sent elsewhere": answer(308, b"", Location="https://other.example/"),
}
OF_BLOBS: dict[str, Act] = ANYWHERE | {
    "an answer that gets lost": lose_answer,
    "a reset in the middle": take_then(50 * KIB, refuse),
    "a lie": _taken,
    "403": answer(403, b"<Error>expired</Error>"),
    "denied in its envelope": answer(200, BUSY),
}
LYING: dict[str, Act] = {"says that all is there": rewrite(lambda value: value | {"Data": {"objects": []}})}
EACH_COSTS_A_RUN = {"says that all is there", "a lie", "204", "sent elsewhere"}
"""A success that a destination claims without having done it, and a refusal for good."""
WEIGHTS = [path for path in CONTENT if path.endswith(".safetensors")]
FILES_OF = {
    "storage:get": WEIGHTS,
    "hf:resolve": ["README.md", "config.json", "tokenizer.json"],
    "storage:put": [*WEIGHTS, "tokenizer.json"],
}
PLACES: list[tuple[str, str, dict[str, Act]]] = [
    ("source", "storage:get", OF_FILES),
    ("source", "storage:get", OF_FILES),
    ("source", "hf:resolve", OF_FILES),
    ("source", "hf:info", OF_JSON),
    ("source", "hf:tree", OF_JSON),
    ("destination", "ms:files", OF_JSON),
    ("destination", "ms:create", OF_WRITES),
    ("destination", "ms:batch", OF_WRITES | LYING),
    ("destination", "storage:put", OF_BLOBS),
    ("destination", "ms:commit", OF_WRITES),
]


@dataclass(frozen=True)
class Planned:
    """A fault as it was drawn."""

    side: str
    route: str
    name: str
    path: str | None
    times: int
    skip: int
    fault: Fault

    def __str__(self) -> str:
        where = f"{self.route} of {self.path}" if self.path else self.route
        return f"{self.name} at {where}, {self.times} times after {self.skip} (struck {self.fault.struck})"


def only_about(path: str, content: bytes) -> Callable[[web.Request], bool]:
    digest = sha256(content)
    return lambda request: digest in request.path or request.path.endswith(f"/{path}")


def plan(world: World, seed: int) -> list[Planned]:
    """Draw two or three faults, and plan them."""
    dice = random.Random(f"random faults {seed}")
    drawn_faults = []
    for _number in range(dice.choice([2, 3, 3])):
        side, route, acts = dice.choice(PLACES)
        name = dice.choice(sorted(acts))
        times = 1 if name in EACH_COSTS_A_RUN else dice.choice([1, 1, 2])
        skip = dice.choice([0, 0, 0, 1])
        path = dice.choice(FILES_OF[route]) if route in FILES_OF and dice.random() < 0.7 else None
        details = {"only": only_about(path, CONTENT[path])} if path else {}
        faults = world.source_faults if side == "source" else world.destination_faults
        fault = faults.plan(acts[name], route, times=times, skip=skip, **details)
        drawn_faults.append(Planned(side, route, name, path, times, skip, fault))
    return drawn_faults


def converges(world: World, seed: int) -> None:
    faults = plan(world, seed)
    runs = itertools.count(1)
    while True:
        outcome = world.attempt()
        told = f"seed {seed}: {'; '.join(map(str, faults))}: {outcome.said}"
        if outcome.code == 0:
            break
        world.assert_true()
        costly = sum(one.fault.struck for one in faults if one.name in EACH_COSTS_A_RUN)
        assert next(runs) < 2 + max(0, costly - 1), told
    assert world.published() == world.expected, told
    assert world.commits() == 1, told
    world.assert_true()


@pytest.fixture
def silence():
    return 0.4


@pytest.fixture
def world(make_world, monkeypatch):
    monkeypatch.setenv("HUBFERRY_RETRIES", "7")
    return make_world(content=CONTENT)


@pytest.mark.parametrize("seed", range(12))
def test_two_or_three_faults_at_once_keep_no_copy_from_converging(world, seed):
    converges(world, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(12, 200))
def test_many_more_combinations_of_faults_keep_no_copy_from_converging(world, seed):
    converges(world, seed)

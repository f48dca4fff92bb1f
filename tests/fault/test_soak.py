"""Many files, and a part of all requests fails: every run converges, and hardly a byte moves twice."""

from __future__ import annotations

import random

import pytest
from faults import Fault, answer, lose_answer, refuse, spoil
from worlds import KIB, MIB, drawn, running_world

SHARE = 0.05
MOST_RUNS = 5


class Counter:
    """Count the bytes of bodies that leave or enter the hubs."""

    def __init__(self):
        self.moved = 0

    async def __call__(self, _request, _direction, count):
        self.moved += count


def weather(counter, dice):
    """Return an act that fails in a way drawn by chance."""

    def breaks_off(_request, status, headers, body):
        counter.moved += len(body) // 2
        return status, headers, body[: len(body) // 2]

    ways = [
        refuse,
        answer(500, b"oops"),
        answer(502, b"<html></html>"),
        answer(503, b"", Retry_After="0"),
        answer(429, b""),
        lose_answer,
        spoil(breaks_off),
        spoil(breaks_off, reset=True),
    ]

    async def act(request, handler):
        return await dice.choice(ways)(request, handler)

    return act


def many_files(count, seed):
    dice = random.Random(seed)
    files = {}
    for number in range(count):
        kind = dice.choice(["json", "json", "txt", "bin", "safetensors"])
        size = dice.randrange(200 * KIB) if kind in {"bin", "safetensors"} else dice.randrange(3 * KIB)
        files[f"{number % 13}/{number}.{kind}"] = drawn(size, f"{seed}/{number}")
    for number in range(max(1, count // 60)):
        files[f"large-{number}.safetensors"] = drawn(3 * MIB + number, f"{seed}/large/{number}")
    return files


def soak(top, monkeypatch, count, seed):
    monkeypatch.setenv("HUBFERRY_RETRIES", "6")
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.01")
    monkeypatch.setenv("HUBFERRY_TIMEOUT", "5")
    monkeypatch.setenv("HOME", str(top))
    dice, counter = random.Random(seed), Counter()
    with running_world(top, pace=counter, content=many_files(count, seed)) as world:
        for faults in (world.source_faults, world.destination_faults):
            faults.planned.append(
                Fault(weather(counter, dice), times=None, only=lambda _r: dice.random() < SHARE)
            )
        outcomes = [world.attempt()]
        while outcomes[-1].code and len(outcomes) < MOST_RUNS:
            assert outcomes[-1].code == 5, outcomes[-1].said
            world.assert_true()
            outcomes.append(world.attempt())
        assert outcomes[-1].code == 0, outcomes[-1].said
        assert sum(fault.struck for fault in world.source_faults.planned) > count * SHARE / 2
        assert world.published() == world.expected
        assert world.commits() == 1
        world.assert_true()
        sizes = {digest: len(world.content[path]) for path, digest in world.expected.items()}
        minimum = 2 * sum(sizes.values())
        assert counter.moved <= 1.1 * minimum, f"{counter.moved / minimum:.3f} times the minimum"


@pytest.mark.parametrize("seed", range(2))
def test_a_model_arrives_through_bad_weather_and_hardly_a_byte_moves_twice(
    tmp_path, monkeypatch, quick, seed
):
    soak(tmp_path, monkeypatch, 60, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 120))
def test_a_thousand_files_arrive_through_bad_weather(tmp_path, monkeypatch, quick, seed):
    soak(tmp_path, monkeypatch, 1000, seed)

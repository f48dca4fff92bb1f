"""Small measurements as `make bench` makes them: hub processes, the real command, and what each side saw."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from benchmarks import fronts
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.hubs import running_hub
from benchmarks.matrix import Cell
from benchmarks.repositories import CHANGED_SHARD, build_diffusers, publish, publish_change
from benchmarks.scenarios import Bench

from hubferry.serve import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root: Path = tmp_path_factory.mktemp("source")
    store = Store(root)
    made = {"diffusers": publish(store, "diffusers", partial(build_diffusers, mebibytes=2))}
    made["changed"] = publish_change(store, made["diffusers"])
    with running_hub(root, "source") as source:
        yield Bench(source, made, tmp_path_factory.mktemp("homes"))


def test_a_copy_is_seen_by_both_hubs_and_proven(bench: Bench) -> None:
    measured = bench.measure(Cell("diffusers", "copy", "diffusers", "wan", ()), CONTESTANTS["hubferry"])
    size = bench.repositories["diffusers"].size
    assert measured.fault is None
    assert measured.source.sent >= size
    assert measured.destination.received >= size
    assert measured.destination.commits == 1
    assert measured.usage.disk >= size


@pytest.mark.skipif(fronts.absent() is not None, reason=str(fronts.absent()))
def test_everybody_copies_over_tls_where_nginx_stands_before_the_hubs(bench: Bench) -> None:
    for name in ("hubferry", "download-then-upload"):
        if CONTESTANTS[name].absent() is None:
            cell = Cell("diffusers", "copy", "diffusers", "open-tls", ())
            assert bench.measure(cell, CONTESTANTS[name]).fault is None


def test_a_replaced_shard_is_all_that_the_second_copy_moves(bench: Bench) -> None:
    measured = bench.measure(Cell("changed", "changed", "diffusers", "open", ()), CONTESTANTS["hubferry"])
    shard = bench.repositories["diffusers"].sizes[CHANGED_SHARD]
    assert measured.fault is None
    assert shard <= measured.source.sent < 1.2 * shard
    assert shard <= measured.destination.received < 1.2 * shard


def test_who_publishes_nothing_is_found_out(bench: Bench) -> None:
    idle = Contestant("idle", lambda _task: ["true"], "true")
    measured = bench.measure(Cell("diffusers", "copy", "diffusers", "open", ()), idle)
    assert measured.fault is not None

"""What the benchmark makes of its measurements: medians, verdicts, tables, and which cells there are."""

from __future__ import annotations

import json

import pytest
from benchmarks import matrix, report
from benchmarks.measure import Usage
from benchmarks.results import Measurement, Results, Traffic, wall
from benchmarks.targets import GIBIBYTE, Verdict, judge


def run(cell: str, link: str, who: str, seconds: float, **more) -> Measurement:
    usage = Usage(seconds, more.pop("cpu", 1.0), 0.0, more.pop("memory", 1 << 20), 0, 0)
    return Measurement(cell, link, who, usage, **more)


def verdict(results: Results, words: str) -> Verdict:
    (found,) = [one for one in judge(results) if one.what.startswith(words)]
    return found


def test_a_median_leaves_out_the_runs_that_failed() -> None:
    results = Results([run("big", "wan", "hubferry", seconds) for seconds in (3, 1, 2)])
    results.measurements.append(run("big", "wan", "hubferry", 0.1, fault="exit code 1"))
    assert results.median("big", "wan", "hubferry", wall) == 2


def test_without_a_measurement_there_is_no_verdict() -> None:
    assert {one.reached for one in judge(Results())} == {None}


def test_a_failed_run_reaches_nothing() -> None:
    results = Results([run("big", "wan", "hubferry", 1, fault="exit code 1")], {("big", "wan"): 1.0})
    assert verdict(results, "big, wan").reached is None


def test_wall_time_is_held_against_the_limit_of_the_link() -> None:
    results = Results([run("diffusers", "wan", "hubferry", 10.5)], {("diffusers", "wan"): 10.0})
    assert verdict(results, "diffusers, wan:").value == pytest.approx(1.05)
    assert verdict(results, "diffusers, wan:").reached


def test_the_fastest_of_the_others_is_the_one_to_beat() -> None:
    results = Results(
        [
            run("diffusers", "open", "hubferry", 4.0),
            run("diffusers", "open", "download-then-upload", 6.0),
            run("diffusers", "open", "hfms-bridge-8", 12.0),
        ]
    )
    found = verdict(results, "diffusers, open: times faster")
    assert (found.value, found.reached) == (1.5, False)


def test_bytes_of_a_killed_copy_are_held_against_its_size() -> None:
    twice = run("killed", "wan", "hubferry", 9, source=Traffic(sent=2 * GIBIBYTE))
    assert verdict(Results([twice], sizes={"killed": GIBIBYTE}), "killed").value == 2.0


def test_processor_time_is_counted_for_each_gibibyte() -> None:
    results = Results([run("diffusers", "open", "hubferry", 1, cpu=1.5)], sizes={"diffusers": GIBIBYTE // 2})
    assert verdict(results, "diffusers, open: CPU").value == 3.0


def test_the_table_has_a_row_for_each_contestant_of_each_cell() -> None:
    results = Results(
        [run("many", "wan", who, 2.5) for who in ("hubferry", "curl", "hubferry")],
        {("many", "wan"): 1.0},
    )
    header, _line, ours, theirs = report.table(results).splitlines()
    assert header.split("|")[1].strip() == "what"
    assert [cell.strip() for cell in ours.split("|")][1:7] == ["many", "wan", "1.0", "hubferry", "2", "2.50"]
    assert theirs.split("|")[4].strip() == "curl"


def test_the_document_holds_every_raw_value_and_the_machine() -> None:
    results = Results([run("many", "wan", "hubferry", 2.5), run("many", "wan", "hubferry", 3.5)])
    document = json.loads(report.document(results, judge(results), report.machine(), []))
    assert [one["usage"]["wall"] for one in document["measurements"]] == [2.5, 3.5]
    assert document["machine"]["cores"] >= 1
    assert len(document["targets"]) == len(judge(results))


def test_everything_is_measured_when_nothing_is_chosen() -> None:
    names = {cell.name for cell in matrix.cells((), (), ())}
    assert names == {
        "diffusers", "big", "many", "again", "changed", "killed", "fetch", "fetch-diffusers",
        "memory-small", "memory-large",
    }  # fmt: skip


def test_a_named_link_leaves_out_what_is_not_measured_on_it_by_default() -> None:
    assert {cell.name for cell in matrix.cells((), ("border",), ())} == {"diffusers", "big", "fetch"}


def test_a_named_repository_is_measured_on_whatever_link_is_named() -> None:
    (cell,) = matrix.cells(("many",), ("border",), ("hubferry",))
    assert (cell.name, cell.link, cell.contestants) == ("many", "border", ("hubferry",))

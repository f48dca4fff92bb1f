"""Count what is proven: which fault was caused in which phase, read from the tests that pytest collects.

`python -m tests.fault.matrix` prints the table of docs/reliability.md. Nightly campaigns are left out, and so
is every test that no rule here gives a fault and a phase.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIST, FETCH, PUBLISH, UPLOAD, COMMIT, CHECK, CLEAN = (
    "resolve, list", "fetch", "publish in the cache", "upload", "commit", "check", "clean",
)  # fmt: skip
PHASES = (LIST, FETCH, PUBLISH, UPLOAD, COMMIT, CHECK, CLEAN)
BY_NAME = {
    "resolve": LIST,
    "list": LIST,
    "look": LIST,
    "create": LIST,
    "fetch": FETCH,
    "ask": UPLOAD,
    "upload": UPLOAD,
    "commit": COMMIT,
    "check": CHECK,
}
BY_ROUTE = {
    "hf:info": LIST,
    "hf:tree": LIST,
    "ms:info": LIST,
    "ms:create": LIST,
    "ms:files": CHECK,
    "hf:resolve": FETCH,
    "storage:get": FETCH,
    "ms:batch": UPLOAD,
    "storage:put": UPLOAD,
    "ms:commit": COMMIT,
}
BY_ACT = {
    "fetch-a-large-file": FETCH,
    "go-on-with-a-large-file": FETCH,
    "open-new": CHECK,
    "open-again": CHECK,
    "look-into-an-older-cache": CHECK,
    "look-at-tampered-files": CHECK,
    "clean": CLEAN,
}
Cell = tuple[str, str]
Rule = Callable[[str, dict[str, Any]], "Cell | None"]

IN_A_PHASE = {
    "test_a_repository_that_vanishes_is_named": "repository gone",
    "test_redirects_in_a_circle_end": "redirects in a circle",
    "test_a_kill_in_any_phase_leaves_nothing_wrong": "SIGKILL",
}
AT_A_ROUTE = {
    "test_a_branch_that_moves_in_the_middle_does_not_mix_two_commits": "branch moves",
    "test_a_source_that_is_deleted_in_the_middle_is_never_half_published": "source deleted",
    "test_a_destination_that_is_deleted_in_the_middle_is_made_anew_by_the_next_run": "destination deleted",
    "test_a_source_that_refuses_connections_for_a_while_is_waited_for": "connection refused",
    "test_a_source_that_goes_away_for_good_is_named_and_the_next_run_converges": "connection refused",
    "test_a_destination_that_goes_away_for_good_is_named_and_the_next_run_converges": "connection refused",
    "test_an_answer_that_is_odd_in_one_place_publishes_nothing_wrong": "JSON with an odd value",
    "test_a_redirect_to_another_host_gets_no_token": "redirect to another host",
}
FIXED = {
    "test_a_hub_that_ignores_ranges_costs_bytes_but_no_truth": (FETCH, "range ignored"),
    "test_the_last_block_of_a_wrong_file_never_leaves": (UPLOAD, "wrong byte from the source"),
    "test_a_success_that_is_a_lie_is_found_before_anything_is_published": (UPLOAD, "success that is a lie"),
    "test_an_upload_address_elsewhere_gets_no_token": (UPLOAD, "address elsewhere"),
    "test_a_storage_elsewhere_gets_no_token": (FETCH, "address elsewhere"),
    "test_a_destination_that_is_deleted_after_the_commit_is_not_called_verified": (
        CHECK,
        "destination deleted",
    ),
    "test_a_blob_said_to_exist_that_does_not_is_found_before_publication": (
        UPLOAD,
        "blob that does not exist",
    ),
    "test_an_answer_about_other_blobs_than_were_asked_for_is_no_answer": (UPLOAD, "answer about other blobs"),
    "test_a_commit_whose_answer_was_lost_is_not_made_twice": (COMMIT, "answer-lost"),
    "test_a_commit_whose_every_answer_is_lost_is_found_in_the_listing": (COMMIT, "answer-lost"),
    "test_a_listing_of_the_destination_that_is_cut_short_is_not_taken_for_proof": (
        CHECK,
        "listing cut short",
    ),
    "test_a_listing_that_lags_behind_the_commit_is_looked_at_again": (CHECK, "listing lags behind"),
    "test_a_listing_of_the_source_that_is_cut_short_is_noticed": (LIST, "listing cut short"),
    "test_what_somebody_else_adds_meanwhile_stays": (COMMIT, "destination changed by others"),
    "test_what_somebody_else_overwrites_before_the_commit_is_as_the_source_has_it_afterwards": (
        COMMIT,
        "destination changed by others",
    ),
    "test_what_somebody_else_overwrites_after_the_commit_is_not_called_verified": (
        CHECK,
        "destination changed by others",
    ),
    "test_a_check_reads_both_sides_and_never_calls_what_it_could_not_read_the_same": (CHECK, "500"),
    "test_a_rotten_byte_that_nothing_tells_of_is_found_while_it_is_sent_and_never_published": (
        UPLOAD,
        "bit rot in the cache",
    ),
    "test_a_rotten_byte_that_nothing_tells_of_is_found_by_verify_and_only_that_file_is_fetched": (
        CHECK,
        "bit rot in the cache",
    ),
    "test_a_half_fetched_file_that_rotted_is_fetched_anew": (FETCH, "bit rot in the cache"),
    "test_files_whose_times_jumped_are_hashed_once_and_not_fetched": (CHECK, "clock jump"),
    "test_a_clock_that_jumps_while_a_copy_runs_changes_nothing": (PUBLISH, "clock jump"),
    "test_a_power_cut_at_any_moment_leaves_the_truth_and_what_was_promised": (PUBLISH, "power cut"),
    "test_a_copy_that_lost_its_power_publishes_nothing_wrong_and_is_ended_by_the_next": (FETCH, "power cut"),
    "test_two_runs_of_one_model_share_its_bytes_and_the_second_says_that_it_waits": (FETCH, "second process"),
    "test_many_processes_that_fetch_and_clean_one_model_leave_it_whole_or_gone": (CLEAN, "second process"),
    "test_cleaning_a_model_that_a_run_holds_is_refused_and_touches_nothing": (CLEAN, "model in use"),
    "test_a_run_that_was_killed_holds_nothing_and_is_continued": (FETCH, "stale lock"),
    "test_a_soft_lock_of_a_dead_process_is_taken_over": (FETCH, "stale lock"),
    "test_a_killed_run_continues_and_nothing_wrong_was_published": (FETCH, "SIGKILL"),
    "test_one_bad_file_alone_ends_with_its_own_code": (FETCH, "wrong-byte"),
    "test_a_file_that_vanished_does_not_keep_the_others_from_being_published": (FETCH, "file gone"),
    "test_no_record_is_written_through_a_link": (PUBLISH, "planted link"),
    "test_a_link_that_appears_under_a_final_name_meanwhile_is_replaced_and_its_target_stays": (
        PUBLISH,
        "planted link",
    ),
    "test_what_half_arrived_waits_under_the_name_of_its_content_and_is_never_opened_through_a_link": (
        FETCH,
        "planted link",
    ),
    "test_cleaning_takes_the_link_and_leaves_what_it_leads_to": (CLEAN, "planted link"),
    "test_records_that_are_no_records_stop_no_command": (CLEAN, "tampered records"),
    "test_a_name_that_is_listed_twice_means_one_file_or_none": (LIST, "name listed twice"),
    "test_names_that_differ_in_case_alone_are_both_there_or_both_refused": (
        LIST,
        "names that differ in case",
    ),
}


def cell_of(module: str, function: str, params: dict[str, Any]) -> Cell | None:
    """Return the phase and the fault of one test, None for one that is about something else."""
    if function in FIXED:
        return FIXED[function]
    if function in IN_A_PHASE:
        return BY_NAME[params["phase"]], IN_A_PHASE[function]
    if function in AT_A_ROUTE:
        return BY_ROUTE[params["route"]], AT_A_ROUTE[function]
    rule = BY_MODULE.get(module)
    return rule(function, params) if rule is not None and params else None


def _of_a_question(_function: str, params: dict[str, Any]) -> Cell:
    return BY_NAME[params["phase"]], str(params.get("fault", params.get("status")))


def _of_bytes(phase: str) -> Rule:
    def rule(_function: str, params: dict[str, Any]) -> Cell | None:
        fault = params.get("fault", params.get("status"))
        return None if fault is None else (phase, str(fault))

    return rule


def _of_a_busy_hub(function: str, params: dict[str, Any]) -> Cell | None:
    return (COMMIT, f"busy: {params['kind']}") if "busy" in function else None


def _of_a_command(_function: str, params: dict[str, Any]) -> Cell | None:
    return (BY_ROUTE[params["route_of_kind"]], params["kind"]) if "route_of_kind" in params else None


def _of_a_name(function: str, params: dict[str, Any]) -> Cell | None:
    return (PUBLISH if "strange" in function else LIST), f"name: {params['kind']}"


def _of_an_errno(_function: str, params: dict[str, Any]) -> Cell:
    return BY_ACT.get(params["act"], PUBLISH), errno.errorcode[params["number"]]


def _of_a_signal(_function: str, params: dict[str, Any]) -> Cell | None:
    return (BY_NAME[params["phase"]], params["name"]) if "phase" in params else None


def _of_a_signal_on_disk(function: str, params: dict[str, Any]) -> Cell:
    return (CLEAN if "cleaning" in function else PUBLISH), params["name"]


BY_MODULE: dict[str, Rule] = {
    "test_network_questions": _of_a_question,
    "test_network_bytes": _of_bytes(FETCH),
    "test_network_uploads": _of_bytes(UPLOAD),
    "test_hub_changes": _of_a_busy_hub,
    "test_network_command": _of_a_command,
    "test_names": _of_a_name,
    "test_disk_errno": _of_an_errno,
    "test_kill": _of_a_signal,
    "test_kill_on_disk": _of_a_signal_on_disk,
}


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """As a plugin of a collection: print a line for each test."""
    for item in items:
        if item.get_closest_marker("nightly"):
            continue
        params = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        if "act" in params:
            params["act"] = params["act"].name
        kinds = getattr(item.module, "KINDS", {})
        if params.get("kind") in kinds:
            params["route_of_kind"] = kinds[params["kind"]][0][1]
        plain = {name: value for name, value in params.items() if isinstance(value, (str, int))}
        print("CELL", json.dumps([item.module.__name__.rpartition(".")[2], item.originalname, plain]))


def count() -> Counter[Cell]:
    """Collect the tests of this folder; return how many cases each cell has."""
    line = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-s", "-p", "no:cacheprovider",
            "-p", "tests.fault.matrix", "tests/fault"]  # fmt: skip
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    cells: Counter[Cell] = Counter()
    for text in done.stdout.splitlines():
        if text.startswith("CELL "):
            cell = cell_of(*json.loads(text.removeprefix("CELL ")))
            if cell is not None:
                cells[cell] += 1
    return cells


def table(cells: Counter[Cell]) -> str:
    """Return the count as docs/reliability.md shows it."""
    lines = ["| phase | faults caused in it | cases |", "|---|---|---|"]
    for phase in PHASES:
        faults = [fault for one, fault in cells if one == phase]
        cases = sum(number for (one, _fault), number in cells.items() if one == phase)
        lines.append(f"| {phase} | {len(faults)} | {cases} |")
    lines.append(f"| **together** | **{len(cells)} cells** | **{cells.total()}** |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table(count()) + "\n")

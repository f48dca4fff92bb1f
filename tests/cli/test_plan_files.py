"""A plan that is written down, and carried out later as it stands or not at all."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from desks import digests

PAIR = ("hf:org/model", "ms:mine/model")


def planned(desk, *words):
    """Write a plan down; return its file."""
    desk.inside("copy", *(words or PAIR), "--plan-out", "plan.jsonl", check_code=0)
    return desk.home / "plan.jsonl"


def rewritten(place, change):
    """Change a plan as somebody would who knows how it is sealed."""
    head, *lines = (json.loads(line) for line in place.read_text().splitlines())
    change(head, lines)
    head.pop("seal", None)
    text = [json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines]
    digest = hashlib.sha256(json.dumps(head, sort_keys=True, separators=(",", ":")).encode())
    for line in text:
        digest.update(line)
    first = json.dumps(head | {"seal": digest.hexdigest()}, separators=(",", ":")).encode() + b"\n"
    place.write_bytes(b"".join([first, *text]))


def test_a_plan_is_written_down_a_line_a_file_and_carried_out_exactly(desk, model):
    place = planned(desk)
    head, *lines = (json.loads(line) for line in place.read_text().splitlines())
    assert (head["kind"], head["schema"], head["files"]) == ("hubferry-plan", 1, len(digests(model)))
    assert head["source"]["commit"] == desk.source.store.find("org/model").resolve(None)
    assert head["destination"]["exists"] is False
    assert {line["path"] for line in lines} == set(digests(model))
    assert desk.destination.requests.commits == desk.destination.requests.blobs_received == 0
    assert desk.destination.token not in place.read_text()
    assert "plan: " in desk.inside("apply", "plan.jsonl", "--dry-run", check_code=0).out
    done = desk.inside("apply", "plan.jsonl", "--json", check_code=0).json()
    assert (done["verified"], done["commit_count"]) == (True, 1)
    assert desk.published() == digests(model)
    stale = desk.inside("apply", "plan.jsonl")
    assert (stale.code, "is there by now" in stale.err) == (2, True)


@pytest.mark.parametrize("there", ["hf:mine/model", "ms:mine/model", "folder"])
@pytest.mark.parametrize("moved", ["source", "destination"])
def test_a_plan_is_not_carried_out_after_either_side_has_moved(desk, model, there, moved):
    target = str(desk.home / "folder") if there == "folder" else there
    end = ("--destination-endpoint", desk.destination.url)
    desk.inside("copy", "hf:org/model", target, *end, check_code=0)
    desk.source.store.add("org/model", {"new.txt": b"new"})
    desk.inside("copy", "hf:org/model", target, *end, "--plan-out", "plan.jsonl", check_code=0)
    if moved == "source":
        desk.source.store.add("org/model", {"newer.txt": b"newer"})
    elif there == "folder":
        (desk.home / "folder" / "other.txt").write_text("x")
    else:
        desk.destination.store.add("mine/model", {"other.txt": b"x"})
    before, commits = state(desk, there), desk.destination.requests.commits
    for more in ((), ("--dry-run",)):
        done = desk.inside("apply", "plan.jsonl", *end, *more)
        assert (done.code, "has moved since the plan was made" in done.err) == (2, True), done.said
    assert (state(desk, there), desk.destination.requests.commits) == (before, commits)


def state(desk, there):
    return digests(desk.home / "folder") if there == "folder" else desk.published()


def edits():
    def path(head, lines):
        lines[0]["path"] = "../../escaped"

    def digest(head, lines):
        lines[-1].update(sha256="0" * 64, git_sha1="0" * 40)

    def action(head, lines):
        lines[0]["action"] = "delete"

    def size(head, lines):
        lines[0]["size"] += 1

    def fewer(head, lines):
        del lines[0]

    def more(head, lines):
        lines.append(lines[0] | {"path": "zzz"})

    def twice(head, lines):
        lines.append(lines[0])

    def number(head, lines):
        lines[0]["size"] = -1

    def unknown(head, lines):
        head["options"]["shell"] = "rm"

    return [path, digest, action, size, fewer, more, twice, number, unknown]


@pytest.mark.parametrize("edit", edits(), ids=lambda edit: edit.__name__)
def test_a_plan_that_was_edited_does_nothing_even_when_it_is_sealed_anew(desk, model, edit):
    place = planned(desk)
    rewritten(place, edit)
    done = desk.inside("apply", "plan.jsonl")
    assert done.code == 6, done.said
    assert desk.destination.requests.commits == desk.destination.requests.blobs_received == 0
    assert not (desk.home.parent / "escaped").exists()


def test_a_plan_that_is_damaged_newer_or_none_is_refused_in_words(desk, model):
    place = planned(desk)
    whole = place.read_bytes()
    changed = whole.replace(b'"put"', b'"same"', 1)
    for content, code in (
        (changed, 6),
        (whole.replace(b'"delete":false', b'"delete":true', 1), 6),
        (whole[:-1], 6),
        (whole[: len(whole) // 2], 6),
        (whole.replace(b'"schema":1', b'"schema":2'), 2),
        (whole.replace(b'"schema":1', b'"schema":"\\u001b[2J"'), 2),
        (b"", 2),
        (b"[]\n", 2),
        (b"[" * 100_000, 2),
        (b'{"kind": "hubferry-receipt"}\n', 2),
    ):
        place.write_bytes(content)
        done = desk.inside("apply", "plan.jsonl")
        assert done.code == code, done.said
        assert "unexpected" not in done.err
    place.unlink()
    os.mkfifo(place)
    assert desk.inside("apply", "plan.jsonl").code == 2
    place.unlink()
    assert desk.inside("apply", "plan.jsonl").code == 3
    assert desk.destination.requests.commits == 0


def test_no_hub_is_asked_because_a_plan_says_so(desk, model):
    place = planned(desk)

    def elsewhere(head, _lines):
        head["destination"]["endpoint"] = "http://127.0.0.1:9"

    rewritten(place, elsewhere)
    done = desk.inside("apply", "plan.jsonl")
    assert (done.code, "and here that is" in done.err) == (2, True)


def test_what_was_asked_for_goes_along_and_what_is_more_than_a_commit_is_refused(desk, model):
    words = (*PAIR, "--include", "*.json", "--message", "As agreed", "--private", "--tag", "v1")
    planned(desk, *words)
    desk.inside("apply", "plan.jsonl", check_code=0)
    repository = desk.destination.store.find("mine/model")
    assert set(desk.published()) == {path for path in digests(model) if path.endswith(".json")}
    assert repository.record.private
    assert repository.history.commit(repository.resolve("v1")).title == "As agreed"
    for more in (("--tags", "*"), ("--create-pr",), ("--verify-only",)):
        refused = desk.inside("copy", *PAIR, *more, "--plan-out", "other.jsonl")
        assert refused.code == 2
    assert not (desk.home / "other.jsonl").exists()


def test_a_copy_that_is_refused_writes_no_plan(desk, model):
    refused = desk.inside("copy", *PAIR, "--plan-out", "plan.jsonl", "--tag", "main")
    assert refused.code == 2
    assert not (desk.home / "plan.jsonl").exists()
    before = len(desk.source.requests.records)
    lost = desk.inside("copy", *PAIR, "--plan-out", str(desk.home / "no" / "plan.jsonl"))
    assert lost.code == 7, lost.said
    assert f"{desk.home / 'no'} cannot be written: No such file or directory\n" in lost.err
    assert len(desk.source.requests.records) == before  # before anybody is asked

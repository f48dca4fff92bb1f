"""`copy`, `fetch` and `check` as a person types them."""

from __future__ import annotations

import re

from desks import digests

SIZE = "194.1 KiB"  # of the twelve files of the model
PAIR = ("hf:org/model", "ms:mine/model")


def redacted(text):
    """Take out of a transcript what differs from run to run."""
    text = re.sub(r"\b[0-9a-f]{12}\b", "<commit>", text)
    return re.sub(r"\d+(\.\d+)? s\b", "<time>", text)


def test_a_copy_says_what_it_plans_what_it_did_and_what_is_proven(desk, model):
    done = desk.ferry("copy", *PAIR)
    assert done.code == 0, done.said
    assert desk.published() == digests(model)
    assert redacted(done.out).splitlines() == [
        f"verified: 12 files, {SIZE}, identical at ms:mine/model",
        "created: ms:mine/model, public, licence mit",
        f"fetched {SIZE}, sent 192.7 KiB, reused 0 B, 1 commit (<time>)",
    ]
    assert [line for line in redacted(done.err).splitlines() if "left" not in line] == [
        "source: hf:org/model @ <commit>",
        "destination: ms:mine/model (to be created)",
        "destination: ms:mine/model",
        "will be created as public, licence mit",
        f"plan: 12 files, fetch {SIZE}, send {SIZE}",
        "commit 1 of 1: <commit> (12 files)",
    ]


def test_the_second_copy_says_that_there_was_nothing_to_do(desk, model):
    desk.ferry("copy", *PAIR)
    done = desk.ferry("copy", *PAIR)
    assert done.code == 0
    assert redacted(done.said).splitlines()[-3:] == [
        "source: hf:org/model @ <commit>",
        "destination: ms:mine/model",
        "plan: 12 files, all the same at the destination; nothing to do",
    ]
    assert "nothing to do: no blob was asked for, no commit made" in done.out


def test_a_dry_run_prints_every_file_and_changes_nothing(desk, model):
    done = desk.ferry("copy", *PAIR, "--dry-run")
    assert done.code == 0
    lines = done.out.splitlines()
    assert re.fullmatch(r"hf:org/model @ \w{12} -> ms:mine/model \(to be created\)", lines[0])
    assert [line.split()[-1] for line in lines[1:13]] == sorted(digests(model))
    assert lines[13] == "will be created as public, licence mit"
    assert lines[-1] == f"plan: 12 files, fetch {SIZE}, send {SIZE}"
    assert desk.destination.requests.commits == 0
    assert not (desk.home / "cache").exists()


def test_json_has_integers_and_iso_times(desk, model):
    done = desk.ferry("copy", *PAIR, "--json", "--quiet")
    assert done.err == ""
    report = done.json()
    assert report["verified"] is True
    assert report["files"] == len(digests(model))
    assert (
        report["size"] == report["fetched"] == sum(p.stat().st_size for p in model.rglob("*") if p.is_file())
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", report["finished"])
    assert len(report["commits"]) == 1


def test_the_plan_as_json_names_an_action_for_each_file(desk, model):
    plan = desk.ferry("copy", *PAIR, "--dry-run", "--json").json()
    assert [step["path"] for step in plan["steps"]] == sorted(digests(model))
    assert {step["action"] for step in plan["steps"]} <= {"inline", "fetch+send"}
    assert plan["destination"]["exists"] is False


def test_quiet_says_nothing_at_all(desk, model):
    done = desk.ferry("copy", *PAIR, "--quiet")
    assert (done.code, done.said) == (0, "")
    assert desk.published() == digests(model)


def test_patterns_choose_the_files(desk, model):
    desk.ferry("copy", *PAIR, "--include", "*.json", "--exclude", "tokenizer*")
    chosen = {path for path in digests(model) if path.endswith(".json") and not path.startswith("tokenizer")}
    assert set(desk.published()) == chosen


def test_delete_takes_away_what_the_source_does_not_have(desk, model):
    desk.destination.store.add("mine/model", {"old.bin": b"old"})
    desk.ferry("copy", *PAIR)
    assert "old.bin" in desk.published()
    done = desk.ferry("copy", *PAIR, "--delete")
    assert done.code == 0, done.said
    assert desk.published() == digests(model)


def test_verify_only_fills_the_cache_and_publishes_nothing(desk, model):
    done = desk.ferry("copy", *PAIR, "--verify-only")
    assert done.code == 0, done.said
    assert digests(desk.home / "cache" / "org_model") == digests(model)
    assert desk.destination.requests.routes() == []


def test_fetch_prints_the_directory_and_nothing_else_on_stdout(desk, model):
    done = desk.ferry("fetch", "hf:org/model")
    assert done.out == f"{desk.home / 'cache' / 'org_model'}\n"
    assert "whole and verified: 12 files" in done.err
    assert desk.ferry("fetch", "hf:org/model", "--json", "-q").json()["fetched"] == 0


def test_fetch_answers_from_the_cache_when_offline_and_says_so(desk, model):
    desk.ferry("fetch", "hf:org/model")
    desk.source.requests.clear()
    done = desk.ferry("fetch", "hf:org/model", environment={"HF_HUB_OFFLINE": "1"})
    assert done.code == 0, done.said
    assert "the hub was not asked" in done.err
    assert desk.source.requests.records == []


def test_a_revision_is_copied_as_it_was(desk, model):
    before = digests(model)
    commit = desk.source.store.find("org/model").resolve(None)
    desk.source.store.add("org/model", {"later.json": b"{}"})
    done = desk.ferry("copy", *PAIR, "--revision", commit)
    assert done.code == 0, done.said
    assert desk.published() == before


def test_two_revisions_for_one_source_are_refused(desk, model):
    done = desk.ferry("copy", "hf:org/model@main", PAIR[1], "--revision", "v1")
    assert done.code == 2
    assert "names another revision" in done.err


def test_a_new_destination_is_private_when_asked_and_has_the_sources_license(desk, model):
    desk.ferry("copy", *PAIR, "--private")
    record = desk.destination.store.find("mine/model").record
    assert record.private is True
    assert record.license.lower() == "mit"
    desk.ferry("copy", PAIR[0], "ms:mine/open", "--public", "--license", "bsd-3-clause")
    record = desk.destination.store.find("mine/open").record
    assert record.private is False
    assert record.license.lower() == "bsd-3-clause"


def test_the_commit_has_the_message_that_was_given(desk, model):
    desk.ferry("copy", *PAIR, "-m", "Version 2, 第二版")
    repository = desk.destination.store.find("mine/model")
    assert repository.history.commit(repository.resolve(None)).title == "Version 2, 第二版"


def test_without_a_cache_nothing_stays_on_the_disk(desk, model):
    done = desk.ferry("copy", *PAIR, "--no-cache")
    assert done.code == 0, done.said
    assert desk.published() == digests(model)
    left = [
        path for path in (desk.home / "cache").rglob("*") if path.is_file() and path.name != "CACHEDIR.TAG"
    ]
    assert left == []


def test_a_cache_directory_can_be_named(desk, model, tmp_path):
    done = desk.ferry("fetch", "hf:org/model", "--cache-dir", str(tmp_path / "elsewhere"), "-q")
    assert done.out.strip() == str(tmp_path / "elsewhere" / "org_model")


def test_a_rate_limit_is_kept_and_a_wrong_one_is_explained(desk, model):
    done = desk.ferry("copy", *PAIR, "--bwlimit", "50M:10M", "--jobs", "2")
    assert done.code == 0, done.said
    done = desk.ferry("copy", *PAIR, "--bwlimit", "fast")
    assert done.code == 2
    assert "'fast' is not a rate such as 20M or 50M:10M" in done.err


def test_check_shows_one_sign_a_path(desk, model):
    desk.ferry("copy", *PAIR)
    done = desk.ferry("check", *PAIR)
    assert done.code == 0
    assert done.out.splitlines() == [f"= {path}" for path in sorted(digests(model))]
    assert done.err.endswith("identical: 12 files\n")
    desk.source.store.add("org/model", {"config.json": b'{"new": 1}', "only-here.json": b"{}"})
    desk.destination.store.add("mine/model", {"only-there.json": b"{}"})
    done = desk.ferry("check", *PAIR, "--differences")
    assert done.code == 6
    assert done.out.splitlines() == ["* config.json", "+ only-here.json", "- only-there.json"]
    assert "1 different, 1 only in the source, 1 only in the destination" in done.err


def test_check_as_json_counts_and_lists(desk, model):
    desk.ferry("copy", *PAIR, "--exclude", "config.json")
    found = desk.ferry("check", *PAIR, "--json")
    assert found.code == 6
    document = found.json()
    assert document["same"] is False
    assert document["counts"]["only-source"] == 1
    assert {one["path"] for one in document["files"]} == set(digests(model))


def test_a_folder_can_be_the_source(desk, model):
    done = desk.ferry("copy", str(model), "ms:mine/model")
    assert done.code == 0, done.said
    assert desk.published() == digests(model)


def test_a_pasted_web_address_is_understood(desk, model):
    done = desk.ferry(
        "copy", "https://huggingface.co/org/model/tree/main", "https://modelscope.cn/models/mine/model"
    )
    assert done.code == 0, done.said
    assert desk.published() == digests(model)

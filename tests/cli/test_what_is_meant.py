"""A copy does what was meant; what would be refused in the end is refused before anything moves."""

from __future__ import annotations

import json

import pytest
from desks import digests, publish, stored
from servers import READ_TOKEN

PAIR = ("hf:org/model", "ms:mine/model")
WEIGHTS = "model-00001-of-00002.safetensors"


def refused(desk, done, code):
    """Nothing has moved, and a person is told what to type."""
    assert done.code == code, done.said
    assert done.err.splitlines()[-1].startswith("hint: ")
    assert desk.destination.requests.commits == 0
    assert desk.destination.requests.blobs_received == 0
    assert desk.destination.requests.count("ms:create", "hf:create") == 0
    return done.err


def upstream(desk, changes):
    """Change the source: bytes to write, None to delete."""
    from hubferry.serve.records import Delete, Put

    blobs = desk.source.store.blobs
    puts = [
        Put(path, blobs.put(content), lfs=False) if content is not None else Delete(path)
        for path, content in changes.items()
    ]
    desk.source.store.find("org/model").commit("main", puts, title="change")


def test_what_only_the_destination_has_is_told_and_copy_agrees_with_check(desk, model):
    desk.ferry("copy", *PAIR, check_code=0)
    upstream(desk, {"generation_config.json": None})
    done = desk.ferry("copy", *PAIR, check_code=0)
    assert "identical" not in done.out
    assert "1 file more at the destination (generation_config.json); --delete removes it" in done.out
    report = desk.ferry("copy", *PAIR, "--json", check_code=0).json()
    assert report["only_at_destination"] == ["generation_config.json"]
    checked = desk.ferry("check", *PAIR, "--differences", check_code=6)
    assert checked.out.splitlines() == ["- generation_config.json"]
    desk.ferry("copy", *PAIR, "--delete", check_code=0)
    assert "generation_config.json" not in desk.published()
    assert "identical" in desk.ferry("copy", *PAIR).out
    desk.ferry("check", *PAIR, check_code=0)


def test_deleting_looks_at_the_same_selection_on_both_sides(desk, model):
    desk.ferry("copy", *PAIR, check_code=0)
    before = desk.published()
    upstream(desk, {"generation_config.json": None})
    desk.ferry("copy", *PAIR, "--include", "*.json", "--delete", check_code=0)
    assert desk.published() == {p: d for p, d in before.items() if p != "generation_config.json"}
    done = desk.ferry("copy", *PAIR, "--include", "*.none", "--delete")
    assert done.code == 3
    assert len(desk.published()) == len(before) - 1
    desk.ferry("check", *PAIR, "--include", "*.json", check_code=0)


def test_excluded_files_of_the_destination_are_neither_deleted_nor_compared(desk, model):
    desk.ferry("copy", *PAIR, check_code=0)
    upstream(desk, {"generation_config.json": None, "README.md": None})
    words = ("--exclude", "README.md")
    done = desk.ferry("copy", *PAIR, *words, "--delete", check_code=0)
    assert "identical" in done.out
    assert "README.md" in desk.published()
    desk.ferry("check", *PAIR, *words, check_code=0)


@pytest.mark.parametrize(("cap", "allowed"), [("1", False), ("2", True), ("10%", False), ("50%", True)])
def test_no_more_is_deleted_than_was_allowed(desk, model, cap, allowed):
    desk.ferry("copy", *PAIR, check_code=0)
    upstream(desk, {"generation_config.json": None, "tokenizer_config.json": None})
    commits = desk.destination.requests.commits
    plan = desk.ferry("copy", *PAIR, "--delete", "--max-delete", cap, "--dry-run")
    assert "generation_config.json, tokenizer_config.json" in plan.out
    done = desk.ferry("copy", *PAIR, "--delete", "--max-delete", cap)
    assert plan.code == done.code == (0 if allowed else 2)
    assert ("generation_config.json" in desk.published()) is not allowed
    assert desk.destination.requests.commits == commits + allowed
    assert ("2 files of 12 would be deleted" in done.err) is not allowed


def test_the_list_of_what_is_deleted_is_shown_before(desk, model):
    desk.ferry("copy", *PAIR, check_code=0)
    upstream(desk, {"generation_config.json": None})
    done = desk.ferry("copy", *PAIR, "--delete", check_code=0)
    lines = done.err.splitlines()
    shown = lines.index("to delete at the destination: generation_config.json")
    assert shown < next(number for number, line in enumerate(lines) if line.startswith("commit 1"))


def test_a_wrong_cap_is_refused_by_name(desk, model):
    done = desk.ferry("copy", *PAIR, "--delete", "--max-delete", "some")
    assert done.code == 2
    assert "20" in done.err
    assert "10%" in done.err


@pytest.mark.parametrize("hidden", [{"private": True}, {"gated": "manual", "granted": ("tester",)}])
@pytest.mark.parametrize("hub", ["ms", "hf"])
def test_nothing_hidden_becomes_public_unless_a_person_says_so(desk, model, hidden, hub):
    desk.source.store.find("org/model").change(**hidden)
    desk.destination.store.create("mine/model", "model")
    pair = (PAIR[0], f"{hub}:mine/model")
    where = ("--destination-endpoint", desk.destination.url)
    for words in ((), ("--dry-run",), ("--keep-going",)):
        said = refused(desk, desk.ferry("copy", *pair, *where, *words), 4)
        assert "org/model is not public" in said
        assert "--public" in said
    plan = desk.ferry("copy", *pair, *where, "--dry-run", "--json", check_code=4).json()
    assert [one["code"] for one in plan["findings"]] == ["would-become-public"]
    desk.ferry("copy", *pair, *where, "--public", check_code=0)
    assert desk.published().items() >= digests(model).items()
    desk.ferry("copy", *pair, *where, check_code=0)  # what is there already needs no permission


def test_a_wish_for_another_visibility_than_the_destination_has_is_an_error(desk, model):
    desk.destination.store.create("mine/model", "model")
    desk.destination.store.create("mine/hidden", "model", private=True)
    assert "is public" in refused(desk, desk.ferry("copy", *PAIR, "--private"), 2)
    said = refused(desk, desk.ferry("copy", PAIR[0], "ms:mine/hidden", "--public"), 2)
    assert "is private" in said
    assert desk.destination.store.find("mine/hidden").record.private
    desk.ferry("copy", PAIR[0], "ms:mine/hidden", "--private", check_code=0)


@pytest.mark.parametrize(
    ("destination", "words", "said"),
    [
        ("ms:mine/model", ("--license", "mit"), "licence of ms:mine/model"),
        ("hf:mine/new", ("--license", "gpl-3.0"), "licence of hf:mine/new"),
        ("./folder", ("--private",), "is a folder"),
        ("./folder", ("--license", "mit"), "is a folder"),
    ],
)
def test_a_wish_that_cannot_be_fulfilled_is_an_error_before_anything_moves(
    desk, model, destination, words, said
):
    desk.destination.store.create("mine/model", "model", license="apache-2.0")
    where = ("--destination-endpoint", desk.destination.url)
    assert said in refused(desk, desk.ferry("copy", PAIR[0], destination, *where, *words), 2)


def test_a_licence_that_the_destination_has_is_no_wish(desk, model):
    desk.destination.store.create("mine/model", "model", license="Apache License 2.0")
    desk.ferry("copy", *PAIR, "--license", "apache-2.0", check_code=0)


def test_the_scripts_publish_nothing_hidden_unless_a_person_says_so(desk, model):
    desk.source.store.find("org/model").change(gated="auto", granted=("tester",))
    desk.destination.store.create("mine/model", "model")
    words = ("org/model", "mine/model")
    done = desk.script("scripts/simple_hf_to_ms.py", *words)
    assert done.code == 4
    assert "--public" in done.err
    assert desk.published() == {}
    desk.script("scripts/simple_hf_to_ms.py", *words, "--public", check_code=0)
    assert desk.published() == digests(model)


def test_a_copy_that_left_entries_out_for_good_is_not_noted_as_published(desk, model):
    desk.source.store.add("org/model", {"void.bin": b""})
    for _run in range(2):  # the second has nothing to do but to fail
        desk.ferry("copy", *PAIR, "--keep-going", check_code=9)
    desk.ferry("fetch", PAIR[0], check_code=0)
    desk.ferry("copy", *PAIR, "--keep-going", check_code=9)
    (shown,) = desk.ferry("cache", "show", "org/model", "--json", check_code=0).json()["models"]
    assert shown["published"] == []


def test_the_plan_says_what_is_created_and_how(desk, model):
    done = desk.ferry("copy", *PAIR, "--dry-run", check_code=0)
    assert "will be created as public, licence mit" in done.out.splitlines()
    desk.source.store.find("org/model").change(private=True)
    done = desk.ferry("copy", *PAIR, "--dry-run", "--license", "other", check_code=0)
    assert "will be created as private, licence other" in done.out.splitlines()
    plan = desk.ferry("copy", *PAIR, "--dry-run", "--json", check_code=0).json()
    assert plan["create"] == {"visibility": "private", "license": "mit", "branch_only": False}
    assert "will be created as private, licence mit" in desk.ferry("copy", *PAIR, check_code=0).err


@pytest.mark.parametrize("exists", [False, True])
def test_a_branch_that_modelscope_cannot_make_is_refused_in_the_plan(desk, model, exists):
    if exists:
        desk.destination.store.create("mine/model", "model")
    for words in (("--dry-run",), ()):
        said = refused(desk, desk.ferry("copy", PAIR[0], "ms:mine/model@dev", *words), 2)
        assert "no such branch" in said


@pytest.mark.parametrize("hub", ["ms", "hf"])
def test_a_tag_cannot_be_written_to(desk, model, hub):
    repository = desk.destination.store.create("mine/model", "model")
    repository.add_tag("v1", repository.resolve(None))
    where = ("--destination-endpoint", desk.destination.url)
    said = refused(desk, desk.ferry("copy", PAIR[0], f"{hub}:mine/model@v1", *where, "--dry-run"), 2)
    assert "only a branch can be written to" in said


def test_a_branch_that_hugging_face_can_make_is_made_and_the_repository_is_left_as_it_is(desk, model):
    desk.destination.store.create("mine/model", "model")
    where = ("--destination-endpoint", desk.destination.url)
    done = desk.ferry("copy", PAIR[0], "hf:mine/model@dev", *where, check_code=0)
    assert "the branch will be created; the repository is there" in done.err
    assert desk.destination.requests.count("hf:create") == 0
    repository = desk.destination.store.find("mine/model")
    files = repository.tree(repository.resolve("dev")).files
    assert {path: file.sha256 for path, file in files.items()} == digests(model)
    assert desk.published() == {}


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("hub", ["ms", "hf"])
def test_a_token_that_may_not_write_is_refused_in_the_plan(desk, model, hub, exists):
    if exists:
        desk.destination.store.create("mine/model", "model")
    words = ("--destination-endpoint", desk.destination.url, "--dry-run")
    done = desk.ferry(
        "copy", PAIR[0], f"{hub}:mine/model", *words, environment={"HUBFERRY_DESTINATION_TOKEN": READ_TOKEN}
    )
    if hub == "ms" and not exists:  # the hub says who it is, and nothing about what it may
        assert done.code == 0
        assert "does not say beforehand" in done.out
    else:
        refused(desk, done, 4)
        assert hub == "ms" or "reader" in done.err


def test_no_repository_is_left_behind_by_a_copy_that_does_not_fit_on_the_disk(desk, model):
    from test_errors import lying_about_sizes

    with lying_about_sizes(desk.source, WEIGHTS, 90 << 40):
        said = refused(desk, desk.ferry("copy", *PAIR), 7)
    assert "more are needed, since 64.0 MiB are left free for records and other programs" in said
    assert "hint: hubferry cache prune --older-than 30d --dry-run" in said


def test_a_receipt_that_could_not_be_written_is_refused_before_anything_moves(desk, model):
    (desk.home / "file").write_bytes(b"")
    done = desk.ferry("copy", *PAIR, "--receipts", str(desk.home / "file" / "receipts"))
    said = refused(desk, done, 7)
    assert f"{desk.home / 'file' / 'receipts'} cannot be written: Not a directory" in said
    assert "HUBFERRY_CACHE" not in said
    assert desk.source.requests.records == []


def test_limits_that_a_hub_only_advises_are_warnings(desk, model):
    from test_errors import lying_about_sizes

    with lying_about_sizes(desk.source, WEIGHTS, 200 << 30):
        done = desk.ferry("copy", *PAIR, "--dry-run", check_code=0)
    assert f"warning: {WEIGHTS} has 200.0 GiB; the destination advises 100.0 GiB a file" in done.out


def test_a_copy_that_cannot_be_proven_is_never_begun(desk, tmp_path):
    files = {f"data/{number}.txt": b"x" for number in range(3001)}
    desk.source.store.create("org/many", "model")
    desk.source.store.add("org/many", files)
    for words in (("--dry-run",), ()):
        said = refused(desk, desk.ferry("copy", "hf:org/many", "ms:mine/many", *words), 2)
        assert "the folder data would hold 3001 entries" in said
    desk.ferry("copy", "hf:org/many", "ms:mine/many", "--include", "data/1*", "--dry-run", check_code=0)


def test_what_a_cut_listing_costs_is_said_beforehand(desk):
    desk.source.store.create("org/wide", "model")
    files = {f"{number % 110:03}/{number}.txt": b"x" for number in range(3000)}
    desk.source.store.add("org/wide", files)
    done = desk.ferry("copy", "hf:org/wide", "ms:mine/wide", "--dry-run", check_code=0)
    assert "each look at this one takes 112 requests" in done.out


@pytest.mark.parametrize("hub", ["ms", "hf"])
def test_a_name_that_git_keeps_to_itself_is_refused_first(desk, model, hub):
    desk.source.store.add("org/model", {"sub/.GIT/config": b"x"})
    where = ("--destination-endpoint", desk.destination.url)
    for words in (("--dry-run",), ()):
        said = refused(desk, desk.ferry("copy", PAIR[0], f"{hub}:mine/model", *where, *words), 2)
        assert "sub/.GIT/config" in said
    desk.ferry("copy", PAIR[0], f"{hub}:mine/model", *where, "--exclude", "sub/*", check_code=0)


def test_a_folder_that_hugging_face_refuses_is_refused_in_the_plan(desk):
    desk.source.store.create("org/many", "model")
    desk.source.store.add("org/many", {f"data/{number}.txt": b"x" for number in range(10_001)})
    where = ("--destination-endpoint", desk.destination.url)
    said = refused(desk, desk.ferry("copy", "hf:org/many", "hf:mine/many", *where), 2)
    assert "the destination takes 10000 a folder" in said


def test_everything_that_would_stop_a_copy_is_said_at_once(desk, model):
    desk.source.store.find("org/model").change(private=True)
    desk.destination.store.create("mine/model", "model")
    desk.ferry("copy", *PAIR, "--public", check_code=0)
    upstream(desk, {"generation_config.json": None, "README.md": b"new"})
    done = desk.ferry("copy", *PAIR, "--delete", "--max-delete", "0", "--json")
    error = json.loads(done.out)["error"]
    assert error["exit_code"] == done.code
    assert {error["kind"], error["others"][0]["kind"]} == {"UsageError", "AccessError"}
    lines = done.err.splitlines()
    assert [line.split(":")[0] for line in lines[-4:]] == ["error", "hint", "error", "hint"]
    assert "would be deleted" in done.err
    assert "is not public" in done.err


def test_a_run_that_failed_in_part_deletes_nothing(desk, model):
    desk.ferry("copy", *PAIR, check_code=0)
    upstream(desk, {"generation_config.json": None, "notes.txt": b"new"})
    file = desk.source.store.find("org/model").tree(desk.source.store.find("org/model").resolve(None))
    desk.source.store.blobs.path(file.files["notes.txt"].sha256).unlink()
    done = desk.ferry("copy", *PAIR, "--delete", "--keep-going")
    assert done.code in (5, 9)
    assert "generation_config.json" in stored(desk.destination, "mine/model")


def test_a_folder_that_became_empty_deletes_nothing(desk, model, tmp_path):
    publish(desk.destination, model, "mine/model")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = desk.ferry("copy", str(empty), "ms:mine/model", "--delete")
    assert done.code == 3
    assert desk.published() == digests(model)

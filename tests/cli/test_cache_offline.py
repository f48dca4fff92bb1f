"""`hubferry cache` as a person types it, on caches that any tool may have made, without a network."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys

import pytest
from desks import KIB, Desk
from servers import sdk_environment

import forked
import models


@pytest.fixture
def here(tmp_path):
    home = tmp_path / "home"
    environment = sdk_environment(home) | {"COLUMNS": "120"}
    for name in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        environment.pop(name, None)
    return Desk(home, environment, None, None)


@pytest.fixture
def cache(here):
    """Three models in three places, as the older scripts left them."""
    models.transformers_model(here.home / "cache/gpt2", shards=3, shard_size=300 * KIB)
    models.diffusers_model(here.home / "cache/black_forest_labs_FLUX.1_dev", shard_size=6 * KIB)
    models.diffusers_model(here.home / "flux_model_cache/flux-dev", shard_size=6 * KIB)
    return here.home / "cache"


def du(*paths):
    done = subprocess.run(["du", "-scB1", *map(str, paths)], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def answer(here, word, *command):
    """Run a command at a terminal and type one line."""
    person, terminal = pty.openpty()
    os.write(person, word.encode() + b"\n")
    try:
        return here.ferry(*command, stdin=terminal)
    finally:
        os.close(person)
        os.close(terminal)


def test_a_list_on_a_pipe_is_plain_columns_the_largest_first(here, cache):
    done = here.ferry("cache", "list")
    assert done.code == 0, done.said
    head, *rows = done.out.splitlines()
    assert head.split() == ["SIZE", "STATE", "FILES", "COMMIT", "LAST", "USE", "MODEL"]
    assert [row.split()[2:] for row in rows] == [
        ["whole", row.split()[3], "-", row.split()[5], name]
        for row, name in zip(rows, ["gpt2", "black_forest_labs_FLUX.1_dev", "flux-dev"], strict=True)
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row.split()[5]) for row in rows)
    assert done.err.startswith("3 models, ")


def test_a_list_as_json_adds_up_to_what_du_says(here, cache):
    document = here.ferry("cache", "list", "--json").json()
    assert document["models"][0]["name"] == "gpt2"
    assert document["size"] == sum(model["size"] for model in document["models"])
    assert document["size"] == du(*cache.iterdir(), here.home / "flux_model_cache/flux-dev")
    for model in document["models"]:
        assert model["size"] == model["frees"] == du(model["path"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", model["last_use"])
        assert model["state"] == "whole"


def test_a_list_on_a_terminal_has_bars(here, cache):
    person, terminal = pty.openpty()
    environment = here.environment | {"COLUMNS": "120"}
    command = [sys.executable, "-m", "hubferry", "cache", "list"]
    forked.run(command, env=environment, stdout=terminal, stderr=subprocess.DEVNULL, check=True)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so when the terminal's other side is closed
        while piece := os.read(person, 4096):
            shown += piece
    os.close(person)
    head, first, second, third = (line.count("█") for line in shown.decode().splitlines())
    assert (head, first) == (0, 16)
    assert 0 < second == third < 8


def test_an_empty_cache_is_no_error(here):
    done = here.ferry("cache", "list")
    assert (done.code, done.out) == (0, "")
    assert done.err == f"the cache is empty: {here.home / 'cache'}\n"


def test_a_listing_of_a_thousand_models_imports_nothing_heavy(here):
    for number in range(1000):
        folder = here.home / f"cache/org_model_{number}"
        models.write_json(folder / "config.json", {})
        models.write_safetensors(folder / "model.safetensors", {"a": 8})
    script = (
        "import sys; sys.argv[1:] = ['cache', 'list', '--json']\n"
        "from hubferry.cli.main import main\n"
        "code = main()\n"
        "heavy = {'aiohttp', 'asyncio', 'rich', 'huggingface_hub', 'modelscope_hub', 'filelock'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "sys.exit(code)"
    )
    done = here.run(sys.executable, "-c", script)
    assert done.code == 0, done.err
    assert {model["state"] for model in done.json()["models"]} == {"whole"}
    assert len(done.json()["models"]) == 1000


def test_one_byte_cut_from_the_end_of_any_shard_is_found_and_named(here, cache):
    for shard in sorted((cache / "gpt2").glob("*.safetensors")):
        size = shard.stat().st_size
        last = shard.read_bytes()[-1:]
        os.truncate(shard, size - 1)
        done = here.ferry("cache", "check", "gpt2")
        assert done.code == 6
        assert f"  {shard.name} is cut off: {size - 1} bytes, and {size} are expected" in done.out
        assert f"  -> rm {shard}, then transfer it again" in done.out
        assert done.err == "error: 1 of 1 model is not whole\n"
        with shard.open("ab") as file:
            file.write(last)
    assert here.ferry("cache", "check", "gpt2").code == 0


def test_a_shard_that_is_gone_is_found(here, cache):
    (cache / "gpt2/model-00002-of-00003.safetensors").unlink()
    done = here.ferry("cache", "check")
    assert done.code == 6
    assert done.out.splitlines()[1:4] == [
        "gpt2: partial, 12 files, 602.4 KiB",
        "  model-00002-of-00003.safetensors is missing: model.safetensors.index.json names it",
        "  -> transfer it again; what is there stays",
    ]


def test_a_check_as_json_says_what_kind_of_problem_it_is(here, cache):
    (cache / "gpt2/model-00002-of-00003.safetensors").unlink()
    done = here.ferry("cache", "check", "gpt2", "--json")
    assert done.code == 6
    (model,) = done.json()["models"]
    assert (model["state"], model["verified"]) == ("partial", False)
    assert [(one["path"], one["kind"]) for one in model["problems"]] == [
        ("model-00002-of-00003.safetensors", "missing")
    ]


def test_any_directory_can_be_checked_by_its_path(here, tmp_path):
    folder = models.diffusers_model(tmp_path / "somewhere/flux", shard_size=6 * KIB)
    assert here.ferry("cache", "check", str(folder)).out.startswith("flux: whole, 30 files, ")
    (folder / "vae/diffusion_pytorch_model.safetensors").unlink()
    done = here.ferry("cache", "check", ".", cwd=folder)
    assert done.code == 6
    assert "  vae/ has no weights" in done.out


def test_a_name_that_matches_nothing_lists_what_there_is(here, cache):
    for command in ("check", "verify", "show", "clean", "pin"):
        done = here.ferry("cache", command, "llama")
        assert done.code == 3
        assert done.out == ""
        assert done.err.splitlines() == [
            "error: no model in the cache is called llama",
            "hint: there is: black_forest_labs_FLUX.1_dev, flux-dev, gpt2",
        ]


def test_show_lists_files_with_what_is_known(here, cache):
    done = here.ferry("cache", "show", "gpt2")
    assert done.code == 0
    assert done.out.startswith(f"model:      gpt2\npath:       {cache / 'gpt2'}\nstate:      whole\n")
    (line,) = [line for line in done.out.splitlines() if line.endswith(" config.json")]
    assert line.split()[2:] == ["-", "unknown", "config.json"]
    (model,) = here.ferry("cache", "show", "gpt2", "--json").json()["models"]
    assert {
        "path": "config.json",
        "sha256": None,
        "git_sha1": None,
        "state": "unknown",
        "links": 1,
    }.items() <= next(file for file in model["listing"] if file["path"] == "config.json").items()


def test_clean_of_a_name_that_matches_two_shows_both_and_asks(here, cache):
    done = answer(here, "no", "cache", "clean", "flux")
    assert done.code == 0
    assert str(cache / "black_forest_labs_FLUX.1_dev") in done.err
    assert str(here.home / "flux_model_cache/flux-dev") in done.err
    assert "remove 2 models? That frees " in done.err
    assert "nothing was removed" in done.err
    assert len(here.ferry("cache", "list", "--json").json()["models"]) == 3


@pytest.mark.parametrize("word", ["", "n", "yes please", "no", "Y E S"])
def test_anything_but_yes_is_no(here, cache, word):
    answer(here, word, "cache", "clean", "gpt2")
    assert (cache / "gpt2").is_dir()


def test_yes_removes_what_was_shown_and_says_what_is_free(here, cache):
    frees = du(cache / "gpt2")
    done = answer(here, "yes", "cache", "clean", "gpt2", "--json")
    assert done.code == 0
    removed = {"removed": [str(cache / "gpt2")], "freed": frees, "kept": [], "dry_run": False}
    assert done.json() == {"schema": 1} | removed
    assert "removed gpt2" in done.err
    assert sorted(path.name for path in cache.iterdir()) == ["black_forest_labs_FLUX.1_dev"]


def test_without_a_terminal_and_without_force_nothing_is_removed(here, cache):
    done = here.ferry("cache", "clean", "gpt2")
    assert done.code == 2
    assert done.err.splitlines()[-1] == "hint: hubferry cache clean gpt2 --force"
    assert (cache / "gpt2").is_dir()


def test_force_asks_nothing(here, cache):
    done = here.ferry("cache", "clean", "--force")
    assert done.code == 0
    assert list(cache.iterdir()) == []
    assert here.ferry("cache", "clean", "--force").err == "there is nothing to remove\n"


def test_a_link_in_a_root_that_points_outside_is_never_followed(here, cache, tmp_path):
    outside = models.transformers_model(tmp_path / "precious")
    before = sorted(outside.iterdir())
    (cache / "linked").symlink_to(outside)
    done = here.ferry("cache", "clean", "--force")
    assert done.code == 0
    assert not (cache / "linked").is_symlink()
    assert sorted(outside.iterdir()) == before


def test_prune_shows_before_it_removes_the_oldest(here, cache):
    for number, path in enumerate((cache / "gpt2", cache / "black_forest_labs_FLUX.1_dev")):
        for file in path.rglob("*"):
            os.utime(file, (10**9 + number, 10**9 + number))
    limit = str(du(cache / "black_forest_labs_FLUX.1_dev", here.home / "flux_model_cache/flux-dev"))
    plan = here.ferry("cache", "prune", "--max-size", limit, "--dry-run")
    assert plan.code == 0
    (line,) = plan.out.splitlines()
    assert line.endswith("the cache is too large")
    assert plan.err.startswith("would remove 1 model and free ")
    assert (cache / "gpt2").is_dir()
    done = here.ferry("cache", "prune", "--max-size", limit, "--json").json()
    assert [(one["name"], one["reason"]) for one in done["models"]] == [("gpt2", "size")]
    assert not (cache / "gpt2").exists()
    assert here.ferry("cache", "prune", "--max-size", limit).err == "there is nothing to remove\n"


def test_prune_by_age_keeps_the_last_ones(here, cache):
    for file in (*cache.rglob("*"), *(here.home / "flux_model_cache").rglob("*")):
        os.utime(file, (10**9, 10**9))
    os.utime(cache / "gpt2/config.json", (10**9 + 5, 10**9 + 5))
    done = here.ferry("cache", "prune", "--older-than", "30d", "--keep-last", "1", "--json").json()
    assert {one["name"] for one in done["models"]} == {"black_forest_labs_FLUX.1_dev", "flux-dev"}
    assert (cache / "gpt2").is_dir()


def test_prune_of_what_is_partial_also_ends_interrupted_removals(here, cache):
    (cache / "gpt2/model-00001-of-00003.safetensors").unlink()
    models.write_file(cache / "gpt2/.cache/huggingface/download/x.incomplete", b"half")
    models.write_file(cache / ".0123.hubferry-deleting/x", b"x" * 9000)
    listed = here.ferry("cache", "list")
    assert listed.err.splitlines()[-1] == "hint: hubferry cache prune --partial"
    assert here.ferry("cache", "prune", "--partial").code == 0
    assert sorted(path.name for path in cache.iterdir()) == ["black_forest_labs_FLUX.1_dev"]


def test_prune_of_what_is_partial_leaves_what_a_person_may_have_chosen(here, cache):
    (cache / "gpt2/model-00001-of-00003.safetensors").unlink()
    models.write_gguf(cache / "picked/q4.gguf", {"a": 64})
    models.write_json(cache / "adapter/adapter_config.json", {"peft_type": "LORA"})
    models.write_safetensors(cache / "adapter/adapter_model.safetensors", {"a": 64})
    assert here.ferry("cache", "prune", "--partial").code == 0
    names = ["adapter", "black_forest_labs_FLUX.1_dev", "gpt2", "picked"]
    assert sorted(path.name for path in cache.iterdir()) == names


@pytest.mark.parametrize(
    "words",
    [
        "prune",
        "prune --max-size lots",
        "prune --older-than yesterday",
        "verify --sample 0%",
        "verify gpt2 --all",
        "move",
        "nonsense",
    ],
)
def test_what_cannot_be_meant_is_refused(here, cache, words):
    done = here.ferry("cache", *words.split())
    assert done.code == 2
    assert "hint: " in done.err


def test_a_folder_is_adopted_by_hand_without_taking_twice_the_disk(here, tmp_path):
    folder = models.transformers_model(tmp_path / "downloads/llm", shards=2, shard_size=500 * KIB)
    before, content = sorted(folder.rglob("*")), du(folder)
    done = here.ferry("cache", "adopt", str(folder), "hf:org/llm.v1")
    assert done.code == 0, done.said
    assert done.out == f"{here.home / 'cache/org_llm_v1'}\n"
    assert sorted(folder.rglob("*")) == before
    assert du(folder, here.home / "cache") < content * 1.05
    (model,) = here.ferry("cache", "show", "llm.v1", "--json").json()["models"]
    assert {file["state"] for file in model["listing"]} == {"verified"}
    assert here.ferry("cache", "verify", "--full").code == 0
    assert "shared with another cache" in here.ferry("cache", "list").out


def test_a_folder_that_does_not_say_whose_it_is_asks_for_the_name(here, tmp_path):
    folder = models.transformers_model(tmp_path / "llm")
    done = here.ferry("cache", "adopt", str(folder))
    assert done.code == 2
    assert done.err.splitlines()[-1] == f"hint: hubferry cache adopt {folder} hf:org/name"


def test_a_local_dir_folder_is_held_against_its_own_notes(here, tmp_path):
    folder = models.transformers_model(tmp_path / "llm", shards=1, shard_size=6 * KIB)
    notes = folder / ".cache/huggingface/download"
    for path in [path for path in folder.iterdir() if path.is_file()]:
        digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout[:64]
        models.write_file(notes / f"{path.name}.metadata", f"{'c' * 40}\n{digest}\n1.0\n")
    models.write_file(folder / "merges.txt", "changed since")
    done = here.ferry("cache", "adopt", str(folder), "hf:org/llm", "--json")
    assert done.code == 6
    assert done.json()["refused"] == ["merges.txt"]
    models.write_tokenizer(folder)
    done = here.ferry("cache", "adopt", str(folder), "hf:org/llm", "--json")
    assert (done.code, done.json()["commit"]) == (0, "c" * 40)
    assert here.ferry("cache", "check", "org/llm").out.startswith("org/llm: whole, ")


def test_hugging_faces_own_cache_is_adopted_by_its_names(here, tmp_path):
    folder = models.transformers_model(tmp_path / "llm", shards=1, shard_size=6 * KIB)
    hub = here.home / "huggingface/hub/models--org--llm"
    snapshot = hub / "snapshots" / ("a" * 40)
    (hub / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    models.write_file(hub / "refs/main", b"a" * 40)
    for path in folder.iterdir():
        digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout[:64]
        path.rename(hub / "blobs" / digest)
        (snapshot / path.name).symlink_to(f"../../blobs/{digest}")
    done = here.ferry("cache", "adopt", str(hub), "--json")
    assert done.code == 0, done.said
    assert (done.json()["commit"], done.json()["files"]) == ("a" * 40, 10)
    assert (here.home / "cache/org_llm/config.json").samefile(snapshot / "config.json")


def test_pinned_models_stay(here, tmp_path):
    folder = models.transformers_model(tmp_path / "llm", shards=1, shard_size=6 * KIB)
    here.ferry("cache", "adopt", str(folder), "hf:org/llm")
    assert here.ferry("cache", "pin", "llm").err == "pinned org/llm\n"
    assert here.ferry("cache", "prune", "--keep-last", "0").err == "there is nothing to remove\n"
    assert here.ferry("cache", "clean", "--force").err.splitlines()[-1] == "1 pinned model stays"
    assert here.ferry("cache", "unpin", "llm").err == "org/llm is no longer pinned\n"
    assert here.ferry("cache", "prune", "--keep-last", "0").code == 0
    assert here.ferry("cache", "list").out == ""


def test_dir_prints_where_the_cache_is(here, cache):
    assert here.ferry("cache", "dir").out == f"{cache}\n"
    assert here.ferry("cache", "dir", "--all").out == f"{cache}\n{here.home / 'flux_model_cache'}\n"


def test_move_takes_the_cache_along_and_its_records_stay_true(here, tmp_path):
    folder = models.transformers_model(tmp_path / "llm", shards=1, shard_size=6 * KIB)
    here.ferry("cache", "adopt", str(folder), "hf:org/llm")
    done = here.ferry("cache", "move", str(tmp_path / "big disk/models"))
    assert done.code == 0, done.said
    assert done.err.splitlines()[-1] == f"hint: export HUBFERRY_CACHE='{tmp_path}/big disk/models'"
    moved = {"HUBFERRY_CACHE": str(tmp_path / "big disk/models")}
    (model,) = here.ferry("cache", "show", "llm", "--json", environment=moved).json()["models"]
    assert {file["state"] for file in model["listing"]} == {"verified"}
    assert not (here.home / "cache").exists()


def test_move_with_a_link_lets_older_tools_find_the_models(here, cache, tmp_path):
    assert here.ferry("cache", "move", str(tmp_path / "new"), "--link").code == 0
    assert cache.is_symlink()
    assert (cache / "gpt2/config.json").is_file()
    assert len(here.ferry("cache", "list", "--json").json()["models"]) == 3


def test_move_tells_what_stands_against_it(here, cache, tmp_path):
    models.write_file(tmp_path / "full/letter.txt", b"dear")
    done = here.ferry("cache", "move", str(tmp_path / "full"))
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {tmp_path}/full is not empty, and no cache")
    assert here.ferry("cache", "move", str(cache / "inside")).code == 2
    assert here.ferry("cache", "move", str(tmp_path / "x"), "--from", str(tmp_path / "none")).code == 3
    assert (cache / "gpt2").is_dir()


@pytest.mark.parametrize(
    "command", ["list", "show", "check", "verify", "clean", "prune", "pin", "unpin", "dir", "move", "adopt"]
)
def test_every_command_helps_with_examples(here, command):
    done = here.ferry("cache", command, "--help")
    assert done.code == 0
    assert f"hubferry cache {command}" in done.out.split("Examples:")[1] or command == "dir"


def test_json_is_ascii_safe_for_any_name(here, cache):
    models.write_file(cache / "gpt2/模型 😀.txt", b"x")
    (model,) = json.loads(
        here.ferry("cache", "show", "gpt2", "--json", environment={"PYTHONIOENCODING": "utf-8"}).out
    )["models"]
    assert "模型 😀.txt" in [file["path"] for file in model["listing"]]

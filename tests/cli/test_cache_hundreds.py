"""`hubferry cache` on hundreds of models: rows, names, pins, links and the limit."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from desks import KIB, Desk, digests, publish
from servers import sdk_environment

import forked
import models
from recorded import many, recorded_model

CLEAN = "scripts/clean_model_cache.py"


@pytest.fixture
def here(tmp_path):
    home = tmp_path / "home"
    environment = sdk_environment(home) | {"COLUMNS": "120", "HOME": str(home)}
    for name in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "HUBFERRY_CACHE"):
        environment.pop(name, None)
    return Desk(home, environment, None, None)


@pytest.fixture
def root(here):
    return here.home / ".cache/model_transfer"


def titles(here, *words):
    listed = here.ferry("cache", "list", *words, "--json").json()["models"]
    return [one["repository"] or one["name"] for one in listed]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_two_hundred_models_of_one_gitattributes_are_a_short_row_each(here, root, language):
    many(root, 200)
    done = here.ferry("cache", "list", environment={"HUBFERRY_LANG": language})
    assert done.code == 0
    lines = done.out.splitlines()
    assert len(lines) == 201
    assert len(done.out.encode()) < 25_000
    assert all(len(line.encode()) < 120 for line in lines)
    assert "200" in done.err
    assert "4.0 KiB" in done.err  # what is stored once for several
    document = here.ferry("cache", "list", "--json").json()
    assert document["shared_bytes"] == 4096
    for model in document["models"]:
        assert len(model["shared_with"]) == 10
        assert model["shared_with_more"]
        assert model["shared_bytes"] == 4096


def test_show_names_everybody_who_shares(here, root):
    many(root, 30)
    shown = here.ferry("cache", "show", "org/model-7")
    (line,) = [line for line in shown.out.splitlines() if line.startswith("shared:")]
    assert line.count("org/model-") == 29
    (model,) = here.ferry("cache", "show", "org/model-7", "--json").json()["models"]
    assert len(model["shared_with"]) == 29


def test_two_models_of_one_name_say_where_they_are(here, root):
    recorded_model(root / "org_m", "org/m")
    recorded_model(root / "org_n", "org/n")
    recorded_model(here.home / "flux_model_cache/org_m", "org/m")
    rows = here.ferry("cache", "list", "--sort", "name").out.splitlines()
    assert [row.partition("  org/")[2] for row in rows[1:]] == [
        "m  (in ~/.cache/model_transfer)",
        "m  (in ~/flux_model_cache)",
        "n",
    ]


def on_terminal(here, *words, **environment):
    """Run a command whose input and output are a terminal of 24 lines; return what it shows."""
    person, terminal = pty.openpty()
    done = forked.Popen(
        [sys.executable, "-m", "hubferry", *words],
        env=here.environment | {"COLUMNS": "100", "LINES": "24", "TERM": "xterm"} | environment,
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.DEVNULL,
    )
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so when the terminal's other side is closed
        while piece := os.read(person, 4096):
            shown += piece
    os.close(person)
    assert done.wait() == 0
    return shown.decode().splitlines()


def test_a_list_longer_than_the_terminal_goes_through_the_pager(here, root, tmp_path):
    many(root, 30)
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
    pager.chmod(0o755)
    assert on_terminal(here, "cache", "list", PAGER=str(pager))[0] == "PAGED"
    assert "PAGED" not in on_terminal(here, "cache", "list", "--no-pager", PAGER=str(pager))
    assert "PAGED" not in on_terminal(here, "cache", "list", "model-29", PAGER=str(pager))
    assert "PAGED" not in here.ferry("cache", "list", environment={"PAGER": str(pager)}).out


def test_a_name_is_shortened_to_the_width_of_a_terminal_and_nowhere_else(here, root):
    recorded_model(root / "long", "org/" + "long-name-" * 9 + "v2")
    (row,) = on_terminal(here, "cache", "list", "--no-pager", COLUMNS="80")[1:]
    assert len(row) == 80
    assert row.endswith("v2")
    assert "long-name-" * 9 + "v2" in here.ferry("cache", "list").out


def test_a_dry_run_shows_what_would_go_and_removes_nothing(here, root):
    many(root, 3)
    recorded_model(root / "pinned", "org/pinned", pinned=True)
    done = here.ferry("cache", "clean", "org", "--dry-run")
    assert done.code == 0
    assert "would remove 3 models and free " in done.err
    assert done.err.splitlines()[-1] == "1 pinned model stays"
    document = here.ferry("cache", "clean", "--dry-run", "--json").json()
    assert len(document["removed"]) == 3
    assert document["dry_run"]
    assert document["kept"] == [str(root / "pinned")]
    assert here.script(CLEAN, "clean", "--dry-run").code == 0
    assert len(titles(here)) == 4


def test_a_pinned_model_stays_in_the_script_too(here, root):
    pinned = recorded_model(root / "Qwen_Qwen3", "Qwen/Qwen3", pinned=True)
    recorded_model(root / "Qwen_Qwen2", "Qwen/Qwen2")
    english = {"HUBFERRY_LANG": "en"}
    done = here.script(CLEAN, "clean", "--force", environment=english)
    assert done.code == 0
    assert "📌 Pinned, and stays: Qwen/Qwen3" in done.out
    assert [path.name for path in sorted(root.iterdir())] == ["Qwen_Qwen3"]
    assert here.script(CLEAN, "clean", "qwen", "--force", environment=english).code == 0
    for words in (("Qwen/Qwen3",), ("Qwen3", "--pinned"), ("--pinned",)):
        assert here.script(CLEAN, "clean", *words, "--force", environment=english).code == 2
    assert "(pinned)" in here.script(CLEAN, "list", environment=english).out
    assert pinned.is_dir()
    assert here.script(CLEAN, "clean", "Qwen/Qwen3", "--pinned", "--force", environment=english).code == 0
    assert not pinned.exists()


def test_a_slip_gets_the_nearest_names(here, root):
    many(root, 30)
    for command in ("repair", "clean"):
        done = here.ferry("cache", command, "org/modle-29")
        assert done.code == 3
        hint = done.err.splitlines()[-1]
        assert hint.startswith("hint: did you mean: org/model-29, ")
        assert hint.count("org/") == 3
    done = here.script(CLEAN, "clean", "llama", "--force", environment={"HUBFERRY_LANG": "en"})
    assert done.err.splitlines()[-1].endswith("clean_model_cache.py list   # 30 models")


def test_a_model_that_is_a_link_is_read_like_any_other(here, root, tmp_path):
    outside = recorded_model(tmp_path / "big disk/m", "org/m", {"w.bin": b"x" * 5000})
    root.mkdir(parents=True)
    (root / "org_m").symlink_to(outside)
    assert "org/m  (link to …" in here.ferry("cache", "list").out.replace(str(outside), "…")
    assert here.ferry("cache", "check", "org/m").out.startswith(f"org/m (link to {outside}): whole, 1 file, ")
    assert here.ferry("cache", "verify", "org_m", "--full").out == "org/m: sound, 1 file (4.9 KiB read)\n"
    (outside / "w.bin").write_bytes(b"y" * 5000)
    done = here.ferry("cache", "verify")
    assert done.code == 6
    assert "w.bin hashes to " in done.out
    assert here.ferry("cache", "check", "org/m").code == 6
    shown = here.ferry("cache", "show", "org/m").out
    assert f"link to:    {outside}" in shown
    assert "w.bin" in shown
    (model,) = here.ferry("cache", "show", "org/m", "--json").json()["models"]
    assert model["frees"] == 0
    assert here.ferry("cache", "clean", "org/m", "--force").code == 0
    assert (outside / "w.bin").exists()
    assert not (root / "org_m").is_symlink()


def tree(folder):
    return sorted((str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def test_the_cache_of_another_tool_is_read_and_never_written(here, root, tmp_path):
    hub = here.home / ".cache/huggingface/hub/models--org--m"
    snapshot = recorded_model(hub / "snapshots" / ("a" * 40), "org/m", {"w.bin": b"x" * 5000})
    elsewhere = models.transformers_model(
        tmp_path / "data/models--org--n/snapshots/b", shards=1, shard_size=600
    )
    root.mkdir(parents=True)
    (root / "org_m").symlink_to(snapshot)
    (root / "org_n").symlink_to(elsewhere)
    (snapshot / "w.bin").write_bytes(b"y" * 5000)
    before = tree(hub), tree(elsewhere)
    assert here.ferry("cache", "check", "org_n").code == 0
    assert here.ferry("cache", "verify", "org_m", "--full").code == 6
    assert here.ferry("cache", "verify", str(snapshot)).code == 6
    assert here.ferry("cache", "verify", "org_n").code == 0
    refused = (("repair", "org_m"), ("repair", str(snapshot)), ("repair", "org_n"), ("pin", "org_m"))
    for command, name in refused:
        done = here.ferry("cache", command, name)
        assert done.code == 2, done.said
        assert "is in the cache of another tool, which is only read" in done.err
    assert (tree(hub), tree(elsewhere)) == before


def test_a_fetch_makes_room_by_what_is_longest_unused(desk, tmp_path):
    folder = models.transformers_model(tmp_path / "new", shards=1, shard_size=600 * KIB)
    publish(desk.source, folder, "org/new")
    cache = Path(desk.environment["HUBFERRY_CACHE"])
    for number, name in enumerate(("old", "older", "pinned"), 1):
        weights = {"w.bin": bytes([number]) * 600 * KIB}
        recorded_model(
            cache / f"org_{name}", f"org/{name}", weights, used=9.0 - number, pinned=name == "pinned"
        )
    limit = {"HUBFERRY_CACHE_LIMIT": "2M"}
    done = desk.ferry("fetch", "hf:org/new", environment=limit)
    assert done.code == 0, done.said
    assert "removed org/older (" in done.err
    assert "as HUBFERRY_CACHE_LIMIT says" in done.err
    there = sorted(path.name for path in cache.iterdir() if path.name.startswith("org_"))
    assert there == ["org_new", "org_old", "org_pinned"]
    done = desk.ferry("fetch", "hf:org/new", environment={"HUBFERRY_CACHE_LIMIT": "lots"})
    assert (done.code, "HUBFERRY_CACHE_LIMIT: 'lots' is not a size" in done.err) == (2, True)
    publish(desk.source, folder, "org/newer")
    desk.ferry("cache", "clean", "org/new", "--force")
    done = desk.ferry("fetch", "hf:org/newer", environment={"HUBFERRY_CACHE_LIMIT": "1M"})
    assert done.code == 7
    assert "do not fit below HUBFERRY_CACHE_LIMIT=1.0 MiB: 2 models, " in done.err
    assert (cache / "org_old").is_dir()


def test_a_model_that_is_a_link_is_repaired_where_it_is(desk, model, tmp_path):
    cache = Path(desk.environment["HUBFERRY_CACHE"])
    desk.ferry("fetch", "hf:org/model", check_code=0)
    (cache / "org_model").rename(tmp_path / "other disk")
    (cache / "org_model").symlink_to(tmp_path / "other disk")
    before = digests(model)
    (tmp_path / "other disk/config.json").write_text("{}")
    done = desk.ferry("cache", "repair", "org/model")
    assert done.code == 0, done.said
    assert done.out.startswith("org/model: 1 file repaired, ")
    assert digests(tmp_path / "other disk") == before
    assert (cache / "org_model").is_symlink()


def test_a_fetch_writes_nothing_through_a_link_into_the_cache_of_another_tool(desk, model, tmp_path):
    cache = Path(desk.environment["HUBFERRY_CACHE"])
    snapshot = tmp_path / "hub/models--org--model/snapshots" / ("a" * 40)
    shutil.copytree(model, snapshot)
    cache.mkdir(parents=True)
    (cache / "org_model").symlink_to(snapshot)
    before = tree(tmp_path / "hub")
    done = desk.ferry("fetch", "hf:org/model")
    assert done.code == 0, done.said
    assert tree(tmp_path / "hub") == before
    assert digests(Path(done.out.strip())) == digests(model)
    assert desk.ferry("copy", "hf:org/model", "ms:mine/model").code == 0
    assert desk.ferry("copy", "hf:org/model", "ms:mine/model").code == 0
    assert tree(tmp_path / "hub") == before


def test_a_script_without_room_names_the_script_that_makes_some(desk, model):
    from test_errors import lying_about_sizes

    with lying_about_sizes(desk.source, "model-00001-of-00002.safetensors", 90 << 40):
        done = desk.script("scripts/simple_hf_to_ms.py", "org/model", "mine/model")
    assert done.code == 7, done.said
    assert "clean_model_cache.py list   # " in done.err
    assert "HUBFERRY_CACHE" not in done.err

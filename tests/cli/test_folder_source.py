"""A folder that is published: every entry is copied or named, and nothing goes out that was not meant."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sys
from pathlib import Path

import pytest
from desks import digests, stored

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 4294967296\n"
TOKEN = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ01234567"
WEIGHTS = random.Random(1).randbytes(200_000)


@pytest.fixture
def folder(tmp_path):
    """A folder as somebody has it: a card, a configuration, weights, a folder of them."""
    root = tmp_path / "folder"
    (root / "sub").mkdir(parents=True)
    (root / "README.md").write_text("---\nlicense: apache-2.0\n---\n# mine\n")
    (root / "config.json").write_text("{}")
    (root / "model.safetensors").write_bytes(WEIGHTS)
    (root / "sub" / "more.bin").write_bytes(WEIGHTS[:9000])
    return root


WHOLE = ["README.md", "config.json", "model.safetensors", "sub/more.bin"]


def write(root, path, content=b"x"):
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def copied(desk):
    return sorted(desk.published())


def findings(document):
    """What was found about entries, by path."""
    return {one["path"]: (one["kind"], one["code"]) for one in document["findings"] if one["path"]}


CACHE = ".cache/huggingface"


@pytest.mark.parametrize(
    ("path", "content", "entry", "code", "says"),
    [
        ("lost.safetensors", "../blobs/gone", "lost.safetensors", "broken-link", "../blobs/gone"),
        ("round", "round", "round", "link-cycle", "round"),
        ("sub/up", "..", "sub/up/", "link-cycle", "sub/up/"),
        ("w.safetensors", POINTER, "w.safetensors", "lfs-pointer", "git lfs pull"),
        ("notes.txt", POINTER, "notes.txt", "lfs-pointer", "git lfs pull"),
        ("w.gguf", b"", "w.gguf", "empty-weights", "--allow empty"),
        ("w.bin.incomplete", b"w", "w.bin.incomplete", "unfinished", "--allow unfinished"),
        ("model.safetensors.aria2", b"w", "model.safetensors", "unfinished", "--allow unfinished"),
        ("._____temp/w.bin", b"w", "._____temp/", "unfinished", "._____temp/w.bin"),
        (f"{CACHE}/download/a.incomplete", b"w", f"{CACHE}/", "unfinished", "a.incomplete"),
        ("bad\x07name.txt", b"w", "bad\x07name.txt", "name", "control character"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_byte_is_sent(
    desk, folder, path, content, entry, code, says
):
    if isinstance(content, str):
        (folder / path).symlink_to(content)
    else:
        write(folder, path, content)
    planned = desk.ferry("copy", str(folder), "ms:mine/model", "--dry-run", "--json", check_code=6)
    assert findings(planned.json())[entry] == ("refused", code)
    done = desk.ferry("copy", str(folder), "ms:mine/model", check_code=6)
    assert says in done.err
    assert desk.destination.requests.blobs_received == desk.destination.requests.commits == 0
    left = desk.ferry("copy", str(folder), "ms:mine/model", "--exclude", entry, check_code=0)
    assert "refused" not in left.said
    assert set(copied(desk)) == set(WHOLE) - {entry}


@pytest.mark.parametrize(
    ("word", "path", "content"),
    [
        ("pointers", "w.safetensors", POINTER),
        ("empty", "w.gguf", b""),
        ("unfinished", "w.bin.incomplete", b"half"),
        ("secrets", ".env", b"KEY=1"),
    ],
)
def test_what_is_meant_all_the_same_is_copied_as_it_is(desk, folder, word, path, content):
    write(folder, path, content)
    desk.ferry("copy", str(folder), "ms:mine/model", "--allow", word, check_code=0)
    assert desk.published()[path] == hashlib.sha256(content).hexdigest()


def test_what_is_left_out_is_named_in_the_plan_the_report_and_the_document(desk, folder, tmp_path):
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    (folder / "elsewhere").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe")
    (folder / "hollow").mkdir()
    for path in (".git/HEAD", ".hfd/aria2c_urls.txt", ".msc", ".mv", ".DS_Store", "sub/__pycache__/a.pyc"):
        write(folder, path)
    for path in (".env", "keys/id_rsa", ".ssh/config"):
        write(folder, path)
    write(folder, "server.pem", b"-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n")
    write(folder, ".hubferryignore", b"*.log\n/logs/\n")
    write(folder, "train.log")
    write(folder, "logs/a/b.txt")
    expected = {
        "elsewhere/": "outside-link", "pipe": "special-entry", "hollow/": "empty-folder",
        ".git/": "tool-notes", ".hfd/": "tool-notes", ".msc": "tool-notes", ".mv": "tool-notes",
        ".DS_Store": "tool-notes", "sub/__pycache__/": "tool-notes", ".hubferryignore": "tool-notes",
        ".env": "secret", "keys/id_rsa": "secret", ".ssh/": "secret", "server.pem": "secret",
        "train.log": "ignored", "logs/": "ignored",
    }  # fmt: skip
    expected = {path: ("left-out", code) for path, code in expected.items()}
    planned = desk.ferry("copy", str(folder), "ms:mine/model", "--dry-run", check_code=0)
    for path in expected:
        assert f"left out: {path}" in planned.out
    told = desk.ferry("copy", str(folder), "ms:mine/model", "--json", check_code=0)
    assert findings(told.json()) == expected
    for path in expected:
        assert f"left out: {path}" in told.err
    assert copied(desk) == WHOLE
    compared = desk.ferry("check", str(folder), "ms:mine/model", check_code=0)
    assert "left out: elsewhere/" in compared.err


def test_a_token_in_a_file_is_warned_of_and_never_shown(desk, folder):
    write(folder, "train.py", f"login('{TOKEN}')\n".encode())
    write(folder, "doc.md", b"use hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n")
    done = desk.ferry("copy", str(folder), "ms:mine/model", "--json", check_code=0)
    assert findings(done.json()) == {"train.py": ("warning", "token-inside")}
    assert "train.py" in done.err
    assert TOKEN not in done.said
    again = desk.ferry("copy", str(folder), "ms:mine/model", check_code=0)
    assert "nothing to do" in again.out
    assert copied(desk) == sorted([*WHOLE, "doc.md", "train.py"])


def test_a_snapshot_of_the_official_cache_is_copied_through_its_links(desk, tmp_path):
    repository = tmp_path / "models--org--name"
    write(repository, "blobs/aa", WEIGHTS)
    write(repository, "blobs/bb", b"{}")
    snapshot = repository / "snapshots" / "c0ffee"
    (snapshot / "sub").mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to("../../blobs/aa")
    (snapshot / "sub" / "config.json").symlink_to("../../../blobs/bb")
    (repository / "latest").symlink_to("snapshots/c0ffee")
    desk.ferry("copy", str(repository / "latest"), "ms:mine/model", check_code=0)
    assert desk.published() == digests(snapshot)
    (repository / "blobs" / "aa").unlink()
    before = desk.published()
    done = desk.ferry("copy", str(snapshot), "ms:mine/model", "--delete", check_code=6)
    assert "../../blobs/aa" in done.err
    done = desk.ferry("copy", str(snapshot), "ms:mine/model", "--delete", "--keep-going", check_code=9)
    assert "model.safetensors" in done.err
    assert desk.published() == before
    compared = desk.ferry("check", str(snapshot), "ms:mine/model", check_code=6)
    assert "! model.safetensors" in compared.out
    assert "= sub/config.json" in compared.out


def test_links_to_folders_inside_are_followed(desk, folder):
    (folder / "alias").symlink_to("sub")
    desk.ferry("copy", str(folder), "ms:mine/model", check_code=0)
    assert copied(desk) == sorted([*WHOLE, "alias/more.bin"])


def test_delete_removes_only_what_the_folder_really_lacks(desk, folder, tmp_path):
    (tmp_path / "outside").mkdir()
    for path in ("old.bin", "elsewhere/a.txt", "pipe", ".env", "hollow/old.txt"):
        write(folder, path)
    desk.ferry("copy", str(folder), "ms:mine/model", "--allow", "secrets", check_code=0)
    for path in ("old.bin", "elsewhere/a.txt", "pipe", ".env", "hollow/old.txt"):
        (folder / path).unlink()
    (folder / "elsewhere").rmdir()
    (folder / "elsewhere").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe")
    write(folder, ".env")
    desk.ferry("copy", str(folder), "ms:mine/model", "--delete", check_code=0)
    assert copied(desk) == sorted([*WHOLE, ".env", "elsewhere/a.txt", "pipe"])
    assert "identical" in desk.ferry("check", str(folder), "ms:mine/model", check_code=0).err


def test_an_entry_nobody_may_read_is_refused_with_its_path(desk, folder):
    write(folder, "locked/w.bin")
    write(folder, "closed.json", b"{}")
    (folder / "closed.json").chmod(0)
    (folder / "locked").chmod(0)
    folder.parent.chmod(0o755)
    try:
        done = as_nobody(desk, "copy", str(folder), str(desk.home / "out"), "--json", "--dry-run")
        assert done.code == 7, done.said
        told = findings(done.json())
        assert told == {"locked/": ("refused", "unreadable"), "closed.json": ("refused", "unreadable")}
    finally:
        (folder / "locked").chmod(0o755)


def as_nobody(desk, *words):
    """Run the command as one who may not read everything: root, as whom these tests may run, can."""
    if os.geteuid() != 0:
        return desk.ferry(*words)
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and nothing is here to give that up")
    bounded = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
    return desk.run(*bounded, sys.executable, "-m", "hubferry", *words)


def test_the_licence_of_the_card_becomes_that_of_the_new_repository(desk, folder):
    planned = desk.ferry("copy", str(folder), "ms:mine/model", "--dry-run", "--json", check_code=0)
    assert planned.json()["create"]["license"] == "apache-2.0"
    desk.ferry("copy", str(folder), "ms:mine/model", check_code=0)
    assert desk.destination.store.find("mine/model").record.license == "Apache-2.0"


def test_a_folder_is_published_without_a_second_copy_and_hashed_once(desk, folder):
    for number in range(5):
        write(folder, f"shard-{number}.safetensors", random.Random(number).randbytes(1_000_000))
    before = digests(folder)
    desk.ferry("copy", str(folder), "ms:mine/model", check_code=0)
    assert desk.published() == before
    assert digests(folder) == before
    cache = desk.home / "cache"
    assert sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) < 100_000
    assert {path.name for path in folder.iterdir()} == {name.split("/")[0] for name in before}
    planned = desk.ferry("copy", str(folder), "ms:mine/other", "--dry-run", check_code=0)
    assert "fetch" not in planned.out


def test_a_cache_that_cannot_be_written_only_costs_the_memory(desk, folder):
    (desk.home / "cache").write_text("a file in the way")
    desk.ferry("copy", str(folder), "ms:mine/model", check_code=0)
    assert desk.published() == digests(folder)


def test_a_folder_is_still_fetched_into_the_cache_when_that_is_asked_for(desk, folder):
    done = desk.ferry("fetch", "-q", str(folder), check_code=0)
    assert digests(Path(done.out.strip())) == digests(folder)
    (folder / "lost.bin").symlink_to("gone")
    assert desk.ferry("fetch", str(folder), check_code=6).out == ""


def test_a_hub_full_of_pointers_is_refused_at_copy_and_said_at_fetch(desk, tmp_path):
    desk.source.store.create("org/pointers", "model", license="mit")
    files = {"config.json": b"{}", "model.safetensors": POINTER, "void.bin": b"", "real.bin": b"\0" * 135}
    desk.source.store.add("org/pointers", files)
    done = desk.ferry("copy", "hf:org/pointers", "ms:mine/model", "--dry-run", "--json", check_code=6)
    told = findings(done.json())
    assert told == {"model.safetensors": ("refused", "lfs-pointer"), "void.bin": ("refused", "empty-weights")}
    desk.ferry("copy", "hf:org/pointers", "ms:mine/model", check_code=6)
    assert desk.destination.requests.commits == 0
    fetched = desk.ferry("fetch", "hf:org/pointers", check_code=0)
    assert "warning: model.safetensors is a Git LFS pointer" in fetched.err
    document = desk.ferry("fetch", "hf:org/pointers", "--json", check_code=0).json()
    assert {code for _kind, code in findings(document).values()} == {"lfs-pointer", "empty-weights"}
    desk.ferry(
        "copy", "hf:org/pointers", "ms:mine/model", "--allow", "pointers", "--allow", "empty", check_code=0
    )
    assert desk.published() == stored(desk.source, "org/pointers")


def test_names_of_a_hubs_listing_are_copied_whatever_tools_call_their_notes(desk):
    desk.source.store.create("org/odd", "model", license="mit")
    desk.source.store.add("org/odd", {".env": b"a", ".DS_Store": b"b", "x.part": b"c", "__pycache__/d": b"d"})
    desk.ferry("copy", "hf:org/odd", "ms:mine/model", check_code=0)
    assert copied(desk) == [".DS_Store", ".env", "__pycache__/d", "x.part"]


def test_a_folder_with_nothing_to_copy_says_what_stands_there_instead(desk, tmp_path):
    only = tmp_path / "only"
    write(only, "model.safetensors", POINTER)
    write(only, ".DS_Store")
    done = desk.ferry("copy", str(only), "ms:mine/model", check_code=6)
    assert "model.safetensors is a Git LFS pointer" in done.err
    assert "git lfs pull" in done.err
    (only / "model.safetensors").unlink()
    done = desk.ferry("copy", str(only), "ms:mine/model", check_code=3)
    assert "no file to take" in done.err
    assert ".DS_Store" in done.err


def test_a_pipe_at_the_top_of_a_check_neither_hangs_nor_counts(desk, folder):
    desk.ferry("copy", str(folder), "ms:mine/model", check_code=0)
    os.mkfifo(folder / "pipe")
    (folder / "lost.bin").symlink_to("gone")
    done = desk.ferry("check", str(folder), "ms:mine/model", "--json", check_code=6)
    counts = done.json()["counts"]
    assert (counts["same"], counts["unknown"], sum(counts.values())) == (4, 1, 5)
    assert "left out: pipe" in done.err
    assert "refused: lost.bin" in done.err


def test_a_hundred_megabytes_leave_less_than_one_more_on_the_disk(desk, tmp_path):
    folder = tmp_path / "large"
    content = random.Random(8).randbytes(10_000_000)
    for number in range(10):
        write(folder, f"model-{number}.safetensors", bytes([number]) + content)
    write(folder, "config.json", b"{}")
    before = used(desk.home)
    desk.ferry("copy", str(folder), "ms:mine/model", "--dry-run", check_code=0)
    desk.ferry("copy", str(folder), "ms:mine/model", check_code=0)
    assert used(desk.home) - before < 1_000_000
    assert len(copied(desk)) == 11


def used(folder):
    """Bytes that the files below a folder take on the disk, each inode once."""
    found = {entry.lstat().st_ino: entry.lstat().st_blocks * 512 for entry in folder.rglob("*")}
    return sum(found.values())


@pytest.mark.parametrize("hub", ["hf", "ms"])
def test_a_folder_that_is_published_as_a_dataset_is_one(desk, folder, hub):
    environment = {"HF_ENDPOINT": desk.destination.url, "HF_TOKEN": desk.destination.token}
    for _time in range(2):
        done = desk.inside("copy", str(folder), f"{hub}:datasets/mine/data", environment=environment)
        assert done.code == 0, done.said
    repository = desk.destination.store.find("mine/data", "dataset")
    assert sorted(repository.tree(repository.resolve(None)).files) == WHOLE
    assert not list(desk.destination.store.repositories("model"))
    assert desk.inside("check", str(folder), f"{hub}:datasets/mine/data", environment=environment).code == 0


def test_a_model_is_not_made_a_dataset_nor_a_model_of_that_name(desk, model):
    done = desk.inside("copy", "hf:org/model", "ms:datasets/mine/model")
    assert done.code == 2
    assert "hf:org/model is no dataset" in done.err
    assert "ms:mine/model" in done.err
    assert not list(desk.destination.store.repositories("model"))

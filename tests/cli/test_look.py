"""`ls`, `cat` and `info` as a person types them, at both hubs, at a folder and in the cache."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import subprocess
import sys

import pytest
from desks import digests, publish

import forked

LS = ("ls", "hf:org/model")


def rows(done):
    assert done.code == 0, done.said
    return done.out.splitlines()


def paths(done):
    return [line.split()[-1] for line in rows(done)]


def test_ls_lists_every_file_with_its_size_and_says_the_commit(desk, model):
    done = desk.inside(*LS)
    assert paths(done) == sorted(digests(model))
    size = (model / "config.json").stat().st_size
    assert any(re.fullmatch(rf" *{size} B  config\.json", line) for line in rows(done))
    assert re.fullmatch(r"hf:org/model @ \w{12}: 12 files, 194\.1 KiB\n", done.err)


def test_ls_sums_folders_up_unless_all_is_asked_for(desk, model):
    desk.source.store.add("org/model", {"onnx/a.onnx": b"a" * 2048, "onnx/deep/b.onnx": b"b" * 1024})
    assert rows(desk.inside(*LS))[-1].endswith("3.0 KiB  onnx/  (2 files)")
    assert paths(desk.inside(*LS, "--recursive")) == sorted(
        [*digests(model), "onnx/a.onnx", "onnx/deep/b.onnx"]
    )
    inside = desk.inside("ls", "hf:org/model/onnx")
    assert [line.split("  ")[-2:] for line in rows(inside)] == [
        ["2.0 KiB", "onnx/a.onnx"],
        ["onnx/deep/", "(1 file)"],
    ]
    assert inside.out == desk.inside(*LS, "onnx/").out


def test_ls_takes_a_glob_that_crosses_folders(desk, model):
    desk.source.store.add("org/model", {"onnx/deep/b.json": b"{}"})
    found = paths(desk.inside(*LS, "*.json"))
    assert found == sorted([*(path for path in digests(model) if path.endswith(".json")), "onnx/deep/b.json"])


def test_ls_long_shows_the_digests_that_the_hub_lists_and_what_is_cached(desk, model):
    desk.inside("fetch", "hf:org/model", "--include", "config.json")
    for line in rows(desk.inside(*LS, "--long")):
        digest, cached, path = line.split()[-3:]
        content = (model / path).read_bytes()
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        assert digest in (hashlib.sha256(content).hexdigest(), f"git:{git}")
        assert cached == ("cached" if path == "config.json" else "-")


def test_ls_as_json_has_a_schema_and_untranslated_keys(desk, model):
    told = [
        desk.ferry(*LS, "--json", "-q", environment={"HUBFERRY_LANG": language}).json()
        for language in ("en", "zh")
    ]
    assert told[0] == told[1]
    assert told[0]["schema"] == 1
    assert [file["path"] for file in told[0]["files"]] == sorted(digests(model))
    assert told[0]["commit"] == desk.source.store.find("org/model").resolve(None)
    assert set(told[0]["files"][0]) == {"path", "size", "sha256", "git_sha1", "lfs", "cached"}


def test_ls_lists_modelscope_and_folders_alike(desk, model):
    publish(desk.destination, model, "mine/model")
    at_hub = desk.inside("ls", "ms:mine/model")
    assert paths(at_hub) == sorted(digests(model))
    assert "@" not in at_hub.err  # the digest of a listing is no commit
    assert desk.inside("ls", "ms:mine/model", "--json").json()["commit"] is None
    in_folder = desk.inside("ls", str(model))
    assert in_folder.out == at_hub.out


def test_ls_of_a_folder_reads_nothing_of_its_files_unless_digests_are_wanted(desk, model):
    done = desk.inside("ls", str(model))
    assert done.code == 0, done.said
    assert not (desk.home / "cache").exists()  # where readings of folders are remembered
    weights = next(model.glob("*.safetensors"))
    long = next(line for line in rows(desk.inside("ls", str(model), "-l")) if line.endswith(weights.name))
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in long


def test_ls_of_an_owner_lists_its_repositories_at_both_hubs_page_by_page(desk, monkeypatch):
    monkeypatch.setattr("hubferry.serve.huggingface.repositories._REPOSITORIES_A_PAGE", 5)
    monkeypatch.setattr("hubferry.serve.modelscope.repositories._MOST_A_PAGE", 5)
    for name, hub in (("hf", desk.source), ("ms", desk.destination)):
        for number in range(12):
            hub.store.create(f"many/m{number:02}", private=number % 2 == 1)
        hub.store.create("many-more/other")
        hub.store.create("many/table", "dataset")
        hub.requests.clear()
        lines = rows(desk.inside("ls", f"{name}:many"))
        assert [line.split()[-1] for line in lines] == [f"{name}:many/m{n:02}" for n in range(12)]
        assert [line.split()[0] for line in lines] == ["public", "private"] * 6
        assert all(re.search(r" \d{4}-\d\d-\d\d ", line) for line in lines)
        assert hub.requests.count(f"{name}:list") == 3
        assert paths(desk.inside("ls", f"{name}:datasets/many")) == [f"{name}:datasets/many/table"]


def test_ls_of_an_owner_as_json_says_what_the_hub_says(desk, model):
    told = desk.inside("ls", "hf:org", "--json").json()
    assert (told["schema"], told["complete"], told["owner"]) == (1, True, "org")
    (one,) = told["repositories"]
    assert (one["repository"], one["private"], one["gated"]) == ("org/model", False, False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", one["changed"])


def test_a_stranger_sees_no_private_repository_in_the_list_of_an_owner(desk):
    desk.source.store.create("org/open")
    desk.source.store.create("org/hidden", private=True)
    assert paths(desk.inside("ls", "hf:org", unset=("HF_TOKEN",))) == ["hf:org/open"]
    assert paths(desk.inside("ls", "hf:org")) == ["hf:org/hidden", "hf:org/open"]


def test_ls_of_a_name_without_owner_lists_the_repository_of_that_name(desk):
    desk.source.store.add("gpt2", {"config.json": b"{}"})
    assert paths(desk.inside("ls", "hf:gpt2")) == ["config.json"]


def test_offline_the_cache_lists_what_it_has_and_no_hub_is_asked(desk, model):
    desk.inside("fetch", "hf:org/model", "--include", "*.json")
    desk.source.requests.clear()
    done = desk.inside(*LS, "--offline", "--json")
    assert [f["path"] for f in done.json()["files"]] == sorted(digests(model))
    assert {f["path"] for f in done.json()["files"] if f["cached"]} == {
        path for path in digests(model) if path.endswith(".json")
    }
    assert paths(desk.inside("ls", "hf:org", "--offline")) == ["hf:org/model"]
    assert (
        desk.inside("cat", "hf:org/model/config.json", "--offline").out == (model / "config.json").read_text()
    )
    lacking = desk.inside("cat", "hf:org/model/README.md", "--offline")
    assert (lacking.code, lacking.out) == (3, "")
    assert desk.inside("info", "hf:org/model", "--offline", "--json").json()["cached"][0]["state"] == "part"
    assert desk.source.requests.records == []


def cat(desk, *words):
    return desk.inside("cat", *words)


@pytest.mark.parametrize(
    "words",
    [
        ("hf:org/model/{path}",),
        ("hf:org/model", "{path}"),
        ("hf:org/model@main", "{path}"),
        ("{url}/org/model/blob/main/{path}",),
        ("{url}/org/model/resolve/refs/heads/main/{path}",),
    ],
)
def test_cat_prints_a_file_byte_for_byte(desk, model, words):
    path = next(path for path in digests(model) if path.endswith("00001-of-00002.safetensors"))
    done = cat(desk, *(word.format(path=path, url=desk.source.url) for word in words))
    assert done.code == 0, done.said
    assert done.raw == (model / path).read_bytes()


def test_cat_takes_from_the_cache_what_is_there(desk, model):
    desk.inside("fetch", "hf:org/model")
    desk.source.requests.clear()
    assert cat(desk, "hf:org/model/README.md").raw == (model / "README.md").read_bytes()
    assert desk.source.requests.count("hf:resolve", "hf:download", "storage:get") == 0


@pytest.mark.parametrize(
    ("part", "chosen"), [("0-7", slice(0, 8)), ("100-", slice(100, None)), ("-8", slice(-8, None))]
)
def test_cat_prints_a_part_by_asking_for_no_more(desk, model, part, chosen):
    path = next(path for path in digests(model) if path.endswith("00001-of-00002.safetensors"))
    content = (model / path).read_bytes()
    assert cat(desk, f"hf:org/model/{path}", "--bytes", part).raw == content[chosen]
    desk.source.requests.clear()
    cat(desk, f"hf:org/model/{path}", "--bytes", "0-7")
    assert desk.source.requests.bytes_sent < len(content) / 4


def test_cat_never_prints_the_end_of_a_file_that_is_not_what_is_listed(desk, tmp_path):
    content = os.urandom(3 << 20)
    desk.source.store.add("org/big", {"weights.bin": content, "small.txt": b"right"})
    repository = desk.source.store.find("org/big")
    for path, file in repository.tree(repository.resolve(None)).files.items():
        place = desk.source.store.blobs.path(file.sha256)
        right = place.read_bytes()
        place.chmod(0o644)
        place.write_bytes(b"wrong"[: len(right)] + right[5:])
        done = cat(desk, f"hf:org/big/{path}")
        assert done.code == 6, done.said
        assert len(done.raw) <= max(0, len(right) - (1 << 20))
        assert "is not what the listing says" in done.err


def test_cat_finds_a_rotten_byte_in_the_cache(desk, model):
    desk.inside("fetch", "hf:org/model")
    place = desk.home / "cache" / "org_model" / "config.json"
    status = place.stat()
    content = bytearray(place.read_bytes())
    content[0] ^= 1
    with place.open("r+b") as stream:
        stream.write(content)
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = cat(desk, "hf:org/model/config.json")
    assert done.code in (0, 6)  # whether the change shows in its stamps is up to the filesystem
    assert done.raw in (b"", (model / "config.json").read_bytes())


def test_cat_names_the_nearest_file_for_one_that_is_not_there(desk, model):
    done = desk.inside("cat", "hf:org/model/confg.json")
    assert done.code == 3
    assert "did you mean: config.json" in done.err
    assert desk.inside("cat", "hf:org/model").code == 2


def at_terminal(desk, *words):
    """Run a command whose stdout is a terminal; return its exit code and what the terminal got."""
    reader, writer = pty.openpty()
    line = [sys.executable, "-m", "hubferry", *words]
    process = forked.Popen(line, stdout=writer, stderr=subprocess.PIPE, env=desk.environment, cwd=desk.home)
    os.close(writer)
    shown = b""
    while True:
        try:
            piece = os.read(reader, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    _out, said = process.communicate(timeout=60)
    os.close(reader)
    return process.returncode, shown, said


def test_cat_shows_text_on_a_terminal_and_refuses_what_a_terminal_would_obey(desk, model):
    code, shown, _said = at_terminal(desk, "cat", "hf:org/model/README.md")
    assert (code, shown.replace(b"\r\n", b"\n")) == (0, (model / "README.md").read_bytes())
    desk.source.store.add("org/model", {"orders.txt": b"\x1b]0;owned\x07"})
    for path in ("orders.txt", next(p for p in digests(model) if p.endswith("00001-of-00002.safetensors"))):
        code, shown, said = at_terminal(desk, "cat", f"hf:org/model/{path}")
        assert (code, shown) == (2, b"")
        assert b"--force" in said
    assert at_terminal(desk, "cat", "hf:org/model/orders.txt", "--force")[1] == b"\x1b]0;owned\x07"


def test_info_says_what_is_known_and_what_is_cached(desk, model):
    before = desk.inside("info", "hf:org/model")
    commit = desk.source.store.find("org/model").resolve(None)
    assert f"commit       {commit}" in before.out
    for line in ("12 files, 194.1 KiB", "visibility   public", "licence      mit", "cached       nothing"):
        assert line in before.out
    desk.inside("fetch", "hf:org/model")
    after = desk.inside("info", "hf:org/model").out
    assert "all of these files" in after
    assert f"org_model: commit {commit[:12]}, whole, 194.1 KiB" in after


def test_info_as_json_is_the_same_in_every_language(desk, model):
    desk.inside("fetch", "hf:org/model")
    told = [
        desk.ferry("info", "hf:org/model", "--json", environment={"HUBFERRY_LANG": language}).json()
        for language in ("en", "zh")
    ]
    assert told[0] == told[1]
    assert told[0]["schema"] == 1
    assert (told[0]["private"], told[0]["license"], told[0]["files"]) == (False, "mit", 12)
    assert (told[0]["cached_files"], told[0]["cached"][0]["state"]) == (12, "whole")


def test_info_says_whether_the_terms_of_a_gated_repository_are_accepted(desk, model):
    desk.source.store.find("org/model").change(gated="manual")
    done = desk.inside("info", "hf:org/model")
    assert done.code == 0, done.said
    assert "is gated: its terms have to be accepted first" in done.out
    assert desk.inside("info", "hf:org/model", "--json").json()["terms_accepted"] is False
    assert paths(desk.inside(*LS)) == sorted(digests(model))  # what there is may be seen all the same
    assert desk.inside("cat", "hf:org/model/config.json").code == 4
    desk.source.store.find("org/model").change(granted=("tester",))
    assert desk.inside("info", "hf:org/model", "--json").json()["terms_accepted"] is True


def test_looking_changes_nothing_at_the_hub_and_nothing_on_the_disk(desk, model):
    for words in (LS, ("cat", "hf:org/model/config.json"), ("info", "hf:org/model"), ("ls", "hf:org")):
        assert desk.inside(*words).code == 0
    assert {record.method for record in desk.source.requests.records} <= {"GET", "HEAD"}
    assert not (desk.home / "cache").exists()

"""Receipts of copies between real hubs: what they say, that they are whole, what they are held against."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mirrored import entry, small_model

import forked
import hubferry
from hubferry.beside import NameCopied
from hubferry.errors import HubferryError, IntegrityError, NotFoundError, UsageError
from hubferry.events import ignore
from hubferry.model import RepoRef
from hubferry.options import Options
from hubferry.receipts import document
from hubferry.receipts.document import ReceiptFile
from hubferry.receipts.sums import sums
from hubferry.sync import receipts
from hubferry.sync.outcome import FileProof, Outcome
from hubferry.sync.record import recorded
from hubferry.sync.run import Asked
from hubferry.sync.spec import Job, Manner, SyncFile

PROVING = Asked(manner=Manner(proof=True))
A, B = "a" * 64, "b" * 64


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "receipts"


def copied(world, folder, source="hf:org/a", target="ms:mine/a", **words) -> Path:
    """Copy and return the receipt."""
    summary = world.run(entry(source, target, **words), asked=PROVING)
    (outcome,) = summary.outcomes
    assert outcome.error is None, outcome.error
    return receipts.write(folder, outcome)


ONE_FILE = (FileProof("a.bin", 1, A),)


def made_up(name="x", files=ONE_FILE, target="ms:mine/x", **words) -> Outcome:
    line = entry(f"hf:org/{name}", target)
    return Outcome(Job(line, line.source, target), "copied", 1_790_000_000.25, 2.0, "c" * 40, "d" * 64,
                   proof=tuple(files), **words)  # fmt: skip


def states(receipt, where=None, **words) -> dict[str, str]:
    found = hubferry.verify_receipt(receipt, where, **words)
    return {one.path: one.state.value for one in found.files}


def resealed(place: Path, change) -> Path:
    """Write another receipt beside one: changed, and sealed as if it were right."""
    said = json.loads(place.read_bytes())
    change(said)
    said["seal"] = document.seal(said)
    other = place.with_name("forged.json")
    other.write_text(json.dumps(said))
    return other


@pytest.mark.parametrize(("source", "target"), [("hf:org/a", "ms:mine/a"), ("hf:org/a", "hf:mine/b")])
def test_a_receipt_has_every_file_of_the_target_with_its_sha256(world, folder, source, target):
    world.publish("org/a")
    place = copied(world, folder, source, target)
    said = json.loads(place.read_bytes())
    hub = world.target if target.startswith("ms") else world.source
    assert {one["path"]: one["sha256"] for one in said["files"]} | dict.fromkeys(said["others"]) == world_of(
        hub, target
    ) | dict.fromkeys(said["others"])
    assert said["target"]["endpoint"] == hub.url
    assert said["source"]["commit"] == world.source.store.find("org/a", "model").resolve(None)
    assert said["tool"]["hubferry"] == hubferry.__version__
    assert said["status"] == "copied"


def world_of(hub, target) -> dict[str, str]:
    repository = hub.store.find(target.partition(":")[2], "model")
    return {path: file.sha256 for path, file in repository.tree(repository.resolve(None)).files.items()}


def test_a_target_that_lists_no_sha256_of_small_files_still_gets_them_and_nothing_is_cached(world, folder):
    world.publish(
        "org/a", {"config.json": b"{}\n", "model.safetensors": small_model("a")["model.safetensors"]}
    )
    copied(world, folder, "hf:org/a", "hf:mine/b", cache=False)
    shutil.rmtree(world.home / ".cache", ignore_errors=True)
    shutil.rmtree(folder)
    said = json.loads(copied(world, folder, "hf:org/a", "hf:mine/b", cache=False).read_bytes())
    found = {one["path"]: one["sha256"] for one in said["files"]}
    assert said["status"] == "same"
    assert found["config.json"] == hashlib.sha256(b"{}\n").hexdigest()


def test_sha256sum_reads_the_sums_that_lie_beside_it(world, folder, tmp_path):
    world.publish("org/a")
    place = copied(world, folder)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path, content in small_model("org/a").items():
        (copy / path).write_bytes(content)
    command = ["sha256sum", "--check", "--strict", str(place.parent / "SHA256SUMS")]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (copy / "config.json").write_text("{}")
    assert subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode == 1


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_odd_names_are_escaped_as_coreutils_reads_them(tmp_path):
    names = ["plain", "a\\b", "line\nbreak", "-dash", " blank ", "日本", "*star", "tab\there", "\\"]
    files = []
    for name in names:
        content = name.encode()
        (tmp_path / name).write_bytes(content)
        files.append(ReceiptFile(name, len(content), hashlib.sha256(content).hexdigest()))
    written = tmp_path / "sums"
    written.write_bytes(sums(files))
    command = ["sha256sum", "--check", "--strict", "sums"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"OK") == len(names)


def test_the_target_is_held_against_its_receipt_and_what_changed_is_named(world, folder):
    world.publish("org/a")
    place = copied(world, folder)
    assert set(states(place).values()) == {"same"}
    world.target.store.add("mine/a", {"config.json": b"{1}\n", "new.txt": b"new"})
    assert {path: state for path, state in states(place, latest=True).items() if state != "same"} == {
        "config.json": "changed",
        "new.txt": "extra",
    }
    assert not hubferry.verify_receipt(place, latest=True).good


def test_the_commit_of_the_receipt_stays_right_while_the_branch_moves_on(world, folder):
    world.publish("org/a")
    place = copied(world, folder, "hf:org/a", "hf:mine/b")
    world.source.store.add("mine/b", {"config.json": b"{1}\n"})
    assert hubferry.verify_receipt(place).good
    assert states(place, latest=True)["config.json"] == "changed"


def test_what_the_target_had_besides_is_no_difference(world, folder):
    world.publish("org/a")
    world.target.store.create("mine/a")
    world.target.store.add("mine/a", {"theirs.txt": b"kept"})
    place = copied(world, folder)
    assert json.loads(place.read_bytes())["others"] == ["theirs.txt"]
    assert set(states(place).values()) == {"same"}


def test_another_hub_and_a_folder_can_be_held_against_it(world, folder, tmp_path):
    world.publish("org/a")
    place = copied(world, folder)
    assert set(states(place, "hf:org/a").values()) == {"same"}
    copy = tmp_path / "copy"
    copy.mkdir()
    for path, content in small_model("org/a").items():
        (copy / path).write_bytes(content)
    assert set(states(place, copy).values()) == {"same"}
    (copy / "README.md").unlink()
    (copy / "config.json").write_bytes((copy / "config.json").read_bytes()[::-1])
    (copy / "more.txt").write_text("x")
    assert states(place, copy) == {
        "README.md": "missing", "config.json": "changed", "model.safetensors": "same", "more.txt": "extra"
    }  # fmt: skip


def test_a_folder_is_read_anew_though_its_file_looks_as_before(world, folder, tmp_path):
    world.publish("org/a")
    place = copied(world, folder)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path, content in small_model("org/a").items():
        (copy / path).write_bytes(content)
    hubferry.list_files(copy)
    file = copy / "config.json"
    before, content = file.stat(), file.read_bytes()
    with file.open("r+b") as stream:
        stream.write(bytes([content[0] ^ 1]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert states(place, copy)["config.json"] == "changed"


def test_files_that_a_look_through_a_folder_leaves_out_are_found_by_their_receipt(folder, tmp_path):
    content = b"A=1\n"
    digest = hashlib.sha256(content).hexdigest()
    names = (".env", "__pycache__/x.py", ".gitattributes")
    place = receipts.write(folder, made_up(files=[FileProof(name, 4, digest) for name in names]))
    for name in names:
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(content)
    assert states(place, tmp_path / "copy") == dict.fromkeys(sorted(names), "same")


def test_a_selection_is_held_to_and_what_lies_outside_of_it_is_not_extra(world, folder):
    world.publish("org/a")
    place = copied(world, folder, include=("*.json",))
    world.target.store.add("mine/a", {"other.bin": b"x", "new.json": b"{}"})
    assert states(place, latest=True) == {"config.json": "same", "new.json": "extra"}


def test_a_run_that_finds_all_the_same_writes_no_second_receipt(world, folder):
    world.publish("org/a")
    first = copied(world, folder)
    assert copied(world, folder) == first
    world.publish("org/a", {"config.json": b"{2}\n"})
    second = copied(world, folder)
    assert sorted(one.name for one in first.parent.glob("*.json")) == [first.name, second.name]


def test_a_repository_that_is_the_same_costs_no_request_more_for_its_receipt(world, folder):
    world.publish("org/a")
    world.target.store.create("mine/a")
    world.target.store.add("mine/a", {"theirs.txt": b"kept"})
    first = copied(world, folder)
    counted = []
    for asked in (Asked(), PROVING):
        world.source.requests.clear()
        world.target.requests.clear()
        (outcome,) = world.run(entry("hf:org/a", "ms:mine/a"), asked=asked).outcomes
        counted.append((len(world.source.requests.records), len(world.target.requests.records)))
    assert counted == [(2, 2)] * 2
    assert receipts.write(folder, outcome) == first


def test_receipts_have_names_that_sort_and_never_take_anothers_place(folder):
    outcome = made_up()
    first = receipts.write(folder, outcome)
    again = receipts.write(folder, outcome)
    later = receipts.write(folder, replace(outcome, started=outcome.started + 60))
    assert len({first, again, later}) == 3
    assert max([again, later, first]) == later
    assert receipts.folder_name("ms:a/b_c") != receipts.folder_name("ms:a_b/c")
    assert len(os.fsencode(receipts.folder_name("ms:" + "x/" * 500))) < 255


def test_a_receipt_is_whole_or_not_there(folder, monkeypatch):
    from hubferry.cache.disk import disk

    def fail(*_arguments) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "fsync", fail)
    with pytest.raises(HubferryError) as failed:
        receipts.write(folder, made_up())
    assert failed.value.exit_code == 7
    assert list(folder.rglob("*.*")) == []


def test_what_a_killed_run_left_in_the_middle_is_swept(folder):
    place = receipts.write(folder, made_up())
    old, young = (place.with_name(f".{name}.passing") for name in ("old", "young"))
    old.touch()
    young.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    receipts.write(folder, made_up())
    assert (old.exists(), young.exists()) == (False, True)


def test_killed_in_the_middle_no_half_receipt_has_a_name(folder):
    program = (
        "import os, sys; sys.path[:0] = [sys.argv[2], sys.argv[2] + '/..', sys.argv[2] + '/../hub']\n"
        "import pathlib; from test_receipts import made_up, receipts\n"
        "from hubferry.cache.disk import disk\n"
        "receipts.write(pathlib.Path(sys.argv[1]), made_up())\n"
        "def half(descriptor, pieces, offset):\n"
        "    os.write(descriptor, pieces[0][:100]); os.kill(os.getpid(), 9)\n"
        "disk.pwrite_all = half\n"
        "receipts.write(pathlib.Path(sys.argv[1]), made_up())"
    )
    words = [sys.executable, "-c", program, str(folder), str(Path(__file__).parent)]
    assert forked.run(words, check=False).returncode == -signal.SIGKILL
    (whole,) = folder.rglob("*.json")
    assert document.read(whole).entry == "hf:org/x"


def test_what_is_not_proven_gets_no_receipt(folder):
    for outcome in (replace(made_up(), status="failed"), made_up(files=[FileProof("x", 1)])):
        with pytest.raises(IntegrityError):
            receipts.write(folder, outcome)
    assert not folder.exists()


def test_a_target_that_moved_before_its_receipt_gets_none(world):
    world.publish("org/a")
    (outcome,) = world.run(entry("hf:org/a", "ms:mine/a"), asked=PROVING).outcomes
    world.target.store.add("mine/a", {"config.json": b"{9}\n"})
    with pytest.raises(IntegrityError) as refused:
        asyncio.run(receipts.settled(outcome, Options(), ignore))
    assert refused.value.path == "config.json"


def test_names_and_notes_are_in_it_and_no_secret(world, folder):
    canary = "hf_canaryCANARYcanary"
    world.publish("org/a")
    (outcome,) = world.run(entry("hf:org/a", "ms:mine/a"), asked=PROVING).outcomes
    names = (NameCopied("v1", "tag", "s", "t"),)
    outcome = replace(outcome, names=names, notes=(f"left out: {canary}",))
    place = receipts.write(folder, outcome, clean=lambda text: text.replace(canary, "***"))
    everything = b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file()).decode()
    assert canary not in everything
    assert not any(token in everything for name, token in world.environment.items() if "TOKEN" in name)
    assert document.read(place).names[0].name == "v1"
    assert document.read(place).notes == ("left out: ***",)


def test_a_run_leaves_receipts_and_one_that_cannot_says_so(world, folder, tmp_path):
    world.publish("org/a")
    line = entry("hf:org/a", "ms:mine/a")
    (outcome,) = world.run(line, asked=PROVING).outcomes
    said: list[str] = []
    for place in (folder, tmp_path / "file" / "below"):
        (tmp_path / "file").write_text("no folder")
        with recorded(SyncFile(world.home / "m.yaml", (line,), receipts=place), "run", said.append) as record:
            record.keep(outcome)
            assert record.good is (place == folder)
    assert len(list(folder.rglob("*.json"))) == 1
    assert len(said) == 1
    assert str(tmp_path / "file") in said[0]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", UsageError),
        (b"no JSON", UsageError),
        (b"[" * 100_000, UsageError),
        (b"{}", UsageError),
        (b'{"kind": "hubferry-receipt"}', UsageError),
        (b'{"kind": "hubferry-receipt", "schema": 99}', UsageError),
        (b'{"kind": "hubferry-receipt", "schema": 1, "seal": "x"}', IntegrityError),
        (b'{"kind": "hubferry-receipt", "schema": 1' + b"0" * 5000 + b"}", IntegrityError),
        (b'{"kind": "hubferry-receipt", "schema": 1, "files": [{"pa', IntegrityError),
        (b"\xff\xfe\x00", UsageError),
    ],
)  # fmt: skip
def test_what_is_no_receipt_is_refused_with_a_sentence(tmp_path, content, error):
    (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(error) as refused:
        hubferry.verify_receipt(tmp_path / "r.json")
    assert type(refused.value) is error
    assert str(tmp_path / "r.json") in refused.value.message


def test_a_receipt_that_was_edited_or_cut_short_proves_nothing(folder):
    place = receipts.write(folder, made_up())
    content = place.read_bytes()
    for changed in (content.replace(A.encode(), B.encode()), content[:-40], content.replace(b"ms:", b"hf:")):
        place.write_bytes(changed)
        with pytest.raises(IntegrityError):
            document.read(place)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda said: said.update(files="x"),
        lambda said: said["files"].append({"path": "b", "size": 1}),
        lambda said: said["files"].append(dict(said["files"][0])),
        lambda said: said["files"][0].update(size=-1),
        lambda said: said["files"][0].update(size=-(10**40)),
        lambda said: said["files"][0].update(size=1e400),
        lambda said: said.pop("target"),
    ],
)
def test_a_receipt_whose_fields_are_wrong_is_refused_though_its_seal_is_right(folder, wrong):
    place = receipts.write(folder, made_up())
    with pytest.raises(IntegrityError):
        document.read(resealed(place, wrong))


def test_a_receipt_of_ten_gigabytes_is_not_read(tmp_path):
    with (tmp_path / "r.json").open("wb") as stream:
        stream.truncate(10 << 30)
    with pytest.raises(UsageError):
        document.read(tmp_path / "r.json")


def test_a_pipe_or_a_device_is_no_receipt_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(UsageError):
            document.read(place)
    with pytest.raises(NotFoundError):
        document.read(tmp_path / "none")


def test_a_receipt_opens_nothing_outside_of_the_folder(folder, tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("top secret")
    digest = hashlib.sha256(b"top secret").hexdigest()
    copy = tmp_path / "copy"
    (copy / "in").mkdir(parents=True)
    (copy / "link").symlink_to(secret)
    (copy / ".git").symlink_to(tmp_path)
    hostile = ["../secret", str(secret), "in/../../secret", ".git/secret", "a\0b", "/etc/passwd", "C:\\x", ""]
    place = receipts.write(folder, made_up(files=[FileProof(name, 10, digest) for name in hostile]))
    opened: list[str] = []
    original = os.open

    def watched(path, *arguments, **words):
        opened.append(os.path.realpath(os.fsdecode(path)))
        return original(path, *arguments, **words)

    monkeypatch.setattr(os, "open", watched)
    found = states(place, copy)
    assert {name: found[name] for name in hostile} == dict.fromkeys(hostile, "missing")
    assert str(secret) not in opened


def test_no_hub_is_asked_because_a_receipt_names_it(world, folder):
    world.publish("org/a")
    place = copied(world, folder)
    world.source.requests.clear()

    def elsewhere(said) -> None:
        said["target"]["endpoint"] = world.source.url

    with pytest.raises(UsageError) as refused:
        hubferry.verify_receipt(resealed(place, elsewhere))
    assert world.source.url in refused.value.message
    assert world.source.requests.records == []
    assert hubferry.verify_receipt(resealed(place, elsewhere), "ms:mine/a").good


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("https://hf-mirror.com/org/x", "the receipt is about"),
        ("https://evil.example/org/x", "is not an address of a hub"),
        ("//server/share", "a folder as Windows writes it"),
        ("lab:org/x", "lab"),
    ],
)
def test_a_receipt_that_brings_its_own_address_is_refused(folder, target, said, monkeypatch):
    place = receipts.write(folder, made_up())

    def elsewhere(said) -> None:
        said["target"] |= {"ref": target, "endpoint": "https://hf-mirror.com"}

    monkeypatch.setenv("HF_TOKEN", "hf_canaryCANARYcanary")
    with pytest.raises(UsageError, match=said):
        hubferry.verify_receipt(resealed(place, elsewhere))


@pytest.mark.parametrize("place", ["//server/share", "\\\\server\\share"])
def test_a_file_server_is_not_asked_because_a_receipt_says_so(folder, place, monkeypatch):
    """As on Windows, where such a name is a folder, and asking signs in."""
    monkeypatch.setattr("hubferry.receipts.checking.reference", lambda text, *_words: RepoRef("dir", text))
    monkeypatch.setattr("hubferry.receipts.folders.look", lambda *_words: pytest.fail("it was asked"))
    receipt = resealed(receipts.write(folder, made_up()), lambda said: said["target"].update(ref=place))
    with pytest.raises(UsageError, match="a folder of a server"):
        hubferry.verify_receipt(receipt)


def test_a_target_that_is_gone_is_an_error_and_no_difference(world, folder):
    world.publish("org/a")
    place = copied(world, folder)
    world.target.store.delete("mine/a")
    with pytest.raises(NotFoundError):
        hubferry.verify_receipt(place)


def test_the_seal_can_be_checked_without_hubferry(folder):
    place = receipts.write(folder, made_up(notes=("é 日本 \u2028",)))
    page = (Path(__file__).parents[2] / "docs" / "receipts.md").read_text(encoding="utf-8")
    program = textwrap.dedent(re.search(r"python3 -c '\n(.+?)\n    '", page, re.DOTALL)[1])
    words = [sys.executable, "-c", program, str(place)]
    assert forked.run(words, capture_output=True, check=False).returncode == 0
    place.write_bytes(place.read_bytes().replace(A.encode(), B.encode()))
    assert forked.run(words, capture_output=True, check=False).returncode == 1

"""A bundle from one hub to places that never hear of that hub, by the real commands."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from desks import digests, publish, stored

from hubferry.bundles.making import Wish, make
from hubferry.cache.disk import disk
from hubferry.events import FileStarted
from hubferry.options import Options

NOBODY_THERE = "http://127.0.0.1:9"
CHECKER = Path(__file__).parents[2] / "src" / "hubferry" / "bundles" / "check.py"


def volumes(stick: Path) -> list[Path]:
    return sorted(stick.glob("*.tar"))


def checked(*places: Path) -> int:
    words = [sys.executable, "-I", str(CHECKER), *map(str, places)]
    return subprocess.run(words, capture_output=True, check=False).returncode


class Gap:
    """What is on the other side: another cache, and no way to the hub of the source."""

    def __init__(self, desk, tmp_path):
        self._desk = desk
        self.cache = tmp_path / "beyond"
        self.environment = {"HUBFERRY_CACHE": str(self.cache), "HF_ENDPOINT": NOBODY_THERE}

    def ferry(self, *words, code=0, **environment):
        words = [str(word) for word in words]
        return self._desk.inside(*words, environment=self.environment | environment, check_code=code)


@pytest.fixture
def gap(desk, tmp_path) -> Gap:
    return Gap(desk, tmp_path)


@pytest.fixture
def stick(desk, model, tmp_path) -> Path:
    """A folder with a bundle of `org/model` in five volumes."""
    place = tmp_path / "stick"
    desk.inside("bundle", "hf:org/model", str(place), "--size", "1M", check_code=0)
    return place


def test_a_model_goes_in_volumes_into_a_cache_that_hears_of_no_hub(desk, model, stick, gap):
    assert checked(stick) == 0
    assert len(volumes(stick)) == 5
    desk.source.requests.clear()
    done = gap.ferry("unbundle", stick, HF_HUB_OFFLINE="1")
    place = gap.cache / "org_model"
    assert done.out.strip() == str(place)
    assert digests(place) == digests(model)
    known = json.loads((place / ".hubferry" / "manifest.json").read_bytes())
    assert known["commit"] == desk.source.store.find("org/model").resolve(None)
    assert known["whole"] is True
    again = gap.ferry("fetch", "hf:org/model", "--offline", "-q")
    assert again.out.strip() == str(place)
    assert desk.source.requests.records == []


def test_a_model_goes_from_volumes_to_a_hub_with_a_receipt_of_where_it_came_from(
    desk, model, stick, gap, tmp_path
):
    kept = tmp_path / "receipts"
    done = gap.ferry("unbundle", stick, "ms:mine/model", "--receipts", kept, "--json")
    (told,) = done.json()["models"]
    assert told["verified"] is True
    ours = digests(model)
    published = stored(desk.destination, "mine/model")
    assert ours.items() <= published.items()
    receipt = json.loads(Path(told["receipt"]).read_bytes())
    assert receipt["source"]["commit"] == desk.source.store.find("org/model").resolve(None)
    assert receipt["source"]["endpoint"] == desk.source.url
    assert {one["path"]: one["sha256"] for one in receipt["files"]} == ours
    gap.ferry("verify-receipt", told["receipt"])
    gap.ferry("verify-receipt", told["receipt"], model)
    again = gap.ferry("unbundle", stick, "ms:mine/model", "--json").json()["models"][0]
    assert again["commits"] == []


def test_a_model_goes_from_volumes_into_a_folder(model, stick, gap, tmp_path):
    kept = tmp_path / "receipts"
    gap.ferry("unbundle", stick, "--to", tmp_path / "models/{name}", "--receipts", kept, HF_HUB_OFFLINE="1")
    assert digests(tmp_path / "models" / "model") == digests(model)
    (receipt,) = kept.glob("*/*.json")
    gap.ferry("verify-receipt", receipt, tmp_path / "models" / "model")


def test_volumes_that_are_missing_or_damaged_are_named_and_made_again_byte_for_byte(
    desk, model, stick, gap, tmp_path
):
    _first, second, third, fourth, _fifth = volumes(stick)
    originals = {path.name: path.read_bytes() for path in volumes(stick)}
    second.unlink()
    damaged = bytearray(third.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    third.write_bytes(damaged)
    with fourth.open("r+b") as stream:
        stream.truncate(300_000)
    failed = gap.ferry("unbundle", stick, code=9)
    assert "volume 2 of the 5 of org_model is not here" in failed.err
    assert "volume 2 of org_model is missing" in failed.err
    assert "volumes 3-4 of org_model are damaged" in failed.err
    assert "hubferry bundle --like org_model.json --only-volumes 2-4 DIR" in failed.err
    here = digests(gap.cache / "org_model")
    assert here.items() <= digests(model).items()
    assert "config.json" in here
    other = tmp_path / "other"
    words = ["bundle", "--like", str(stick / "org_model.json"), "--only-volumes", "2-4", str(other)]
    desk.inside(*words, check_code=0)
    assert {path.name: path.read_bytes() for path in volumes(other)} == {
        path.name: originals[path.name] for path in (second, third, fourth)
    }
    third.unlink()
    fourth.unlink()
    gap.ferry("unbundle", stick, other)
    assert digests(gap.cache / "org_model") == digests(model)


def test_a_dry_run_says_what_would_be_taken_out_and_which_volumes_it_needs_and_writes_nothing(
    desk, model, stick, gap, tmp_path
):
    whole = gap.ferry("unbundle", stick, "--dry-run")
    assert "-> the cache" in whole.out
    assert "model-00001-of-00003.safetensors" in whole.out
    assert f"plan: {len(digests(model))} files, fetch 4." in whole.out
    for target in ("ms:mine/model", str(tmp_path / "folder")):
        assert "plan: " in gap.ferry("unbundle", stick, "--to", target, "--dry-run").out
    volumes(stick)[1].unlink()
    lacking = gap.ferry("unbundle", stick, "ms:mine/model", "--dry-run", code=3)
    assert "will be created as public" in lacking.out
    assert "volume 2 of org_model is missing" in lacking.err
    assert "hubferry bundle --like org_model.json --only-volumes 2 DIR" in lacking.err
    told = gap.ferry("unbundle", stick, "--dry-run", "--json", code=3).json()["models"]
    assert [one["missing_volumes"] for one in told] == [[2]]
    gap.ferry("unbundle", stick, "--include", "*.json", "--dry-run")
    assert not (gap.cache / "org_model").exists()
    assert not (tmp_path / "folder").exists()
    assert desk.destination.requests.commits == desk.destination.requests.blobs_received == 0
    assert not list(desk.destination.store.root.rglob("repository.json"))


def test_what_is_in_the_cache_already_needs_no_volume_for_it(stick, gap, model):
    gap.ferry("unbundle", stick)
    for path in volumes(stick)[1:]:
        path.unlink()
    assert "all in the cache; nothing to fetch" in gap.ferry("unbundle", stick, "--dry-run").out


def test_what_some_volumes_hold_is_not_read_again_when_the_others_come(model, stick, gap, tmp_path):
    later = tmp_path / "later"
    later.mkdir()
    for path in volumes(stick)[3:]:
        shutil.move(path, later)
    gap.ferry("unbundle", stick, "ms:mine/model", code=9)
    for path in volumes(stick)[:1]:
        path.unlink()
    done = gap.ferry("unbundle", stick, later, "ms:mine/model", "--json").json()["models"][0]
    assert done["verified"] is True
    assert done["fetched"] < 3_200_000


def test_a_volume_whose_index_is_damaged_still_gives_its_files(model, stick, gap):
    with volumes(stick)[1].open("r+b") as stream:
        stream.seek(700)
        stream.write(b"damage")
    assert checked(stick) == 1
    gap.ferry("unbundle", stick)
    assert digests(gap.cache / "org_model") == digests(model)


def test_a_bundle_that_was_killed_goes_on_with_the_commit_that_it_began_with(desk, model, tmp_path):
    whole, place = tmp_path / "whole", tmp_path / "stick"
    desk.inside("bundle", "hf:org/model", str(whole), "--size", "1M", check_code=0)
    command = [sys.executable, "-m", "hubferry", "bundle", "hf:org/model", str(place), "--size", "1M"]
    with subprocess.Popen(command, env=desk.environment, stderr=subprocess.DEVNULL) as running:
        while running.poll() is None and not list(place.glob("*.tar*")):
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "new.txt").write_text("new")
    desk.source.store.add("org/model", {"new.txt": extra / "new.txt"})  # the branch moves meanwhile
    done = desk.inside(*command[3:], check_code=0)
    assert "as the index says" in done.err
    assert {path.name: path.read_bytes() for path in volumes(place)} == {
        path.name: path.read_bytes() for path in volumes(whole)
    }
    assert not list(place.glob("*.partial"))


def test_a_bundle_that_is_broken_off_writes_nothing_more(desk, model, tmp_path, monkeypatch):
    """The run is cancelled, as Ctrl-C does it, in the middle of the first volume."""
    place = tmp_path / "stick"
    desk.inside("fetch", "hf:org/model", check_code=0)
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    begun, go = asyncio.Event(), threading.Event()

    async def broken_off() -> None:
        loop = asyncio.get_running_loop()

        def hear(event: object) -> None:
            if isinstance(event, FileStarted) and event.direction == "send":
                loop.call_soon_threadsafe(begun.set)
                go.wait(30)

        wish = Wish(("hf:org/model",), place, 1 << 20)
        run = asyncio.create_task(make(wish, Options(offline=True), hear))
        await begun.wait()
        run.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert volumes(place) == []

    asyncio.run(broken_off())
    assert volumes(place) == []
    done = desk.inside("bundle", "hf:org/model", str(place), "--size", "1M", "--offline", check_code=0)
    assert "as the index says" in done.err
    assert len(volumes(place)) == 5


def test_no_room_is_said_first_with_the_volumes_that_fit(desk, model, tmp_path, monkeypatch):
    place = tmp_path / "stick"
    desk.inside("fetch", "hf:org/model", check_code=0)
    monkeypatch.setattr(disk, "free", lambda _path: 4 << 20)
    done = desk.inside("bundle", "hf:org/model", str(place), "--size", "1M", "--offline", check_code=7)
    assert "--only-volumes 1-3 fit there" in done.err
    assert list(place.iterdir()) == []


def test_a_part_of_a_model_arrives_as_a_part(desk, model, gap, tmp_path):
    place = tmp_path / "stick"
    desk.inside("bundle", "hf:org/model", str(place), "--include", "*.json", "--size", "1M", check_code=0)
    gap.ferry("unbundle", place)
    assert set(digests(gap.cache / "org_model")) == {
        path for path in digests(model) if path.endswith(".json")
    }
    shown = gap.ferry("cache", "check", "org/model", "--json", code=0).json()
    assert "part" in json.dumps(shown)


def test_several_models_travel_together_and_each_gets_its_place(desk, model, gap, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"other": true}')
    publish(desk.source, other, "org/other")
    place = tmp_path / "stick"
    desk.inside("bundle", "hf:org/model", "hf:org/other", str(place), "--size", "2M", check_code=0)
    refused = gap.ferry("unbundle", place, "ms:mine/one", code=2)
    assert "{name}" in refused.err
    gap.ferry("unbundle", place, "ms:mine/{name}")
    assert digests(model).items() <= stored(desk.destination, "mine/model").items()
    assert digests(other).items() <= stored(desk.destination, "mine/other").items()


def test_what_was_private_stays_private(desk, model, gap, tmp_path):
    desk.source.store.create("org/secret", "model", private=True)
    desk.source.store.add("org/secret", {"config.json": model / "config.json"})
    place = tmp_path / "stick"
    token = {"HF_TOKEN": desk.environment.get("HF_TOKEN", "hf_owner")}
    desk.inside("bundle", "hf:org/secret", str(place), environment=token, check_code=0)
    gap.ferry("unbundle", place, "ms:mine/secret")
    assert desk.destination.store.find("mine/secret").record.private is True


def test_a_model_of_a_hub_by_name_arrives_where_nobody_knows_that_name(desk, model, gap, tmp_path):
    place = tmp_path / "stick"
    file = tmp_path / "config.toml"
    file.write_text(f'[hubs.lab]\nkind = "hf"\nendpoint = "{desk.source.url}"\ninsecure = true\n')
    known = {"HUBFERRY_CONFIG": str(file)}
    desk.inside("bundle", "lab:org/model", str(place), environment=known, check_code=0)
    done = gap.ferry("unbundle", place, HUBFERRY_CONFIG="none")
    assert digests(Path(done.out.strip())) == digests(model)


def test_a_place_without_volumes_and_one_that_is_not_there_are_told_apart(desk, stick, gap, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no volume of a bundle" in gap.ferry("unbundle", empty, code=3).err
    refused = gap.ferry("unbundle", stick, tmp_path / "nowhere", code=2)
    assert "--to" in refused.err
    assert not (tmp_path / "nowhere").exists()
    assert "is a folder" in desk.inside("bundle", str(empty), str(tmp_path / "out")).err


def test_another_bundle_of_the_same_name_is_refused(desk, stick):
    refused = desk.inside("bundle", "hf:org/model", str(stick), "--size", "2M", check_code=2)
    assert "index of another bundle" in refused.err


def test_the_same_command_again_writes_nothing(desk, stick):
    before = {path.name: path.stat().st_mtime_ns for path in stick.iterdir()}
    done = desk.inside("bundle", "hf:org/model", str(stick), "--size", "1M", "--json", check_code=0)
    assert not any(one["written"] for one in done.json()["volumes"])
    assert {path.name: path.stat().st_mtime_ns for path in stick.iterdir()} == before


def test_a_model_of_modelscope_and_a_dataset_travel_as_well(desk, model, gap, tmp_path):
    """ModelScope names no commit: `--like` compares the files."""
    publish(desk.destination, model, "org/model")
    desk.source.store.create("org/data", "dataset")
    desk.source.store.add(
        "org/data", {"train.csv": b"a,b\n" * 1000, "README.md": b"# data\n"}, kind="dataset"
    )
    place = tmp_path / "stick"
    words = ["bundle", "ms:org/model", "hf:datasets/org/data", str(place), "--size", "1M"]
    told = desk.inside(*words, "--json", check_code=0).json()
    assert [one["commit"] is None for one in told["models"]] == [True, False]
    again = tmp_path / "again"
    like = ["bundle", "--like", str(volumes(place)[1]), "--only-volumes", "2", str(again)]
    desk.inside(*like, check_code=0)
    assert volumes(again)[0].read_bytes() == volumes(place)[1].read_bytes()
    gap.ferry("unbundle", place, MODELSCOPE_ENDPOINT=NOBODY_THERE)
    listed = gap.ferry("cache", "list", "--json").json()["models"]
    assert {(one["hub"], one["type"], one["state"]) for one in listed} == {
        ("ms", "model", "whole"),
        ("hf", "dataset", "whole"),
    }
    desk.destination.store.add("org/model", {"config.json": b"{}"})
    assert "has changed since the bundle" in desk.inside(*like[:-1], str(tmp_path / "late")).err

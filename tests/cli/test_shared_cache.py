"""Caches that people share: what is only read needs no right to write, a group mends what it keeps."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from desks import Desk, digests, publish, stored

import forked
import models
from hubferry.serve.records import Delete
from people import ANN, BOB, EVE, SHARED_GROUP, interpreter

KIB = 1024


@pytest.fixture
def outside():
    """A place that every account may enter."""
    place = Path(tempfile.mkdtemp(prefix="hubferry-shared-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def ferry_as(desk, outside):
    """Run the real command as another account, with a home of its own unless told otherwise."""
    python, paths = interpreter()

    def run(person, *words, check_code=None, unset=(), script=None, **environment):
        home = outside / f"home-{person.uid}"
        if not home.exists():
            home.mkdir(mode=0o700)
            os.chown(home, person.uid, person.uid)
        own = {
            name: value
            for name, value in desk.environment.items()
            if not name.startswith(("HUBFERRY_C", "HF_HOME"))
        }
        own |= {"HOME": str(home), "HF_HOME": str(home / "hf"), "MODELSCOPE_CACHE": str(home / "ms"),
                "MODELSCOPE_HOME": str(home / "ms-home"), "PYTHONPATH": paths} | environment  # fmt: skip
        other = Desk(outside, own, desk.source, desk.destination)
        command = [python, str(Path(__file__).parents[2] / script)] if script else [python, "-m", "hubferry"]
        options = {"check_code": check_code, "unset": unset, "cwd": "/", "start": forked.run}
        return other.run(*command, *words, **person.options, **options)

    return run


def give_away(folder, uid, *, mode=0o555):
    """Let a tree belong to somebody who lets everybody read it and nobody write."""
    for place, folders, files in os.walk(folder):
        os.chown(place, uid, uid)
        for name in files:
            os.chown(Path(place) / name, uid, uid)
            (Path(place) / name).chmod(0o444)
        for name in (*folders, "."):
            (Path(place) / name).chmod(mode)


def everything(folder):
    """Describe a tree: names, times, rights, owners, sizes."""
    found = {str(path.relative_to(folder)): path.lstat() for path in (folder, *folder.rglob("*"))}
    return {
        path: (one.st_mtime_ns, one.st_mode, one.st_uid, one.st_gid, one.st_size)
        for path, one in found.items()
    }


@pytest.fixture
def lab(desk, model, outside):
    """A cache that root filled with `org/model`, and that nobody else may write."""
    root = outside / "lab"
    desk.ferry("fetch", "-q", "hf:org/model", "--cache-dir", str(root), check_code=0)
    give_away(root, 0)
    return root


def test_a_whole_model_that_one_may_only_read_is_answered_with_and_nothing_there_is_touched(
    ferry_as, lab, desk
):
    before = everything(lab)
    desk.source.requests.clear()
    done = ferry_as(EVE, "fetch", "--json", "hf:org/model", HUBFERRY_CACHE_READONLY=str(lab), check_code=0)
    assert done.json()["path"] == str(lab / "org_model")
    assert (done.json()["fetched"], done.json()["whole"]) == (0, True)
    assert desk.source.requests.bytes_sent < 16 * KIB  # listings, no content
    assert everything(lab) == before


def test_it_is_answered_with_offline_too(ferry_as, lab):
    for words in (["hf:org/model"], ["hf:org/model@main"], ["hf:org/model", "--include", "*.json"]):
        done = ferry_as(
            EVE, "fetch", "-q", "--offline", *words, HUBFERRY_CACHE_READONLY=str(lab), check_code=0
        )
        assert done.out == f"{lab / 'org_model'}\n"


def test_it_is_published_from_where_it_is(ferry_as, lab, desk, model, outside):
    before = everything(lab)
    words = ("copy", "--json", "--public", "hf:org/model", "ms:mine/model")
    done = ferry_as(EVE, *words, HUBFERRY_CACHE_READONLY=str(lab), check_code=0)
    assert done.json()["fetched"] == 0
    assert stored(desk.destination, "mine/model") == digests(model)
    assert everything(lab) == before
    assert not list((outside / f"home-{EVE.uid}").rglob("*.safetensors"))


def test_the_first_root_is_used_where_it_cannot_be_written_either(ferry_as, lab):
    done = ferry_as(EVE, "fetch", "-q", "hf:org/model", HUBFERRY_CACHE=str(lab), check_code=0)
    assert done.out == f"{lab / 'org_model'}\n"


def test_without_records_its_files_are_hashed_once_and_that_is_kept_in_ones_own_cache(
    ferry_as, desk, model, outside
):
    root = outside / "plain"
    shutil.copytree(model, root / "org_model")
    give_away(root, 0)
    before = everything(root)
    for _run in range(2):
        done = ferry_as(
            EVE, "fetch", "--json", "hf:org/model", HUBFERRY_CACHE_READONLY=str(root), check_code=0
        )
        assert done.json()["path"] == str(root / "org_model")
        assert done.json()["fetched"] == 0
    assert everything(root) == before
    (record,) = (outside / f"home-{EVE.uid}/.cache/model_transfer/.folders").iterdir()
    assert digests(model)["README.md"] in record.read_text()


def test_a_wrong_byte_in_what_is_only_read_is_found_and_that_file_fetched_into_ones_own_cache(
    ferry_as, desk, model, outside
):
    root = outside / "plain"
    shutil.copytree(model, root / "org_model")
    weights = next((root / "org_model").glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    give_away(root, 0)
    before = everything(root)
    done = ferry_as(EVE, "fetch", "--json", "hf:org/model", HUBFERRY_CACHE_READONLY=str(root), check_code=0)
    assert done.json()["path"] == str(outside / f"home-{EVE.uid}/.cache/model_transfer/org_model")
    assert done.json()["fetched"] == len(content)
    assert digests(Path(done.json()["path"])) == digests(model)
    assert everything(root) == before


def test_a_newer_commit_goes_into_ones_own_root_and_brings_only_what_is_new(
    ferry_as, desk, lab, model, outside
):
    (model / "README.md").write_text("---\nlicense: mit\n---\nnewer\n")
    desk.source.store.add("org/model", {"README.md": model / "README.md"})
    before = everything(lab)
    done = ferry_as(EVE, "fetch", "--json", "hf:org/model", HUBFERRY_CACHE_READONLY=str(lab), check_code=0)
    assert done.json()["path"] == str(outside / f"home-{EVE.uid}/.cache/model_transfer/org_model")
    assert done.json()["fetched"] == (model / "README.md").stat().st_size
    assert digests(Path(done.json()["path"])) == digests(model)
    assert everything(lab) == before


def test_a_directory_with_a_file_that_the_commit_has_no_more_is_not_taken_for_it(
    ferry_as, desk, lab, model, outside
):
    store = desk.source.store
    store.find("org/model").commit("main", [Delete("generation_config.json")], title="one less")
    done = ferry_as(EVE, "fetch", "--json", "hf:org/model", HUBFERRY_CACHE_READONLY=str(lab), check_code=0)
    assert done.json()["path"] == str(outside / f"home-{EVE.uid}/.cache/model_transfer/org_model")
    assert done.json()["fetched"] == 0
    assert digests(Path(done.json()["path"])).keys() == digests(model).keys() - {"generation_config.json"}


def test_a_newer_commit_of_the_same_files_is_answered_with_what_is_there(ferry_as, desk, lab, model):
    content = (model / "README.md").read_bytes()
    for text in (b"---\nlicense: mit\n---\nnewer\n", content):  # forth and back
        desk.source.store.add("org/model", {"README.md": text})
    done = ferry_as(EVE, "fetch", "--json", "hf:org/model", HUBFERRY_CACHE_READONLY=str(lab), check_code=0)
    assert done.json()["path"] == str(lab / "org_model")


def test_the_scripts_use_what_they_may_only_read(ferry_as, desk, model, outside):
    home = outside / f"home-{EVE.uid}"
    place = home / ".cache/simple_model_transfer"
    place.mkdir(parents=True)
    shutil.copytree(model, place / "org_model")
    give_away(home, 0)
    before = everything(home)
    words = ("org/model", "mine/model", "--public")
    done = ferry_as(EVE, *words, script="scripts/simple_hf_to_ms.py", check_code=0)
    assert "✅ 模型已存在，跳过下载！" in done.out
    assert stored(desk.destination, "mine/model") == digests(model)
    assert everything(home) == before


def test_whoever_may_not_mend_a_model_is_told_whom_to_ask(ferry_as, desk, model, lab):
    (lab / "org_model/config.json").unlink()
    done = ferry_as(EVE, "fetch", "-q", "hf:org/model", HUBFERRY_CACHE=str(lab))
    assert done.code == 7
    assert "belongs to root" in done.err
    assert "ask root" in done.err


def test_a_file_there_that_one_may_not_read_is_fetched_into_ones_own_cache(
    ferry_as, desk, model, lab, outside
):
    (lab / "org_model/config.json").chmod(0o600)
    done = ferry_as(EVE, "fetch", "--json", "hf:org/model", HUBFERRY_CACHE_READONLY=str(lab), check_code=0)
    assert done.json()["path"] == str(outside / f"home-{EVE.uid}/.cache/model_transfer/org_model")
    assert done.json()["fetched"] == (model / "config.json").stat().st_size
    assert digests(Path(done.json()["path"])) == digests(model)


def test_what_would_change_something_there_is_refused_and_says_whose_it_is(ferry_as, lab):
    before = everything(lab)
    layer = {"HUBFERRY_CACHE_READONLY": str(lab)}
    for words in (["pin", "org/model"], ["clean", "org/model", "--force"]):
        done = ferry_as(EVE, "cache", *words, **layer)
        assert done.code == 7, done.said
        assert "is only read" in done.err
        assert "belongs to root" in done.err
    ferry_as(EVE, "cache", "verify", "--full", **layer, check_code=0)
    ferry_as(EVE, "cache", "check", **layer, check_code=0)
    ferry_as(EVE, "cache", "prune", "--max-size", "1", **layer, check_code=0)
    assert everything(lab) == before


def test_a_model_that_another_run_holds_is_answered_with_when_it_is_whole(desk, model):
    desk.ferry("fetch", "-q", "hf:org/model", check_code=0)
    from hubferry.cache import locks

    with locks.hold(desk.home / "cache/org_model/.hubferry", name="test", wait=0):
        done = desk.ferry("fetch", "-q", "hf:org/model", check_code=0, timeout=60)
    assert done.out == f"{desk.home / 'cache/org_model'}\n"


@pytest.fixture
def group_cache(outside):
    """A cache of a group: setgid, nobody else's."""
    root = outside / "group"
    root.mkdir()
    os.chown(root, 0, SHARED_GROUP)
    root.chmod(0o2770)
    return root


def test_what_one_of_a_group_began_another_completes_verifies_repairs_pins_and_cleans(
    ferry_as, desk, model, group_cache
):
    root = {"HUBFERRY_CACHE": str(group_cache)}
    ferry_as(ANN, "fetch", "-q", "hf:org/model", "--include", "*.json", **root, check_code=0)
    ferry_as(BOB, "fetch", "-q", "hf:org/model", **root, check_code=0)
    place = group_cache / "org_model"
    for path in (place, *place.rglob("*")):
        status = path.lstat()
        assert status.st_gid == SHARED_GROUP, path
        assert status.st_mode & 0o060 == 0o060, path
        assert not path.is_dir() or status.st_mode & 0o2000, path
    assert {path.lstat().st_uid for path in place.rglob("*")} == {ANN.uid, BOB.uid}
    shard = next(place.glob("*.safetensors"))
    with shard.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([shard.read_bytes()[-1] ^ 1]))
    assert ferry_as(ANN, "cache", "verify", "--full", **root).code == 6
    ferry_as(ANN, "cache", "repair", "org/model", **root, check_code=0)
    assert digests(place) == digests(model)
    ferry_as(BOB, "cache", "pin", "org/model", **root, check_code=0)
    ferry_as(ANN, "cache", "unpin", "org/model", **root, check_code=0)
    ferry_as(BOB, "cache", "clean", "org/model", "--force", **root, check_code=0)
    assert not place.exists()


def test_an_update_by_another_of_the_group_switches_as_for_one(ferry_as, desk, model, group_cache):
    root = {"HUBFERRY_CACHE": str(group_cache)}
    ferry_as(ANN, "fetch", "-q", "hf:org/model", **root, check_code=0)
    (model / "README.md").write_text("---\nlicense: mit\n---\nnewer\n")
    desk.source.store.add("org/model", {"README.md": model / "README.md"})
    done = ferry_as(BOB, "fetch", "--json", "hf:org/model", **root, check_code=0)
    assert done.json()["fetched"] == (model / "README.md").stat().st_size
    assert digests(group_cache / "org_model") == digests(model)
    ferry_as(ANN, "fetch", "-q", "hf:org/model", **root, check_code=0)
    assert (group_cache / "org_model").stat().st_gid == SHARED_GROUP
    assert (group_cache / "org_model").stat().st_mode & 0o2070 == 0o2070


def test_a_file_that_its_owner_keeps_to_himself_is_copied_into_a_groups_cache_not_linked(
    ferry_as, desk, model, group_cache, outside
):
    root = {"HUBFERRY_CACHE": str(group_cache)}
    private = outside / f"home-{ANN.uid}/.cache/simple_model_transfer/org_model"
    ferry_as(ANN, "cache", "dir")  # makes the home
    shutil.copytree(model, private)
    for place in (private.parents[2], *private.parents[2].rglob("*")):
        os.chown(place, ANN.uid, ANN.uid)
        place.chmod(0o700 if place.is_dir() else 0o600)
    words = ("fetch", "--json", "hf:org/model", "--cache-dir", str(group_cache))
    assert ferry_as(ANN, *words, check_code=0).json()["fetched"] == 0
    assert ferry_as(BOB, *words, check_code=0).json()["fetched"] == 0
    assert ferry_as(BOB, "cache", "verify", "--full", **root).code == 0
    assert all(path.stat().st_mode & 0o040 for path in (group_cache / "org_model").rglob("*"))


class TestHomes:
    """Homes that are not there, not ours, or not to be written."""

    @pytest.mark.parametrize("home", ["of-another", "read-only", "missing"])
    def test_a_named_cache_is_enough_where_the_home_cannot_be_used(
        self, ferry_as, desk, model, outside, home
    ):
        place = outside / "cache"
        place.mkdir()
        os.chown(place, EVE.uid, EVE.uid)
        own = outside / "a-home"
        if home != "missing":
            own.mkdir(mode=0o700 if home == "of-another" else 0o555)
        variables = {"HOME": str(own), "HF_HOME": "", "MODELSCOPE_CACHE": "", "MODELSCOPE_HOME": ""}
        words = ("fetch", "-q", "hf:org/model")
        done = ferry_as(EVE, *words, HUBFERRY_CACHE=str(place), **variables, check_code=0)
        assert done.out == f"{place / 'org_model'}\n"
        for command in ("list", "check", "verify", "dir"):
            ferry_as(EVE, "cache", command, HUBFERRY_CACHE=str(place), **variables, check_code=0)
        done = ferry_as(EVE, *words, **variables)
        assert done.code == 7
        assert "HUBFERRY_CACHE" in done.err

    def test_without_a_home_at_all_the_way_out_is_named(self, ferry_as, desk, model, outside):
        place = outside / "cache"
        place.mkdir()
        os.chown(place, EVE.uid, EVE.uid)
        unset = ("HOME", "HF_HOME", "MODELSCOPE_CACHE", "MODELSCOPE_HOME", "USERPROFILE")
        done = ferry_as(EVE, "fetch", "-q", "hf:org/model", unset=unset)  # no such account is listed either
        assert (done.code, "Traceback" in done.said) == (7, False)
        assert "export HUBFERRY_CACHE=" in done.err
        ferry_as(EVE, "fetch", "-q", "hf:org/model", unset=unset, HUBFERRY_CACHE=str(place), check_code=0)
        script = ferry_as(EVE, "org/model", "mine/model", script="scripts/simple_hf_to_ms.py", unset=unset)
        assert (script.code, "Traceback" in script.said) == (7, False)
        assert "HUBFERRY_CACHE" in script.err
        words = ("org/model", "mine/model", "--public")
        done = ferry_as(
            EVE, *words, script="scripts/simple_hf_to_ms.py", unset=unset, HUBFERRY_CACHE=str(place)
        )
        assert done.code == 0, done.said
        assert "✅ 模型已存在，跳过下载！" in done.out
        for name in ("list", "clean"):
            script = ferry_as(EVE, name, script="scripts/clean_model_cache.py", unset=unset)
            assert "Traceback" not in script.said

    def test_what_needs_no_cache_works_without_a_home(self, ferry_as, desk, model, outside):
        unset = ("HOME", "HF_HOME", "MODELSCOPE_CACHE", "MODELSCOPE_HOME", "USERPROFILE")
        shutil.copytree(model, outside / "folder")
        give_away(outside / "folder", 0)
        ferry_as(EVE, "copy", "-q", str(outside / "folder"), "ms:mine/model", unset=unset, check_code=0)
        ferry_as(EVE, "check", "hf:org/model", "ms:mine/model", unset=unset, check_code=0)
        done = ferry_as(EVE, "doctor", unset=unset)
        assert done.code == 7
        assert "export HUBFERRY_CACHE=" in done.said
        assert "ModelScope" in done.said

    def test_the_place_for_caches_is_used_where_the_home_cannot_be(self, ferry_as, desk, model, outside):
        caches = outside / "caches"
        caches.mkdir()
        os.chown(caches, EVE.uid, EVE.uid)
        done = ferry_as(
            EVE, "fetch", "-q", "hf:org/model", HOME="/", XDG_CACHE_HOME=str(caches), check_code=0
        )
        assert done.out == f"{caches / 'model_transfer/org_model'}\n"


@pytest.mark.parametrize("written", ["~/here", "$PLACE/here", "${PLACE}/here"])
def test_home_and_variables_are_read_in_every_place_that_is_named(desk, model, written):
    place = {"PLACE": str(desk.home)}
    for number, (words, variables) in enumerate((
        ((f"--cache-dir={written}",), {}),
        ((), {"HUBFERRY_CACHE": written}),
    )):  # fmt: skip
        done = desk.ferry("fetch", "-q", "hf:org/model", *words, environment=place | variables, check_code=0)
        assert done.out == f"{desk.home / 'here/org_model'}\n", number
    there = desk.ferry("cache", "list", "--json", f"--cache-dir={written}", environment=place, check_code=0)
    assert [one["path"] for one in there.json()["models"]] == [str(desk.home / "here/org_model")]
    layers = {"HUBFERRY_CACHE": "~/empty", "HUBFERRY_CACHE_READONLY": f"/nowhere:{written}"}
    done = desk.ferry("fetch", "-q", "--offline", "hf:org/model", environment=place | layers, check_code=0)
    assert done.out == f"{desk.home / 'here/org_model'}\n"


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE", "MODELSCOPE_CACHE", "XDG_CACHE_HOME"])
def test_other_tools_caches_are_found_where_variables_name_them(desk, model, variable):
    place = desk.home / "elsewhere"
    folder = {
        "HF_HOME": place / "hub/models--org--model/snapshots/main",
        "HF_HUB_CACHE": place / "models--org--model/snapshots/main",
        "XDG_CACHE_HOME": place / "huggingface/hub/models--org--model/snapshots/main",
        "MODELSCOPE_CACHE": place / "models/org/model",
    }[variable]
    shutil.copytree(model, folder)
    environment = {"AT": str(desk.home), variable: "$AT/elsewhere"}
    unset = () if variable == "HF_HOME" else ("HF_HOME",)
    done = desk.ferry("fetch", "--json", "hf:org/model", environment=environment, unset=unset, check_code=0)
    assert done.json()["fetched"] == 0


def test_a_named_root_wins_over_every_other_and_links_what_those_have(desk, model):
    desk.ferry("fetch", "-q", "hf:org/model", check_code=0)
    there = desk.home / "cache/org_model"
    mine = desk.home / "mine"
    done = desk.ferry("fetch", "--json", "hf:org/model", "--cache-dir", str(mine), check_code=0)
    assert (done.json()["path"], done.json()["fetched"]) == (str(mine / "org_model"), 0)
    for name in digests(model):
        assert (mine / "org_model" / name).samefile(there / name)


def test_a_root_that_is_only_read_is_never_written_even_by_root(desk, model):
    lab, mine = desk.home / "lab", desk.home / "mine"
    desk.ferry("fetch", "-q", "hf:org/model", "--cache-dir", str(lab), check_code=0)
    before = everything(lab)
    layers = {"HUBFERRY_CACHE": str(mine), "HUBFERRY_CACHE_READONLY": str(lab)}
    desk.ferry("fetch", "-q", "hf:org/model", environment=layers, check_code=0)
    (model / "config.json").write_text('{"model_type": "bert", "newer": true}')
    desk.source.store.add("org/model", {"config.json": model / "config.json"})
    done = desk.ferry("fetch", "-q", "hf:org/model", environment=layers, check_code=0)
    assert done.out == f"{mine / 'org_model'}\n"
    for words in (["clean", "--force"], ["prune", "--max-size", "1"], ["verify", "--full"]):
        desk.ferry("cache", *words, environment=layers)
    assert everything(lab) == before


def test_two_layers_are_both_read_and_the_first_that_has_it_answers(desk, model, tmp_path):
    other = models.transformers_model(tmp_path / "other", shards=1, shard_size=32 * KIB, seed=9)
    publish(desk.source, other, "org/other")
    one, two = desk.home / "one", desk.home / "two"
    desk.ferry("fetch", "-q", "hf:org/model", "--cache-dir", str(one), check_code=0)
    desk.ferry("fetch", "-q", "hf:org/other", "--cache-dir", str(two), check_code=0)
    layers = {"HUBFERRY_CACHE": str(desk.home / "mine"), "HUBFERRY_CACHE_READONLY": f"{one}:{two}"}
    for name, place in (("model", one), ("other", two)):
        done = desk.ferry("fetch", "-q", f"hf:org/{name}", environment=layers, check_code=0)
        assert done.out == f"{place / f'org_{name}'}\n"
    listed = desk.ferry("cache", "list", "--json", environment=layers, check_code=0).json()
    assert {model["root"] for model in listed["models"]} == {str(one), str(two)}

"""The library as somebody uses it: in a program, in a running loop, with paths and keywords."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import hubferry
from hubferry import errors as errors_of_the_package
from hubferry import running
from hubferry.errors import UsageError
from hubferry.events import Planned, Progress
from hubferry.options import Options

sys.path.insert(0, str(Path(__file__).parents[1]))
import models


@pytest.fixture
def world(make_hub, tmp_path, monkeypatch):
    """A hub that is copied to, a model that is at another one, and how to reach both as keywords."""
    for name in ("HF_HUB_OFFLINE", "HUBFERRY_CACHE", "HF_HOME", "HF_HUB_CACHE", "MODELSCOPE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = models.transformers_model(tmp_path / "model", shards=2, shard_size=3 << 20)
    source, hub = make_hub(), make_hub()
    source.store.create("org/model", license="mit")
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    source.store.add("org/model", files)
    return hub, files, {"cache_root": tmp_path / "cache", "token": hub.token, "source_endpoint": source.url,
                        "destination_endpoint": hub.url}  # fmt: skip


def published(hub, repo_id):
    repository = hub.store.find(repo_id)
    return set(repository.tree(repository.resolve(None)).files)


def test_the_verbs_take_keywords_paths_and_any_collection(world, tmp_path):
    hub, files, how = world
    place = hubferry.fetch("hf:org/model", include=["*.json"], exclude={"tokenizer*"}, **how).path
    assert {p.name for p in place.glob("*.json")} == {
        name for name in files if name.endswith(".json") and not name.startswith("tokenizer")
    }
    hubferry.copy("hf:org/model", tmp_path / "there", **how)
    assert {p.relative_to(tmp_path / "there").as_posix() for p in (tmp_path / "there").rglob("*.*")} >= set(
        files
    )
    hubferry.copy(tmp_path / "model", "ms:mine/model", message="by path", **how)
    assert published(hub, "mine/model") == set(files)
    assert all(one.verdict.value == "same" for one in hubferry.check("hf:org/model", "ms:mine/model", **how))
    assert hubferry.plan("hf:org/model", "ms:mine/model", **how).nothing_to_do


def test_looking_through_the_library_brings_values_not_text(world):
    _hub, files, how = world
    listed = hubferry.list_files("hf:org/model", include=["*.safetensors"], **how)
    assert [file.path for file in listed.files] == sorted(p for p in files if p.endswith(".safetensors"))
    assert hubferry.read_file("hf:org/model/config.json", **how) == files["config.json"].read_bytes()
    assert (
        hubferry.read_file("hf:org/model", "config.json", start=-3, **how)
        == files["config.json"].read_bytes()[-3:]
    )
    (one,) = hubferry.list_repositories("hf:org", **how).repositories
    assert (one.ref.repo_id, one.license) == ("org/model", "mit")
    assert hubferry.info("hf:org/model", **how).cached == ()
    hubferry.fetch("hf:org/model", **how)
    assert hubferry.info("hf:org/model", **how).cached[0].state.value == "whole"
    (verified,) = hubferry.verify("hf:org/model", **how)
    assert not verified.broken
    assert len(verified.results) == len(files)


def test_verify_finds_a_rotten_byte_and_tells_it_in_the_thread_of_the_call(world):
    _hub, _files, how = world
    place = hubferry.fetch("hf:org/model", **how).path / "config.json"
    content = bytearray(place.read_bytes())
    content[-2] ^= 1
    place.write_bytes(content)
    threads = set()
    (verified,) = hubferry.verify("hf:org/model", listen=lambda _e: threads.add(threading.get_ident()), **how)
    assert [one.path for one in verified.broken] == ["config.json"]
    assert threads == {threading.get_ident()}


def test_a_path_is_a_folder_also_where_its_name_could_be_a_repositorys(world, tmp_path, monkeypatch):
    _hub, files, how = world
    (tmp_path / "org").mkdir()
    (tmp_path / "model").rename(tmp_path / "org" / "model")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="can be read as a folder"):
        hubferry.list_files("org/model", **how)
    assert {file.path for file in hubferry.list_files(Path("org/model"), **how).files} == set(files)


def test_an_error_comes_without_a_history_of_ours(world):
    _hub, _files, how = world
    with pytest.raises(hubferry.NotFoundError) as caught:
        hubferry.list_files("hf:org/nothing", **how)
    assert not isinstance(caught.value.__context__, RuntimeError)


@pytest.mark.parametrize("name", ["include", "exclude", "allow"])
def test_a_bare_string_in_place_of_a_list_is_refused_with_the_right_form(name):
    with pytest.raises(UsageError, match="is a list of words") as caught:
        Options(**{name: "*.json"})
    assert caught.value.hint == f"{name}=['*.json']"
    with pytest.raises(UsageError):
        hubferry.fetch("hf:org/model", **{name: "*.json"})


@pytest.mark.parametrize("name", ["directory", "cache_root", "volumes"])
def test_a_place_in_a_home_that_is_not_known_is_refused_as_what_was_asked_for(name):
    with pytest.raises(UsageError, match="no such home directory"):
        hubferry.fetch("hf:org/model", **{name: "~nobody-of-that-name/x"})
    for verb in (hubferry.fetch, hubferry.verify):
        with pytest.raises(UsageError, match="no such home directory"):
            verb(Path("~nobody-of-that-name/x"))


def test_fewer_connections_than_none_are_refused_instead_of_waited_for():
    with pytest.raises(UsageError, match="no number of connections"):
        hubferry.fetch("hf:org/model", jobs=-1)


def test_a_keyword_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(TypeError, match="did you mean include"):
        hubferry.fetch("hf:org/model", includes=["*.json"])


async def test_the_plain_verbs_work_where_a_loop_is_running_and_events_come_in_the_same_thread(world):
    hub, files, how = world
    threads, planned = set(), []

    def hear(event):
        threads.add(threading.get_ident())
        planned.extend([event] if isinstance(event, Planned) else [])

    report = hubferry.copy("hf:org/model", "ms:mine/model", listen=hear, **how)
    assert report.verified
    assert published(hub, "mine/model") == set(files)
    assert threads == {threading.get_ident()}
    assert planned


async def test_the_async_verbs_run_on_the_loop_that_is_there(world):
    _hub, files, how = world
    fetched, content = await asyncio.gather(
        hubferry.aio.fetch("hf:org/model", **how), hubferry.aio.read_file("hf:org/model/config.json", **how)
    )
    assert fetched.files == len(files)
    assert content == files["config.json"].read_bytes()
    assert (await hubferry.aio.copy("hf:org/model", "ms:mine/model", **how)).verified
    assert (await hubferry.aio.plan("hf:org/model", "ms:mine/model", **how)).nothing_to_do
    assert len(await hubferry.aio.check("hf:org/model", "ms:mine/model", **how)) == len(files)
    assert len((await hubferry.aio.list_files("hf:org/model", **how)).files) == len(files)
    assert (await hubferry.aio.info("hf:org/model", **how)).listed.cached
    assert len((await hubferry.aio.list_repositories("hf:org", **how)).repositories) == 1
    assert not (await hubferry.aio.verify("hf:org/model", **how))[0].broken


async def test_what_interrupts_a_listener_in_a_running_loop_ends_the_work_before_it_goes_on(world):
    hub, _files, how = world

    def hear(event):
        if isinstance(event, Progress):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hubferry.copy("hf:org/model", "ms:mine/model", listen=hear, **how)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hubferry")]
    assert hub.requests.commits == 0
    assert hubferry.copy("hf:org/model", "ms:mine/model", **how).verified


async def test_errors_come_out_of_a_running_loop_as_they_are(world):
    _hub, _files, how = world
    with pytest.raises(hubferry.NotFoundError):
        hubferry.fetch("hf:org/nothing", **how)


async def test_a_slow_listener_holds_the_work_up_instead_of_filling_the_memory():
    heard = []

    async def work(listen):
        for number in range(running._BEHIND * 3):
            listen(number)
        return waiting.qsize()

    aside = running._Aside(work)
    waiting = aside._heard
    assert aside.run(heard.append) <= running._BEHIND
    assert heard == list(range(running._BEHIND * 3))


def test_progress_is_told_as_numbers_that_add_up(world):
    _hub, files, how = world
    told = []
    hubferry.copy("hf:org/model", "ms:mine/model", progress=told.append, **how)
    last = told[-1]
    total = sum(path.stat().st_size for path in files.values())
    assert (last.fetched, last.to_fetch) == (total, total)
    assert last.sent == last.to_send > 0
    assert [one.fetched for one in told] == sorted(one.fetched for one in told)


def test_progress_true_draws_bars_of_tqdm_that_end_full(world, capsys):
    _hub, _files, how = world
    hubferry.fetch("hf:org/model", progress=True, **how)
    said = capsys.readouterr()
    assert "fetched: 100%" in said.err
    assert said.out == ""


def test_without_tqdm_progress_says_so_and_the_work_goes_on(world, monkeypatch):
    _hub, files, how = world
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.warns(UserWarning, match="pip install tqdm"):
        assert hubferry.fetch("hf:org/model", progress=True, **how).files == len(files)


def test_dir_shows_verbs_errors_and_what_they_take_and_return_and_nothing_else():
    names = dir(hubferry)
    assert names == sorted(hubferry.__all__)
    verbs = {
        "copy",
        "fetch",
        "plan",
        "check",
        "verify",
        "list_files",
        "list_repositories",
        "read_file",
        "info",
    }
    assert verbs <= set(names)
    errors = {
        name
        for name, one in vars(errors_of_the_package).items()
        if isinstance(one, type) and name.endswith("Error")
    }
    assert errors <= set(names)
    assert not [name for name in names if name.startswith("_")]


def test_no_module_of_the_package_takes_the_place_of_a_public_name():
    program = (
        "import hubferry, pkgutil, importlib, types\n"
        "for one in pkgutil.walk_packages(hubferry.__path__, 'hubferry.'):\n"
        "    needs_ray = '.on_ray.' in one.name  # an extra, in an environment of its own\n"
        "    if not (one.name.endswith('__main__') or needs_ray): importlib.import_module(one.name)\n"
        "public = {name: getattr(hubferry, name) for name in hubferry.__all__}\n"
        "found = {name for name, one in public.items() if isinstance(one, types.ModuleType)}\n"
        "assert found == {'aio'}, found\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_and_reading_its_names_loads_nothing_heavy():
    program = (
        "import sys, hubferry; dir(hubferry); hubferry.copy; hubferry.aio; hubferry.Options(include=['*'])\n"
        "heavy = {'aiohttp', 'rich', 'click', 'tqdm', 'uvloop', 'huggingface_hub', 'yaml'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_says_that_it_is_typed():
    assert (Path(hubferry.__file__).parent / "py.typed").is_file()

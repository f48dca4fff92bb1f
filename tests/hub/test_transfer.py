"""A copy through the library, between two real hubs over real HTTP."""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiohttp import web

from hubferry import api, cached
from hubferry.errors import AccessError, IntegrityError, NetworkError, NotFoundError
from hubferry.events import Committed, Finished, Planned, Progress
from hubferry.model import Action
from hubferry.options import Access, Options
from hubferry.results import Verdict
from hubferry.serve import Seams

sys.path.insert(0, str(Path(__file__).parents[1]))
import models

MIB = 1024 * 1024


@dataclass
class World:
    source: object
    destination: object
    options: Options
    cache: Path
    folder: Path

    def copy(self, source="hf:org/model", destination="ms:mine/model", listen=lambda _event: None, **changes):
        return api.copy(source, destination, replace(self.options, **changes), listen)

    def plan(self, source="hf:org/model", destination="ms:mine/model"):
        return api.plan(source, destination, self.options)

    def fetch(self, repository="hf:org/model", **changes):
        return api.fetch(repository, replace(self.options, **changes))

    def check(self, source="hf:org/model", destination="ms:mine/model"):
        return api.check(source, destination, self.options)

    def published(self, repo_id="mine/model"):
        """What the destination really holds: path to sha256, by its own store."""
        repository = self.destination.store.find(repo_id)
        return {path: file.sha256 for path, file in repository.tree(repository.resolve(None)).files.items()}

    def original(self):
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def world(make_hub, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HF_HUB_OFFLINE", "HUBFERRY_CACHE", "HF_HOME", "HF_HUB_CACHE", "MODELSCOPE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    folder = models.transformers_model(tmp_path / "model", shards=3, shard_size=3 * MIB)
    source, destination = make_hub(), make_hub()
    publish(source, folder)
    cache = home / ".cache" / "model_transfer"
    options = Options(
        source=Access(source.token, source.url),
        destination=Access(destination.token, destination.url),
        cache_root=cache,
    )
    return World(source, destination, options, cache, folder)


def publish(hub, folder, repo_id="org/model"):
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    hub.store.add(repo_id, files)


def test_a_copy_puts_every_byte_of_the_source_at_the_destination(world):
    report = world.copy()
    assert world.published() == world.original()
    assert report.verified
    assert report.files == len(world.original())
    assert (
        report.fetched
        == report.size
        == report.sent + sum(step.file.size for step in report.plan.of(Action.INLINE))
    )


def test_a_copy_makes_one_commit_after_all_blobs(world):
    report = world.copy()
    assert len(report.commits) == 1
    routes = world.destination.requests.routes()
    assert routes.index("ms:commit") > max(n for n, route in enumerate(routes) if route == "storage:put")


def test_the_second_copy_asks_for_no_blob_and_makes_no_commit(world):
    world.copy()
    world.source.requests.clear()
    world.destination.requests.clear()
    report = world.copy()
    assert report.verified
    assert report.commits == ()
    assert report.fetched == report.sent == 0
    assert world.destination.requests.commits == 0
    assert world.destination.requests.blobs_received == 0
    assert "ms:lfs/batch" not in world.destination.requests.routes()
    asked = len(world.source.requests.records) + len(world.destination.requests.records)
    assert asked <= 8, world.source.requests.routes() + world.destination.requests.routes()


def test_the_cache_holds_exactly_the_repository(world):
    world.copy()
    directory = world.cache / "org_model"
    held = {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and ".hubferry" not in path.parts
    }
    assert held == set(world.original())
    assert not list((directory / ".hubferry" / "partial").glob("*"))


def test_a_cached_model_goes_to_another_account_without_a_byte_from_the_source(world):
    world.copy()
    report = world.copy(destination="ms:other/model")
    assert report.fetched == 0
    assert world.published("other/model") == world.original()
    # The destination's storage has the blobs already.
    assert {step.action for step in report.plan.steps} <= {Action.REUSE, Action.INLINE}
    assert report.sent == 0


def test_one_changed_shard_moves_alone(world):
    world.copy()
    shard = sorted(world.folder.glob("*.safetensors"))[1]
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    publish(world.source, world.folder)
    report = world.copy()
    assert world.published() == world.original()
    assert report.fetched == report.sent == len(data)
    assert len(report.commits) == 1


def test_a_plan_writes_nothing_and_says_what_a_copy_does(world):
    plan = world.plan()
    assert not world.cache.exists()
    assert "mine/model" not in {one.record.repo_id for one in world.destination.store.repositories()}
    assert plan.fetch_bytes == sum(path.stat().st_size for path in world.folder.rglob("*") if path.is_file())
    planned = []
    world.copy(listen=lambda event: planned.append(event) if isinstance(event, Planned) else None)
    assert [(s.action, s.file.path) for s in planned[0].plan.steps] == [
        (s.action, s.file.path) for s in plan.steps
    ]


def test_a_fetch_brings_the_model_and_a_second_one_brings_nothing(world):
    first = world.fetch()
    assert first.fetched == first.size
    assert (first.path / "config.json").read_bytes() == (world.folder / "config.json").read_bytes()
    second = world.fetch()
    assert second.fetched == 0
    assert second.commit == first.commit
    assert world.destination.requests.records == []


def test_a_check_tells_same_from_different_and_from_missing(world):
    world.copy()
    assert {one.verdict for one in world.check()} == {Verdict.SAME}
    world.destination.store.add("mine/model", {"config.json": b"{}", "extra.txt": b"more"})
    (world.folder / "new.txt").write_text("new")
    publish(world.source, world.folder)
    found = {one.path: one.verdict for one in world.check() if one.verdict is not Verdict.SAME}
    assert found == {
        "config.json": Verdict.DIFFERS,
        "extra.txt": Verdict.ONLY_DESTINATION,
        "new.txt": Verdict.ONLY_SOURCE,
    }


def test_a_check_without_a_cache_still_compares_files_that_only_git_knows(world, tmp_path):
    world.copy()
    elsewhere = replace(world.options, cache_root=tmp_path / "empty")
    assert {one.verdict for one in api.check("hf:org/model", "ms:mine/model", elsewhere)} == {Verdict.SAME}


def test_files_are_chosen_by_pattern(world):
    world.copy(include=("*.json",), exclude=("tokenizer*",))
    assert set(world.published()) == {
        path for path in world.original() if path.endswith(".json") and not path.startswith("tokenizer")
    }


def test_what_only_the_destination_has_is_deleted_on_demand_alone(world):
    world.copy()
    world.destination.store.add("mine/model", {"old.bin": b"old"})
    world.copy()
    assert "old.bin" in world.published()
    report = world.copy(delete=True)
    assert world.published() == world.original()
    assert report.verified


def test_a_source_revision_is_pinned(world):
    world.copy()
    first = world.original()
    repository = world.source.store.find("org/model")
    commit = repository.resolve(None)
    (world.folder / "config.json").write_text("{}")
    publish(world.source, world.folder)
    world.copy(source=f"hf:org/model@{commit}", destination="ms:mine/pinned")
    assert world.published("mine/pinned") == first


def test_a_new_repository_is_as_private_as_its_source_and_keeps_its_licence(world):
    world.source.store.create("org/secret", private=True, license="mit")
    world.source.store.add("org/secret", {"a.bin": b"secret", "README.md": b"---\nlicense: mit\n---\n"})
    world.copy("hf:org/secret", "ms:mine/secret")
    record = world.destination.store.find("mine/secret").record
    assert record.private
    assert record.license.lower() == "mit"
    world.copy("hf:org/secret", "ms:mine/shown", visibility="public", license="other")
    record = world.destination.store.find("mine/shown").record
    assert not record.private
    assert record.license.lower() == "other"


def test_content_that_occurs_twice_moves_once(world):
    data = bytes(range(256)) * 20_000
    world.source.store.add("org/twins", {"a.bin": data, "b/c.bin": data, "README.md": b"twins"})
    report = world.copy("hf:org/twins", "ms:mine/twins")
    digest = hashlib.sha256(data).hexdigest()
    published = world.published("mine/twins")
    assert published["a.bin"] == published["b/c.bin"] == digest
    assert report.fetched == len(data) + 5
    assert report.sent == len(data)
    assert world.fetch("hf:org/twins").fetched == 0


def test_empty_files_and_strange_names_arrive(world):
    files = {
        "empty.txt": b"",
        "empty.bin": b"",
        "a b/c+d%e#f.bin": b"1",
        "模型/权重🚀.bin": b"2",
        "-n.txt": b"3",
        "deep/er/and/deeper.json": b"{}",
    }
    world.source.store.add("org/names", files)
    world.copy("hf:org/names", "ms:mine/names", allow=frozenset({"empty"}))
    assert world.published("mine/names") == {
        path: hashlib.sha256(data).hexdigest() for path, data in files.items()
    }


def test_without_a_cache_nothing_stays_on_the_disk(world):
    report = world.copy(cache=False)
    assert world.published() == world.original()
    assert report.verified
    assert not any(path.is_file() and path.name != "CACHEDIR.TAG" for path in world.cache.rglob("*"))


def test_without_a_cache_small_files_of_one_content_arrive_under_both_names(world):
    world.source.store.add("org/pair", {"a/x.txt": b"same", "b/x.txt": b"same", "w.bin": b"w" * 99})
    world.copy("hf:org/pair", "ms:mine/pair", cache=False)
    assert set(world.published("mine/pair")) == {"a/x.txt", "b/x.txt", "w.bin"}


def test_many_small_files_need_one_commit_and_few_requests(world):
    files = {f"{number % 7}/{number}.json": b'{"n": %d}' % number for number in range(300)}
    world.source.store.add("org/many", files)
    world.copy("hf:org/many", "ms:mine/many")
    assert len(world.published("mine/many")) == 300
    assert world.destination.requests.commits == 1
    assert len(world.destination.requests.records) <= 9


def test_a_source_without_an_owner_is_valid(world):
    world.source.store.add("gpt2", {"config.json": b"{}"})
    world.copy("hf:gpt2", "ms:mine/gpt2")
    assert set(world.published("mine/gpt2")) == {"config.json"}


def test_a_missing_repository_is_named_with_its_side(world):
    with pytest.raises(NotFoundError) as caught:
        world.copy("hf:org/nowhere")
    assert caught.value.side == "source"
    assert caught.value.hint


def test_a_model_goes_back_the_other_way(world):
    world.copy()
    back = Options(
        source=Access(world.destination.token, world.destination.url),
        destination=Access(world.source.token, world.source.url),
        cache_root=world.cache,
    )
    report = api.copy("ms:mine/model", "hf:tester/back", back)
    assert report.verified
    repository = world.source.store.find("tester/back")
    tree = repository.tree(repository.resolve(None))
    assert {path: file.sha256 for path, file in tree.files.items()} == world.original()


def test_a_folder_is_a_source_and_a_destination(world, tmp_path):
    world.copy(str(world.folder), "ms:mine/from-folder")
    assert world.published("mine/from-folder") == world.original()
    api.copy("hf:org/model", str(tmp_path / "out"), world.options)
    written = {
        path.relative_to(tmp_path / "out").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and ".hubferry" not in path.parts
    }
    assert written == world.original()


def test_a_limited_rate_is_kept(world):
    report = world.copy(fetch_rate=6 * MIB)
    assert report.seconds >= report.fetched / (6 * MIB) - 0.3


def test_events_add_up_to_the_bytes_that_moved(world):
    heard = []
    report = world.copy(listen=heard.append)
    fetched = sum(one.count for one in heard if isinstance(one, Progress) and one.direction == "fetch")
    sent = sum(one.count for one in heard if isinstance(one, Progress) and one.direction == "send")
    assert fetched == report.fetched
    assert sent == report.sent
    assert sum(isinstance(one, Committed) for one in heard) == 1
    assert isinstance(heard[-1], Finished)


def test_a_changed_cache_file_is_never_published(world):
    world.fetch()
    victim = world.cache / "org_model" / "config.json"
    victim.write_text("tampered")
    report = world.copy()
    assert world.published() == world.original()
    assert report.fetched == len((world.folder / "config.json").read_bytes())


def test_offline_a_fetch_answers_from_the_cache(world, monkeypatch):
    first = world.fetch()
    world.source.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    again = world.fetch()
    assert (again.commit, again.files, again.size) == (first.commit, first.files, first.size)
    assert not again.asked
    assert world.source.requests.records == []
    with pytest.raises(NotFoundError):
        world.fetch("hf:org/other")
    (first.path / "config.json").unlink()
    with pytest.raises((IntegrityError, NotFoundError)):
        world.fetch()


def test_without_a_network_a_fetch_answers_from_the_cache_only_when_that_is_asked_for(world, monkeypatch):
    monkeypatch.setenv("HUBFERRY_RETRIES", "0")
    first = world.fetch()
    nowhere = Access(world.source.token, "http://127.0.0.1:9")
    for name in ("hf:org/model", f"hf:org/model@{first.commit}", "hf:org/model@v2", "hf:org/unknown"):
        with pytest.raises(NetworkError) as failed:
            world.fetch(name, source=nowhere)
        offered = failed.value.hint == f"hubferry fetch {name} --offline"
        assert offered == name.endswith(("org/model", first.commit))
    again = world.fetch(source=nowhere, offline=True)
    assert (again.commit, again.asked) == (first.commit, False)


def test_what_the_destination_stores_already_needs_no_room_on_this_disk(world, monkeypatch):
    world.copy()
    shard = next(world.folder.glob("model-00001-*"))
    world.source.store.add("org/model", {"twin.safetensors": shard})
    shutil.rmtree(world.cache)
    monkeypatch.setattr(cached, "free_bytes", lambda _path: cached.SPARE_BYTES + MIB)
    report = world.copy()
    assert report.verified
    assert report.reused == shard.stat().st_size
    assert report.fetched < MIB


def test_a_hub_that_makes_a_private_repository_public_gets_no_byte(make_hub, world):
    @web.middleware
    async def forgetful(request, handler):
        answer = await handler(request)
        if request.method == "POST" and request.path == "/api/v1/models":
            careless.store.find("mine/model").change(private=False)
        return answer

    careless = make_hub(seams=Seams(middlewares=[forgetful]))
    world.source.store.find("org/model").change(private=True)
    options = replace(world.options, destination=Access(careless.token, careless.url))
    with pytest.raises(AccessError, match="is not public"):
        api.copy("hf:org/model", "ms:mine/model", options)
    assert careless.requests.commits == careless.requests.blobs_received == 0


def test_a_source_that_ignores_ranges_is_read_whole_and_right(make_hub, world, tmp_path):
    @web.middleware
    async def without_range(request, handler):
        headers = request.headers.copy()
        headers.popall("Range", None)
        return await handler(request.clone(headers=headers))

    lesser = make_hub(seams=Seams(middlewares=[without_range]))
    publish(lesser, world.folder)
    big = models.write_file(tmp_path / "big.bin", next(models.content(MIB, 7)) * 30)
    lesser.store.add("org/model", {"big.bin": big})
    options = replace(world.options, source=Access(lesser.token, lesser.url))
    report = api.copy("hf:org/model", "ms:mine/lesser", options)
    assert report.verified
    assert world.published("mine/lesser") == world.original() | {
        "big.bin": hashlib.sha256(big.read_bytes()).hexdigest()
    }
    asked = [one for one in lesser.requests.records if one.route.startswith("storage")]
    assert len(asked) < 30

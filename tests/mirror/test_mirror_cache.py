"""The cache as a mirror's storage: what others brought, what it keeps, what goes, what needs no hub."""

from __future__ import annotations

import json
import random
import threading

import pytest
from mirroring import ask
from modelscope_hub import HubApi
from servers import running_hub

from hubferry import api
from hubferry.cache.listing import list_models
from hubferry.cache.store import Cache
from hubferry.mirror import huggingface, memory, modelscope, request, shelf
from hubferry.mirror.upstreams import Choice, Upstream
from hubferry.model import RepoRef
from hubferry.options import Access, Options
from hubferry.serve import tree

LARGE = random.Random("mirror cache 1").randbytes(2_000_000)
LOOP = "mirror"
"""What the thread of a mirror's event loop is called."""
LARGE_PATH = "weights/model.safetensors"
FILES = {"README.md": b"# a model\n", "config.json": b"{}", LARGE_PATH: LARGE}


def all_of(mirror, name="org/model", files=FILES) -> None:
    for path, content in files.items():
        assert ask(f"{mirror.url}/{name}/resolve/main/{path}").body == content
    mirror.settle()


def fetch(root, url, name="hf:org/model", **options):
    return api.fetch(name, Options(cache_root=root, source=Access(endpoint=url), **options))


def test_what_was_fetched_through_a_mirror_is_a_model_of_the_cache(upstream, mirror):
    commit = upstream.store.add("org/model", FILES).id
    all_of(mirror)
    (model,) = list_models([mirror.root]).models
    assert model.state.value == "whole"
    assert model.title == f"org/model@{commit}" or commit in model.title
    verified = api.verify("hf:org/model", Options(cache_root=mirror.root))
    assert all(not one.broken for one in verified)


def test_a_part_of_a_model_is_recorded_as_one(upstream, mirror):
    upstream.store.add("org/model", FILES)
    assert ask(f"{mirror.url}/org/model/resolve/main/config.json").body == b"{}"
    mirror.settle()
    (model,) = list_models([mirror.root]).models
    known = Cache(mirror.root, roots=[mirror.root]).all_of(RepoRef("hf", "org/model"))[0].manifest
    assert model.state.value != "broken"
    assert known.is_settled
    assert known.selected
    assert known.files["config.json"].wanted  # so that it is missed when it is gone
    assert not known.files["README.md"].wanted


def test_what_was_fetched_before_is_served_and_nothing_is_asked_for_but_its_name(
    upstream, tmp_path, make_mirror
):
    upstream.store.add("org/model", FILES)
    fetch(tmp_path / "cache", upstream.url)
    mirror = make_mirror(hf=upstream.url)
    upstream.requests.clear()
    all_of(mirror)
    assert mirror.counts.misses == 0
    assert mirror.counts.fetched == 0
    assert len(list_models([mirror.root]).models) == 1


def test_a_fetch_takes_what_the_mirror_has(upstream, mirror):
    upstream.store.add("org/model", FILES)
    all_of(mirror)
    assert fetch(mirror.root, upstream.url).fetched == 0


def test_content_of_another_public_repository_is_not_fetched_again(upstream, mirror):
    upstream.store.add("org/model", FILES)
    upstream.store.add("org/copy", FILES)
    all_of(mirror)
    all_of(mirror, "org/copy")
    assert mirror.counts.fetched == sum(map(len, FILES.values()))


def test_a_new_commit_leaves_the_old_one_whole(upstream, make_mirror):
    mirror = make_mirror(hf=upstream.url, ttl=0.0)
    old = upstream.store.add("org/model", FILES).id
    all_of(mirror)
    upstream.store.add("org/model", {"config.json": b'{"new": 1}'})
    assert ask(f"{mirror.url}/org/model/resolve/main/config.json").body == b'{"new": 1}'
    assert ask(f"{mirror.url}/org/model/resolve/{old}/config.json").body == b"{}"
    mirror.settle()
    assert ask(f"{mirror.url}/org/model/resolve/main/weights/model.safetensors").body == LARGE
    assert mirror.counts.fetched == sum(map(len, FILES.values())) + len(b'{"new": 1}')


def test_a_file_of_a_new_commit_takes_nothing_of_the_old_one(upstream, tmp_path, make_mirror):
    old = upstream.store.add("org/model", FILES).id
    fetch(tmp_path / "cache", upstream.url)
    mirror = make_mirror(hf=upstream.url, ttl=0.0)
    upstream.store.add("org/model", {"config.json": b"[]", "weights/model.safetensors": b"\0new"})
    assert ask(f"{mirror.url}/org/model/resolve/main/config.json").body == b"[]"
    mirror.settle()
    fetched = mirror.counts.fetched
    assert ask(f"{mirror.url}/org/model/resolve/{old}/weights/model.safetensors").body == LARGE
    assert mirror.counts.fetched == fetched
    known = Cache(mirror.root, roots=[mirror.root]).find(RepoRef("hf", "org/model")).manifest
    assert (known.commit, known.is_whole) == (old, True)


def test_a_name_is_believed_for_its_time_and_no_longer(upstream, make_mirror):
    mirror = make_mirror(hf=upstream.url, ttl=100.0)
    now = [1_000_000_000.0]
    mirror.mirror.desk._clock = lambda: now[0]
    address = f"{mirror.url}/org/model/resolve/main/config.json"
    upstream.store.add("org/model", FILES)
    assert ask(address).body == b"{}"
    upstream.store.find("org/model").add_tag("v1", upstream.store.find("org/model").resolve(None))
    upstream.store.add("org/model", {"config.json": b"[]"})
    now[0] += 99
    assert ask(address).body == b"{}"
    assert (
        ask(f"{mirror.url}/org/model/resolve/v1/config.json").body == b"{}"
    )  # renews what is public, no name
    now[0] += 2
    assert ask(address).body == b"[]"


def test_tags_branches_and_datasets_come_as_well(upstream, mirror):
    first = upstream.store.add("org/model", FILES).id
    upstream.store.find("org/model").add_tag("v1", first)
    upstream.store.find("org/model").change(pulls={"1": first})
    upstream.store.add("org/model", {"config.json": b"[]"})
    upstream.store.add("org/data", FILES, kind="dataset")
    assert ask(f"{mirror.url}/org/model/resolve/v1/config.json").body == b"{}"
    assert ask(f"{mirror.url}/org/model/resolve/refs%2Fpr%2F1/config.json").body == b"{}"
    assert ask(f"{mirror.url}/org/model/resolve/{first}/config.json").body == b"{}"
    assert ask(f"{mirror.url}/datasets/org/data/resolve/main/config.json").body == b"{}"
    assert ask(f"{mirror.url}/api/v1/models/org/model/repo?Revision=v1&FilePath=config.json").body == b"{}"
    assert ask(f"{mirror.url}/api/v1/datasets/org/data/repo?FilePath=config.json").body == b"{}"
    refs = json.loads(ask(f"{mirror.url}/api/models/org/model/refs").body)
    assert [tag["name"] for tag in refs["tags"]] == ["v1"]


def test_pages_of_a_listing_lead_on_at_the_mirror(upstream, mirror):
    upstream.store.add("org/model", {f"{number}.txt": b"x" for number in range(7)})
    address, names = f"{mirror.url}/api/models/org/model/tree/main?limit=3", []
    while address:
        answer = ask(address)
        names += [entry["path"] for entry in json.loads(answer.body)]
        address = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
        assert address.startswith(mirror.url) or not address
    assert len(names) == 7


def test_a_search_finds_what_upstream_has_where_nothing_of_its_own_fits(upstream, make_mirror):
    for name in ("org/a", "org/b", "org/c"):
        upstream.store.add(name, FILES)
    mirror = make_mirror(hf=upstream.url, choice=Choice(deny=["org/c"]))
    mirror.store.add("own/model", FILES)

    def found(author: str) -> list[str]:
        return [one["id"] for one in json.loads(ask(f"{mirror.url}/api/models?author={author}").body)]

    assert found("org") == ["org/a", "org/b"]
    assert found("own") == ["own/model"]


def test_a_search_in_modelscopes_words_finds_what_upstream_has(upstream, make_mirror):
    for name in ("org/a", "org/b", "org/c"):
        upstream.store.add(name, FILES)
    upstream.store.add("org/rows", FILES, kind="dataset")
    mirror = make_mirror(ms=upstream.url, choice=Choice(deny=["org/c"]))
    mirror.store.add("own/model", FILES)
    client = HubApi(endpoint=mirror.url)

    def found(owner: str, kind: str = "model", **words) -> list[str]:
        return [one.id for one in client.list_repos(kind, owner=owner, **words).items]

    assert found("org") == ["org/a", "org/b"]
    assert found("org", page_size=1, page_number=2) == ["org/b"]
    assert found("org", "dataset") == ["org/rows"]
    assert found("own") == ["own/model"]
    assert found("nobody") == []


def test_a_dataset_is_listed_by_the_number_that_it_was_described_with(upstream, mirror):
    upstream.store.add("org/rows", FILES, kind="dataset")
    mirror.store.add("own/rows", FILES, kind="dataset")
    for name in ("org/rows", "own/rows"):
        described = json.loads(ask(f"{mirror.url}/api/v1/datasets/{name}").body)["Data"]
        assert described["Type"] == 4
        tree = f"{mirror.url}/api/v1/datasets/{described['Id']}/repo/tree?Recursive=True&Root=/"
        listed = json.loads(ask(tree).body)["Data"]["Files"]
        assert {one["Path"] for one in listed if one["Type"] == "blob"} == set(FILES)
        assert all("Sha256" in one for one in listed)
    assert ask(f"{mirror.url}/api/v1/datasets/17/repo/tree").status == 404


def test_a_fetch_that_is_under_way_beside_a_whole_commit_is_left_alone(upstream, tmp_path, make_mirror):
    old = upstream.store.add("org/model", FILES).id
    fetch(tmp_path / "cache", upstream.url, include=("config.json",))
    directory = Cache(tmp_path / "cache", roots=[tmp_path / "cache"]).find(RepoRef("hf", "org/model")).path
    waiting = directory / ".hubferry" / "next"
    (waiting / ".hubferry").mkdir(parents=True)
    mirror = make_mirror(hf=upstream.url)
    assert ask(f"{mirror.url}/org/model/resolve/{old}/README.md").body == FILES["README.md"]
    mirror.settle()
    assert waiting.is_dir()


def test_without_upstream_what_is_known_is_served_and_said_to_be_old(tmp_path, make_mirror):
    with running_hub(tmp_path / "hub") as upstream:
        upstream.store.add("org/model", FILES)
        mirror = make_mirror(hf=upstream.url, ms=upstream.url, ttl=0.0)
        all_of(mirror)
        assert "Warning" not in ask(f"{mirror.url}/org/model/resolve/main/config.json").headers
    answer = ask(f"{mirror.url}/org/model/resolve/main/config.json")
    assert answer.body == b"{}"
    assert answer.headers["Warning"].startswith("110")
    assert mirror.counts.stale
    assert ask(f"{mirror.url}/org/other/resolve/main/config.json").status in (502, 504)
    offline = make_mirror(hf=upstream.url, offline=True)
    assert ask(f"{offline.url}/org/model/resolve/main/weights/model.safetensors").body == LARGE


def test_the_cache_alone_is_served_without_any_hub(upstream, tmp_path, make_mirror):
    upstream.store.add("org/model", FILES)
    fetch(tmp_path / "cache", upstream.url)
    fetch(tmp_path / "cache", upstream.url, "ms:org/model")
    mirror = make_mirror(upstreams=(Upstream("hf", "hf", ""), Upstream("ms", "ms", "")), offline=True)
    upstream.requests.clear()
    all_of(mirror)
    listing = json.loads(ask(f"{mirror.url}/api/v1/models/org/model/repo/files?Recursive=True").body)
    assert {entry["Path"] for entry in listing["Data"]["Files"] if entry["Type"] == "blob"} == set(FILES)
    assert ask(f"{mirror.url}/api/v1/models/org/model/repo?FilePath=config.json").body == b"{}"
    assert ask(f"{mirror.url}/org/nothing/resolve/main/config.json", "hf_x").status == 404
    assert upstream.requests.records == []


@pytest.fixture
def three(upstream):
    for number in range(3):
        content = random.Random(f"mirror quota {number}").randbytes(3_000_000)
        upstream.store.add(f"org/m{number}", {"model.safetensors": content})
    return [f"org/m{number}" for number in range(3)]


def names_in(root) -> set[str]:
    return {model.ref.repo_id for model in list_models([root]).models}


def test_the_longest_unused_goes_for_the_quota_and_what_is_pinned_stays(three, upstream, make_mirror):
    mirror = make_mirror(hf=upstream.url, quota=7_500_000)
    first, second, third = three
    for name in (first, second):
        assert len(ask(f"{mirror.url}/{name}/resolve/main/model.safetensors").body) == 3_000_000
        mirror.settle()
    model = Cache(mirror.root, roots=[mirror.root]).all_of(RepoRef("hf", first))[0]
    model.pin(pinned=True)
    assert ask(f"{mirror.url}/{third}/resolve/main/model.safetensors").status == 200
    mirror.settle()
    assert names_in(mirror.root) == {first, third}
    assert mirror.counts.evicted >= 3_000_000


def test_what_the_mirror_may_only_read_stays_and_another_goes_for_it(
    three, upstream, make_mirror, monkeypatch
):
    mirror = make_mirror(hf=upstream.url, quota=7_500_000)
    first, second, third = three
    for name in (first, second):
        assert ask(f"{mirror.url}/{name}/resolve/main/model.safetensors").status == 200
        mirror.settle()
    kept = Cache(mirror.root, roots=[mirror.root]).all_of(RepoRef("hf", first))[0]
    monkeypatch.setenv("HUBFERRY_CACHE_READONLY", str(kept.path))
    assert ask(f"{mirror.url}/{third}/resolve/main/model.safetensors").status == 200
    mirror.settle()
    assert names_in(mirror.root) == {first, third}


def test_what_is_half_here_is_not_removed_for_another(three, upstream, make_mirror):
    mirror = make_mirror(hf=upstream.url, quota=4_500_000)
    first, second, _third = three
    assert ask(f"{mirror.url}/{first}/resolve/main/model.safetensors", Range="bytes=0-9").status == 206
    mirror.settle()
    assert ask(f"{mirror.url}/{second}/resolve/main/model.safetensors").status == 507
    assert names_in(mirror.root) == {first}


def test_a_file_that_goes_after_it_was_found_is_fetched_anew(upstream, mirror):
    upstream.store.add("org/model", FILES)
    all_of(mirror)
    contents = mirror.mirror.contents
    find, taken = contents.get, []

    async def find_and_take(wanted):
        got = await find(wanted)
        if wanted.file.path not in taken:
            taken.append(wanted.file.path)
            got.unlink()
        return got

    contents.get = find_and_take
    answers = [ask(f"{mirror.url}/org/model/resolve/main/{path}") for path in ("config.json", LARGE_PATH)]
    assert [one.status for one in answers] == [200, 200]
    assert [one.body for one in answers] == [b"{}", LARGE]
    assert taken == ["config.json", LARGE_PATH]
    mirror.settle()
    all_of(mirror)


def test_what_fails_as_nobody_has_foreseen_is_an_answer_and_may_be_asked_for_again(
    upstream, mirror, monkeypatch
):
    upstream.store.add("org/model", FILES)

    def fail(*_words):
        raise ValueError("of another kind")

    with monkeypatch.context() as patch:
        patch.setattr(shelf.update, "begin", fail)
        assert ask(f"{mirror.url}/org/model/resolve/main/{LARGE_PATH}").status == 502
        assert ask(f"{mirror.url}/org/model/resolve/main/config.json").body == b"{}"
        mirror.settle()
    all_of(mirror)
    assert len(list_models([mirror.root]).models) == 1


def test_a_file_that_is_being_sent_may_go(upstream, mirror):
    upstream.store.add("org/model", FILES)
    all_of(mirror)
    opened = []

    def open_and_take(path):
        file = path.open("rb", buffering=0)
        path.unlink()
        opened.append(file)
        return file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request, "_opened", open_and_take)
        assert ask(f"{mirror.url}/org/model/resolve/main/{LARGE_PATH}").body == LARGE
    assert [file.closed for file in opened] == [True]


def test_a_long_listing_keeps_nobody_else_waiting(upstream, make_mirror, monkeypatch):
    many = {f"folder/{number:04}/a.txt": b"a" for number in range(500)}
    upstream.store.add("org/model", many)
    threads = {}

    def watch(owner, name):
        original = getattr(owner, name)

        def watched(*words, **named):
            kind = named.get("type", name)
            threads.setdefault(getattr(kind, "__name__", kind), set()).add(threading.current_thread().name)
            return original(*words, **named)

        monkeypatch.setattr(owner, name, watched)

    def ask_for_all() -> None:
        for path in ("/api/models/org/model", "/api/models/org/model/tree/main?recursive=true",
                     "/api/v1/models/org/model/repo/files?Recursive=True"):  # fmt: skip
            assert ask(mirror.url + path).status == 200

    mirror = make_mirror(hf=upstream.url, ms=upstream.url)
    watch(tree, "folder_ids")
    watch(huggingface, "sibling")
    watch(modelscope, "_entry")
    ask_for_all()
    mirror = make_mirror(hf=upstream.url, ms=upstream.url)
    watch(memory.msgspec.json, "decode")
    ask_for_all()
    assert {"folder_ids", "sibling", "_entry", "Snapshot"} <= threads.keys()
    for name in ("folder_ids", "sibling", "_entry", "Snapshot"):
        assert LOOP not in threads[name], name


def test_numbers_are_there_for_prometheus(upstream, mirror):
    upstream.store.add("org/model", FILES)
    all_of(mirror)
    all_of(mirror)
    text = ask(f"{mirror.url}/metrics").body.decode()
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    values = {name: float(value) for name, value in lines}
    assert values["hubferry_mirror_hits_total"] == 3
    assert values["hubferry_mirror_upstream_bytes_total"] == mirror.counts.fetched
    assert values["hubferry_mirror_saved_bytes"] == mirror.counts.saved > 0

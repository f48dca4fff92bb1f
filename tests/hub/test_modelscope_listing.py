"""What ModelScope cuts is listed whole, at the cost told beforehand, or said to be impossible at once."""

from __future__ import annotations

import asyncio
import gc
import random
import ssl
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from scripted import scripted

from hubferry import api
from hubferry.errors import (
    BusyError,
    CertificateError,
    HubferryError,
    NetworkError,
    NotFoundError,
    UnlistableError,
)
from hubferry.events import Retrying, ignore
from hubferry.hubs import open_destination, open_source
from hubferry.hubs.modelscope import destination as modelscope_destination
from hubferry.hubs.modelscope import listing as modelscope_listing
from hubferry.hubs.modelscope.listing import Listing, walk_requests
from hubferry.model import CommitAction, RepoRef
from hubferry.options import Access, Options
from hubferry.patience import Account, Policy
from hubferry.retry import RetryingSource, attempt
from hubferry.serve import Seams, ServerLimits
from hubferry.serve.application import LABELS

CUT = 30
MODEL, DATA = RepoRef("ms", "org/model"), RepoRef("ms", "org/data", repo_type="dataset")


@pytest.fixture
def small(monkeypatch):
    """A hub's cut that small repositories reach."""
    assert modelscope_destination.LIMITS.listable_folder == 2999  # the real one, made before the cut is moved
    monkeypatch.setattr(modelscope_listing, "CUT", CUT)
    return ServerLimits(truncation=CUT)


def drawn_paths(seed):
    """Files in folders in folders, none of them with as many entries as the cut."""
    source = random.Random(seed)
    folders = [""]
    for _ in range(source.randrange(3, 40)):
        folders.append(f"{source.choice(folders)}d{len(folders)}/")
    paths = {
        f"{folder}f{number}.txt" for folder in folders for number in range(source.choice([0, 1, 2, CUT - 25]))
    }
    return sorted(paths | {"README.md"})


async def listed(hub, ref=MODEL, *, first=0.001, attempts=6, listen=ignore):
    """List as a run does: what fails in passing is asked again within its patience."""
    source = open_source(ref, endpoint=hub.url)
    account = Account(Policy(attempts=attempts, first=first))
    try:
        return await attempt(Listing(source._wire, ref).files, str(ref), account, listen)
    finally:
        await source.close()


def crowded(paths):
    """Return whether some folder holds as many entries as the cut."""
    inside = {}
    for path in paths:
        parts = path.split("/")
        for depth in range(len(parts)):
            inside.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
    return any(len(names) >= CUT for names in inside.values())


@pytest.mark.parametrize("seed", range(12))
async def test_a_listing_is_whole_and_costs_what_was_told(small, make_hub, seed):
    paths = drawn_paths(seed)
    assert not crowded(paths)
    hub = make_hub(limits=small)
    hub.store.add("org/model", dict.fromkeys(paths, b"x"))
    assert [file.path for file in await listed(hub)] == paths
    assert hub.requests.count("ms:files") == walk_requests(paths, CUT)


def test_the_cost_of_ordinary_repositories_is_one_request():
    assert walk_requests([]) == 1
    assert walk_requests([f"f{number}" for number in range(2999)]) == 1
    assert walk_requests([f"a/f{number}" for number in range(2998)]) == 1


def test_the_cost_of_many_folders_is_one_request_for_each_that_was_cut_off():
    paths = [f"{top}/{folder}/{name}" for top in "abcdef" for folder in range(1000) for name in "xy"]
    assert walk_requests(paths) == 2 + 6 * 2 + 6000
    assert walk_requests([path for path in paths if "/99" not in path]) < 2 + 6 * 2 + 6000


# ------------------------------------------------------------------------------- failures in a walk


def many_folders():
    return {f"d{folder}/f{name}.txt": b"x" for folder in range(20) for name in range(5)}


def failing(status, count, **headers):
    """Let the hub fail `count` times in the middle of a walk."""
    left = [count]

    @web.middleware
    async def middleware(request, handler):
        below = LABELS.get(request.match_info.handler, "") == "ms:files" and "Root" in request.query
        if below and left[0]:
            left[0] -= 1
            return web.json_response({"Message": "later"}, status=status, headers=headers)
        return await handler(request)

    return Seams([middleware])


@pytest.mark.parametrize(
    ("status", "headers"), [(500, {}), (504, {}), (429, {}), (429, {"Retry-After": "0.05"}), (403, {})]
)
async def test_what_fails_in_passing_is_asked_again_alone_and_the_walk_goes_on(
    small, make_hub, status, headers
):
    contents = many_folders()
    hub = make_hub(limits=small, seams=failing(status, 4, **headers))
    hub.store.add("org/model", contents)
    assert {file.path for file in await listed(hub)} == set(contents)
    assert hub.requests.count("ms:files") == walk_requests(contents, CUT) + 4


async def test_a_hub_that_wants_a_long_pause_in_the_middle_is_believed(small, make_hub):
    hub = make_hub(limits=small, seams=failing(429, 1, **{"Retry-After": "600"}))
    hub.store.add("org/model", many_folders())
    with pytest.raises(BusyError) as caught:
        await listed(hub)
    assert caught.value.retry_after == 600.0


async def test_a_walk_that_broke_off_goes_on_where_it_stopped_and_tells_its_waits(small, make_hub):
    contents = many_folders()
    hub = make_hub(limits=small, seams=failing(500, 40))
    hub.store.add("org/model", contents)
    waits = []
    assert {file.path for file in await listed(hub, attempts=30, listen=waits.append)} == set(contents)
    assert hub.requests.count("ms:files") == walk_requests(contents, CUT) + 40
    assert waits
    assert all(isinstance(one, Retrying) for one in waits)


async def test_a_pause_in_the_middle_of_a_walk_stops_the_questions(small, make_hub):
    hub = make_hub(limits=small, seams=failing(429, 10_000, **{"Retry-After": "600"}))
    hub.store.add("org/model", {f"d{n}/e{m}.txt": b"x" for n in range(25) for m in range(4)})
    with pytest.raises(BusyError):
        await listed(hub)
    assert hub.requests.count("ms:files") <= 2 + 16, "those that were on their way, and no more"


@pytest.mark.parametrize("after", [0, 1, 5, 12, 18, 21])
async def test_a_walk_that_is_broken_off_by_another_question_asks_for_no_folder_twice(small, make_hub, after):
    """The record of the repository fails while the folders are being listed."""
    contents = many_folders()
    enough_now, asked, failed = threading.Event(), [], []

    @web.middleware
    async def middleware(request, handler):
        route = LABELS.get(request.match_info.handler, "")
        if route == "ms:files":
            asked.append(request.query.get("Root"))
            if len(asked) > after:
                enough_now.set()
            return await handler(request)
        if route == "ms:info" and not failed:
            failed.append(route)
            while not enough_now.is_set():  # noqa: ASYNC110 - the answers are counted, not waited for
                await asyncio.sleep(0.001)
            return web.Response(status=500)
        return await handler(request)

    hub = make_hub(limits=small, seams=Seams([middleware]))
    hub.store.add("org/model", contents)
    source = RetryingSource(open_source(MODEL, endpoint=hub.url), Account(Policy(first=0.001)))
    revision = await source.resolve(MODEL)
    assert {file.path for file in await source.files(revision)} == set(contents)
    await source.close()
    assert failed


@pytest.mark.parametrize("size", [20, 100])
async def test_pages_that_fail_in_passing_are_asked_for_again_alone(size):
    failures = iter([False, True, True, False, True] * 3)
    page = paged(FILES, size=size, total=len(FILES))

    async def hiccups(request):
        return web.Response(status=500) if next(failures, False) else await page(request)

    async with scripted(hiccups) as hub:
        files = await listed(hub, DATA, attempts=20)
        answered = [one.path.partition("PageNumber=")[2].partition("&")[0] for one in hub.seen]
    assert [file.path for file in files] == [entry["Path"] for entry in FILES]
    assert all(answered.count(number) <= 10 for number in answered)
    assert len(answered) <= -(-len(FILES) // size) + 9


@pytest.mark.parametrize("moments", range(8))
async def test_a_listing_that_is_broken_off_at_any_moment_leaves_no_question_out(hub, moments):
    hub.store.add("org/data", dict.fromkeys(("a.txt", "b.txt"), b"x"), kind="dataset")
    source = open_source(DATA, endpoint=hub.url)
    listing = Listing(wire := _RefusingOnce(source._wire), DATA)
    work = asyncio.ensure_future(listing.files())
    await wire.asked.wait()
    wire.go.set()
    for _moment in range(moments):
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises((asyncio.CancelledError, NotFoundError)):
        await work
    assert [file.path for file in await listing.files()] == ["a.txt", "b.txt"]
    await source.close()


class _RefusingOnce:
    """The way to a hub that says once that there is no such repository."""

    def __init__(self, wire):
        self.client, self.api, self._wire = wire.client, wire.api, wire
        self.asked, self.go, self._refused = asyncio.Event(), asyncio.Event(), False

    async def get(self, ref, url):
        if self._refused:
            return await self._wire.get(ref, url)
        self._refused = True
        self.asked.set()
        await self.go.wait()
        raise NotFoundError("not there")


async def test_a_listing_that_was_begun_before_a_commit_is_none_of_what_is_there_after_it(make_hub):
    """The first listing breaks off; then somebody commits, and the next one is all new."""
    broken = [True]

    async def answer(request):
        if request.method == "POST":
            return web.json_response({"Code": 200, "Data": {"Sha": "1" * 40}})
        if "repo/files" not in request.path:
            return web.json_response({"Code": 200, "Data": {"Name": "model"}})
        full = tree(*(f"x{number}" for number in range(3000)), kind="blob")
        if "Root" in request.query:
            entries = [] if request.query["Root"] == "b" else tree("a/f", kind="blob")
            if request.query["Root"] == "b" and broken[0]:
                return web.Response(status=500)
        else:
            entries = full if request.query["Recursive"] == "True" else tree("a", "b")
        return web.json_response({"Code": 200, "Data": {"Files": entries}})

    async with scripted(answer) as server:
        destination = open_destination(MODEL, token="t", endpoint=server.url)
        with pytest.raises(NetworkError):
            await destination.resolve(MODEL)
        first = len(server.asked("/repo/files"))
        broken[0] = False
        await destination.commit(MODEL, [CommitAction("delete", "a/f")], "message")
        await destination.resolve(MODEL)
        await destination.close()
        assert first == 4
        assert len(server.asked("/repo/files")) == 2 * first


async def test_a_failure_that_does_not_pass_ends_the_walk_and_nothing_is_asked_afterwards(small, make_hub):
    hub = make_hub(limits=small, seams=failing(500, 10_000))
    hub.store.add("org/model", {f"d{n}/e{m}.txt": b"x" for n in range(25) for m in range(4)})
    source = open_source(MODEL, endpoint=hub.url)
    before = asyncio.all_tasks()
    with pytest.raises(NetworkError):
        await Listing(source._wire, MODEL).files()
    assert asyncio.all_tasks() == before
    await source.close()
    assert hub.requests.count("ms:files") <= 2 + 2 * 16


async def test_a_failure_for_good_does_not_wait_for_the_others(small, make_hub):
    @web.middleware
    async def middleware(request, handler):
        root = request.query.get("Root")
        return await handler(request) if root is None else web.Response(status=400 if root == "d9" else 500)

    hub = make_hub(limits=small, seams=Seams([middleware]))
    hub.store.add("org/model", many_folders())
    with pytest.raises(HubferryError, match="400"):
        await asyncio.wait_for(listed(hub, first=600), 20)


async def test_a_certificate_that_is_not_accepted_ends_the_walk_at_once(small, make_hub):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parents[1] / "wire" / "loopback.pem")
    other = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    elsewhere = f"https://127.0.0.1:{other.sockets[0].getsockname()[1]}/"

    @web.middleware
    async def middleware(request, handler):
        root = request.query.get("Root")
        if root is None:
            return await handler(request)
        return (
            web.Response(status=302, headers={"Location": elsewhere})
            if root == "d9"
            else web.Response(status=500)
        )

    hub = make_hub(limits=small, seams=Seams([middleware]))
    hub.store.add("org/model", many_folders())
    with pytest.raises(CertificateError):
        await asyncio.wait_for(listed(hub, first=600), 20)
    other.close()
    await other.wait_closed()


# -------------------------------------------------------------------------------- what is impossible


def copy(hub, tmp_path, source="ms:org/model"):
    access = Access(hub.token, hub.url)
    options = Options(source=access, destination=access, cache_root=tmp_path / "cache")
    return api.copy(source, "ms:mine/copy", options)


def test_a_folder_that_can_never_be_listed_is_no_network_error_and_is_asked_for_once(
    small, make_hub, tmp_path, monkeypatch
):
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.001")
    hub = make_hub(limits=small)
    hub.store.add("org/model", {f"d/f{number}.txt": b"x" for number in range(CUT + 1)})
    with pytest.raises(UnlistableError, match=f"d holds {CUT} entries") as caught:
        copy(hub, tmp_path)
    assert not caught.value.retryable
    assert not isinstance(caught.value, NetworkError)
    assert caught.value.side == "source"
    # all, the top, the folder, its top; and whether the destination is there
    assert hub.requests.count("ms:files") == 5


def test_many_folders_are_copied_and_the_next_run_costs_one_listing_a_side(small, make_hub, tmp_path):
    hub = make_hub(limits=small)
    contents = {**many_folders(), "README.md": b"---\nlicense: mit\n---\n"}
    hub.store.add("org/model", contents)
    copy(hub, tmp_path)
    hub.requests.clear()
    report = copy(hub, tmp_path)
    assert not report.commits
    assert hub.requests.count("ms:files") == 2 * walk_requests(contents, CUT)


def tree(*names, kind="tree"):
    return [{"Path": name, "Type": kind, "Size": 1} for name in names]


def answering(entries):
    """Serve listings that `entries` makes of a root and whether all below it is asked for."""

    async def handler(request):
        found = entries(request.query.get("Root", ""), request.query["Recursive"] == "True")
        return web.json_response({"Code": 200, "Success": True, "Data": {"Files": found}})

    return handler


@pytest.mark.parametrize(
    "level",
    [
        lambda root: tree(root or "d"),
        lambda _root: tree("d"),
        lambda _root: tree("../d"),
        lambda root: tree(f"{root}/d/d".strip("/")),
        lambda _root: tree(""),
    ],
)
async def test_a_folder_that_lies_in_itself_or_elsewhere_ends_the_walk(small, level):
    full = tree(*(f"x{number}" for number in range(CUT)), kind="blob")
    async with scripted(answering(lambda root, below: full if below else level(root))) as hub:
        with pytest.raises(UnlistableError):
            await listed(hub)
        assert len(hub.seen) <= 6


async def test_folders_without_end_are_bounded(small, monkeypatch):
    monkeypatch.setattr(modelscope_listing, "MOST_FOLDERS", 50)
    full = tree(*(f"x{number}" for number in range(CUT)), kind="blob")
    level = lambda root: tree(*(f"{root}/d{number}".strip("/") for number in range(5)))  # noqa: E731
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    for _try in range(5):  # folders that fail at the same moment fail together, and one of them is told
        async with scripted(answering(lambda root, below: full if below else level(root))) as hub:
            with pytest.raises(UnlistableError, match="never ends"):
                await listed(hub)
            assert len(hub.seen) < 200
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


# ------------------------------------------------------------------------------------------ datasets


def paged(entries, *, size=20, total=None, repeats=False):
    """Serve a dataset in pages of `size`, whatever was asked for; `repeats` gives the last page for ever."""

    async def handler(request):
        number = int(request.query["PageNumber"])
        if repeats:
            number = min(number, max(1, -(-len(entries) // size)))
        data = {"Files": entries[(number - 1) * size : number * size]}
        if total is not None:
            data["TotalCount"] = total
        return web.json_response({"Code": 200, "Success": True, "Data": data})

    return handler


FILES = [{"Path": f"f{number:03}.txt", "Type": "blob", "Size": 1} for number in range(105)]
FOLDERS = [{"Path": f"d{number}", "Type": "tree"} for number in range(15)]


class _Wire:
    """Answers in the next turns of the loop: with a failure until there is something to list."""

    client = SimpleNamespace(side="destination", host="hub")

    def __init__(self, error):
        self.error = error

    def api(self, _ref, _rest="", **_query):
        return ""

    async def get(self, _ref, _url):
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return {"Files": FILES[:1], "TotalCount": 1}


@pytest.mark.parametrize("error", [NotFoundError("gone"), NetworkError("broken", side="source")])
@pytest.mark.parametrize("ref", [MODEL, DATA])
@pytest.mark.parametrize("turns", range(8))
async def test_a_listing_that_is_broken_off_at_any_moment_of_a_failure_forgets_no_question(ref, error, turns):
    """A repository that is not there says so to two questions at once, and is asked again when it is made."""
    listing = Listing(wire := _Wire(error), ref)
    asking = asyncio.ensure_future(listing.files())
    for _turn in range(turns):
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    wire.error = None
    assert [file.path for file in await listing.files()] == [FILES[0]["Path"]]


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("total", ["all", "files", None])
@pytest.mark.parametrize("size", [20, 35, 120, 7])
@pytest.mark.parametrize("entries", [FILES, FOLDERS + FILES, FILES + FOLDERS])
async def test_a_dataset_is_read_to_its_end_whatever_the_pages_are(entries, size, total, repeats):
    said = {"all": len(entries), "files": len(FILES), None: None}[total]
    async with scripted(paged(entries, size=size, total=said, repeats=repeats)) as hub:
        files = await listed(hub, DATA)
        pages = -(-len(entries) // size)
        assert len(hub.seen) <= pages + 1
    assert [file.path for file in files] == [entry["Path"] for entry in FILES]


async def test_an_empty_dataset_is_empty():
    async with scripted(paged([], total=0)) as hub:
        assert await listed(hub, DATA) == []
        assert len(hub.seen) == 1


async def test_a_dataset_that_ends_before_its_total_is_no_whole_listing():
    async with scripted(paged(FILES[:60], total=len(FILES))) as hub:
        with pytest.raises(NetworkError, match="listed 60 entries of org/data, which has 105"):
            await listed(hub, DATA)


@pytest.mark.parametrize("total", [None, 10**12])
async def test_a_dataset_without_end_is_bounded(monkeypatch, total):
    monkeypatch.setattr(modelscope_listing, "MOST_FILES", 300)

    async def endless(request):
        number = int(request.query["PageNumber"])
        names = [{"Path": f"p{number}/{n}", "Type": "blob", "Size": 1} for n in range(20)]
        return web.json_response({"Code": 200, "Data": {"Files": names, "TotalCount": total}})

    async with scripted(endless) as hub:
        with pytest.raises(UnlistableError, match="never ends"):
            await listed(hub, DATA)
        assert len(hub.seen) < 40

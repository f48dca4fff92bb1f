"""Canary tokens and signed addresses: whatever happens, nothing that is written anywhere holds one."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web
from faults import answer, meanwhile, refuse, spoil
from worlds import DESTINATION, SOURCE

from hubferry.options import Access

CANARIES = ("hf_CanaryOfTheSourceAbCdEfGhIjKlMn", "ms-0badcafe-1234-5678-9abc-canarycanary")
COPY = ("copy", SOURCE, DESTINATION)


@pytest.fixture
def guarded(make_world):
    """A world whose tokens are canaries."""
    return make_world(tokens=CANARIES)


async def tell_all(request, _handler):
    """Answer with everything that came in, as careless servers do in their errors."""
    shown = [request.headers.get(name) for name in ("Authorization", "Cookie")]
    told = f"bad request: {shown} at {request.url}"
    return web.json_response({"Code": 500, "Message": told, "error": told, "Success": False}, status=500)


async def know_too_much(_request, _handler):
    """Answer with secrets that are none of this hub's business, in the forms in which they travel."""
    signed = f"https://storage.example/b?X-Amz-Signature={'ab' * 32}"
    told = f"{CANARIES} Bearer {CANARIES[1]} {signed} https://u:{CANARIES[0]}@x.example/"
    return web.json_response({"error": told}, status=500)


async def crash_the_client(request, handler):
    """Answer with types that no client expects."""
    await handler(request)
    return web.json_response({"Code": 200, "Data": {"Files": [{"Path": 7, "Size": {}}], "objects": {"a": 1}}})


def expired(request, _status, headers, _body):
    return 403, headers, f"<Error>Expired: {request.url}</Error>".encode()


SCENES = {
    "good": lambda world: None,
    "source-knows-too-much": lambda world: world.source_faults.plan(know_too_much, "hf:info", times=None),
    "source-tells-all": lambda world: world.source_faults.plan(tell_all, "hf:info", times=None),
    "listing-tells-all": lambda world: world.source_faults.plan(tell_all, "hf:tree", times=None),
    "storage-tells-all": lambda world: world.source_faults.plan(tell_all, "storage:get", times=None),
    "destination-tells-all": lambda world: world.destination_faults.plan(tell_all, "ms:info", times=None),
    "batch-tells-all": lambda world: world.destination_faults.plan(tell_all, "ms:batch", times=None),
    "upload-tells-all": lambda world: world.destination_faults.plan(tell_all, "storage:put", times=None),
    "commit-tells-all": lambda world: world.destination_faults.plan(tell_all, "ms:commit", times=None),
    "token-refused": lambda world: world.source_faults.plan(answer(401, b""), times=None),
    "signature-expires": lambda world: world.source_faults.plan(spoil(expired), "storage:get", times=None),
    "upload-breaks": lambda world: world.destination_faults.plan(refuse, "storage:put", times=None),
    "nonsense": lambda world: world.destination_faults.plan(crash_the_client, "ms:files", times=None),
    "nonsense-batch": lambda world: world.destination_faults.plan(crash_the_client, "ms:batch", times=None),
}


def secrets_of(world):
    """The tokens, and every signature that a hub has handed out or been shown."""
    seen = [
        path
        for faults in (world.source_faults, world.destination_faults)
        for _route, path, _head in faults.seen
    ]
    signatures = {one for path in seen for one in re.findall(r"signature=([0-9a-f]{16,})", path)}
    return {*CANARIES, *signatures, "ab" * 32}


def written_in(world):
    """Everything below the home, names and contents."""
    for path in world.home.rglob("*"):
        yield str(path).encode()
        if path.is_file():
            yield path.read_bytes()


def assert_clean(world, *said):
    heap = [text.encode() for text in said] + list(written_in(world))
    for secret in secrets_of(world):
        for piece in heap:
            assert secret.encode() not in piece, f"{secret[:12]}... was written"


@pytest.mark.parametrize("scene", SCENES)
def test_no_secret_is_written_whatever_goes_wrong(guarded, scene):
    SCENES[scene](guarded)
    done = guarded.command("--debug", *COPY, "--json", PYTHONASYNCIODEBUG="1", PYTHONWARNINGS="default")
    if scene == "good":
        assert done.code == 0, done.said
        assert len(secrets_of(guarded)) > len(CANARIES) + 1
    else:
        assert done.code != 0
        assert "Traceback" in done.err
    assert_clean(guarded, done.said)


@pytest.mark.parametrize(
    "scene", ["good", "source-knows-too-much", "storage-tells-all", "upload-breaks", "signature-expires"]
)
def test_no_secret_is_written_by_the_most_talkative_run_either(guarded, scene):
    SCENES[scene](guarded)
    talkative = ("-vv", "--log-file", "run.log", "--progress", "json")
    done = guarded.command(*COPY, *talkative, HUBFERRY_RETRIES="2")
    log = next(guarded.home.rglob("run.log")).read_text()
    assert "hubferry.hubs.http.client: GET http" in log
    assert "hubferry.hubs.http.client: GET http" in done.err
    assert_clean(guarded, done.said, log)


@pytest.mark.parametrize("scene", ["source-tells-all", "upload-tells-all", "nonsense-batch"])
def test_no_secret_is_written_in_chinese_or_by_other_verbs_either(guarded, scene):
    SCENES[scene](guarded)
    said = [
        guarded.command(verb, *COPY[1:], *more, HUBFERRY_LANG="zh").said
        for verb, more in (("copy", ()), ("copy", ("--dry-run",)), ("check", ()))
    ]
    assert_clean(guarded, *said)


def test_an_error_of_the_library_holds_no_secret_either(guarded):
    for plan in list(SCENES.values())[2:]:
        plan(guarded)
        outcome = guarded.attempt()
        error, texts = outcome.error, []
        while error is not None:
            texts.append(f"{error!r} {vars(error)!r}")
            error = error.__cause__
        guarded.source_faults.clear()
        guarded.destination_faults.clear()
        assert_clean(guarded, *texts)
    assert all(secret not in repr(guarded.options) for secret in CANARIES)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_token_given_as_an_argument_works_with_a_warning_and_leaves_the_process_list(guarded):
    shown = []
    words = (*COPY, "--source-token", CANARIES[0], f"--destination-token={CANARIES[1]}")
    guarded.environment.pop("HF_TOKEN")
    guarded.environment.pop("MODELSCOPE_API_TOKEN")
    with guarded.started(*words) as process:

        def look():
            shown.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())

        guarded.source_faults.plan(meanwhile(look), "hf:info")
        guarded.destination_faults.plan(meanwhile(look), "ms:commit")
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "warning:" in err
    assert len(shown) == 2
    assert all(b"copy" in line for line in shown)
    assert_clean(guarded, out, err, *(line.decode() for line in shown))


def test_a_storage_elsewhere_gets_no_token(guarded, make_world):
    elsewhere = make_world()

    async def redirect(request, handler):
        response = await handler(request)
        if response.status == 302:
            there = response.headers["Location"].replace(guarded.source.url, elsewhere.source.url)
            response.headers["Location"] = there
        return response

    guarded.source_faults.plan(redirect, "hf:resolve", times=None)
    outcome = guarded.attempt()
    assert_no_token(elsewhere)
    assert outcome.code == 5, outcome.said  # the stranger did not sign these addresses
    assert_clean(guarded, outcome.said)


def assert_no_token(elsewhere):
    seen = [headers for _route, _path, headers in elsewhere.source_faults.seen]
    assert seen
    assert all("Authorization" not in headers and "Cookie" not in headers for headers in seen)


@pytest.mark.parametrize("route", ["hf:info", "hf:tree"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host_gets_no_token(guarded, make_world, route, status):
    elsewhere = make_world()

    async def redirect(request, _handler):
        return web.Response(status=status, headers={"Location": elsewhere.source.url + request.path_qs})

    guarded.source_faults.plan(redirect, route, times=None)
    guarded.attempt()
    assert_no_token(elsewhere)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_token_over_plain_http_to_another_machine_is_refused(guarded, side):
    access = Access(CANARIES[0], "http://192.0.2.1:9")
    outcome = guarded.attempt(**{side: access})
    assert outcome.code == 2, outcome.said
    assert "unencrypted" in outcome.error.message
    assert guarded.source_faults.seen == guarded.destination_faults.seen == []
    done = guarded.command(*COPY, f"--{side}-endpoint", "http://192.0.2.1:9")
    assert done.code == 2, done.said
    assert_clean(guarded, outcome.said, done.said)


def test_nothing_is_left_running_after_a_copy(guarded):
    with guarded.started() as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    time.sleep(0.05)
    if sys.platform.startswith("linux"):
        groups = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                groups.append(int(stat.read_text().rpartition(")")[2].split()[2]))
            except (OSError, IndexError):
                continue
        assert process.pid not in groups

"""Who gets what from a mirror: nobody gets what upstream would not give him, also from the cache."""

from __future__ import annotations

import logging
import random

import pytest
from aiohttp import web
from mirroring import ask
from servers import CREDENTIALS, running_hub

from hubferry.mirror.upstreams import Choice
from hubferry.serve import Account, Credential, Policy, Seams

LARGE = random.Random("mirror rights 1").randbytes(1_500_000)
FILES = {"config.json": b"{}", "model.safetensors": LARGE}
OWNER, STRANGER = "hf_canary_owner", "hf_canary_stranger"
PEOPLE = (
    Credential(OWNER, Account("org", namespaces=frozenset(["org"]))),
    Credential(STRANGER, Account("somebody", namespaces=frozenset(["somebody"]))),
)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def set_clock(mirror) -> Clock:
    clock = Clock()
    mirror.mirror.desk._clock = clock
    return clock


@pytest.fixture
def hub(tmp_path):
    with running_hub(tmp_path / "hub", policy=Policy(PEOPLE, writable=True)) as running:
        for name in ("org/private", "org/gated", "org/public"):
            running.store.add(name, FILES if name != "org/public" else {"config.json": b'{"public": 1}'})
        running.store.find("org/private").change(private=True)
        running.store.find("org/gated").change(gated="manual")
        yield running


@pytest.fixture(params=["hf", "ms"])
def places(request, hub, make_mirror):
    """A mirror, and how a file of a repository is asked for in a dialect."""
    mirror = make_mirror(hf=hub.url, ms=hub.url)

    def place(name: str, path: str) -> str:
        if request.param == "hf":
            return f"{mirror.url}/{name}/resolve/main/{path}"
        return f"{mirror.url}/api/v1/models/{name}/repo?Revision=master&FilePath={path}"

    return mirror, place


@pytest.mark.parametrize("name", ["org/private", "org/gated"])
def test_what_one_account_may_read_is_given_to_no_other_also_from_the_cache(name, places):
    mirror, place = places
    for path, content in FILES.items():
        assert ask(place(name, path), OWNER).body == content
    mirror.settle()
    for path in FILES:
        for token in (STRANGER, None, "hf_wrong"):
            for method in ("GET", "HEAD"):
                answer = ask(place(name, path), token, method=method)
                assert answer.status in (401, 403, 404), (path, token)
                assert answer.body not in FILES.values()
    assert ask(place(name, "model.safetensors"), OWNER).body == LARGE
    assert ask(place("org/public", "config.json")).body == b'{"public": 1}'


def test_naming_a_commit_is_no_way_around_rights(hub, make_mirror):
    mirror = make_mirror(hf=hub.url)
    for name in ("org/private", "org/gated"):
        commit = hub.store.find(name).resolve(None)
        address = f"{mirror.url}/{name}/resolve/{commit}/model.safetensors"
        assert ask(address, OWNER).body == LARGE
        mirror.settle()
        for token in (STRANGER, None):
            assert ask(address, token).status in (401, 403, 404)


def test_a_private_repository_is_not_seen_in_any_answer(hub, make_mirror):
    mirror = make_mirror(hf=hub.url)
    assert ask(f"{mirror.url}/api/models/org/private", OWNER).status == 200
    commit = hub.store.find("org/private").resolve(None)
    for rest in (
        "",
        f"/revision/{commit}",
        "/tree/main",
        f"/tree/{commit}",
        "/refs",
        "/commits/main",
        "/auth-check",
    ):
        for token in (STRANGER, None):
            assert ask(f"{mirror.url}/api/models/org/private{rest}", token).status in (401, 404), rest


def test_rights_that_were_taken_back_end_within_minutes(hub, make_mirror):
    mirror = make_mirror(hf=hub.url)
    clock = set_clock(mirror)
    address = f"{mirror.url}/org/gated/resolve/main/model.safetensors"
    hub.store.find("org/gated").change(granted=("somebody",))
    assert ask(address, STRANGER).body == LARGE
    mirror.settle()
    hub.store.find("org/gated").change(granted=())
    clock.now += 301
    assert ask(address, STRANGER).status == 403


def test_what_becomes_private_is_no_longer_everybodys(hub, make_mirror):
    mirror = make_mirror(hf=hub.url, ttl=60.0)
    clock = set_clock(mirror)
    address = f"{mirror.url}/org/public/resolve/main/config.json"
    commit = ask(address).headers["X-Repo-Commit"]
    hub.store.find("org/public").change(private=True)
    clock.now += 61
    assert ask(address).status == 401
    assert ask(f"{mirror.url}/org/public/resolve/{commit}/config.json").status == 401
    assert ask(address, OWNER).status == 200


def test_a_right_that_is_given_counts_at_once(hub, make_mirror):
    mirror = make_mirror(hf=hub.url)
    address = f"{mirror.url}/org/gated/resolve/main/config.json"
    assert ask(address, STRANGER).status == 403
    hub.store.find("org/gated").change(granted=("somebody",))
    assert ask(address, STRANGER).body == b"{}"


def test_knowing_a_digest_gives_nobody_the_content(hub, make_mirror):
    mirror = make_mirror(hf=hub.url)
    assert ask(f"{mirror.url}/org/private/resolve/main/model.safetensors", OWNER).body == LARGE
    mirror.settle()
    # a repository of the stranger's own that claims to have the same content, which its hub does not have
    hub.store.add("somebody/claims", {"model.safetensors": LARGE})
    claims = hub.store.find("somebody/claims")
    sha256 = claims.file(claims.resolve(None), "model.safetensors").sha256
    blob = hub.store.blobs.path(sha256)
    kept = blob.read_bytes()
    blob.write_bytes(bytes(len(kept)))
    answer = ask(
        f"{mirror.url}/somebody/claims/resolve/main/model.safetensors", method="GET", Range="bytes=0-9"
    )
    assert answer.body != LARGE[:10]
    assert ask(f"{mirror.url}/storage/{sha256}").status in (403, 404)


def test_accounts_of_the_mirror_are_asked_for_with_their_own_tokens(hub, make_mirror):
    accounts = Policy(CREDENTIALS, anonymous_reads=False)
    kept = {"tester": OWNER}
    mirror = make_mirror(
        hf=hub.url,
        policy=accounts,
        is_open=False,
        upstream_token=lambda account, _upstream: kept.get(account.name),
    )
    address = f"{mirror.url}/org/private/resolve/main/config.json"
    assert ask(address, CREDENTIALS[0].token).body == b"{}"
    assert ask(address, CREDENTIALS[1].token).status == 404  # the reader left no token here
    assert ask(address).status == 401
    assert ask(address, OWNER).status == 401  # a token of upstream is none of this mirror
    public = f"{mirror.url}/org/public/resolve/main/config.json"
    assert ask(public, CREDENTIALS[1].token).status == 200
    assert ask(public).status == 401


def test_a_token_of_the_mirrors_own_is_not_shown_to_upstream(tmp_path, make_mirror):
    seen: list[str | None] = []

    @web.middleware
    async def look(request, handler):
        seen.append(request.headers.get("Authorization"))
        return await handler(request)

    with running_hub(tmp_path / "other", seams=Seams(middlewares=[look])) as other:
        other.store.add("org/model", FILES)
        mirror = make_mirror(hf=other.url)
        assert ask(f"{mirror.url}/org/nothing/resolve/main/a", CREDENTIALS[0].token).status == 404
        assert set(seen) == {None}


def test_tokens_are_in_no_log_record_or_file(hub, make_mirror, caplog):
    caplog.set_level(logging.DEBUG)
    mirror = make_mirror(hf=hub.url, ms=hub.url)
    for name in ("org/private", "org/gated", "org/nothing"):
        for token in (OWNER, STRANGER):
            ask(f"{mirror.url}/{name}/resolve/main/model.safetensors", token)
            ask(f"{mirror.url}/api/v1/models/{name}/repo/files", token)
    mirror.settle()
    assert "canary" not in caplog.text
    written = [path for path in mirror.root.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"canary" in path.read_bytes()]
    assert "canary" not in "".join(f"{record}" for record in mirror.requests.records)


def test_patterns_say_what_may_be_asked_for(hub, make_mirror):
    mirror = make_mirror(hf=hub.url, choice=Choice(["org/*"], ["*/gated"]))
    assert ask(f"{mirror.url}/org/public/resolve/main/config.json").status == 200
    hub.requests.clear()
    assert ask(f"{mirror.url}/org/gated/resolve/main/config.json", OWNER).status == 403
    assert ask(f"{mirror.url}/other/model/resolve/main/config.json").status == 403
    assert hub.requests.records == []


def test_repositories_of_its_own_win(hub, make_mirror):
    mirror = make_mirror(hf=hub.url)
    mirror.store.add("org/public", {"config.json": b"own"})
    assert ask(f"{mirror.url}/org/public/resolve/main/config.json").body == b"own"
    mirror.store.find("org/public").change(private=True)
    assert ask(f"{mirror.url}/org/public/resolve/main/config.json").status == 401


def test_an_own_token_still_writes_to_an_open_mirror(hub, make_mirror):
    mirror = make_mirror(hf=hub.url)
    body = b'{"name": "model", "organization": "own", "type": "model"}'
    made = ask(f"{mirror.url}/api/repos/create", CREDENTIALS[0].token, method="POST", data=body)
    assert made.status == 200
    assert ask(f"{mirror.url}/api/repos/create", OWNER, method="POST", data=body).status == 401

"""What a hub answers to a commit: each refusal is treated as what it is, in both dialects, over real HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from aiohttp.streams import StreamReader

from hubferry import api
from hubferry.errors import (
    AccessError,
    BusyError,
    CardError,
    ConflictError,
    HubferryError,
    NetworkError,
    PolicyError,
    QuotaError,
    TooLargeError,
)
from hubferry.events import Note
from hubferry.options import Access, Options
from hubferry.serve import Seams
from hubferry.serve.application import LABELS

SMALL = {f"f{number:02}.txt": f"file {number}".encode() for number in range(10)}
CONTENT = {**SMALL, "README.md": b"---\nlicense: mit\n---\n# A model\n", "model.safetensors": bytes(70_000)}
COMMITS = ("hf:commit", "ms:commit")
DIALECTS = {"hf": "hf:mine/model", "ms": "ms:mine/model"}
MOVED = "The branch was updated since you opened this page. Please refresh and try again."
STORAGE = "Private repository storage limit reached, please upgrade your plan"
ACTIONS = "commit request exceeds actions limit: 12 > 5; split the commit into smaller batches"
LICENSE = 'Invalid metadata in README.md.\n- "license" must be one of [apache-2.0, mit]'
BASE = 'Invalid metadata in README.md. "base_model" with value "/workspace/x" is not valid.'


@dataclass
class Doorman:
    """Answers commits by a rule instead of the hub; `late` of them are made, and told nobody."""

    rule: object = None
    asked: list[list[str]] = field(default_factory=list)
    parents: list[str | None] = field(default_factory=list)
    late: int = 0

    @web.middleware
    async def middleware(self, request, handler):
        if LABELS.get(request.match_info.handler, "") not in COMMITS:
            return await handler(request)
        paths, parent = _named(await _peeked(request))
        self.asked.append(paths)
        self.parents.append(parent)
        refusal = self.rule(len(self.asked), paths) if self.rule is not None else None
        response = await handler(request) if refusal is None else refusal
        if self.late:
            self.late -= 1
            return says(504, "")
        return response

    @property
    def counts(self):
        return [len(paths) for paths in self.asked]


async def _peeked(request):
    """Read a request's body, and leave it to be read by the hub."""
    body = await request.read()
    again = StreamReader(request.protocol, 1 << 20, loop=asyncio.get_running_loop())
    again.feed_data(body)
    again.feed_eof()
    request._payload, request._read_bytes = again, None
    return body


def _named(body):
    lines = [json.loads(line) for line in body.splitlines() if line.strip()]
    if len(lines) == 1 and "actions" in lines[0]:
        return [action["path"] for action in lines[0]["actions"]], None
    header, *items = (line["value"] for line in lines)
    return [item["path"] for item in items], header.get("parentCommit")


def says(status, words, **headers):
    """Refuse in words that both dialects put where they put them."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response(
        {"error": words, "Message": words, "Success": False, "Code": status}, status=status, headers=named
    )


def always(*refusal, **headers):
    return lambda _number, _paths: says(*refusal, **headers)


def first(count, *refusal, **headers):
    return lambda number, _paths: says(*refusal, **headers) if number <= count else None


@dataclass
class Desk:
    """One person's copy from a hub to another, in a dialect."""

    source: object
    hub: object
    door: Doorman
    target: str
    options: Options
    heard: list = field(default_factory=list)

    def copy(self, **changes):
        return api.copy("hf:org/model", self.target, replace(self.options, **changes), self.heard.append)

    def check(self):
        return api.check("hf:org/model", self.target, self.options)

    def refused(self, error, **changes):
        with pytest.raises(error) as caught:
            self.copy(**changes)
        assert type(caught.value) is error
        assert caught.value.side == "destination"
        return caught.value

    def published(self):
        repository = self.hub.store.find("mine/model")
        files = repository.tree(repository.resolve(None)).files
        return {path: file.sha256 for path, file in files.items()}

    def commits(self):
        repository = self.hub.store.find("mine/model")
        return sum(1 for _commit in repository.history.walk(repository.resolve(None))) - 1

    @property
    def notes(self):
        return [event.message for event in self.heard if isinstance(event, Note)]


def sha(content):
    return hashlib.sha256(content).hexdigest()


EXPECTED = {path: sha(content) for path, content in CONTENT.items()}


@pytest.fixture
def make_desk(make_hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HUBFERRY_RETRY_WAIT", "0.001")
    monkeypatch.setenv("HUBFERRY_RETRIES", "2")

    def make(dialect="hf"):
        door = Doorman()
        source, hub = make_hub(), make_hub(seams=Seams([door.middleware]))
        source.store.add("org/model", CONTENT)
        options = Options(
            source=Access(source.token, source.url),
            destination=Access(hub.token, hub.url),
            cache_root=tmp_path / "cache",
        )
        return Desk(source, hub, door, DIALECTS[dialect], options)

    return make


@pytest.fixture(params=list(DIALECTS))
def desk(request, make_desk):
    """The same copy in each dialect."""
    return make_desk(request.param)


# ---------------------------------------------------------------------------------------- size adapts


def test_an_ordinary_copy_is_one_commit(desk):
    desk.copy()
    assert desk.door.counts == [12]
    assert desk.published() == EXPECTED


def test_a_commit_of_too_many_files_is_halved_until_the_hub_takes_it(desk):
    desk.door.rule = lambda _number, paths: says(422, ACTIONS) if len(paths) > 5 else None
    report = desk.copy()
    assert desk.door.counts == [12, 6, 3, 3, 3, 3]
    assert desk.published() == EXPECTED
    assert desk.commits() == len(report.commits) == 4


@pytest.mark.parametrize(("status", "words"), [(504, ""), (524, "a timeout occurred")])
def test_a_small_commit_that_takes_too_long_is_halved_the_second_time(desk, status, words):
    desk.door.rule = lambda _number, paths: says(status, words) if len(paths) > 5 else None
    desk.copy()
    assert desk.door.counts == [12, 12, 6, 3, 3, 3, 3]
    assert desk.published() == EXPECTED


def test_a_large_commit_that_takes_too_long_is_halved_at_once(desk):
    desk.source.store.add("org/model", {f"many/f{number}.txt": b"x" for number in range(120)})
    desk.door.rule = lambda number, _paths: says(504, "") if number == 1 else None
    desk.copy()
    assert desk.door.counts == [132, 66, 66]


def test_a_commit_of_too_many_bytes_is_split_by_bytes(desk):
    desk.source.store.add("org/model", {"config.json": bytes(60_000), "vocab.json": bytes(60_000)})
    desk.door.rule = lambda number, _paths: says(413, "Payload Too Large") if number == 1 else None
    desk.copy()
    assert len(desk.door.counts) == 3
    assert sum(desk.door.counts[1:]) == desk.door.counts[0] == 14
    assert desk.published().items() >= EXPECTED.items()


def test_what_was_committed_is_not_sent_again(desk):
    desk.door.rule = lambda number, paths: says(422, ACTIONS) if len(paths) > 6 or number == 3 else None
    desk.copy()
    taken = [paths for number, paths in enumerate(desk.door.asked, 1) if len(paths) <= 6 and number != 3]
    assert sorted(path for paths in taken for path in paths) == sorted(EXPECTED)
    assert desk.published() == EXPECTED


def test_one_file_that_the_hub_refuses_as_too_large_is_named_with_a_way_on(desk):
    desk.door.rule = lambda _number, paths: says(413, "too large") if "f03.txt" in paths else None
    error = desk.refused(TooLargeError)
    assert (error.exit_code, error.path) == (2, "f03.txt")
    assert "--exclude 'f03.txt'" in error.hint
    assert "f03.txt" not in desk.published()


def test_a_policy_is_met_with_a_pause_and_half_of_the_files(make_desk):
    desk = make_desk("ms")
    desk.door.rule = first(1, 400, "commit rejected by repository policy")
    desk.copy()
    assert desk.door.counts == [12, 6, 6]
    assert desk.published() == EXPECTED


def test_a_policy_that_holds_every_file_back_is_told_and_the_next_run_only_commits(make_desk):
    desk = make_desk("ms")
    desk.door.rule = always(400, "commit rejected by repository policy")
    error = desk.refused(PolicyError)
    assert error.exit_code == 5
    assert desk.door.counts[:5] == [12, 6, 3, 2, 1]
    desk.door.rule = None
    desk.hub.requests.clear()
    desk.copy()
    assert desk.hub.requests.blobs_received == 0
    assert desk.published() == EXPECTED


# ------------------------------------------------------------------------------------- what is final


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, STORAGE),
        (
            403,
            "Your storage patterns tripped our internal systems! Please contact us to unlock more storage.",
        ),
        (507, "no room"),
        (402, "Payment required"),
        (403, "QuotaLimitExceed: 存储空间不足"),
    ],
)
def test_an_account_without_room_is_told_so_once(desk, status, words):
    desk.door.rule = always(status, words)
    error = desk.refused(QuotaError)
    assert error.exit_code == 4
    assert "stores no more" in error.message
    assert len(desk.door.asked) == 1


def test_an_account_without_the_right_is_named_with_the_namespace(desk):
    desk.door.rule = always(403, "You are not a member of this organization")
    error = desk.refused(AccessError)
    assert error.exit_code == 4
    assert "tester" in error.message
    assert "mine" in error.message
    assert len(desk.door.asked) == 1


@pytest.mark.parametrize(("words", "named"), [(LICENSE, "license"), (BASE, "base_model")])
def test_a_card_that_the_hub_refuses_is_named_with_its_field_and_a_way_on(make_desk, words, named):
    desk = make_desk("hf")
    desk.door.rule = always(400, words)
    error = desk.refused(CardError)
    assert (error.exit_code, error.field, error.path) == (2, named, "README.md")
    assert f"“{named}”" in error.message
    assert "--exclude README.md" in error.hint
    assert ("--card fix-license" in error.hint) == (named == "license")
    assert len(desk.door.asked) == 1


def test_a_commit_that_is_simply_wrong_is_not_tried_again(desk):
    desk.door.rule = always(400, "a path may not end with a blank")
    desk.refused(HubferryError)
    assert len(desk.door.asked) == 1


# --------------------------------------------------------------------------------------------- rates


def test_a_rate_limit_is_waited_out_as_it_is(desk):
    desk.door.rule = first(2, 429, "Commit frequency limit exceeded", Retry_After="0.01")
    desk.copy()
    assert desk.door.counts == [12, 12, 12]
    assert desk.commits() == 1


def test_a_rate_limit_of_an_hour_says_when_to_come_again(desk):
    words = "You have exceeded the rate limit for repository commits (128 per hour). "
    desk.door.rule = always(429, words + "You can retry this action in about 1 hour.")
    error = desk.refused(BusyError)
    assert (error.exit_code, error.retry_after) == (5, 3600.0)
    assert re.search(r"Come again after (\d{4}-\d\d-\d\d )?\d\d:\d\d;", error.hint)
    assert len(desk.door.asked) == 1


def test_a_hub_that_fails_at_commits_for_a_while_is_waited_for_by_time_not_by_tries(make_desk, monkeypatch):
    monkeypatch.delenv("HUBFERRY_RETRIES")
    desk = make_desk("hf")
    desk.door.rule = first(7, 502, "bad gateway")
    desk.copy()
    assert len(desk.door.asked) == 8
    assert desk.commits() == 1


def test_a_hub_that_takes_no_commit_is_given_up_though_it_answers_every_other_question(
    make_desk, monkeypatch
):
    monkeypatch.delenv("HUBFERRY_RETRIES")
    monkeypatch.setenv("HUBFERRY_PATIENCE", "0.002")
    desk = make_desk("hf")
    desk.door.rule = always(502, "bad gateway")
    error = desk.refused(NetworkError)
    assert error.exit_code == 5
    assert "Come again after" in error.hint
    assert desk.published() == {}


# ------------------------------------------------------------------------------------- other writers


def test_a_commit_at_hugging_face_follows_the_head_that_the_plan_saw(make_desk):
    desk = make_desk("hf")
    desk.hub.store.add("mine/model", {"old.txt": b"old"})
    head = desk.hub.store.find("mine/model").resolve(None)
    desk.door.rule = lambda _number, paths: says(422, ACTIONS) if len(paths) > 6 else None
    report = desk.copy()
    assert desk.door.parents == [head, head, report.commits[0]]


def moved(desk, change, dialect_words=MOVED, status=412):
    """Let somebody else be faster once: `change` goes in, and the hub says no."""

    def rule(number, _paths):
        if number > 1:
            return None
        desk.hub.store.add("mine/model", change)
        return says(status, dialect_words)

    return rule


@pytest.mark.parametrize("status", [409, 412])
def test_somebody_who_was_faster_keeps_what_he_wrote_and_we_ask_again(make_desk, status):
    desk = make_desk("hf")
    desk.hub.store.add("mine/model", {"old.txt": b"old"})
    desk.door.rule = moved(desk, {"theirs.txt": b"theirs"}, status=status)
    desk.copy()
    assert desk.published() == {**EXPECTED, "old.txt": sha(b"old"), "theirs.txt": sha(b"theirs")}
    assert desk.door.counts == [12, 12]
    assert desk.door.parents[0] != desk.door.parents[1]


def test_a_branch_that_changed_at_modelscope_is_asked_again(make_desk):
    desk = make_desk("ms")
    desk.door.rule = moved(desk, {"theirs.txt": b"theirs"}, "branch changed, please retry", 409)
    desk.copy()
    assert desk.published().items() >= EXPECTED.items()
    assert desk.door.parents == [None, None]


def test_what_somebody_else_has_put_there_already_is_not_committed_again(desk):
    words, status = (MOVED, 412) if desk.target.startswith("hf") else ("branch changed", 409)
    same = {path: CONTENT[path] for path in list(SMALL)[:6]}
    desk.hub.store.add("mine/model", {"old.txt": b"old"})
    desk.door.rule = moved(desk, same, words, status)
    desk.copy()
    assert desk.door.counts == [12, 6]
    assert desk.published().items() >= EXPECTED.items()


def test_a_file_to_delete_that_somebody_changed_meanwhile_stays_and_is_named(make_desk):
    desk = make_desk("hf")
    desk.hub.store.add("mine/model", {"old.txt": b"old", "older.txt": b"older"})
    desk.door.rule = moved(desk, {"old.txt": b"somebody's work"})
    desk.copy(delete=True)
    assert desk.published() == {**EXPECTED, "old.txt": sha(b"somebody's work")}
    assert any("old.txt" in note and "not deleted" in note for note in desk.notes)


def test_without_a_parent_a_file_to_delete_is_looked_at_again_before_the_commit(make_desk):
    desk = make_desk("ms")
    desk.hub.store.add("mine/model", {"old.txt": b"old", "older.txt": b"older"})

    def hear(event):
        if type(event).__name__ == "Planned":
            desk.hub.store.add("mine/model", {"old.txt": b"somebody's work"})

    api.copy("hf:org/model", desk.target, replace(desk.options, delete=True), hear)
    assert desk.published() == {**EXPECTED, "old.txt": sha(b"somebody's work")}


def test_a_hub_where_others_are_always_faster_is_left_with_the_command_to_repeat(desk):
    words, status = (MOVED, 412) if desk.target.startswith("hf") else ("branch changed", 409)
    desk.door.rule = always(status, words)
    error = desk.refused(ConflictError)
    assert error.exit_code == 5
    assert error.hint == "Run the same command again."
    assert len(desk.door.asked) == 8
    desk.door.rule = None
    desk.copy()
    assert desk.published() == EXPECTED


# ------------------------------------------------------------------------------------- lost answers


def test_a_commit_that_was_made_although_it_timed_out_is_not_made_again(desk):
    desk.door.late = 1
    report = desk.copy()
    assert desk.door.counts == [12]
    assert desk.commits() == len(report.commits) == 1
    assert desk.published() == EXPECTED


def test_a_commit_that_is_made_only_after_the_look_is_found_by_its_parent(make_desk):
    """The hub says that it took too long, shows nothing yet, and makes the commit all the same."""
    desk = make_desk("hf")
    desk.hub.store.add("mine/model", {"old.txt": b"old"})

    def rule(number, _paths):
        if number == 1:
            return says(504, "")
        if number == 2:
            desk.hub.store.add("mine/model", CONTENT)
        return None

    desk.door.rule = rule
    desk.copy()
    assert desk.door.counts == [12, 12]  # the second one is refused as stale, and nothing is left to do
    assert desk.published() == {**EXPECTED, "old.txt": sha(b"old")}

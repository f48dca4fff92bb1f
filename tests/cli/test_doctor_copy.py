"""`hubferry doctor SOURCE DESTINATION`: would this very copy begin? Held against what the copy then does."""

from __future__ import annotations

import re

import pytest
from servers import CREDENTIALS, running_hub

from hubferry.serve import Account, Credential, Policy

PAIR = ("hf:org/model", "ms:mine/model")


def found(done):
    """The findings of `doctor --json` by their stable words."""
    return {one["code"]: one for one in done.json()["findings"]}


def agree(desk, *words, **options):
    """Ask the doctor, then copy; both end with the same code. Return what the doctor found."""
    before = len(desk.destination.store._known)
    asked = desk.inside("doctor", *words, "--json", **options)
    assert desk.destination.requests.commits == 0
    assert len(desk.destination.store._known) == before, "the doctor wrote"
    done = desk.inside("copy", *words, "-q", **options)
    assert asked.code == done.code, (asked.said, done.said)
    assert asked.json()["ready"] is (asked.code == 0)
    return found(asked)


def test_a_copy_that_would_begin_is_said_with_login_role_time_room_and_plan(desk, model):
    done = desk.inside("doctor", *PAIR)
    assert done.code == 0, done.said
    said = re.sub(r"\d+ ms", "<time>", done.out)
    for line in (
        f"= source: {desk.source.url} answers in <time>",
        "= source: signed in as tester; the token may: write",
        f"= destination: {desk.destination.url} answers in <time>",
        "= destination: signed in as tester",
        "= this copy: plan: 12 files, fetch 194.1 KiB, send 194.1 KiB",
        "- this copy: will be created as public, licence mit",
        "Nothing here would stop a copy.",
    ):
        assert line in said
    assert re.search(r"= space: .*: 194\.1 KiB have to come, .* are free", said)
    assert desk.source.token not in done.said
    assert {record.method for record in desk.destination.requests.records} <= {"GET", "HEAD"}


def test_the_document_has_a_schema_and_words_that_no_language_changes(desk, model):
    told = [
        desk.ferry("doctor", *PAIR, "--json", environment={"HUBFERRY_LANG": language}).json()
        for language in ("en", "zh")
    ]
    assert told[0]["schema"] == 1
    codes = [[one["code"] for one in document["findings"]] for document in told]
    assert codes[0] == codes[1]
    assert {
        "source-reach",
        "source-login",
        "source-repository",
        "destination-reach",
        "destination-login",
    } <= set(codes[0])
    assert all(one["code"] for one in desk.inside("doctor", "--json").json()["findings"])


def test_a_repository_that_is_not_there_stops_the_copy(desk):
    assert agree(desk, "hf:org/nothing", PAIR[1])["source-repository"]["exit_code"] == 3


def test_terms_that_nobody_accepted_stop_the_copy_and_accepted_ones_do_not(desk, model):
    desk.source.store.find("org/model").change(gated="manual")
    refused = agree(desk, *PAIR)["terms"]
    assert (refused["state"], refused["exit_code"]) == ("bad", 4)
    assert "Accept them at" in refused["hint"]
    desk.source.store.find("org/model").change(granted=("tester",))
    assert agree(desk, *PAIR)["terms"]["state"] == "good"


def test_a_token_that_may_only_read_stops_the_copy(desk, model):
    desk.destination.store.create("mine/model")
    to_hf = ("hf:org/model", "hf:mine/model", "--destination-endpoint", desk.destination.url)
    environment = {"HUBFERRY_DESTINATION_TOKEN": desk.destination.read_token}
    stopped = agree(desk, *to_hf, environment=environment)
    assert stopped["may-not-write"]["exit_code"] == 4
    assert "the token may: read" in stopped["destination-login"]["text"]


def test_no_token_at_the_destination_stops_the_copy(desk, model):
    asked = agree(desk, *PAIR, unset=("MODELSCOPE_API_TOKEN",))
    assert asked["destination-login"]["state"] == "bad"
    assert "MODELSCOPE_API_TOKEN" in asked["destination-login"]["hint"]


def test_a_token_that_is_not_taken_stops_the_copy(desk, model):
    asked = agree(desk, *PAIR, environment={"MODELSCOPE_API_TOKEN": "ms_wrong"})
    assert asked["destination-login"]["exit_code"] == 4
    assert "ms_wrong" not in str(asked)


def test_what_the_plan_would_be_refused_for_is_said_with_its_own_code(desk, model):
    desk.source.store.find("org/model").change(private=True)
    desk.destination.store.create("mine/model")
    assert agree(desk, *PAIR)["would-become-public"]["exit_code"] == 4
    assert found(desk.inside("doctor", *PAIR, "--public", "--json"))[
        "would-become-public" if False else "plan"
    ]


def test_a_hub_that_is_not_there_is_said_at_once(desk, model):
    done = desk.inside("doctor", *PAIR, "--json", environment={"MODELSCOPE_ENDPOINT": "http://127.0.0.1:9"})
    assert done.code == 5
    assert found(done)["destination-reach"]["state"] == "bad"
    assert found(done)["source-repository"]["state"] == "good"  # the other side is asked all the same


def test_a_disk_without_room_stops_the_copy(desk, model, monkeypatch):
    from hubferry.cli import examine_copy
    from hubferry.prospects import Room

    room = Room(desk.home, 5 << 30, 1 << 30)
    said = examine_copy._room(room)
    assert (said.state, said.exit_code) == ("bad", 7)
    assert examine_copy._room(Room(desk.home, 0, 0)).state == "good"


def test_what_is_here_already_needs_no_room(desk, model):
    desk.inside("fetch", "hf:org/model")
    assert "0 B have to come" in desk.inside("doctor", *PAIR).out


def test_a_finished_copy_needs_no_right_to_write(desk, model):
    desk.inside("copy", *PAIR)
    asked = found(desk.inside("doctor", *PAIR, "--json"))
    assert asked["write"]["text"] == "not needed: nothing changes"


def test_a_proxy_is_named_without_its_login(desk, model):
    environment = {"http_proxy": "http://someone:secret@127.0.0.1:9", "HF_ENDPOINT": "http://hub.test:80"}
    done = desk.inside("doctor", *PAIR, "--json", environment=environment, unset=("HF_TOKEN",))
    assert done.code == 5
    assert found(done)["source-proxy"]["text"].endswith("is asked through http://127.0.0.1:9")
    assert "secret" not in done.said


def test_the_role_in_an_organisation_is_said(desk, model, tmp_path):
    account = Account("dev", namespaces=frozenset({"dev", "team"}))
    policy = Policy((*CREDENTIALS, Credential("hf_dev", account)), writable=True)
    with running_hub(tmp_path / "other", policy=policy) as hub:
        words = ("hf:org/model", "hf:team/model", "--destination-endpoint", hub.url)
        environment = {"HUBFERRY_DESTINATION_TOKEN": "hf_dev"}
        asked = found(desk.inside("doctor", *words, "--json", environment=environment))
    assert asked["destination-login"]["text"].endswith("role in team: write")
    assert asked["write"]["state"] == "good"


@pytest.mark.parametrize("words", [("hf:org/model",), (*PAIR, "--offline")])
def test_half_a_question_is_refused(desk, words):
    assert desk.inside("doctor", *words).code == 2


def test_a_folder_needs_no_login_and_no_cache(desk, model, tmp_path):
    asked = found(desk.inside("doctor", str(model), "ms:mine/model", "--json"))
    assert asked["source"]["state"] == "good"
    assert "source-login" not in asked
    into = found(desk.inside("doctor", "hf:org/model", str(tmp_path / "new"), "--json"))
    assert "destination-login" not in into
    assert not (tmp_path / "new").exists()

"""Offline is offline: no hub is asked, nothing is published; the cache answers only when that is wanted."""

from __future__ import annotations

import pytest
from aiohttp import web
from desks import digests
from servers import running_hub

from hubferry.serve import Seams

NAME = "hf:org/model"
OFFLINE = {"HF_HUB_OFFLINE": "1"}
NOWHERE = {"HF_ENDPOINT": "http://127.0.0.1:9", "HUBFERRY_RETRIES": "0"}


def head(desk):
    return desk.source.store.find("org/model").resolve(None)


def silent(desk):
    return desk.source.requests.records == [] and desk.destination.requests.records == []


@pytest.fixture
def cached(desk, model):
    assert desk.ferry("fetch", NAME, "-q").code == 0
    desk.source.requests.clear()
    return desk.home / "cache/org_model"


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (("copy", NAME, "ms:mine/model", "--offline"), {}),
        (("copy", NAME, "ms:mine/model", "--offline", "--dry-run"), {}),
        (("copy", NAME, "./folder", "--offline"), {}),
        (("copy", NAME, "ms:mine/model"), OFFLINE),
        (("check", NAME, "ms:mine/model"), OFFLINE),
        (("check", NAME, "./folder", "--offline"), {}),
    ],
)
def test_what_needs_a_hub_is_refused_offline_and_asks_none(desk, cached, words, environment):
    done = desk.ferry(*words, environment=environment)
    assert done.code == 2, done.said
    assert "no hub is asked offline" in done.err
    assert "hint: hubferry fetch hf:org/model --offline, or " in done.err
    assert silent(desk)


def test_a_copy_from_folder_to_folder_asks_no_hub_and_goes_on_offline(desk, model):
    done = desk.ferry("copy", str(model), "./there", "--offline", environment=OFFLINE)
    assert done.code == 0, done.said
    assert digests(desk.home / "there") == digests(model)


def test_two_folders_are_compared_offline(desk, model):
    done = desk.ferry("check", str(model), str(model), "--offline", "--quiet")
    assert (done.code, "config.json" in done.out) == (0, True), done.said


def test_a_receipt_is_held_offline_against_a_folder_and_never_against_a_hub(desk, model):
    desk.ferry("copy", NAME, "ms:mine/model", "--receipts", "./receipts", check_code=0)
    (receipt,) = (desk.home / "receipts").glob("*/*.json")
    desk.source.requests.clear()
    desk.destination.requests.clear()
    for words, environment in ((("--offline",), {}), ((), OFFLINE), ((NAME, "--offline"), {})):
        done = desk.ferry("verify-receipt", str(receipt), *words, environment=environment)
        assert done.code == 2, done.said
        assert "no hub is asked offline" in done.err
    assert silent(desk)
    desk.ferry("verify-receipt", str(receipt), str(model), "--offline", check_code=0)


def test_verify_only_offline_answers_from_the_cache(desk, cached):
    done = desk.ferry("copy", NAME, "ms:mine/model", "--verify-only", "--offline")
    assert (done.code, done.out) == (0, f"{cached}\n")
    assert silent(desk)


def test_the_default_branch_is_answered_by_each_of_its_names_and_its_commit(desk, cached):
    commit = head(desk)
    for name in (NAME, f"{NAME}@main", f"{NAME}@master", f"{NAME}@{commit}", f"{NAME}@{commit[:7]}"):
        done = desk.ferry("fetch", name, "--offline", "-q", "--json")
        assert done.code == 0, done.said
        document = done.json()
        assert document["hub_asked"] is False
        assert (document["commit"], document["path"]) == (commit, str(cached))
        assert document["arrived"].startswith("20")
    assert silent(desk)


def test_a_tag_is_answered_by_its_name_and_another_is_not_there(desk, cached):
    desk.source.store.find("org/model").add_tag("v1.0", head(desk))
    tagged = desk.ferry("fetch", f"{NAME}@v1.0", "-q").out
    desk.source.requests.clear()
    assert desk.ferry("fetch", f"{NAME}@v1.0", "-q", environment=OFFLINE).out == tagged
    for name in (f"{NAME}@v2.0", "hf:org/other", f"{NAME}@{'0' * 40}"):
        done = desk.ferry("fetch", name, environment=OFFLINE)
        assert done.code == 3, done.said
        assert "hint: run the same command again with a network" in done.err
    assert silent(desk)


def test_a_whole_directory_answers_any_selection_and_counts_it(desk, cached):
    done = desk.ferry("fetch", NAME, "--include", "config.json", "--offline", "-q", "--json").json()
    assert (done["files"], done["size"]) == (1, (cached / "config.json").stat().st_size)
    assert done["whole"]


def test_a_part_answers_what_is_entirely_here(desk, model):
    desk.ferry("fetch", NAME, "--include", "*.json", "-q")
    for words in (("--include", "*.json"), ("--include", "config.json"), ("--exclude", "*[!n]")):
        assert desk.ferry("fetch", NAME, *words, "--offline", "-q").code == 0
    for words in ((), ("--include", "*.txt"), ("--include", "*.json", "--include", "*.txt")):
        assert desk.ferry("fetch", NAME, *words, "--offline", "-q").code == 3


def test_a_file_that_changed_is_not_answered_with(desk, cached):
    (cached / "config.json").write_text("changed")
    done = desk.ferry("fetch", NAME, "--offline")
    assert done.code == 6
    assert "config.json" in done.err


def test_a_hub_that_cannot_be_asked_is_an_error_that_names_the_way_to_the_cache(desk, cached):
    done = desk.ferry("fetch", NAME, "-q", environment=NOWHERE)
    assert (done.code, done.out) == (5, "")
    assert "hint: hubferry fetch hf:org/model --offline" in done.err
    done = desk.ferry("fetch", NAME, "--include", "*.json", environment=NOWHERE)
    assert "hint: hubferry fetch hf:org/model --include '*.json' --offline" in done.err


def test_where_the_cache_could_not_answer_it_is_not_offered(desk, cached):
    done = desk.ferry("fetch", f"{NAME}@v9", environment=NOWHERE)
    assert done.code == 5
    assert "--offline" not in done.err


@pytest.mark.parametrize("status", [500, 503, 200])
def test_an_answer_that_makes_no_sense_is_no_reason_for_old_content(desk, cached, tmp_path, status):
    """An outage, or the page of a network's portal: exit 5, and the hint names what the cache could do."""

    @web.middleware
    async def portal(_request, _handler):
        return web.Response(status=status, text="<html>Please log in</html>", content_type="text/html")

    with running_hub(tmp_path / "portal", seams=Seams(middlewares=[portal])) as hub:
        environment = {"HF_ENDPOINT": hub.url, "HUBFERRY_RETRIES": "0"}
        for words in (("-q",), ("-q", "--json")):
            done = desk.ferry("fetch", NAME, *words, environment=environment)
            assert done.code == 5, done.said
            assert str(cached) not in done.out
            assert "hubferry fetch hf:org/model --offline" in done.said
        done = desk.ferry("fetch", NAME, "--offline", "-q", "--json", environment=environment)
    assert (done.code, done.json()["hub_asked"]) == (0, False)

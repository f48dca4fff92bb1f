"""Copies inside one Hugging Face: what the hub puts there by itself does not move."""

from __future__ import annotations

import contextlib
import json

import pytest
from aiohttp import web
from desks import Desk, digests
from servers import running_hub, sdk_environment

import models
from hubferry.serve import Seams
from hubferry.serve.storage import put_address

LARGE = 64 * 1024
TARGET = "mine/model"


class Region:
    """A hub that keeps each repository's blobs apart, as the real one does, and gives what it is told to."""

    def __init__(self):
        self.given, self.refused, self.all = set(), set(), set()
        self.status, self.lies, self.asked = None, False, 0

    @web.middleware
    async def keep_apart(self, request, handler):
        if request.path.endswith("/lfs-files/duplicate"):
            return await self._give(request, handler)
        answer = await handler(request)
        if request.path == f"/{TARGET}.git/info/lfs/objects/batch":
            told = json.loads(answer.body)
            for one in told["objects"]:
                if one["oid"] not in self.given and "actions" not in one:
                    one["actions"] = {"upload": {"href": put_address(request, one["oid"], one["size"])}}
            return web.json_response(told)
        if request.method == "PUT" and answer.status == 200:
            self.given.add(request.path.rpartition("/")[2])
        return answer

    async def _give(self, request, handler):
        self.asked += 1
        if self.status is not None:
            return web.json_response({"error": "not here"}, status=self.status)
        if not (self.refused or self.lies):
            answer = await handler(request)
            self.given |= self.all
            return answer
        wish, failed = await request.json(), []
        for one in wish["files"]:
            if one["sha256"] in self.refused:
                failed.append({"sha256": one["sha256"], "error": "other region"})
            elif not self.lies:
                self.given.add(one["sha256"])
        return web.json_response({"failed": failed})


@pytest.fixture
def region():
    return Region()


@pytest.fixture
def model(tmp_path):
    return models.transformers_model(tmp_path / "model", shards=2, shard_size=LARGE)


@pytest.fixture
def desk(tmp_path, region, model):
    region.all = set(digests(model).values())
    with contextlib.ExitStack() as stack:
        hub = stack.enter_context(running_hub(tmp_path / "hub", seams=Seams(middlewares=[region.keep_apart])))
        hub.store.add(
            "org/model", {p.relative_to(model).as_posix(): p for p in model.rglob("*") if p.is_file()}
        )
        environment = sdk_environment(tmp_path / "home", hf=hub, ms=hub)
        environment |= {"HUBFERRY_RETRIES": "5", "HUBFERRY_RETRY_WAIT": "0.01"}
        yield Desk(tmp_path / "home", environment, hub, hub)


def copied(desk, *words, **options):
    done = desk.inside("copy", "hf:org/model", f"hf:{TARGET}", "--json", *words, check_code=0, **options)
    return done.json(), done.err


def weights(model):
    return {path: digest for path, digest in digests(model).items() if path.endswith(".safetensors")}


def test_what_the_hub_copies_by_itself_does_not_move_and_is_proven(desk, region, model):
    done, _said = copied(desk)
    sizes = sum((model / path).stat().st_size for path in weights(model))
    assert (done["duplicated"], done["sent"], done["verified"]) == (sizes, 0, True)
    assert done["fetched"] < LARGE  # small files travel inside the commit
    assert desk.destination.requests.blobs_received == 0
    assert desk.published() == digests(model)
    shown = desk.inside("copy", "hf:org/model", f"hf:{TARGET}", check_code=0)
    assert "nothing to do" in shown.out
    assert region.asked == 1


def test_what_the_hub_refuses_is_sent_and_the_rest_is_not(desk, region, model):
    region.refused = {min(weights(model).values())}
    done, said = copied(desk)
    assert desk.destination.requests.blobs_received == 1
    assert done["duplicated"] > 0
    assert done["sent"] > 0
    assert "by itself; the others are sent" in said
    assert desk.published() == digests(model)


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_a_hub_that_copies_nothing_by_itself_gets_all_of_it(desk, region, model, status):
    region.status = status
    done, said = copied(desk)
    assert (done["duplicated"], desk.destination.requests.blobs_received) == (0, len(weights(model)))
    assert "the hub copies nothing by itself" in said
    assert desk.published() == digests(model)
    assert region.asked == (3 if status >= 500 else 1)


def test_a_hub_that_only_says_to_have_copied_is_not_believed(desk, region, model):
    region.lies = True
    done, _said = copied(desk)
    assert (done["duplicated"], desk.destination.requests.blobs_received) == (0, len(weights(model)))
    assert desk.published() == digests(model)


def test_a_dry_run_and_another_hub_ask_for_nothing_of_the_kind(desk, region, model, tmp_path):
    desk.inside("copy", "hf:org/model", f"hf:{TARGET}", "--dry-run", check_code=0)
    with running_hub(tmp_path / "other") as other:
        copied(desk, "--destination-endpoint", other.url)
    assert region.asked == 0

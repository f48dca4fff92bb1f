"""A hub answers a question of the adapters with JSON that is odd in one place: that is an error of ours."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from aiohttp import web
from scripted import scripted
from tests.tampering import changed, places

from hubferry.errors import HubferryError
from hubferry.hubs import (
    open_catalog,
    open_destination,
    open_duplicates,
    open_pull_requests,
    open_reference_writer,
    open_source,
)
from hubferry.model import Blob, CommitAction, NewRepository, Plan, RepoFile, RepoRef, Revision

ODD = (None, 7, "²", [[]], {"a": {}})
"""Of each kind of JSON one: what cannot be iterated, looked up or in a set, and digits of no number."""
COMMIT, SHA256 = "c" * 40, hashlib.sha256(b"x").hexdigest()
HF, MS = RepoRef("hf", "org/model"), RepoRef("ms", "org/model")
NEXT, MS_NEXT = RepoRef("hf", "org/model", "next"), RepoRef("ms", "org/model", "next")
RECORD = {
    "sha": COMMIT, "private": False, "gated": False, "cardData": {"license": ["mit"]}, "tags": ["tiny"],
    "siblings": [{"rfilename": "a"}], "lastModified": "2026-01-01T00:00:00.000Z", "pipeline_tag": "x",
}  # fmt: skip
HUGGINGFACE = {
    "/api/models/org/model": RECORD,
    "/api/models/org/model/revision/next": {"sha": COMMIT},
    f"/api/models/org/model/revision/{COMMIT}": {"sha": COMMIT},
    "/api/models/org/model/refs": {
        "branches": [{"name": "main", "targetCommit": COMMIT}, {"name": "next", "targetCommit": COMMIT}],
        "tags": [{"name": "v1", "targetCommit": COMMIT}],
        "converts": [],
    },
    f"/api/models/org/model/tree/{COMMIT}": [
        {"type": "file", "path": "a", "size": 1, "oid": COMMIT, "lfs": {"oid": SHA256, "size": 1}},
        {"type": "directory", "path": "d"},
    ],
    "/api/models/org/model/commits/main": [{"id": COMMIT, "date": "2026-01-01T00:00:00.000Z"}],
    "/api/models": [{"id": "org/model", **RECORD}],
    "/api/whoami-v2": {
        "name": "ann",
        "auth": {"accessToken": {"role": "write"}},
        "orgs": [{"name": "org", "roleInOrg": "write"}],
    },
    "/org/model.git/info/lfs/objects/batch": {
        "objects": [
            {
                "oid": SHA256,
                "size": 1,
                "actions": {
                    "upload": {"href": "/put", "header": {"a": "b"}},
                    "verify": {"href": "/verify"},
                },
            }
        ]
    },
    "/api/models/org/model/preupload/main": {"files": [{"path": "a", "uploadMode": "regular"}]},
    "/api/models/org/model/commit/main": {"commitOid": COMMIT},
    "/api/models/org/model/lfs-files/duplicate": {"failed": [{"sha256": SHA256}]},
    "/api/models/org/model/discussions": {
        "discussions": [{"title": "t", "isPullRequest": True, "num": 1, "status": "open"}], "num": 1,
    },
    "/api/validate-yaml": {"errors": [{"message": "m"}], "warnings": [{"message": "m"}]},
}  # fmt: skip
MODELSCOPE = {
    "/api/v1/models/org/model": {
        "Code": 200, "Success": True, "Data": {"Visibility": 5, "ProtectedMode": 2, "License": "MIT"},
    },
    "/api/v1/models/org/model/repo/files": {
        "Code": 200, "Success": True,
        "Data": {
            "Files": [
                {"Path": "a", "Type": "blob", "Size": 1, "Sha256": SHA256, "Revision": COMMIT},
                {"Path": "d", "Type": "tree"},
            ]
        },
    },
    "/api/v1/datasets/org/model": {"Code": 200, "Data": {"Visibility": 5}},
    "/api/v1/datasets/org/model/repo/tree": {
        "Code": 200, "Data": {"Files": [{"Path": "a", "Size": 1, "Sha256": SHA256}], "TotalCount": 1},
    },
    "/api/v1/models/org/model/revisions": {
        "Code": 200,
        "Data": {"RevisionMap": {"Branches": [{"Revision": "master"}], "Tags": [{"Revision": "v1"}]}},
    },
    "/openapi/v1/models": {
        "data": {
            "models": [{"id": "org/model", "visibility": "5", "gated": False, "tags": ["t"], "tasks": ["x"]}],
            "total_count": 1,
        }
    },
    "/openapi/v1/users/me": {"data": {"username": "ann"}},
    "/api/v1/repos/models/org/model/info/lfs/objects/batch": {
        "Code": 200,
        "Data": {"objects": [{"oid": SHA256, "actions": {"upload": {"href": "/put", "header": {"a": "b"}}}}]},
    },
    "/api/v1/repos/models/org/model/commit/master": {"Code": 200, "Data": {"CommitId": COMMIT}},
    "/api/v1/models": {"Code": 200, "Data": {"Id": 1}},
    "/api/v1/models/org/model/repo/tag": {"Code": 200, "Data": {"TagName": "v1"}},
}  # fmt: skip
BLOBS = [Blob(SHA256, 1)]
ACTIONS = [CommitAction("create", "a", 1, content=b"x")]


DATA = RepoRef("ms", "org/model", None, "dataset")
FILES = [RepoFile("a", 1, SHA256)]


def plan(destination, ref, *, exists=True) -> Plan:
    there = Revision(ref, COMMIT, exists=exists)
    return Plan(there, there, (), destination.limits, card=b"---\n---\n")


async def read(source, ref):
    await source.files(await source.resolve(ref))


QUESTIONS = {
    "read": (open_source, read, [HF, NEXT, RepoRef("hf", "org/model", COMMIT), MS, DATA]),
    "repository": (open_catalog, lambda one, ref: one.repository(ref), [HF, MS]),
    "references": (open_catalog, lambda one, ref: one.references(ref), [HF, MS]),
    "history": (open_catalog, lambda one, ref: one.history(ref, frozenset([COMMIT])), [HF]),
    "owned": (open_catalog, lambda one, ref: one.owned(RepoRef(ref.hub, "org")), [HF, MS]),
    "account": (open_catalog, lambda one, _ref: one.account(), [HF, MS]),
    "examine": (open_destination, lambda one, ref: one.examine(plan(one, ref)), [NEXT, MS_NEXT]),
    "examine-new": (open_destination, lambda one, ref: one.examine(plan(one, ref, exists=False)), [HF, MS]),
    "ensure": (open_destination, lambda one, ref: one.ensure(ref, NewRepository()), [MS]),
    "missing": (open_destination, lambda one, ref: one.missing(ref, BLOBS), [HF, MS]),
    "commit": (open_destination, lambda one, ref: one.commit(ref, ACTIONS, "m"), [HF, MS]),
    "tag": (open_reference_writer, lambda one, ref: one.tag(ref, "v1", COMMIT), [MS]),
    "find-a-pull-request": (open_pull_requests, lambda one, ref: one.find(ref, "t"), [HF]),
    "open-a-pull-request": (open_pull_requests, lambda one, ref: one.open(ref, "t", ""), [HF]),
    "duplicate": (open_duplicates, lambda one, ref: one.duplicate(ref, ref, FILES), [HF]),
}
CASES = [(name, ref) for name, (_open, _ask, refs) in QUESTIONS.items() for ref in refs]


@pytest.mark.parametrize(("name", "ref"), CASES, ids=[f"{name}-{ref}" for name, ref in CASES])
async def test_an_answer_that_is_odd_in_one_place_is_an_answer_or_an_error_of_ours(name, ref):
    opening, ask, _refs = QUESTIONS[name]
    answers = HUGGINGFACE if ref.hub == "hf" else MODELSCOPE
    odd: dict[str, object] = {}
    asked: set[str] = set()

    async def answer(request):
        asked.add(request.path)
        known = {**answers, **odd}.get(request.path)
        return web.Response(status=404) if request.path not in answers else web.json_response(known)

    async with scripted(answer) as server:
        opened = opening(ref, token="t", endpoint=server.url)
        try:
            await ask(opened, ref)
            for path in sorted(asked & answers.keys()):
                for way in places(answers[path]):
                    for value in ODD:
                        odd = {path: changed(answers[path], way, value)}
                        with suppress(HubferryError):  # whatever else comes out fails this test
                            await ask(opened, ref)
        finally:
            await opened.close()
    assert asked & answers.keys()

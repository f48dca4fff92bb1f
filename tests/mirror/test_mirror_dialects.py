"""Clients of one dialect answered from a hub of the other."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from huggingface_hub import HfApi
from mirroring import ask
from servers import running_hub, sdk_environment

from hubferry.errors import UsageError
from hubferry.mirror.upstreams import Choice, Names, Upstream, parse, read_names
from hubferry.serve import Seams
from hubferry.serve.git import object_id

BIN = Path(sys.executable).parent
FILES = {
    "README.md": b"---\nlicense: mit\n---\n# a model\n",
    "config.json": b'{"a": 1}',
    "model.safetensors": random.Random("mirror dialects 1").randbytes(1_500_000),
    "folder/vocab.txt": b"a\nb\n",
}
LINES = {
    "hf": [BIN / "hf", "download", "org/model", "--local-dir"],
    "ms": [BIN / "modelscope", "download", "org/model", "--local_dir"],
}


@pytest.mark.parametrize("dialect", ["hf", "ms"])
def test_a_client_gets_a_repository_of_the_other_hub_unchanged(dialect, upstream, make_mirror, tmp_path):
    there = "org/other-name"
    upstream.store.add(there, FILES)
    other = "ms" if dialect == "hf" else "hf"
    mirror = make_mirror(
        upstreams=(Upstream(dialect, other, upstream.url),), names=Names({"org/model": there})
    )
    environment = sdk_environment(tmp_path / "home") | {
        "HF_ENDPOINT": mirror.url,
        "MODELSCOPE_ENDPOINT": mirror.url,
    }
    target = tmp_path / "target"
    line = [str(word) for word in (*LINES[dialect], target)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert {path: (target / path).read_bytes() for path in FILES} == FILES


def test_listings_have_the_ids_of_git_that_clients_check(upstream, make_mirror):
    upstream.store.add("org/model", FILES)
    mirror = make_mirror(upstreams=(Upstream("hf", "ms", upstream.url),))
    entries = json.loads(ask(f"{mirror.url}/api/models/org/model/tree/main?recursive=true").body)
    oids = {entry["path"]: entry["oid"] for entry in entries}
    for path in ("README.md", "config.json", "folder/vocab.txt"):
        assert oids[path] == object_id("blob", FILES[path])
        head = ask(f"{mirror.url}/org/model/resolve/main/{path}", method="HEAD")
        assert head.headers["ETag"] == f'"{oids[path]}"'
        assert len(head.headers["X-Repo-Commit"]) == 40
    by_commit = ask(f"{mirror.url}/org/model/resolve/{head.headers['X-Repo-Commit']}/config.json")
    assert by_commit.body == FILES["config.json"]


def test_digests_that_the_hub_does_not_list_are_computed(upstream, make_mirror):
    upstream.store.add("org/model", FILES)
    mirror = make_mirror(upstreams=(Upstream("ms", "hf", upstream.url),))
    answer = json.loads(ask(f"{mirror.url}/api/v1/models/org/model/repo/files?Recursive=True").body)
    assert all(len(entry["Sha256"]) == 64 for entry in answer["Data"]["Files"] if entry["Type"] == "blob")


@pytest.fixture
def tagged(upstream):
    """A model with a tag on its first commit and a branch on its second."""
    first = upstream.store.add("org/model", FILES).id
    repository = upstream.store.find("org/model")
    repository.add_tag("v1", first)
    repository.add_branch("next", upstream.store.add("org/model", {"config.json": b"[]"}).id)
    return upstream


def test_branches_and_tags_of_modelscope_are_told_with_commits(tagged, make_mirror):
    mirror = make_mirror(upstreams=(Upstream("hf", "ms", tagged.url),))
    api = HfApi(endpoint=mirror.url)
    told = api.list_repo_refs("org/model")
    assert [one.name for one in told.branches] == ["main", "next"]
    assert [one.name for one in told.tags] == ["v1"]
    at = {one.name: one.target_commit for one in (*told.branches, *told.tags)}
    assert at["main"] == at["next"] != at["v1"]
    for name, content in (("v1", FILES["config.json"]), ("main", b"[]")):
        for revision in (name, at[name]):
            assert ask(f"{mirror.url}/org/model/resolve/{revision}/config.json").body == content
    assert api.repo_info("org/model", revision="v1").sha == at["v1"]


def test_branches_and_tags_of_hugging_face_are_told_by_modelscopes_names(tagged, make_mirror):
    mirror = make_mirror(upstreams=(Upstream("ms", "hf", tagged.url),))
    listed = json.loads(ask(f"{mirror.url}/api/v1/models/org/model/revisions").body)["Data"]["RevisionMap"]
    names = {kind: [one["Revision"] for one in rows] for kind, rows in listed.items()}
    assert names == {"Branches": ["master", "next"], "Tags": ["v1"]}
    address = f"{mirror.url}/api/v1/models/org/model/repo?FilePath=config.json&Revision=v1"
    assert ask(address).body == FILES["config.json"]


@pytest.mark.parametrize(("dialect", "hub"), [("hf", "ms"), ("ms", "hf")])
def test_names_are_told_with_the_hub_gone(dialect, hub, tmp_path, make_mirror):
    with running_hub(tmp_path / "upstream") as upstream:
        commit = upstream.store.add("org/model", FILES).id
        upstream.store.find("org/model").add_tag("v1", commit)
        mirror = make_mirror(upstreams=(Upstream(dialect, hub, upstream.url),), ttl=0.0)
        there = "/api/models/org/model/refs" if dialect == "hf" else "/api/v1/models/org/model/revisions"
        before = ask(mirror.url + there)
    after = ask(mirror.url + there)
    assert b"v1" in before.body
    assert before.status == after.status == 200
    assert "Warning" in after.headers
    assert _without_request(before.body) == _without_request(after.body)


def _without_request(body: bytes) -> dict[str, object]:
    return {key: value for key, value in json.loads(body).items() if key != "RequestId"}


def test_what_has_terms_is_refused_in_clear_words(upstream, make_mirror):
    upstream.store.add("org/model", FILES)
    upstream.store.find("org/model").change(gated="manual")
    mirror = make_mirror(upstreams=(Upstream("hf", "ms", upstream.url),))
    answer = ask(f"{mirror.url}/api/models/org/model", token=upstream.token)
    assert answer.status == 403
    assert b"gated" in answer.body
    assert ask(f"{mirror.url}/api/spaces/org/space").status == 404
    assert b"Spaces are not mirrored" in ask(f"{mirror.url}/api/spaces/org/space").body


def test_a_token_of_one_hub_is_never_sent_to_the_other(tmp_path, make_mirror):
    tokens: list[str | None] = []

    @web.middleware
    async def look(request, handler):
        tokens.append(request.headers.get("Authorization"))
        return await handler(request)

    with running_hub(tmp_path / "hub", seams=Seams(middlewares=[look])) as upstream:
        upstream.store.add("org/model", FILES)
        mirror = make_mirror(upstreams=(Upstream("hf", "ms", upstream.url),))
        for path, content in FILES.items():
            assert ask(f"{mirror.url}/org/model/resolve/main/{path}", token="hf_canary").body == content
    assert tokens
    assert set(tokens) == {None}


def test_upstreams_are_read_as_they_are_typed():
    def usual(hub: str) -> str:
        return f"https://{hub}.example"

    assert parse(["hf", "ms=http://ms.lan:1/"], usual) == (
        Upstream("hf", "hf", "https://hf.example"),
        Upstream("ms", "ms", "http://ms.lan:1"),
    )
    assert parse(["hf=ms"], usual) == (Upstream("hf", "ms", "https://ms.example"),)
    assert parse(["hf=ms=http://ms.lan"], usual) == (Upstream("hf", "ms", "http://ms.lan"),)
    assert parse(["hf=ms", "ms=http://ms.lan"], usual)[0] == Upstream("hf", "ms", "http://ms.lan")
    for words in (["gitlab"], ["hf", "hf=ms"], ["hf=nothing"]):
        with pytest.raises(UsageError):
            parse(words, usual)


def test_names_are_a_table_with_owners_and_mistakes_are_named():
    names = read_names("meta-llama/* LLM-Research/*  # all\n\norg/a other/b\n", "names.txt")
    assert names.there("meta-llama/Llama-3") == "LLM-Research/Llama-3"
    assert names.there("org/a") == "other/b"
    assert names.there("org/c") == "org/c"
    for line in ("one", "a/* b/c", "a/b ../c", "a/b c/d e/f"):
        with pytest.raises(UsageError, match="line 2"):
            read_names(f"org/a other/b\n{line}", "names.txt")


def test_patterns_allow_and_deny_by_owner_and_name():
    choice = Choice(["Qwen/*", "org"], ["*/*-GGUF"])
    assert choice.permits("qwen/Qwen3-8B")
    assert choice.permits("org/anything")
    assert not choice.permits("Qwen/Qwen3-8B-GGUF")
    assert not choice.permits("other/model")
    assert Choice().permits("any/thing")

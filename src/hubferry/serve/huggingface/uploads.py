"""What the Hugging Face dialect is asked before a commit: is the card right, which files are blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pathspec
from aiohttp import web

from hubferry.serve.attributes import ATTRIBUTES, Attributes
from hubferry.serve.batch import answer_batch, answer_downloads, read_batch
from hubferry.serve.cards import inspect_card
from hubferry.serve.exchange import decode_base64, json_answer, read_body, read_json
from hubferry.serve.hub import Hub, account_of, hub_of, repository_of
from hubferry.serve.huggingface.discussions import contributor_of, proposer_of
from hubferry.serve.huggingface.routes import NAME, REPO
from hubferry.serve.lfs import is_large_or_binary, is_lfs
from hubferry.serve.quota import ask_for_room
from hubferry.serve.reading import tree_of
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from hubferry.serve.tree import Tree

_LARGEST_IGNORE = 1 << 20
routes = web.RouteTableDef()


class CardQuestion(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `POST /api/validate-yaml`."""

    content: str
    repo_type: str = "model"


@routes.post("/api/validate-yaml", name="hf:validate-yaml")
async def validate_yaml(request: web.Request) -> web.Response:
    """Say what is wrong with a card; a hub that is not strict takes any, as a mirror should."""
    if not hub_of(request).strict.cards:
        await read_body(request, hub_of(request).limits.json_bytes)
        return json_answer({"errors": [], "warnings": []})
    report = inspect_card((await read_json(request, CardQuestion)).content)
    found = {
        "errors": [{"message": text} for text in report.errors],
        "warnings": [{"message": text} for text in report.warnings],
    }
    return json_answer(found, status=400 if report.errors else 200)


class PreuploadFile(msgspec.Struct, frozen=True):
    """A file about to be uploaded, with its first bytes in base64."""

    path: str
    size: int
    sample: str = ""


class Preupload(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `POST .../preupload/{revision}`; `git_ignore` is the one that comes with the commit."""

    files: list[PreuploadFile]
    git_ignore: str | None = None


@routes.post(f"{REPO}/preupload/{{revision}}", name="hf:preupload")
async def preupload(request: web.Request) -> web.Response:
    """Say for each file whether it is a blob or goes into the commit, and what is there already."""
    proposing = request.query.get("create_pr") == "1"
    revision = request.match_info["revision"]
    repository, _account = contributor_of(request) if proposing else proposer_of(request, revision)
    wish = await read_json(request, Preupload)
    hub = hub_of(request)
    if len(wish.files) > hub.limits.preupload_files:
        raise Refusal(Reason.INVALID, "Too many files in one preupload request")
    await ask_for_room(hub, repository, ())
    tree = await tree_of(repository, repository.resolve(revision))
    attributes = _attributes(hub, tree)
    ignore = _ignored(hub, tree, wish.git_ignore)
    answers = []
    for file in wish.files:
        there = tree.get(file.path)
        mode = "lfs" if _is_blob(file, attributes) else "regular"
        ignored = ignore is not None and ignore.match_file(file.path)
        answer: dict[str, object] = {"path": file.path, "uploadMode": mode, "shouldIgnore": ignored}
        if there is not None:
            answer["oid"] = there.sha256 if there.lfs else there.git_sha1
        answers.append(answer)
    return json_answer({"files": answers})


def _attributes(hub: Hub, tree: Tree) -> Attributes | None:
    """Return what decides which file is a blob; None leaves it to the names of files."""
    if not hub.strict.attributes:
        return None
    file = tree.get(ATTRIBUTES)
    return Attributes(hub.store.blobs.read(file.sha256) if file is not None else b"")


def _ignored(hub: Hub, tree: Tree, given: str | None) -> pathspec.GitIgnoreSpec | None:
    """Return what a `.gitignore` leaves out, None where there is none, or where the hub is not strict."""
    if not hub.strict.attributes:
        return None
    if given is None:
        file = tree.get(".gitignore")
        if file is None or file.size > _LARGEST_IGNORE:
            return None
        given = hub.store.blobs.read(file.sha256).decode(errors="replace")
    try:
        return pathspec.GitIgnoreSpec.from_lines(given.splitlines())
    except ValueError:  # a pattern that is none
        return None


def _is_blob(file: PreuploadFile, attributes: Attributes | None) -> bool:
    sample = decode_base64(file.sample)
    if attributes is None:
        return is_lfs(file.path, file.size, sample)
    return file.size > 0 and (attributes.covers(file.path) or is_large_or_binary(file.size, sample))


@routes.post(f"/{{kind:datasets}}/{NAME}.git/info/lfs/objects/batch", name="hf:batch")
@routes.post(f"/{NAME}.git/info/lfs/objects/batch", name="hf:batch")
async def batch(request: web.Request) -> web.Response:
    """Answer where blobs are, or which have to be sent (git-lfs batch API, basic transfer and in parts)."""
    hub, repository = hub_of(request), repository_of(request)
    wish = await read_batch(request)
    if wish.operation == "download":
        hub.policy.require_content(account_of(request), repository.record)
        objects = await answer_downloads(request, repository, wish)
    else:
        proposer_of(request)
        objects = await answer_batch(request, repository, wish, hub.strict.part_bytes)
    return json_answer({"transfer": "basic", "objects": objects})

"""Discussions and pull requests in the Hugging Face dialect (huggingface_hub.community reads them)."""

from __future__ import annotations

import asyncio
import html
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import web

from hubferry.serve.discussions import Discussion, Event, new_event
from hubferry.serve.exchange import json_answer, number, read_json
from hubferry.serve.hub import account_of, hub_of, repository_of, writable_repository_of
from hubferry.serve.huggingface.routes import REPO, iso_time
from hubferry.serve.pulls import conflicts, merge_pull, open_pull
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.repository import PULL

if TYPE_CHECKING:
    from hubferry.serve.access import Account
    from hubferry.serve.repository import Repository

routes = web.RouteTableDef()
_A_PAGE = 50
_ONE = f"{REPO}/discussions/{{number:\\d{{1,9}}}}"


class Opening(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `POST .../discussions`."""

    title: str
    description: str = ""
    pull_request: bool = False


class Words(msgspec.Struct, frozen=True):
    """The body of what changes a discussion: which of them counts depends on the route."""

    comment: str = ""
    content: str = ""
    title: str = ""
    status: Literal["open", "closed"] = "open"


def contributor_of(request: web.Request) -> tuple[Repository, Account]:
    """Return the repository and who proposes something there, which needs no right to change it."""
    hub = hub_of(request)
    repository = repository_of(request)
    account = hub.policy.require_account(account_of(request))
    if not hub.policy.writable or not account.may_write:
        raise Refusal(Reason.FORBIDDEN, "This token may not write here")
    return repository, account


def proposer_of(request: web.Request, reference: str | None = None) -> tuple[Repository, Account]:
    """Return the repository and who sends to it: who may write, and who has opened a pull request there.

    Such a one may send what a commit to `reference` needs; without it, blobs, which nobody sees before that.
    """
    try:
        return writable_repository_of(request)
    except Refusal as refusal:
        if refusal.reason is not Reason.NO_RIGHTS:
            raise
        repository, account = repository_of(request), account_of(request)
        if account is None or not account.may_write:
            raise
        open_ones = [one for one in repository.discussions.all() if one.base is not None]
        theirs = {
            f"{PULL}{one.number}"
            for one in open_ones
            if one.author == account.name and one.status in ("open", "draft")
        }
        if theirs and (reference is None or reference in theirs):
            return repository, account
        raise


@routes.get(f"{REPO}/discussions", name="hf:discussions")
async def find(request: web.Request) -> web.Response:
    """List a page of discussions, the newest first."""
    repository = repository_of(request)
    kind, status, author = (request.query.get(name, "all") for name in ("type", "status", "author"))
    found = [
        one
        for one in await asyncio.to_thread(repository.discussions.all)
        if kind in ("all", "pull_request" if one.base is not None else "discussion")
        and status in ("all", "closed" if one.status in ("closed", "merged") else "open")
        and author in ("all", one.author)
    ]
    start = number(request, "p", 0) * _A_PAGE
    shown = [_described(repository, one) for one in found[start : start + _A_PAGE]]
    return json_answer({"discussions": shown, "count": len(found), "start": start})


@routes.post(f"{REPO}/discussions", name="hf:discussion")
async def create(request: web.Request) -> web.Response:
    """Open a discussion, or a pull request, which is a draft until it has changes."""
    repository, account = contributor_of(request)
    wish = await read_json(request, Opening)
    if not wish.title.strip():
        raise Refusal(Reason.INVALID, '"title" is not allowed to be empty')

    def begin() -> Discussion:
        if wish.pull_request:
            return open_pull(
                repository, "main", wish.title.strip(), account.name, wish.description, status="draft"
            )
        return repository.discussions.begin(wish.title.strip(), account.name, wish.description)

    made = await asyncio.to_thread(begin)
    return json_answer({"num": made.number, "pullRequest": wish.pull_request})


@routes.get(_ONE, name="hf:discussion")
async def details(request: web.Request) -> web.Response:
    """Tell all of a discussion."""
    repository = repository_of(request)

    def tell() -> dict[str, object]:
        one = repository.discussions.find(int(request.match_info["number"]))
        found = _described(repository, one) | {"events": [_event(event) for event in one.events], "diff": ""}
        if one.base is not None:
            merged = {"mergeCommitId": one.merge_commit} if one.merge_commit else {}
            found["changes"] = {"base": f"refs/heads/{one.base}", **merged}
            found["filesWithConflicts"] = conflicts(repository, one)
        return found

    return json_answer(await asyncio.to_thread(tell))


@routes.post(f"{_ONE}/comment", name="hf:discussion")
async def comment(request: web.Request) -> web.Response:
    """Say something."""
    repository, account = contributor_of(request)
    event = new_event("comment", account.name, (await read_json(request, Words)).comment)
    return await _happened(request, repository, event, "newMessage")


@routes.post(f"{_ONE}/title", name="hf:discussion")
async def rename(request: web.Request) -> web.Response:
    """Give it another title."""
    repository, account = _editor_of(request)
    title = (await read_json(request, Words)).title.strip()
    if not title:
        raise Refusal(Reason.INVALID, '"title" is not allowed to be empty')
    before = repository.discussions.find(int(request.match_info["number"])).title
    event = new_event("title-change", account.name, title, before)
    return await _happened(request, repository, event, "newTitle", title=title)


@routes.post(f"{_ONE}/status", name="hf:discussion")
async def set_status(request: web.Request) -> web.Response:
    """Close or open it."""
    repository, account = _editor_of(request)
    wish = await read_json(request, Words)
    if repository.discussions.find(int(request.match_info["number"])).status == "merged":
        raise Refusal(Reason.INVALID, "A merged pull request stays so")
    if wish.comment:
        said = new_event("comment", account.name, wish.comment)
        await asyncio.to_thread(repository.discussions.happened, int(request.match_info["number"]), said)
    event = new_event("status-change", account.name, wish.status)
    return await _happened(request, repository, event, "newStatus", status=wish.status)


@routes.post(f"{_ONE}/merge", name="hf:merge")
async def merge(request: web.Request) -> web.Response:
    """Bring a pull request into its branch."""
    repository, account = writable_repository_of(request)
    wish = await read_json(request, Words)
    merged = await asyncio.to_thread(
        merge_pull, repository, int(request.match_info["number"]), account.name, wish.comment
    )
    return json_answer({"newStatus": _event(merged.events[-1])})


@routes.post(f"{_ONE}/comment/{{event}}/{{step:edit|hide}}", name="hf:discussion")
async def change_comment(request: web.Request) -> web.Response:
    """Let its author write a comment anew, or hide it for good."""
    repository, account = contributor_of(request)
    hiding = request.match_info["step"] == "hide"
    content = "" if hiding else (await read_json(request, Words)).content

    def change(one: Discussion) -> Discussion:
        events = [
            _changed(event, content, hidden=hiding) if event == wanted else event for event in one.events
        ]
        return msgspec.structs.replace(one, events=tuple(events))

    which = int(request.match_info["number"])
    wanted = _comment(repository.discussions.find(which), request.match_info["event"])
    if wanted.author != account.name:
        raise Refusal(Reason.NO_RIGHTS, "Only its author may change a comment")
    changed = await asyncio.to_thread(repository.discussions.change, which, change)
    return json_answer({"updatedComment": _event(_comment(changed, wanted.id))})


def _editor_of(request: web.Request) -> tuple[Repository, Account]:
    """Return who may change a discussion: its author, and who may change the repository."""
    repository, account = contributor_of(request)
    if repository.discussions.find(int(request.match_info["number"])).author == account.name:
        return repository, account
    return writable_repository_of(request)


def _comment(one: Discussion, name: str) -> Event:
    for event in one.events:
        if event.id == name.lower() and event.kind == "comment":
            return event
    raise Refusal(Reason.ENTRY_MISSING, "Comment not found", about=name[:80])


def _changed(event: Event, content: str, *, hidden: bool) -> Event:
    if hidden:
        return msgspec.structs.replace(event, text="", hidden=True)
    return msgspec.structs.replace(event, text=content, edited=True)


async def _happened(
    request: web.Request, repository: Repository, event: Event, key: str, **fields: object
) -> web.Response:
    which = int(request.match_info["number"])
    await asyncio.to_thread(lambda: repository.discussions.happened(which, event, **fields))
    return json_answer({key: _event(event)})


def _described(repository: Repository, one: Discussion) -> dict[str, object]:
    return {
        "num": one.number,
        "title": one.title,
        "author": {"name": one.author},
        "createdAt": iso_time(one.time),
        "status": one.status,
        "isPullRequest": one.base is not None,
        "repo": {"name": repository.record.repo_id, "type": repository.record.kind},
    }


def _event(event: Event) -> dict[str, object]:
    data: dict[str, object]
    if event.kind == "comment":
        moment = iso_time(event.time)
        rendered = "".join(f"<p>{html.escape(line)}</p>" for line in event.text.splitlines() if line)
        latest = {
            "raw": event.text, "html": rendered, "updatedAt": moment, "author": {"name": event.author}
        }  # fmt: skip
        data = {
            "edited": event.edited,
            "hidden": event.hidden,
            "latest": latest,
            "history": [],
            "numEdits": 0,
        }
    elif event.kind == "status-change":
        data = {"status": event.text}
    elif event.kind == "title-change":
        data = {"from": event.before, "to": event.text}
    else:
        data = {"subject": event.text, "oid": event.before}
    shown = {"id": event.id, "type": event.kind, "createdAt": iso_time(event.time)}
    return {**shown, "author": {"name": event.author}, "data": data}

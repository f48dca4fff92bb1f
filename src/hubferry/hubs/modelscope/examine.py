"""Ask a ModelScope server beforehand what would refuse a copy in the end: login, namespace, branch.

Wire facts: modelscope_hub 0.5.1, _openapi.py (`get_current_username`), _legacy_api.py (`list_revisions`).
No call makes a branch, and none says in which organisations an account may write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.errors import HubferryError, NetworkError, NotFoundError, UsageError
from hubferry.findings import Finding, refused, warning
from hubferry.hubs.account import name_in, other_namespace
from hubferry.hubs.http.client import Request
from hubferry.hubs.modelscope.listing import walk_requests
from hubferry.hubs.modelscope.wire import DEFAULT_BRANCH
from hubferry.i18n import _
from hubferry.model import Action, RepoRef
from hubferry.tasks import run_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.hubs.modelscope.wire import Wire
    from hubferry.model import Plan

_DEFAULTS = (None, DEFAULT_BRANCH)
_MANY_REQUESTS = 100


async def examine(wire: Wire, plan: Plan) -> tuple[Finding, ...]:
    """Ask everything at the same time.

    Raises:
        AccessError: The token is not taken.
        NetworkError: The server could not be asked.
    """
    answers = await run_all(_namespace(wire, plan), _branch(wire, plan))
    return (*(finding for found in answers for finding in found), *_listing(plan))


def _listing(plan: Plan) -> Iterator[Finding]:
    """Say beforehand what it costs to list, and so to prove, what is going to be there."""
    ref = plan.destination.ref
    if ref.repo_type == "dataset":
        return
    staying = (step.file.path for step in plan.steps if step.action is not Action.DELETE)
    count = walk_requests([*staying, *(file.path for file in plan.only_there)])
    if count > _MANY_REQUESTS:
        message = _(
            "{ref}: ModelScope cuts long listings, so that each look at this one takes {count} requests"
        )
        yield warning("long-listing", message.format(ref=ref, count=count))


async def _namespace(wire: Wire, plan: Plan) -> list[Finding]:
    """See whose token it is; a namespace of another name may be one of its organisations."""
    there = plan.destination
    if there.exists or there.branchless:
        return []  # asked about blobs, the hub refuses who may not write
    account = await _account(wire)
    owner = there.ref.repo_id.partition("/")[0]
    if account is None or account.lower() == owner.lower():
        return []
    return [other_namespace(there.ref, account, wire.client.host)]


async def _account(wire: Wire) -> str | None:
    """Return the account's name; None where the server does not know the question."""
    url = f"{wire.client.endpoint}/openapi/v1/users/me"
    answer = await wire.client.ask(Request("GET", url, {"Accept": "application/json"}))
    try:
        return name_in(wire.checked(RepoRef("ms", "account"), answer).json())
    except NotFoundError:
        return None


async def _branch(wire: Wire, plan: Plan) -> list[Finding]:
    """Refuse a branch that is not there: nothing but a person, in the browser or by git, can make it."""
    ref = plan.destination.ref
    if ref.revision in _DEFAULTS:
        return []
    if plan.destination.exists:
        branches = await _branches(wire, plan)
        if branches is None or ref.revision in branches:
            return []
        message = _("{ref} is a tag or a commit: only a branch can be written to")
    else:
        message = _("{ref}: there is no such branch, and ModelScope has no call that makes one")
    hint = _("leave out @{revision}, or make the branch at ModelScope first").format(revision=ref.revision)
    return [refused("no-branch", UsageError(message.format(ref=ref), side="destination", hint=hint))]


async def _branches(wire: Wire, plan: Plan) -> frozenset[str] | None:
    """Return the names of the branches; None where the server does not tell."""
    ref = plan.destination.ref
    try:
        data = await wire.get(ref, wire.api(ref, "/revisions"))
    except HubferryError as error:
        if isinstance(error, NetworkError):  # nothing was answered
            raise
        return None
    named = data.get("RevisionMap") if isinstance(data, dict) else None
    entries = named.get("Branches") if isinstance(named, dict) else None
    if not isinstance(entries, list):
        return None
    names = (entry.get("Revision") if isinstance(entry, dict) else entry for entry in entries)
    return frozenset(name for name in names if isinstance(name, str))

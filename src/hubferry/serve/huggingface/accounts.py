"""Accounts in the Hugging Face dialect: whose token it is, and what it may do with a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from hubferry.serve.access import organisations_of
from hubferry.serve.exchange import json_answer
from hubferry.serve.hub import account_of, hub_of, repository_of, writable_repository_of
from hubferry.serve.huggingface.routes import REPO

if TYPE_CHECKING:
    from hubferry.serve.access import Account

routes = web.RouteTableDef()


@routes.get("/api/whoami-v2", name="hf:whoami")
async def who_am_i(request: web.Request) -> web.Response:
    """Tell whose token it is."""
    account = hub_of(request).policy.require_account(account_of(request))
    return json_answer(
        {
            "type": "user",
            "id": account.name,
            "name": account.name,
            "fullname": account.full_name or account.name,
            "isPro": False,
            "orgs": [
                {
                    "type": "org",
                    "id": name,
                    "name": name,
                    "fullname": name,
                    "roleInOrg": _role(account),
                }
                for name in organisations_of(account)
            ],
            "auth": {"type": "access_token", "accessToken": _token_described(account)},
        }
    )


def _role(account: Account) -> str:
    return account.role or ("write" if account.may_write else "read")


def _token_described(account: Account) -> dict[str, object]:
    """Describe a token; one for named repositories has scopes, as the real hub's fine-grained ones do."""
    if account.repositories is None:
        return {"displayName": "hubferry", "role": "write" if account.may_write else "read"}
    scopes = [
        {
            "entity": {"_id": repo_id, "type": "model", "name": repo_id},
            "permissions": ["repo.content.read", "repo.write"]
            if account.may_write
            else ["repo.content.read"],
        }
        for repo_id in sorted(account.repositories)
    ]
    grants = {"canReadGatedRepos": True, "global": [], "scoped": scopes}
    return {"displayName": "hubferry", "role": "fineGrained", "fineGrained": grants}


@routes.get(f"{REPO}/auth-check", name="hf:auth-check")
async def check_access(request: web.Request) -> web.Response:
    """Say whether whoever asks may read the content."""
    repository = repository_of(request)
    hub_of(request).policy.require_content(account_of(request), repository.record)
    return json_answer({})


@routes.get(f"{REPO}/auth-check/write", name="hf:auth-check")
async def check_right_to_write(request: web.Request) -> web.Response:
    """Say whether whoever asks may change the content."""
    writable_repository_of(request)
    return json_answer({})

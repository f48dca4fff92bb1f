"""What every handler needs: the store, the policy, the signer, the limits, and the seams for tests."""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from aiohttp import web

from hubferry.pages.reader import session_cookie
from hubferry.serve.access import Account, Policy
from hubferry.serve.parts import PartUploads
from hubferry.serve.public import Public
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.sessions import Sessions
from hubferry.serve.signing import Signer
from hubferry.serve.strictness import Strictness
from hubferry.serve.windows import Memory, Windows

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware

    from hubferry.serve.repository import Repository
    from hubferry.serve.store import Store
    from hubferry.serve.xet import XetStorage

Direction = Literal["in", "out"]
Pace = Callable[[web.BaseRequest, Direction, int], Awaitable[None]]
"""Called before `count` bytes of a body move; it may wait (a slow link) or raise (a broken one)."""
BeforeCommit = Callable[["Repository", int], None]


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """One answered request, for whoever counts them.

    Attributes:
        route: What was asked for, as `hf:commit` or `ms:repo/files`; empty for an unknown route.
        received: Bytes of the request's body that were read.
        sent: Bytes of the answer with its head.
        client: Who asked; behind a proxy that is believed, whom that names.
        seconds: From the request's head to the answer's end.
    """

    method: str
    path: str
    query: str
    route: str
    status: int
    received: int
    sent: int
    seconds: float
    user_agent: str
    client: str = ""


@dataclass(frozen=True, slots=True)
class Seams:
    """Where benchmarks and fault tests reach in.

    Attributes:
        middlewares: Run around every request, outermost first.
        pace: Asked before each block of a body moves.
        record: Told about each answered request.
        before_commit: Asked before each commit is made, with the repository and how manyth commit it is,
            counted from 1; it may raise a Refusal, or change the repository first. Runs off the event loop.
        clock: What windows of time are measured by, in seconds.
    """

    middlewares: Sequence[Middleware] = ()
    pace: Pace | None = None
    record: Callable[[AccessRecord], None] | None = None
    before_commit: BeforeCommit | None = None
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one request may cost.

    Attributes:
        json_bytes: Largest JSON body.
        commit_bytes: Largest commit request.
        commit_line_bytes: Largest line of a Hugging Face commit: one inline file in base64.
        blob_bytes: Largest blob.
        actions: Most files one commit may name.
        batch_objects: Most blobs one question may name.
        preupload_files: Most files one preupload may name.
        truncation: Where a ModelScope listing is cut.
        page: Entries on a page of a Hugging Face listing.
        form_bytes: Largest form or login.
        idle_seconds: How long a client may send nothing in the middle of a body.
        slowest: Bytes a second that a body must bring, on average over each `idle_seconds`.
    """

    json_bytes: int = 8 << 20
    commit_bytes: int = 1 << 30
    commit_line_bytes: int = 48 << 20
    blob_bytes: int = 1 << 40
    actions: int = 2_000
    batch_objects: int = 1_000
    preupload_files: int = 256
    truncation: int = 3_000
    page: int = 1_000
    form_bytes: int = 64 << 10
    idle_seconds: float = 60.0
    slowest: int = 1 << 10


@dataclass(frozen=True, slots=True)
class Hub:
    """One hub, as its handlers see it."""

    store: Store
    policy: Policy = field(default_factory=Policy)
    signer: Signer = field(default_factory=Signer)
    limits: ServerLimits = field(default_factory=ServerLimits)
    seams: Seams = field(default_factory=Seams)
    initial_files: bool = False
    xet: XetStorage | None = None
    strict: Strictness = field(default_factory=Strictness)
    memory: Memory = field(default_factory=lambda: Memory(Windows(time.monotonic)))
    parts: PartUploads = field(default_factory=PartUploads)
    public: Public = field(default_factory=Public)
    sessions: Sessions = field(default_factory=Sessions)


HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)


def hub_of(request: web.Request) -> Hub:
    """Return the hub that a request came to."""
    return request.app[HUB]


def token_of(request: web.Request) -> str | None:
    """Return the token a request carries: a bearer, git's password, or ModelScope's older cookie.

    Who signed in with a browser has one, too, for reading alone.
    """
    header = request.headers.get("Authorization", "")
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if scheme.lower() == "basic":
        return _password(value)
    if header:
        return header
    if "Cookie" not in request.headers:
        return None
    own = request.cookies.get("m_session_id")
    if own is None and request.method in ("GET", "HEAD"):
        return hub_of(request).sessions.token(request.cookies.get(session_cookie(request)))
    return own


def _password(value: str) -> str | None:
    """Return the password of RFC 7617, whatever the name; where there is none, the name."""
    try:
        name, _colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:
        return value
    return password or name or None


def account_of(request: web.Request) -> Account | None:
    """Return who asks, or None for nobody in particular; refuse a wrong token."""
    hub = hub_of(request)
    account = hub.policy.identify(token_of(request))
    hub.policy.require_entry(account)
    return account


def repository_of(request: web.Request) -> Repository:
    """Return the repository a request names, if whoever asks may see it."""
    kind = request.match_info.get("kind", "models").removesuffix("s")
    return visible_repository(request, request.match_info["repo"], kind)


def visible_repository(request: web.Request, repo_id: str, kind: str) -> Repository:
    """Return a repository by name, if whoever asks may see it; a hidden one looks like a missing one."""
    hub = hub_of(request)
    account = account_of(request)
    repository = hub.store.find(repo_id, kind)
    if not hub.policy.sees(account, repository.record):
        raise Refusal(Reason.REPOSITORY_MISSING, f"Repository not found: {repo_id}", about=repo_id)
    return repository


def writable_repository_of(request: web.Request) -> tuple[Repository, Account]:
    """Return the repository a request names and who writes to it, or refuse."""
    repository = repository_of(request)
    account = hub_of(request).policy.require_write(account_of(request), repository.record.repo_id)
    return repository, account

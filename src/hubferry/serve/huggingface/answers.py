"""How Hugging Face says no: a status, X-Error-Code, X-Error-Message, and a short JSON body."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from hubferry.serve.addresses import absolute
from hubferry.serve.exchange import json_answer
from hubferry.serve.hub import hub_of, token_of
from hubferry.serve.huggingface.words import rights_words, words_for
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from aiohttp import web

_STATUS: dict[Reason, tuple[int, str | None]] = {
    Reason.REPOSITORY_MISSING: (404, "RepoNotFound"),
    Reason.REVISION_MISSING: (404, "RevisionNotFound"),
    Reason.ENTRY_MISSING: (404, "EntryNotFound"),
    Reason.ROUTE_MISSING: (404, None),
    Reason.METHOD: (405, None),
    Reason.NO_CREDENTIALS: (401, None),
    Reason.WRONG_CREDENTIALS: (401, None),
    Reason.FORBIDDEN: (403, None),
    Reason.NO_RIGHTS: (403, None),
    Reason.GATED: (403, "GatedRepo"),
    Reason.REPOSITORY_EXISTS: (409, None),
    Reason.REFERENCE_EXISTS: (409, None),
    Reason.OUTDATED: (412, None),
    Reason.CONFLICT: (409, None),
    Reason.INVALID: (400, None),
    Reason.TOO_LARGE: (413, None),
    Reason.TOO_MANY_ACTIONS: (422, None),
    Reason.NOT_INLINE: (400, None),
    Reason.FULL_FOLDER: (400, None),
    Reason.FULL_REPOSITORY: (400, None),
    Reason.BAD_CARD: (400, None),
    Reason.NO_BRANCH: (404, "RevisionNotFound"),
    Reason.NO_LENGTH: (411, None),
    Reason.QUOTA: (403, None),
    Reason.RATE: (429, None),
    Reason.COMMIT_RATE: (429, None),
    Reason.POLICY: (403, None),
    Reason.BLOB_MISSING: (400, "LfsObjectNotFound"),
    Reason.WRONG_BYTES: (400, None),
    Reason.EXPIRED: (403, None),
    Reason.RANGE: (416, None),
    Reason.MISDIRECTED: (421, None),
    Reason.TOO_SLOW: (408, None),
    Reason.DISK: (507, None),
    Reason.BROKEN: (500, None),
}


_MISSING, _UNKNOWN = 404, 401
_ASKED_BY_GIT = ("/info/refs", "/git-upload-pack", "/git-receive-pack", "/info/lfs/objects/batch")


def status_of(refusal: Refusal) -> int:
    """Return the status that a refusal has, to whomever it is told."""
    return refusal.status or _STATUS[refusal.reason][0]


def answer(request: web.Request, refusal: Refusal) -> web.Response:  # noqa: C901  # one branch an oddity
    """Return the answer to a refused request."""
    status, code = _STATUS[refusal.reason]
    status = refusal.status or status
    text = refusal.text or words_for(refusal)
    if refusal.reason is Reason.NO_RIGHTS and refusal.about and hub_of(request).strict.rights:
        text = rights_words(request.path)
    if refusal.reason is Reason.REPOSITORY_MISSING and token_of(request) is None:
        status, text = (
            401,
            "Invalid username or password.",
        )  # to nobody, a missing repository looks like a private
    if refusal.reason is Reason.QUOTA and "/commit/" in request.path:
        status = 400  # the same words come with 403 wherever else they are said
    if refusal.reason is Reason.GATED and refusal.about == "anonymous":
        status = 401
    if refusal.reason is Reason.WRONG_CREDENTIALS:
        text = "Invalid credentials in Authorization header"  # huggingface_hub.utils._http knows this text
    if refusal.reason is Reason.REPOSITORY_MISSING and status == _MISSING:
        text = "Repository not found"
    # a client's words may be in it, and a header holds none of what those may hold
    headers = {"X-Error-Message": "".join(c if " " <= c <= "~" else "?" for c in text.replace("\n", " "))}
    if refusal.wait is not None:
        headers["Retry-After"] = str(refusal.wait)
    if code:
        headers["X-Error-Code"] = code
    if status == _UNKNOWN and request.path.endswith(_ASKED_BY_GIT):
        headers["WWW-Authenticate"] = 'Basic realm="hubferry"'  # git sends what it has when it is asked
    if refusal.reason is Reason.RANGE:
        headers["Content-Range"] = f"bytes */{refusal.about}"
    body: dict[str, object] = {"error": text}
    headers["X-Request-Id"] = f"Root=1-{secrets.token_hex(4)}-{secrets.token_hex(12)}"
    if refusal.reason is Reason.REPOSITORY_EXISTS and refusal.about:
        prefix = "datasets/" if "datasets" in request.path else ""
        body["url"] = absolute(request, f"/{prefix}{refusal.about}")
        body["id"] = refusal.about
    return json_answer(body, status=status, headers=headers)

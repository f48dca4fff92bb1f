"""How ModelScope answers: everything in one envelope, failures with a numeric code of their own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from hubferry.serve.exchange import json_answer
from hubferry.serve.hub import hub_of
from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from aiohttp import web

_STATUS: dict[Reason, tuple[int, int, str]] = {
    # reason: status, code of /api/v1, code of /openapi/v1
    Reason.REPOSITORY_MISSING: (404, 10010205001, "ResourceNotFound"),
    Reason.REVISION_MISSING: (404, 10010205006, "ResourceNotFound"),
    Reason.ENTRY_MISSING: (404, 10990101002, "ResourceNotFound"),
    Reason.ROUTE_MISSING: (404, 404, "ResourceNotFound"),
    Reason.METHOD: (405, 405, "InputParameterError"),
    Reason.NO_CREDENTIALS: (401, 10010101401, "InvalidAuthentication"),
    Reason.WRONG_CREDENTIALS: (401, 10010101401, "InvalidAuthentication"),
    Reason.NO_RIGHTS: (403, 10010101403, "OperationNotAllowed"),
    Reason.FORBIDDEN: (403, 10010101403, "OperationNotAllowed"),
    Reason.GATED: (403, 10010101403, "OperationNotAllowed"),
    Reason.REPOSITORY_EXISTS: (400, 10010101001, "DuplicateEntity"),
    Reason.REFERENCE_EXISTS: (409, 10010101409, "DuplicateEntity"),
    Reason.OUTDATED: (409, 10030000001, "OperationNotAllowed"),
    Reason.CONFLICT: (409, 10010101409, "OperationNotAllowed"),
    Reason.INVALID: (400, 10010101400, "InputParameterError"),
    Reason.TOO_LARGE: (413, 10010101413, "InputParameterError"),
    Reason.NOT_INLINE: (400, 10010101400, "InputParameterError"),
    Reason.FULL_FOLDER: (400, 10010101400, "InputParameterError"),
    Reason.FULL_REPOSITORY: (400, 10010101400, "InputParameterError"),
    Reason.BAD_CARD: (400, 10010101400, "InputParameterError"),
    Reason.NO_BRANCH: (400, 10010101400, "InputParameterError"),
    Reason.NO_LENGTH: (411, 10010101411, "InputParameterError"),
    Reason.QUOTA: (403, 10010101403, "QuotaLimitExceed"),
    Reason.RATE: (429, 10010101429, "RateLimitExceed"),
    Reason.COMMIT_RATE: (429, 10010101429, "RateLimitExceed"),
    Reason.POLICY: (400, 10030000001, "OperationNotAllowed"),
    Reason.TOO_MANY_ACTIONS: (422, 10010101422, "InputParameterError"),
    Reason.BLOB_MISSING: (400, 10010101404, "InputParameterError"),
    Reason.WRONG_BYTES: (400, 10010101400, "InputParameterError"),
    Reason.EXPIRED: (403, 10010101403, "OperationNotAllowed"),
    Reason.RANGE: (416, 10010101416, "InputParameterError"),
    Reason.MISDIRECTED: (421, 10010101421, "InputParameterError"),
    Reason.TOO_SLOW: (408, 10010101408, "InputParameterError"),
    Reason.DISK: (507, 10010101507, "InternalServerError"),
    Reason.BROKEN: (500, 10010101500, "InternalServerError"),
}


_WORDS = {
    Reason.OUTDATED: "branch changed, please retry",
    Reason.NO_BRANCH: '{"message":"You can only create or edit files when you are on a branch"}',
    Reason.QUOTA: "storage quota limit exceeded",
    Reason.RATE: "Rate limit exceeded",
    Reason.COMMIT_RATE: "Commit frequency limit exceeded",
    Reason.POLICY: "commit rejected by repository policy",
}
"""What the real hub says where it is known (modelscope_hub._upload, modelscope/modelscope#1470, #1793)."""


def success(data: object) -> web.Response:
    """Return an answer of `/api/v1`."""
    return json_answer(
        {"Code": 200, "Data": data, "Message": "success", "RequestId": secrets.token_hex(16), "Success": True}
    )


def open_success(data: object) -> web.Response:
    """Return an answer of `/openapi/v1`."""
    return json_answer({"success": True, "request_id": secrets.token_hex(16), "data": data})


def answer(request: web.Request, refusal: Refusal) -> web.Response:
    """Return the answer to a refused request."""
    status, code, open_code = _STATUS[refusal.reason]
    status = refusal.status or status
    text = refusal.text or _WORDS.get(refusal.reason, refusal.reason.value)
    name = secrets.token_hex(16)
    headers = {"Content-Range": f"bytes */{refusal.about}"} if refusal.reason is Reason.RANGE else {}
    if refusal.wait is not None:
        headers["Retry-After"] = str(refusal.wait)
    if request.path.startswith("/openapi/"):
        body: dict[str, object] = {
            "success": False,
            "code": open_code,
            "message": text,
            "request_id": name,
        }
        return json_answer(body, status=status, headers=headers)
    if request.path == "/api/v1/login" and refusal.reason is Reason.WRONG_CREDENTIALS:
        status, code = 400, 10010103009  # what the real login says (modelscope_hub.errors)
    if refusal.reason is Reason.REPOSITORY_MISSING and hub_of(request).strict.missing_succeeds:
        status = 200
    body = {"Code": code, "Data": None, "Message": text, "RequestId": name, "Success": False}
    return json_answer(body, status=status, headers=headers)

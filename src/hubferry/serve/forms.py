"""Forms as ModelScope's client sends them: a few short fields, no files, nothing inside of another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from aiohttp import web

_BOUNDARY = re.compile(r"""boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))""", re.IGNORECASE)
_NAME = re.compile(
    rb"""^content-disposition:\s*form-data;.*?\bname="?([^";\r\n]{1,100})""", re.IGNORECASE | re.MULTILINE
)
_MOST_FIELDS = 64


def form_fields(request: web.Request, body: bytes) -> dict[str, str]:
    """Return the fields of a `multipart/form-data` body (RFC 7578), in time that grows with its length only.

    Datasets are created by one (modelscope_hub._legacy_api.create_repo).

    Raises:
        Refusal: No form, or one with very many fields.
    """
    found = _BOUNDARY.search(request.headers.get("Content-Type", ""))
    if found is None:
        raise Refusal(Reason.INVALID, "A form without a boundary")
    boundary = b"--" + (found[1] or found[2]).encode(errors="replace")
    parts = body.split(boundary, _MOST_FIELDS + 2)[1:]
    if len(parts) > _MOST_FIELDS + 1:
        raise Refusal(Reason.INVALID, f"More than {_MOST_FIELDS} fields in a form")
    fields: dict[str, str] = {}
    for part in parts:
        head, blank, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if blank and name is not None:
            fields[name[1].decode(errors="replace")] = content.removesuffix(b"\r\n").decode(errors="replace")
    return fields

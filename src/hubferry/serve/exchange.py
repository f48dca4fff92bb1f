"""Reading what clients send, in a sane size and shape, and answering in JSON."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, TypeVar

import msgspec
from aiohttp import web

from hubferry.serve.hub import hub_of
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.uploads import read_chunks

if TYPE_CHECKING:
    from collections.abc import Mapping

Shape = TypeVar("Shape")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST_PATH = 1024
_LONGEST_NAME = 255
_LONGEST_NUMBER = 12


async def read_body(request: web.Request, limit: int) -> bytes:
    """Return a whole body of at most `limit` bytes."""
    if (request.content_length or 0) > limit:
        raise Refusal(Reason.TOO_LARGE, f"The request is larger than {limit} bytes")
    gathered = bytearray()
    async for chunk in read_chunks(request, hub_of(request)):
        gathered += chunk
        if len(gathered) > limit:
            raise Refusal(Reason.TOO_LARGE, f"The request is larger than {limit} bytes")
    return bytes(gathered)


async def read_json(request: web.Request, shape: type[Shape], limit: int | None = None) -> Shape:
    """Return a JSON body as `shape`, refusing what does not fit."""
    body = await read_body(request, limit or hub_of(request).limits.json_bytes)
    return decode_json(body, shape)


def decode_json(body: bytes, shape: type[Shape]) -> Shape:
    """Decode JSON as `shape`, refusing what does not fit."""
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(Reason.INVALID, f"Malformed request: {error}") from error


def decode_base64(text: str) -> bytes:
    """Return what a text in base64 stands for, refusing what is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(Reason.INVALID, "Not base64") from error


def check_path(path: str) -> str:
    """Return a path that git and every file system could hold, else refuse."""
    names = path.split("/")
    if (
        not path
        or len(path.encode(errors="replace")) > _LONGEST_PATH
        or _CONTROL.search(path)
        or any(name in ("", ".", "..") or name.lower() == ".git" for name in names)
        or any(len(name.encode(errors="replace")) > _LONGEST_NAME for name in names)
    ):
        raise Refusal(Reason.INVALID, f"Invalid path: {path[:200]!r}")
    return path


def number(request: web.Request, name: str, default: int) -> int:
    """Return a count from the query, refusing what is none."""
    text = request.query.get(name)
    if text is None or not text:
        return default
    if len(text) > _LONGEST_NUMBER or not (text.isascii() and text.isdigit()):
        raise Refusal(Reason.INVALID, f"{name} must be a number")
    return int(text)


def flag(request: web.Request, name: str) -> bool:
    """Return whether the query says yes."""
    return request.query.get(name, "").lower() in ("true", "1")


def json_answer(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return `value` as JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, headers=headers, content_type="application/json"
    )

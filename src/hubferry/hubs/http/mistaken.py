"""Answers that are not what was asked for: what gives them away, and what is said of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hubferry.errors import NetworkError, WrongFileError
from hubferry.hubs.http.addresses import host_of
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubferry.errors import Side
    from hubferry.hubs.http.answers import Answer
    from hubferry.model import RepoFile

_PAGE = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|meta|title|script)\b",
    re.IGNORECASE | re.DOTALL,
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LOOKED_AT = 1024
_PAGES = (".html", ".htm", ".xhtml", ".shtml")


def says_page(headers: Mapping[str, str]) -> bool:
    """Return whether an answer calls itself a web page; some servers call everything one."""
    return "html" in headers.get("Content-Type", "").lower()


def is_page(start: bytes | memoryview) -> bool:
    """Return whether a body begins as a web page does."""
    return _PAGE.match(bytes(start[:_LOOKED_AT]).removeprefix(_BYTE_ORDER_MARK)) is not None


def may_be_page(file: RepoFile) -> bool:
    """Return whether a file may be a web page itself."""
    return file.path.lower().endswith(_PAGES)


def page_instead_of_file(file: RepoFile, url: str, side: Side) -> NetworkError:
    """Say that a login page of the network, or a page of the storage's, came instead of a file."""
    message = _("{host} answered with a web page instead of {path}.")
    return NetworkError(message.format(host=host_of(url), path=file.path), side=side, hint=_portal())


def not_understood(answer: Answer, *, host: str, side: Side) -> NetworkError:
    """Make an error of an answer that is not what the question calls for, an HTML page for instance."""
    if says_page(answer.headers) or is_page(answer.body):
        who = host_of(answer.url) if answer.url else host
        message = _("{host} answered with a web page instead of data.").format(host=who)
    else:
        message = _("{host} gave an answer that makes no sense ({kind}, {size} bytes).").format(
            host=host,
            kind=answer.headers.get("Content-Type", "").partition(";")[0] or "?",
            size=len(answer.body),
        )
    return NetworkError(message, side=side, hint=_portal())


def broken_off(file: RepoFile, url: str, side: Side) -> NetworkError:
    """Say that an answer ended in the middle."""
    message = _("{host} broke off in the middle of {path}.").format(host=host_of(url), path=file.path)
    return NetworkError(message, side=side)


def other_bytes(file: RepoFile, url: str, side: Side) -> NetworkError:
    """Say that an answer has another range than the one that was asked for."""
    message = _("{host} sent other bytes of {path} than those asked for.")
    return NetworkError(message.format(host=host_of(url), path=file.path), side=side)


def compressed(file: RepoFile, url: str, encoding: str, side: Side) -> NetworkError:
    """Say that an answer is compressed, and that nothing tells whether it would unpack to the right bytes."""
    message = _("{host} sent {path} compressed ({encoding}) although it was asked not to.")
    return NetworkError(message.format(host=host_of(url), path=file.path, encoding=encoding[:32]), side=side)


def no_ranges(file: RepoFile, url: str, status: int, side: Side) -> NetworkError:
    """Say that a server does not give a part of a file."""
    message = _("{host} does not give a part of {path} (HTTP {status}).")
    return NetworkError(message.format(host=host_of(url), path=file.path, status=status), side=side)


def no_content(file: RepoFile, url: str, status: int, side: Side) -> WrongFileError:
    """Say that a success brought no file."""
    message = _("{host} answered HTTP {status} instead of {path}.")
    return WrongFileError(message.format(host=host_of(url), path=file.path, status=status), side=side)


def wrong_size(file: RepoFile, side: Side) -> WrongFileError:
    """Say that a file comes in another length than it is listed in."""
    return WrongFileError(
        _("{path} is not as long as it is listed.").format(path=file.path),
        side=side,
        hint=_("It may have changed meanwhile: run the same command again."),
    )


def _portal() -> str:
    return _(
        "A proxy or a login page of the network may stand in between; hubferry doctor shows what it says."
    )

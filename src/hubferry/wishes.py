"""What the library's functions take by keyword, and how it becomes `Options`."""

from __future__ import annotations

from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypedDict

from hubferry.i18n import _
from hubferry.options import Access, Options
from hubferry.places import at_home

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from hubferry.model import Visibility
    from hubferry.options import Card


class Wishes(TypedDict, total=False):
    """Keywords of the verbs: the fields of `Options`, and how each side is reached.

    Attributes:
        token: Token for both sides; better is the environment.
        source_token: Token for the source.
        destination_token: Token for the destination.
        source_endpoint: Address of the source's hub, or of a mirror.
        destination_endpoint: Address of the destination's hub.
        insecure: Allow a token over plain http to another machine.
    """

    include: Iterable[str]
    exclude: Iterable[str]
    delete: bool
    max_delete: str | None
    visibility: Visibility | None
    new_visibility: Visibility | None
    license: str | None
    message: str | None
    jobs: int | None
    fetch_rate: int | None
    send_rate: int | None
    whole_cache: bool
    cache: bool
    cache_root: str | PathLike[str] | None
    directory: str | PathLike[str] | None
    wait: float | None
    keep_going: bool
    allow: Iterable[str]
    card: Card
    offline: bool
    volumes: str | PathLike[str] | Iterable[str | PathLike[str]]
    tag: str | None
    same_tag: bool
    tags: Iterable[str]
    branches: Iterable[str]
    create_pr: bool
    verify_signature: str | None
    token: str | None
    source_token: str | None
    destination_token: str | None
    source_endpoint: str | None
    destination_endpoint: str | None
    insecure: bool


_KNOWN = frozenset(Wishes.__annotations__)
_PLAIN = _KNOWN & {field.name for field in fields(Options)}


def wished(options: Options, wishes: Wishes) -> Options:
    """Return `options` with what was given by keyword.

    Raises:
        TypeError: There is no such keyword.
        UsageError: A bare string where a list is meant.
    """
    words: dict[str, Any] = dict(wishes)
    for word in words:
        if word not in _KNOWN:
            raise _unknown(word)
    plain = {name: value for name, value in words.items() if name in _PLAIN}
    return replace(
        options,
        **plain,
        source=_access(options.source, words, "source"),
        destination=_access(options.destination, words, "destination"),
    )


def _access(access: Access, words: dict[str, Any], side: str) -> Access:
    return Access(
        token=words.get(f"{side}_token") or words.get("token") or access.token,
        endpoint=words.get(f"{side}_endpoint") or access.endpoint,
        insecure=words.get("insecure", access.insecure),
    )


def _unknown(word: str) -> TypeError:
    near = get_close_matches(word, _KNOWN, 1)
    message = _("there is no keyword {word}").format(word=word)
    return TypeError(message + (_("; did you mean {near}?").format(near=near[0]) if near else ""))


def place(source: str | PathLike[str]) -> str:
    """Return what a source or destination is called: a path object is a folder, whatever its name.

    Raises:
        UsageError: It begins with a home that is not known here.
    """
    return source if isinstance(source, str) else str(at_home(source).absolute())

"""How a hub is reached: what an option says, then the environment, then the configuration file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubferry import budget
from hubferry.config import tokens
from hubferry.hubs import credentials

if TYPE_CHECKING:
    from hubferry.budget import HubBudget
    from hubferry.model import RepoRef
    from hubferry.options import Access


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a hub is, and as whom it is asked.

    Attributes:
        endpoint: Its base URL.
        token: None to ask anonymously; never shown in `repr`.
        insecure: Whether the token may travel unencrypted to another machine.
    """

    endpoint: str
    token: str | None = field(repr=False)
    insecure: bool


def reach(
    ref: RepoRef, *, token: str | None = None, endpoint: str | None = None, insecure: bool = False
) -> Reach:
    """Return how the hub of `ref` is reached; a token that a command gives is got now.

    A hub that the file names is asked with its own token, never with that of Hugging Face or ModelScope.

    Args:
        ref: Its own endpoint comes first.
        token: Instead of any other.
        endpoint: Instead of the environment's and the file's.
        insecure: Allow a token over plain http, whatever the file says.

    Raises:
        AccessError: The file says where the token is, and there is none to be had.
    """
    where = endpoint_of(ref, endpoint)
    settings = credentials.settings_at(ref.prefix, where)
    if token is None:
        if ref.named is not None:
            token = None if settings is None else tokens.obtain(settings)
        elif ref.hub == "ms":
            token = credentials.modelscope_token(endpoint=where)
        else:
            token = credentials.huggingface_token(endpoint=where)
    return Reach(where, token, insecure or (settings is not None and settings.insecure))


def endpoint_of(ref: RepoRef, endpoint: str | None = None) -> str:
    """Return where the hub of `ref` is."""
    usual = credentials.modelscope_endpoint if ref.hub == "ms" else credentials.huggingface_endpoint
    return ref.endpoint or endpoint or usual()


def concurrency_of(ref: RepoRef, access: Access) -> int | None:
    """Return how many connections the file allows to the hub of `ref`, None for no limit."""
    if ref.hub == "dir":
        return None
    settings = credentials.settings_at(ref.prefix, endpoint_of(ref, access.endpoint))
    return None if settings is None else settings.concurrency


def budget_of(ref: RepoRef, access: Access) -> HubBudget | None:
    """Return what may be asked of the hub of `ref`, with what the file says of that; None for a folder."""
    if ref.hub == "dir":
        return None
    where = endpoint_of(ref, access.endpoint)
    found, settings = budget.of(where), credentials.settings_at(ref.prefix, where)
    if settings is not None:
        found.limit(ref.prefix, settings.concurrency, settings.commits_per_hour)
    return found


def prepare(ref: RepoRef, access: Access) -> None:
    """Get the token of a hub that a command gives; it may take its time, and is remembered.

    Raises:
        AccessError: There is none to be had.
    """
    if ref.hub != "dir" and access.token is None:
        reach(ref, endpoint=access.endpoint)

"""Tokens and endpoints: by the environment, the configuration file, or what the official tools stored.

What the file gives to a hub goes to the endpoint that it names, to no other.

Wire facts: huggingface_hub/constants.py and utils/_auth.py; modelscope_hub/config.py (`HubConfig`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hubferry import config
from hubferry.config import tokens
from hubferry.places import expanded_if_known, is_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hubferry.config import HubSettings

HUGGINGFACE = "https://huggingface.co"
MODELSCOPE = "https://modelscope.cn"
_LARGEST_FILE = 1 << 20
_TRUE = frozenset({"1", "on", "yes", "true"})


def huggingface_endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """Return HF_ENDPOINT, else what the file says, else the public hub; without a slash at its end."""
    return _with_scheme(environment.get("HF_ENDPOINT") or _configured("hf") or HUGGINGFACE)


def modelscope_endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """Return MODELSCOPE_ENDPOINT, else MODELSCOPE_DOMAIN, else what the file says, else the public hub."""
    named = environment.get("MODELSCOPE_ENDPOINT") or environment.get("MODELSCOPE_DOMAIN")
    return _with_scheme(named or _configured("ms") or MODELSCOPE)


def settings_at(name: str, endpoint: str) -> HubSettings | None:
    """Return what the file says of a hub, None where it says nothing or means another endpoint."""
    hub = config.current().hubs.get(name)
    if hub is None:
        return None
    usual = {"hf": HUGGINGFACE, "ms": MODELSCOPE}.get(name)
    at = hub.endpoint or usual
    return hub if at is not None and at == config.normal_endpoint(_with_scheme(endpoint)) else None


def _configured(name: str) -> str | None:
    hub = config.current().hubs.get(name)
    return None if hub is None else hub.endpoint


def _token_of_the_file(name: str, endpoint: str) -> str | None:
    hub = settings_at(name, endpoint)
    return None if hub is None else tokens.obtain(hub)


def huggingface_token(environment: Mapping[str, str] = os.environ, endpoint: str | None = None) -> str | None:
    """Return HF_TOKEN, HUGGING_FACE_HUB_TOKEN, what the file says, or what `hf auth login` stored.

    Raises:
        AccessError: The file says where a token is, and there is none to be had.
    """
    named = _named_huggingface_token(environment)
    if named is not None or _is_anonymous(environment):
        return named
    where = endpoint or huggingface_endpoint(environment)
    return _token_of_the_file("hf", where) or stored_huggingface_token(environment)


def _named_huggingface_token(environment: Mapping[str, str]) -> str | None:
    if _is_anonymous(environment):
        return None
    named = environment.get("HF_TOKEN") or environment.get("HUGGING_FACE_HUB_TOKEN")
    return _clean(named) if named else None


def _is_anonymous(environment: Mapping[str, str]) -> bool:
    return environment.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").lower() in _TRUE


def stored_huggingface_token(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return what `hf auth login` stored."""
    stored = _read(huggingface_token_file(environment))
    return _clean(stored.decode("utf-8", "replace")) if stored else None


def huggingface_token_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return where `hf auth login` keeps its token: HF_TOKEN_PATH, else in HF_HOME; None without a home."""
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache}/huggingface"
    return expanded_if_known(environment.get("HF_TOKEN_PATH") or f"{home}/token")


def modelscope_token(environment: Mapping[str, str] = os.environ, endpoint: str | None = None) -> str | None:
    """Return MODELSCOPE_API_TOKEN (empty means none at all), what the file says, or the stored login.

    Raises:
        AccessError: The file says where a token is, and there is none to be had.
    """
    if "MODELSCOPE_API_TOKEN" in environment:
        return _clean(environment["MODELSCOPE_API_TOKEN"])
    where = endpoint or modelscope_endpoint(environment)
    return _token_of_the_file("ms", where) or stored_modelscope_token(environment, where)


def stored_modelscope_token(
    environment: Mapping[str, str] = os.environ, endpoint: str | None = None
) -> str | None:
    """Return what `modelscope login` stored.

    A login belongs to the site it was made at; it is not handed to another site's server.
    """
    stored = _read(modelscope_cookie_file(environment))
    if not stored:
        return None
    from hubferry.hubs.modelscope.cookies import session_cookies  # a tenth of the start-up, and few need it

    host = urlsplit(endpoint or modelscope_endpoint(environment)).hostname or ""
    for cookie in session_cookies(stored):
        if _site(cookie.domain) == _site(host):
            return None if cookie.expired else _clean(cookie.value)
    return None


def modelscope_cookie_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return where `modelscope login` keeps its cookies; None without a home.

    MODELSCOPE_CREDENTIALS_PATH names their directory, or the file itself; else it is in MODELSCOPE_HOME.
    """
    named = environment.get("MODELSCOPE_CREDENTIALS_PATH")
    if not named:
        home = environment.get("MODELSCOPE_HOME") or "~/.modelscope"
        return expanded_if_known(f"{home}/credentials/cookies")
    place = expanded_if_known(named)
    return place / "cookies" if place is not None and is_directory(place) else place


def _site(host: str) -> str:
    return host.lower().lstrip(".").removeprefix("www.")


def _with_scheme(endpoint: str) -> str:
    endpoint = endpoint.strip().rstrip("/")
    return endpoint if "://" in endpoint else f"https://{endpoint}"


def _read(path: Path | None) -> bytes | None:
    try:
        if path is None or not path.is_file() or path.stat().st_size > _LARGEST_FILE:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _clean(token: str) -> str | None:
    return token.replace("\r", "").replace("\n", "").strip() or None

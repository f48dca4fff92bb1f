"""Tokens and endpoints where the official tools look for them; nothing heavier than the standard library.

Wire facts: huggingface_hub/constants.py and utils/_auth.py; modelscope_hub/config.py (`HubConfig`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hubferry.places import expanded_if_known, is_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HUGGINGFACE = "https://huggingface.co"
MODELSCOPE = "https://modelscope.cn"
_LARGEST_FILE = 1 << 20
_TRUE = frozenset({"1", "on", "yes", "true"})


def huggingface_endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """Return HF_ENDPOINT, else the public hub; without a slash at its end."""
    return _with_scheme(environment.get("HF_ENDPOINT") or HUGGINGFACE)


def modelscope_endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """Return MODELSCOPE_ENDPOINT, else the older MODELSCOPE_DOMAIN, else the public hub."""
    named = environment.get("MODELSCOPE_ENDPOINT") or environment.get("MODELSCOPE_DOMAIN")
    return _with_scheme(named or MODELSCOPE)


def huggingface_token(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or what `hf auth login` stored."""
    if environment.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").lower() in _TRUE:
        return None
    named = environment.get("HF_TOKEN") or environment.get("HUGGING_FACE_HUB_TOKEN")
    if named:
        return _clean(named)
    stored = _read(huggingface_token_file(environment))
    return _clean(stored.decode("utf-8", "replace")) if stored else None


def huggingface_token_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return where `hf auth login` keeps its token: HF_TOKEN_PATH, else in HF_HOME; None without a home."""
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache}/huggingface"
    return expanded_if_known(environment.get("HF_TOKEN_PATH") or f"{home}/token")


def modelscope_token(environment: Mapping[str, str] = os.environ, endpoint: str | None = None) -> str | None:
    """Return MODELSCOPE_API_TOKEN (empty means none at all), or what `modelscope login` stored.

    A stored login belongs to the site it was made at; it is not handed to another site's server.
    """
    if "MODELSCOPE_API_TOKEN" in environment:
        return _clean(environment["MODELSCOPE_API_TOKEN"])
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

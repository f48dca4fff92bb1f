"""What may be known and shown of a web address."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port, None for what is no web address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts.scheme, parts.hostname.lower(), port or (443 if parts.scheme == "https" else 80)


def host_of(url: str) -> str:
    """Return an address's host and port, which is all of it that may be shown."""
    return urlsplit(url).netloc.rpartition("@")[2]


def without_query(url: str) -> str:
    """Return an address without login, query and fragment."""
    plain = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"//[^/@]*@", "//", plain)


def endpoint_of(url: str) -> str:
    """Return an address's scheme, host and port, as an endpoint is written."""
    return f"{urlsplit(url).scheme}://{host_of(url)}"

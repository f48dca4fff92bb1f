"""Whether what a container runs is well: `sync watch` and `serve` have to answer, any other command runs.

    python health.py [WORD ...]        # the command; that of the container's first process without

The command's own words say where it listens. No proxy of the environment is asked.
"""

from __future__ import annotations

import http.client
import re
import ssl
import sys
from pathlib import Path

_PORTS = {"watch": 9464, "serve": 8787}
_SECONDS = 4
_WELL = 200


def main() -> int:
    """Return the exit code of a health check."""
    words = sys.argv[1:] or Path("/proc/1/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    verb = next((word for word in words if word in _PORTS), None)
    if verb is None:
        return 0
    try:
        return (
            0 if _status(_port(words) or _PORTS[verb], tls=_has_option(words, "--tls-cert")) == _WELL else 1
        )
    except OSError:
        return 1


def _port(words: list[str]) -> int | None:
    """Return the port of `--port N` or `--listen HOST:N`."""
    said = re.search(r"--(?:port|listen)[= ](?:\S*:)?(\d+)(?: |$)", " ".join(words))
    return None if said is None else int(said[1])


def _has_option(words: list[str], option: str) -> bool:
    return any(word.partition("=")[0] == option for word in words)


def _status(port: int, *, tls: bool) -> int:
    if tls:  # it is this very container, by a name that no certificate has
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    connection.request("GET", "/healthz")
    return connection.getresponse().status


if __name__ == "__main__":
    sys.exit(main())

"""The conftest that modelscope's tests get from us: each of them has a home of its own to be logged in at.

Names of hosts other than this machine lead nowhere.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

# before anything of modelscope is imported: its workers would take each other's session away
_home = Path(os.environ["HOME"], os.environ.get("PYTEST_XDIST_WORKER", "alone"))
_home.mkdir(parents=True, exist_ok=True)
os.environ["HOME"] = str(_home)
_getaddrinfo = socket.getaddrinfo


def _stay(host, *more, **options):
    if host in ("127.0.0.1", "localhost", "::1", b"localhost", None):
        return _getaddrinfo("127.0.0.1" if host else host, *more, **options)
    raise socket.gaierror(socket.EAI_NONAME, f"no way to {host} from here")


socket.getaddrinfo = _stay


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODELSCOPE_PREFER_AI_SITE", raising=False)
    (tmp_path / "data").symlink_to(os.environ["OFFICIAL_DATA"])

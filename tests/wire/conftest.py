"""Every test of this folder runs on both event loops: Python's own, and the one the command line uses."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode leaves the folder out; tests share `lines`


def pytest_asyncio_loop_factories():
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def certificate() -> Path:
    """A certificate for this machine that nobody has signed, with its key; good until 2126."""
    return Path(__file__).parent / "loopback.pem"


@pytest.fixture
def certificates() -> Path:
    """Certificates by one authority, with their keys: good ones for this machine, an expired one, another's.

    The good ones end in 2126. The authority's own is there by the name that OpenSSL looks for.
    """
    return Path(__file__).parent / "certificates"


@pytest.fixture
def authority(certificates) -> Path:
    """The authority that signed them."""
    return next(certificates.glob("*.0"))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Nothing of what this machine's own environment says of its network."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method"):
        for spelt in (name, name.upper()):
            monkeypatch.delenv(spelt, raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def trusted(authority, monkeypatch):
    """The authority of `certificates` is believed."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))


@pytest.fixture
def closed_port():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return closed.getsockname()[1]


@pytest.fixture
def six():
    """Only where this machine has IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")

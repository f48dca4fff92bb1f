"""TLS of a hub's own: a certificate that is renewed while it runs."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from pathlib import Path

import pytest
from servers import running_hub

from hubferry.serve.certificates import Renewable

WIRE = Path(__file__).parents[1] / "wire"
OLD, NEW = WIRE / "loopback.pem", WIRE / "certificates" / "good.pem"


def shown(hub, *, name: str | None = "localhost") -> bytes:
    """Return the certificate that a hub shows to a new connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = int(hub.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        return connection.getpeercert(binary_form=True)


def of(path: Path) -> bytes:
    text = path.read_text()
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") : text.index(end)] + end)


def split(path: Path, folder: Path) -> tuple[Path, Path]:
    """Put certificate and key where certbot has them: files put in each other's place."""
    text = path.read_text()
    start = text.index("-----BEGIN CERTIFICATE")
    certificate = text[start : text.index("-----END CERTIFICATE-----") + 26]
    places = folder / "fullchain.pem", folder / "privkey.pem"
    for place, content in zip(places, (certificate, text.replace(certificate, "")), strict=True):
        fresh = place.with_suffix(".new")
        fresh.write_text(content)
        fresh.replace(place)
    return places


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path):
    places = split(OLD, tmp_path)
    with running_hub(tmp_path / "hub", tls=Renewable(*places).context()) as hub:
        assert shown(hub) == of(OLD)
        split(NEW, tmp_path)
        assert shown(hub) == of(NEW)
        assert shown(hub, name=None) == of(NEW)
        split(OLD, tmp_path)
        assert shown(hub) == of(OLD)


@pytest.mark.parametrize("half", ["key of another", "gone", "cut off"])
def test_a_certificate_that_is_half_renewed_is_not_used(half, tmp_path):
    places = split(OLD, tmp_path)
    with running_hub(tmp_path / "hub", tls=Renewable(*places).context()) as hub:
        assert shown(hub) == of(OLD)
        kept = places[1].read_bytes()
        if half == "key of another":
            split(NEW, tmp_path)
            places[1].write_bytes(kept)
        elif half == "gone":
            places[0].unlink()
        else:
            os.truncate(places[0], 200)
        assert shown(hub) == of(OLD)
        split(NEW, tmp_path)
        assert shown(hub) == of(NEW)


def test_the_files_are_read_when_they_changed_and_not_for_each_connection(tmp_path, monkeypatch):
    place = tmp_path / "both.pem"
    shutil.copyfile(OLD, place)
    read = []
    original = Renewable._read
    monkeypatch.setattr(Renewable, "_read", lambda self: read.append(1) or original(self))
    with running_hub(tmp_path / "hub", tls=Renewable(place).context()) as hub:
        at_start = len(read)
        assert [shown(hub) for _ in range(3)] == [of(OLD)] * 3
        assert len(read) == at_start
        shutil.copyfile(NEW, place)
        assert [shown(hub) for _ in range(3)] == [of(NEW)] * 3
        assert len(read) == at_start + 1

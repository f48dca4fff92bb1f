"""TLS in front of the hubs of a benchmark: nginx, for every contestant alike."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
worker_processes 2;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream hub {{ server {upstream}; keepalive 64; keepalive_timeout 200ms; }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/certificate.pem;
        ssl_protocols TLSv1.3;
        keepalive_requests 100000;
        client_max_body_size 0;
        location / {{
            proxy_pass http://hub;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
            proxy_buffers 16 64k;
            proxy_buffer_size 64k;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Front:
    """An nginx that stands before a hub."""

    url: str
    certificate: Path


@contextlib.contextmanager
def front(upstream: str) -> Iterator[Front]:
    """Run nginx with TLS before the hub at `upstream`."""
    with tempfile.TemporaryDirectory(prefix="hubferry-nginx-") as place:
        folder = Path(place)
        certificate, port = folder / "certificate.pem", _free_port()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", certificate, "-out", folder / "public.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
        with certificate.open("ab") as both:
            both.write((folder / "public.pem").read_bytes())
        text = _CONFIGURATION.format(folder=folder, port=port, upstream=upstream.removeprefix("http://"))
        (folder / "nginx.conf").write_text(text)
        process = subprocess.Popen([str(_found("nginx")), "-c", folder / "nginx.conf", "-p", folder])
        try:
            _wait_for(port)
            yield Front(f"https://127.0.0.1:{port}", folder / "public.pem")
        finally:
            process.terminate()
            process.wait()


def absent() -> str | None:
    """Return why nothing can be measured over TLS, None when it can."""
    missing = [name for name in ("nginx", "openssl") if not _found(name)]
    if not missing:
        return None
    return f"links with TLS are skipped: {missing[0]} is not installed (Debian packages nginx-light, openssl)"


def _found(program: str) -> str | None:
    return shutil.which(program) or shutil.which(f"/usr/sbin/{program}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _try in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise SystemExit("nginx did not start")

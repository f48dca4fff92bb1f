"""The embedded hub behind nginx with TLS, for the official clients and for hubferry."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from servers import TestHub, hub_process, sdk_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
WEIGHTS = random.Random("serve nginx 1").randbytes(300_000)

CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl http2 reuseport;
    ssl_certificate {folder}/hub.pem; ssl_certificate_key {folder}/hub.key;
    client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;
    proxy_buffer_size 64k; proxy_buffers 4 64k;
    location {prefix}/ {{
      proxy_pass http://127.0.0.1:{hub}/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certify(folder: Path) -> None:
    """Make an authority of this test's own, and a certificate for localhost."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    openssl(
        folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
        "-subj", "/CN=test", *extensions,
    )  # fmt: skip
    openssl(folder, "req", *key, "-keyout", "hub.key", "-out", "hub.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\n")
    openssl(
        folder, "x509", "-req", "-in", "hub.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "hub.pem", "-days", "2", "-extfile", "names",
    )  # fmt: skip


@contextmanager
def nginx(folder: Path, prefix: str, port: int, hub: int) -> Iterator[None]:
    certify(folder)
    place = folder / "nginx.conf"
    place.write_text(CONFIGURATION.format(folder=folder, prefix=prefix, port=port, hub=hub))
    process = subprocess.Popen(
        ["nginx", "-p", str(folder), "-c", str(place)], stderr=subprocess.PIPE, text=True
    )
    try:
        for _look in range(500):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None:
                raise RuntimeError(process.communicate()[1])
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is kept from everybody but nginx, which is told that it is shared."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


MODELSCOPE = """
import sys
from modelscope_hub import HubApi
api = HubApi()
api.create_repo("org/from-ms", "model", license="mit")
api.upload_folder("org/from-ms", "model", folder_path=sys.argv[1])
api.download_repo("org/from-ms", "model", local_dir=sys.argv[2])
"""


@pytest.mark.skipif(not (shutil.which("nginx") and shutil.which("openssl")), reason="needs nginx and openssl")
@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("", marks=pytest.mark.nightly, id="at-the-root"),
        pytest.param("/models", id="below-a-path"),
    ],
)
def test_official_clients_and_hubferry_work_through_nginx_with_tls(tmp_path, prefix, port):
    model = tmp_path / "model"
    (model / "sub").mkdir(parents=True)
    (model / "README.md").write_bytes(b"# hello\n")
    (model / "sub" / "w.safetensors").write_bytes(WEIGHTS)
    home, folder = tmp_path / "home", tmp_path / "nginx"
    folder.mkdir()
    url = f"https://localhost:{port}{prefix}"
    plain = sdk_environment(home)

    def run(*line: object, given: dict[str, str]) -> str:
        done = subprocess.run(
            list(map(str, line)), env=given, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with hub_process(tmp_path / "hub", "--public-url", url, environment=plain) as served:
        assert served.url == url
        hub = TestHub(url, None, token=served.token)
        authority = dict.fromkeys(
            ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(folder / "ca.pem")
        )
        given = sdk_environment(home, hf=hub, ms=hub) | authority
        with nginx(folder, prefix, port, served.port):
            run(BIN / "hf", "upload", "org/model", model, ".", given=given)
            run(BIN / "hf", "download", "org/model", "--local-dir", tmp_path / "by-hf", given=given)
            run(sys.executable, "-c", MODELSCOPE, model, tmp_path / "by-ms", given=given)
            run(BIN / "hubferry", "copy", "hf:org/model", "ms:org/copy", given=given)
            run(BIN / "hubferry", "copy", "ms:org/from-ms", "hf:org/back", given=given)
    for place in ("by-hf", "by-ms"):
        for path in ("README.md", "sub/w.safetensors"):
            assert (tmp_path / place / path).read_bytes() == (model / path).read_bytes(), (place, path)

"""A whole copy between two hubs that are reached by TLS and through a proxy, and by no other way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from asking import tls
from lines import talking
from proxying import Socks, connecting

sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))

from servers import hub_process, sdk_environment

from hubferry.serve import Store
from hubferry.wire.authorities import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "canary-of-the-proxy"
LOGIN = b64encode(f"me:{SECRET}".encode())
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
HOSTS = ("source.invalid", "destination.invalid")
CONTENT = {
    "README.md": b"---\nlicense: mit\n---\n",
    "config.json": b"{}",
    "model.safetensors": random.Random("through proxies 1").randbytes(3_000_000),
}
WHOLE = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {certificate}; ssl_certificate_key {certificate};
  {servers}
}}
"""
SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl; server_name {name};
    client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;
    location / {{
      proxy_pass http://127.0.0.1:{hub}/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
"""


@contextlib.contextmanager
def nginx(folder: Path, certificate: Path, hubs: dict[str, int]) -> Iterator[int]:
    """Run nginx with TLS in front of hubs, each under its name; yield the port that they share."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    servers = "".join(SERVER.format(port=port, name=name, hub=hub) for name, hub in hubs.items())
    place = folder / "nginx.conf"
    place.write_text(WHOLE.format(folder=folder, certificate=certificate, servers=servers))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", place, "-e", folder / "error.log"])
    try:
        for _look in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(20)


class Scene:
    """Two hubs behind nginx, and what a command needs to know of them."""

    def __init__(self, folder: Path, port: int, environment: dict[str, str]) -> None:
        self.folder, self.port, self.environment = folder, port, environment

    async def copied(self, to: str, **more: str) -> tuple[int, str]:
        """Copy by the real command; return its exit code and all that it said."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hubferry", "--debug", "copy", "hf:org/model", f"ms:{to}", "--json",
            env=self.environment | {"PYTHONASYNCIODEBUG": "1"} | more,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, (out + err).decode()

    def published(self, name: str) -> dict[str, bytes]:
        """Read what the destination's store has, past every server."""
        store = Store(self.folder / "destination.invalid")
        repository = store.find(name)
        files = repository.tree(repository.resolve(None)).files
        return {path: store.blobs.path(file.sha256).read_bytes() for path, file in files.items()}

    def assert_no_secret(self, said: str) -> None:
        """Look for the password in what was said, and in all that was written below the home."""
        heap = [said.encode()] + [
            place.read_bytes() for place in (self.folder / "home").rglob("*") if place.is_file()
        ]
        for secret in (SECRET.encode(), LOGIN):
            assert all(secret not in text for text in heap)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    if NGINX is None:
        pytest.skip("nginx is not installed")
    folder, certificates = tmp_path_factory.mktemp("scene"), Path(__file__).parent / "certificates"
    store = Store(folder / "source.invalid")
    store.create("org/model", license="mit")
    store.add("org/model", CONTENT)
    environment = sdk_environment(folder / "home")
    for variable in VARIABLES:
        environment.pop(variable, None)
    with contextlib.ExitStack() as stack:
        hubs = {
            name: stack.enter_context(
                hub_process(folder / name, "--public-url", f"https://{name}", environment=environment)
            )
            for name in HOSTS
        }
        ports = {name: hub.port for name, hub in hubs.items()}
        port = stack.enter_context(nginx(folder, certificates / "good.pem", ports))
        source, destination = (hubs[name] for name in HOSTS)
        access = {
            "HF_ENDPOINT": source.url,
            "HF_TOKEN": source.token,
            "MODELSCOPE_ENDPOINT": destination.url,
            "MODELSCOPE_API_TOKEN": destination.token,
            "REQUESTS_CA_BUNDLE": str(next(certificates.glob("*.0"))),
            "HUBFERRY_RETRIES": "0",
        }
        yield Scene(folder, port, environment | access)


async def through(scene: Scene, kind: str, certificates: Path) -> None:
    """Copy through a proxy of a kind that wants a login, and look at what it was asked for."""
    socks, asked = Socks(scene.port, login=("me", SECRET)), []
    talk = socks.talk if kind == "socks5h" else connecting(scene.port, asked)
    options = {"ssl": tls(certificates / "good.pem")} if kind == "https" else {}
    async with talking(talk, **options) as proxy:
        address = f"{kind}://me:{SECRET}@localhost:{proxy.port}"
        code, said = await scene.copied(f"mine/{kind}", ALL_PROXY=address)
    assert code == 0, said
    if kind == "socks5h":
        places, logins = set(socks.asked), set(socks.logins)
        assert logins == {("me", SECRET)}
    else:
        places = {head.split()[1].decode() for head in asked}
        assert all(b"Proxy-Authorization: Basic " + LOGIN in head for head in asked)
    assert places == {f"{name}:443" for name in HOSTS}
    published = scene.published(f"mine/{kind}")
    assert {path: published[path] for path in CONTENT} == CONTENT
    scene.assert_no_secret(said)


@pytest.mark.parametrize("kind", ["socks5h", "http", "https"])
def test_a_copy_between_encrypted_hubs_goes_through_a_proxy_with_a_login(scene, certificates, kind):
    asyncio.run(through(scene, kind, certificates))


def test_a_copy_says_at_once_which_certificate_is_wrong_or_which_proxy_lets_nobody_in(scene, certificate):
    async def one_after_the_other():
        wanted = {"HUBFERRY_PATIENCE": "60", "HUBFERRY_RETRIES": "99"}
        async with talking(Socks(scene.port, login=("me", "other")).talk) as proxy:
            address = f"socks5h://me:{SECRET}@localhost:{proxy.port}"
            let_in_nobody = await scene.copied("mine/model", ALL_PROXY=address, **wanted)
        async with talking(Socks(scene.port).talk) as proxy:
            address = f"socks5h://localhost:{proxy.port}"
            believed = {"REQUESTS_CA_BUNDLE": str(certificate)}
            unknown = await scene.copied("mine/model", ALL_PROXY=address, **wanted, **believed)
        return let_in_nobody, unknown

    (code, said), (other_code, other_said) = asyncio.run(one_after_the_other())
    assert (code, other_code) == (5, 5)
    assert "it wants a user and a password, or does not take these" in said
    assert "ALL_PROXY" in said
    assert "its certificate is not accepted" in other_said
    assert f"REQUESTS_CA_BUNDLE={certificate}" in other_said
    scene.assert_no_secret(said + other_said)

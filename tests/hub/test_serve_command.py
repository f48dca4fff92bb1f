"""`hubferry serve` as a process, and the official commands against it."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from servers import TestHub, hub_process, sdk_environment

import forked
from hubferry.serve import Store

BIN = Path(sys.executable).parent
WEIGHTS = random.Random("serve command 1").randbytes(200_000)


@pytest.fixture
def model(tmp_path) -> Path:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "README.md").write_bytes(b"# hello\n")
    (folder / "sub" / "w.safetensors").write_bytes(WEIGHTS)
    return folder


def run(*line, environment, cwd=None, code=0):
    done = subprocess.run(
        [str(word) for word in line],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_the_hf_and_modelscope_commands_work_against_it_and_a_kill_loses_nothing(tmp_path, model):
    home = tmp_path / "home"
    with hub_process(tmp_path / "hub", environment=sdk_environment(home)) as served:
        hub = TestHub(served.url, None, token=served.token)
        environment = sdk_environment(home, hf=hub, ms=hub)
        run(BIN / "hf", "upload", "org/model", model, ".", environment=environment)
        run(
            BIN / "modelscope",
            "download",
            "org/model",
            "--local_dir",
            tmp_path / "by-ms",
            environment=environment,
        )
        run(BIN / "modelscope", "create", "org/other", "--repo-type", "model", environment=environment)
        run(BIN / "modelscope", "upload", "org/other", model, environment=environment)
        served.kill()
    with hub_process(tmp_path / "hub", environment=sdk_environment(home)) as served:
        hub = TestHub(served.url, None, token=served.token)
        environment = sdk_environment(home, hf=hub, ms=hub)
        run(BIN / "hf", "download", "org/other", "--local-dir", tmp_path / "by-hf", environment=environment)
    for copy in ("by-ms", "by-hf"):
        assert (tmp_path / copy / "sub" / "w.safetensors").read_bytes() == WEIGHTS
        assert (tmp_path / copy / "README.md").read_bytes() == b"# hello\n"


def serve(*options, environment):
    return forked.Popen(
        [sys.executable, "-m", "hubferry", "serve", *map(str, options)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_first_and_ends_cleanly_on_a_signal(tmp_path, number):
    process = serve(tmp_path / "hub", "--port", "0", environment=sdk_environment(tmp_path / "home"))
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    process.send_signal(number)
    output, talk = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, "")
    assert f"export HF_ENDPOINT={address}" in talk
    assert f"export MODELSCOPE_ENDPOINT={address}" in talk
    assert "export HF_HUB_DISABLE_XET=1" in talk
    assert "read-only" in talk
    assert "Traceback" not in talk


def test_a_strict_one_refuses_as_the_real_hub_does(tmp_path, model):
    (model / "README.md").write_bytes(b"---\nlicense: my own\n---\n# hello\n")
    home = tmp_path / "home"
    with hub_process(
        tmp_path / "hub", "--strict", "--user", "me", environment=sdk_environment(home)
    ) as served:
        hub = TestHub(served.url, None, token=served.token)
        environment = sdk_environment(home, hf=hub)
        done = run(BIN / "hf", "upload", "me/model", model, ".", environment=environment, code=1)
        assert '"license" must be one of [apache-2.0, mit, ' in done.stdout + done.stderr
        done = run(BIN / "hf", "repos", "create", "org/model", environment=environment, code=1)
        assert "don't have the rights to create a model" in done.stdout + done.stderr
        (model / "README.md").write_bytes(b"---\nlicense: other\n---\n# hello\n")
        run(BIN / "hf", "upload", "me/model", model, ".", environment=environment)


def test_it_speaks_chinese_to_a_chinese_reader(tmp_path):
    environment = sdk_environment(tmp_path / "home") | {"HUBFERRY_LANG": "zh"}
    done = run(sys.executable, "-m", "hubferry", "serve", "--help", environment=environment)
    assert "只读令牌" in done.stdout
    assert "hubferry serve ./hub --port 9000 --writable" in done.stdout


def test_a_hub_for_others_demands_a_token(tmp_path):
    environment = sdk_environment(tmp_path / "home")
    done = run(
        sys.executable, "-m", "hubferry", "serve", tmp_path / "hub", "--host", "0.0.0.0", "--port", "0",
        environment=environment, code=2,
    )  # fmt: skip
    assert "needs a token" in done.stderr
    assert "HUBFERRY_TOKEN" in done.stderr
    assert not (tmp_path / "hub").exists()


async def test_a_hub_for_others_answers_nobody_without_a_token(tmp_path):
    Store(tmp_path / "hub").add("org/model", {"a.txt": b"x"})
    with hub_process(
        tmp_path / "hub",
        "--host",
        "0.0.0.0",
        token="secret-token",
        environment=sdk_environment(tmp_path / "home"),
    ) as served:
        address = served.url.replace("0.0.0.0", "127.0.0.1")
        async with aiohttp.ClientSession(address) as web:
            async with web.get("/org/model/resolve/main/a.txt") as answer:
                assert answer.status == 401
            headers = {"Authorization": "Bearer secret-token"}
            async with web.get("/org/model/resolve/main/a.txt", headers=headers) as answer:
                assert await answer.read() == b"x"


def test_two_hubs_do_not_share_a_store_or_a_port(tmp_path):
    environment = sdk_environment(tmp_path / "home")
    with hub_process(tmp_path / "hub", environment=environment) as served:
        second = [sys.executable, "-m", "hubferry", "serve", tmp_path / "hub", "--port", "0"]
        assert "already serves" in run(*second, environment=environment, code=8).stderr
        port = served.url.rpartition(":")[2]
        other = [sys.executable, "-m", "hubferry", "serve", tmp_path / "other", "--port", port]
        assert "cannot listen" in run(*other, environment=environment, code=2).stderr


def test_a_token_given_to_it_is_in_no_process_list_and_no_output(tmp_path):
    environment = sdk_environment(tmp_path / "home")
    canary = "canary-token-1234567890"
    process = serve(tmp_path / "hub", "--port", "0", "--token", canary, environment=environment)
    process.stdout.readline()
    line = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    process.send_signal(signal.SIGTERM)
    output, talk = process.communicate(timeout=20)
    assert "serve" in line
    assert canary not in line + output + talk


@pytest.mark.parametrize(
    "options",
    [("--public-url", "hub.example"), ("--public-url", "https://x/?q"), ("--trust-proxy", "10.0.0.0/33")],
)
def test_an_address_that_is_none_is_refused_before_anything_is_made(tmp_path, options):
    environment = sdk_environment(tmp_path / "home")
    line = [sys.executable, "-m", "hubferry", "serve", tmp_path / "hub", *options]
    assert options[1] in run(*line, environment=environment, code=2).stderr
    assert not (tmp_path / "hub").exists()


def test_a_hub_that_a_proxy_shows_to_others_demands_a_token(tmp_path):
    environment = sdk_environment(tmp_path / "home")
    line = [
        sys.executable,
        "-m",
        "hubferry",
        "serve",
        tmp_path / "hub",
        "--public-url",
        "https://hub.example",
    ]
    assert "needs a token" in run(*line, environment=environment, code=2).stderr


def ended(process) -> str:
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=20)[1]


def test_it_says_the_address_of_clients_and_that_of_the_proxy_and_names_the_tokens(tmp_path):
    environment = sdk_environment(tmp_path / "home") | {"HUBFERRY_TOKEN": "secret-token"}
    options = ("--port", "0", "--public-url", "https://hub.example/models/")
    process = serve(tmp_path / "hub", *options, environment=environment)
    assert process.stdout.readline() == "https://hub.example/models\n"
    talk = ended(process)
    assert "export HF_ENDPOINT=https://hub.example/models\n" in talk
    assert "http://127.0.0.1:" in talk
    assert "HF_TOKEN" in talk
    assert "MODELSCOPE_API_TOKEN" in talk
    assert "secret-token" not in talk


@pytest.mark.parametrize("quiet", [False, True])
async def test_it_writes_a_line_for_each_request_unless_quiet_and_says_an_address_of_the_network(
    tmp_path, quiet
):
    environment = sdk_environment(tmp_path / "home") | {"HUBFERRY_TOKEN": "secret-token"}
    options = ("--port", "0", "--host", "0.0.0.0", *(["--quiet"] if quiet else []))
    process = serve(tmp_path / "hub", *options, environment=environment)
    address = process.stdout.readline().strip()
    assert "0.0.0.0" not in address
    port = address.rpartition(":")[2]
    headers = {"Authorization": "Bearer secret-token", "X-Forwarded-For": "203.0.113.5"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as web:
        for path, status in (("/healthz", 200), ("/api/models/org/none?signature=canary", 404)):
            async with web.get(path) as answer:
                assert answer.status == status
    talk = ended(process)
    assert (" 203.0.113.5 GET /healthz 200 " in talk) is not quiet
    assert (re.search(r" 203\.0\.113\.5 GET hf:[\w-]+ 404 ", talk) is not None) is not quiet
    assert "org/none" not in talk  # what was refused may be anything
    assert ("Serving" in talk) is not quiet
    assert "canary" not in talk
    assert "secret-token" not in talk

"""`hubferry demo`, and `hubferry doctor`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from desks import ROOT

import forked
from hubferry.cli.environment import variables
from hubferry.cli.main import command_line
from hubferry.errors import HubferryError


def bare(desk, tmp_path):
    """An environment as in a fresh clone: an empty home, no hub, no token."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {
        "HOME": str(desk.home),
        "TMPDIR": str(temporary),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
    }
    return environment, temporary


def test_a_demo_that_is_interrupted_leaves_nothing_either(desk, tmp_path):
    environment, temporary = bare(desk, tmp_path)
    process = forked.Popen(
        [sys.executable, "-m", "hubferry", "demo"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    while "--dry-run" not in (line := process.stdout.readline()):
        assert line
    os.killpg(process.pid, signal.SIGINT)
    out = process.communicate(timeout=60)[0]
    assert process.returncode == -signal.SIGINT, out
    assert "Traceback" not in out
    assert "error: interrupted; the demo leaves nothing behind" in out
    assert list(temporary.iterdir()) == []
    assert not tempfile.template.startswith("hubferry")


def test_the_doctor_finds_everything_well(desk):
    done = desk.ferry("doctor")
    assert done.code == 0, done.said
    assert f"{desk.source.url} answers; signed in as tester" in done.out
    assert f"{desk.destination.url} answers; signed in as tester" in done.out
    assert done.out.endswith("Nothing here would stop a copy.\n")
    assert desk.source.token not in done.said


def test_the_doctor_says_what_is_missing_and_what_to_type(desk):
    done = desk.ferry("doctor", unset=("HF_TOKEN", "MODELSCOPE_API_TOKEN"))
    assert done.code == 4
    assert "! ModelScope token: none" in done.out
    assert "export MODELSCOPE_API_TOKEN=" in done.out
    assert "- Hugging Face token: none; public models can be fetched" in done.out


def test_the_doctor_finds_a_hub_that_does_not_answer(desk):
    done = desk.ferry("doctor", "--json", environment={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert done.code == 5
    document = done.json()
    assert document["ready"] is False
    bad = [one for one in document["findings"] if one["state"] == "bad"]
    assert [one["subject"] for one in bad] == ["Hugging Face"]
    assert "127.0.0.1:9" in bad[0]["text"]


def test_the_doctor_finds_stored_logins_by_their_place(desk):
    stored = desk.home / "huggingface" / "token"
    stored.parent.mkdir()
    stored.write_text(desk.source.token)
    done = desk.ferry("doctor", unset=("HF_TOKEN",))
    assert f"= Hugging Face token: found in {stored}" in done.out
    assert desk.source.token not in done.said


def test_the_doctor_asks_no_hub_when_told_so(desk):
    assert desk.ferry("doctor", "--offline").code == 0
    assert desk.source.requests.records == []
    done = desk.ferry("doctor", environment={"HF_HUB_OFFLINE": "1"})
    assert done.code == 5
    assert "unset HF_HUB_OFFLINE" in done.out
    assert desk.source.requests.records == []


@pytest.mark.parametrize("named", ["socks5h://me:{}@host:1", "me:{}@host:1", "http://me:{}/@host:1"])
def test_the_doctor_names_a_proxy_without_its_password(desk, named):
    secret = "canary-of-the-proxy"
    environment = {"ALL_PROXY": named.format(secret), "NO_PROXY": "intern.example,10.0.0.0/8"}
    done = desk.ferry("doctor", environment=environment)
    assert done.code == 0, done.said  # hubs of this machine are asked directly
    assert re.search(r"- proxy: all goes through \w+://host:1 \(ALL_PROXY\)\n", done.out), done.out
    assert "asked directly: intern.example,10.0.0.0/8" in done.out
    assert secret not in done.said
    wrong = desk.ferry("doctor", "--offline", environment={"HTTPS_PROXY": f"ftp://me:{secret}@host"})
    assert wrong.code == 5
    assert "! proxy: HTTPS_PROXY names no proxy that can be used" in wrong.out
    assert secret not in wrong.said


def test_the_doctor_says_whose_certificates_are_believed_and_by_which_variable(desk, tmp_path):
    variables = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    authority = next((Path(__file__).parents[1] / "wire" / "certificates").glob("*.0"))
    done = desk.ferry("doctor", "--offline", unset=variables)
    assert re.search(r"= certificates: \S", done.out), done.out
    named = {"CURL_CA_BUNDLE": str(authority)}
    done = desk.ferry("doctor", "--offline", unset=variables[:3], environment=named)
    assert f"- certificates: CURL_CA_BUNDLE={authority}\n" in done.out
    (tmp_path / "empty.pem").touch()
    named = {"REQUESTS_CA_BUNDLE": str(tmp_path / "empty.pem")}
    done = desk.ferry("doctor", "--offline", unset=variables[:2], environment=named)
    assert done.code == 5
    assert f"The certificates that REQUESTS_CA_BUNDLE={tmp_path / 'empty.pem'} names" in done.out


def test_the_doctor_says_each_thing_once_and_looks_at_the_cache_that_is_meant(desk, tmp_path):
    place = tmp_path / "another"
    done = desk.inside("doctor", "--offline", "--cache-dir", str(place), "--json", check_code=0)
    codes = [one["code"] for one in done.json()["findings"]]
    assert sorted(codes) == sorted(set(codes))
    assert {one["code"]: one["text"] for one in done.json()["findings"]}["cache"].startswith(f"{place}: ")


def redacted(text):
    """Take out what differs from run to run: commits, times, dates."""
    text = re.sub(r"\b[0-9a-f]{12}\b", "<commit>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "<date>", text)
    return re.sub(r"\d+(\.\d+)? (s\b|秒)|\d+ (min|分) \d+ (s\b|秒)", "<time>", text)


@pytest.mark.parametrize(("page", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")])
def test_the_demo_is_the_transcript_of_the_readme_and_leaves_nothing(desk, tmp_path, page, language):
    environment, temporary = bare(desk, tmp_path)
    done = forked.run(
        [sys.executable, "-m", "hubferry", "demo"],
        env=environment | {"HUBFERRY_LANG": language}, cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    shown = (ROOT / page).read_text(encoding="utf-8").split("```console\n")[1].split("```")[0]
    assert redacted(shown).strip().splitlines() == redacted(done.stdout).strip().splitlines()
    assert list(temporary.iterdir()) == []
    assert list(desk.home.iterdir()) == []


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_every_command_exit_code_and_variable(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in command_line().list_commands(None):
        assert f"`hubferry {name}" in text
    for variable, _meaning in variables():
        assert f"`{variable}`" in text
    codes = {error.exit_code for error in every(HubferryError)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes | {0}


def test_every_variable_of_ours_that_is_read_is_named_in_the_help():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    read = set(re.findall(r"\bHUBFERRY_[A-Z_]*[A-Z]\b", sources))
    assert read == {name for name, _meaning in variables() if name.startswith("HUBFERRY_")}


def every(error):
    yield error
    for child in error.__subclasses__():
        yield from every(child)


@pytest.mark.parametrize("signed_in", [True, False])
def test_the_doctor_names_a_network_that_wants_a_login_first(desk, signed_in):
    """A portal answers everything with its page, after sending whoever asks to a host of its own."""

    class Portal(BaseHTTPRequestHandler):
        def do_GET(self):
            if "localhost" not in self.headers["Host"]:
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{self.server.server_port}/login?s=s3cret")
                self.end_headers()
                return
            body = b"<!DOCTYPE html><html><body>Welcome to our guests' network</body></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as portal:
        threading.Thread(target=portal.serve_forever, daemon=True).start()
        away = f"http://127.0.0.1:{portal.server_port}"
        done = desk.ferry(
            "doctor",
            environment={"HF_ENDPOINT": away, "MODELSCOPE_ENDPOINT": away},
            unset=() if signed_in else ("HF_TOKEN", "MODELSCOPE_API_TOKEN"),
        )
        portal.shutdown()
    named = f"localhost:{portal.server_port} answered with a web page instead of data"
    assert done.out.count(named) == 2
    assert f"Open http://localhost:{portal.server_port} in a browser" in done.out
    assert "s3cret" not in done.said
    assert done.code in {4, 5}


def test_the_model_alone_is_written_into_a_new_folder_and_over_nothing(tmp_path):
    environment = {**os.environ, "HUBFERRY_LANG": "en"}
    words = [sys.executable, "-m", "hubferry", "demo", "--model", str(tmp_path / "tiny")]
    written = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert written.stdout == f"{tmp_path / 'tiny'}\n"
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "tiny").iterdir()}
    again = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "is not empty" in again.stderr
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "tiny").iterdir()} == before

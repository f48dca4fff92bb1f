"""How a container of hubferry tells whether it is well, and what its build is sent."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()


@contextmanager
def answering(status):
    """Answer every request with this status; yield the port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_words):
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def health(*words, **environment):
    line = [sys.executable, "-S", str(ROOT / "deploy/health.py"), *map(str, words)]
    return subprocess.run(line, env=environment, check=False).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_a_container_that_listens_is_as_well_as_what_it_answers(status, code):
    with answering(status) as port:
        for words in (
            ("hubferry", "serve", "--port", port),
            ("hubferry", "serve", f"--port={port}", "--upstream", "hf"),
            ("python", "/hubferry/bin/hubferry", "sync", "watch", "f.yaml", "--listen", f"0.0.0.0:{port}"),
        ):
            assert health(*words, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9") == code


def test_a_container_that_does_not_answer_is_not_well_and_one_that_only_runs_is():
    assert health("hubferry", "serve", "--port", 9) == 1
    assert health("hubferry", "sync", "run", "/etc/hubferry/mirrors.yaml") == 0


def test_the_build_finds_what_it_copies_and_is_sent_nothing_else():
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    }
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == sent

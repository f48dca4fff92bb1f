"""`hubferry ui` as somebody types it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

HEAVY = ("jinja2", "markdown_it", "nh3", "hubferry.pages", "hubferry.ui")


@contextlib.contextmanager
def running(desk, *words, number=signal.SIGTERM, **environment):
    """Run the pages until the block is left, and this signal; yields the process and the printed address."""
    with subprocess.Popen(
        [sys.executable, "-m", "hubferry", "ui", "--json", *words],
        env=desk.environment | environment, cwd=desk.home, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.send_signal(number)
            process.communicate(timeout=60)


def opened(address, language="en"):
    """Open an address as a browser does, cookies and all."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    browser.addheaders = [("Accept-Language", language)]
    with browser.open(address, timeout=20):
        pass  # this page leads on to the one without the key
    with browser.open(address.partition("?")[0], timeout=20) as answer:
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_opens_the_printed_address_sees_this_machine_and_ctrl_c_ends_it(desk, number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("whoever started the tests has this signal ignored")
    with running(desk, "--port", "0", number=number) as (process, address):
        status, page = opened(address)
        assert status == 200
        assert "hubferry fetch" in page  # the cache is empty, and this is how to fill it
        with pytest.raises(urllib.error.HTTPError) as refused:
            opened(address.partition("?")[0])
        refused.value.close()
        assert refused.value.code == 401
        assert address.partition("key=")[2] not in Path(f"/proc/{process.pid}/cmdline").read_text()
    assert process.returncode == 0


def test_two_starts_have_two_keys_and_two_ports(desk):
    with running(desk) as (_one, first), running(desk) as (_other, second):
        assert first.partition("/?")[0] != second.partition("/?")[0]
        assert first.partition("key=")[2] != second.partition("key=")[2]
        assert opened(first)[0] == opened(second)[0] == 200


def test_a_port_that_was_asked_for_and_is_taken_is_refused(desk):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = desk.ferry("ui", "--no-browser", "--port", str(taken.getsockname()[1]))
    assert ended.code == 2
    assert "hubferry ui --port 0" in ended.err


def test_other_machines_are_not_let_in_without_https(desk):
    ended = desk.ferry("ui", "--no-browser", "--host", "0.0.0.0")
    assert ended.code == 2
    assert "https only" in ended.err
    assert "ssh -L" in ended.err


def test_a_browser_is_told_of_a_file_and_never_of_the_key(desk, tmp_path):
    """Everybody on the machine reads the words of everybody's processes."""
    note, browser = tmp_path / "told", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s" "$1" > "{note}.part"; mv "{note}.part" "{note}"\n')
    browser.chmod(0o755)
    with running(desk, "--port", "0", "--open-browser", BROWSER=f"{browser} %s") as (_process, address):
        until = time.monotonic() + 60
        while not note.exists() and time.monotonic() < until:
            time.sleep(0.05)
        told = note.read_text()
        assert told.startswith("file://")
        page = Path(told.removeprefix("file://"))
        assert page.stat().st_mode & 0o777 == 0o600
        assert address.replace("&", "&amp;") in page.read_text()
    assert not page.exists()


@pytest.mark.parametrize("words", [("ui", "--help"), ("transfers",), ("cache", "list"), ("copy", "--help")])
def test_commands_that_show_no_page_do_not_import_what_pages_need(desk, words):
    program = (
        "import sys\n"
        f"sys.argv = ['hubferry', *{list(words)!r}]\n"
        "from hubferry.__main__ import main\n"
        "code = main()\n"
        f"print(code, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = desk.run(sys.executable, "-c", program)
    assert done.err.splitlines()[-1] == "0 []", done.said


def test_the_pages_speak_the_language_of_the_reader(desk):
    with running(desk, "--port", "0") as (_process, address):
        assert "缓存" in opened(address, "zh-CN")[1]
        assert "Cache" in opened(address, "en")[1]

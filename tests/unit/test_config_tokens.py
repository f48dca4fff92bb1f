"""Where a hub's token comes from: got when it is needed, given to its own hub, shown nowhere."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from hubferry import config
from hubferry.cli import effective, secrets
from hubferry.config import tokens
from hubferry.errors import AccessError, UsageError
from hubferry.hubs.http.client import HubClient
from hubferry.hubs.reaching import reach
from hubferry.model import RepoRef

SECRET = "canary-4711-token"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Write a file with one hub whose token comes from there; return how that hub is reached."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv("HUBFERRY_CONFIG", str(path))
    monkeypatch.setenv("HUBFERRY_LANG", "en")
    monkeypatch.setenv("HF_TOKEN", "hf_of_hugging_face")
    monkeypatch.setattr(tokens, "_obtained", {})

    def write(token, more="", kind="hf", endpoint="https://hub.lan"):
        path.write_text(f'[hubs.lab]\nkind = "{kind}"\nendpoint = "{endpoint}"\ntoken = {token}\n{more}')
        path.chmod(0o600)
        return RepoRef(kind, "org/name", endpoint=endpoint, named="lab")

    return write


def command(code):
    return f"{{ command = {json.dumps([sys.executable, '-c', code])} }}"


def test_a_token_comes_from_a_variable_a_file_or_a_command(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_TOKEN", f" {SECRET}\n")
    assert reach(hub('{ env = "LAB_TOKEN" }')).token == SECRET
    (tmp_path / "token").write_text(f"{SECRET}\n")
    assert reach(hub(f'{{ file = "{tmp_path}/token" }}')).token == SECRET
    assert reach(hub(command(f"print('{SECRET}')"))).token == SECRET
    assert reach(hub(f'{{ command = "echo {SECRET}" }}')).token == SECRET
    assert reach(hub(f'"{SECRET}"')).token == SECRET


def test_a_line_of_a_command_is_split_and_no_shell_reads_it(hub, tmp_path):
    with pytest.raises(AccessError, match="one word is expected"):
        reach(hub(f'{{ command = "echo $HOME; touch {tmp_path}/ran" }}'))
    assert not (tmp_path / "ran").exists()


def test_a_named_hub_never_gets_the_token_of_hugging_face_or_modelscope(hub, monkeypatch):
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms-of-modelscope")
    monkeypatch.delenv("LAB_TOKEN", raising=False)
    assert reach(hub('{ env = "LAB_TOKEN" }')).token is None
    assert reach(hub('{ env = "LAB_TOKEN" }', kind="ms")).token is None


def test_what_the_file_gives_goes_to_the_endpoint_that_it_names_and_to_no_other(hub, monkeypatch):
    ref = hub(f'"{SECRET}"', "insecure = true\n", endpoint="http://hub.lan")
    assert (reach(ref).token, reach(ref).insecure) == (SECRET, True)
    elsewhere = RepoRef("hf", "org/name", endpoint="http://other.lan", named="lab")
    assert (reach(elsewhere).token, reach(elsewhere).insecure) == (None, False)


def test_the_same_holds_for_the_hubs_that_everybody_knows(hub, tmp_path, monkeypatch):
    hub(f'"{SECRET}"', f'[hubs.hf]\ntoken = "{SECRET}-hf"\n')
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "nothing"))
    gpt2 = RepoRef("hf", "gpt2")
    assert reach(gpt2).token == "hf_of_hugging_face"  # the variable comes first
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert reach(gpt2).token == f"{SECRET}-hf"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.lan")
    assert reach(gpt2).token is None
    monkeypatch.delenv("HF_ENDPOINT")
    assert reach(gpt2, endpoint="https://mirror.lan").token is None
    assert reach(gpt2, token="given").token == "given"


def test_a_command_runs_once_and_only_when_its_token_is_needed(hub, tmp_path):
    ran = tmp_path / "ran"
    ref = hub(command(f"open({str(ran)!r}, 'a').write('x'); print('{SECRET}')"))
    effective.hubs()
    config.mistakes()
    reach(ref, token="given")
    assert not ran.exists()
    assert [reach(ref).token for _number in range(3)] == [SECRET] * 3
    assert ran.read_text() == "x"


def test_a_command_that_fails_is_an_error_with_what_it_said_but_not_what_it_printed(hub):
    said = f"import sys; print('{SECRET}'); sys.stderr.write('the store is locked: {SECRET}'); sys.exit(3)"
    with pytest.raises(AccessError, match="ended with 3") as caught:
        reach(hub(command(said)))
    assert caught.value.hint == "the store is locked: ***"
    assert SECRET not in caught.value.message
    with pytest.raises(AccessError, match="printed nothing"):
        reach(hub(command("pass")))
    with pytest.raises(AccessError, match="No such file"):
        reach(hub('{ command = ["/nowhere/at-all"] }'))
    with pytest.raises(AccessError, match="one word is expected"):
        reach(hub(command("print('two words')")))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_a_command_that_does_not_end_is_ended_with_what_it_started(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "SECONDS", 0.5)
    place = tmp_path / "child"
    code = (
        "import subprocess, sys, time; "
        f"p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        f"open({str(place)!r}, 'w').write(str(p.pid)); time.sleep(600)"
    )
    with pytest.raises(AccessError, match="did not end"):
        reach(hub(command(code)))
    if place.exists():
        assert has_ended(int(place.read_text()))


def has_ended(pid):
    """Return whether a process is gone, or nothing but a record of one, within a while."""
    for _number in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_who_wants_the_token_no_longer_ends_the_command(hub, tmp_path):
    begun = tmp_path / "begun"
    ref = hub(command(f"import time; open({str(begun)!r}, 'w'); time.sleep(600)"))
    failed = []

    def ask():
        try:
            reach(ref)
        except AccessError as error:
            failed.append(error.message)

    thread = threading.Thread(target=ask)
    thread.start()
    while not begun.exists():
        time.sleep(0.01)
    tokens.stop()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert len(failed) == 1


def test_what_a_command_prints_without_end_is_not_kept(hub, monkeypatch):
    monkeypatch.setattr(tokens, "SECONDS", 0.5)
    with pytest.raises(AccessError, match="did not end"):
        reach(hub('{ command = "yes" }'))


def test_a_token_that_was_got_is_hidden_wherever_something_is_printed(hub):
    reach(hub(command(f"print('{SECRET}')")))
    assert SECRET not in secrets.redact(f"something says {SECRET} here")
    assert SECRET not in repr(reach(hub(f'"{SECRET}"')))
    assert SECRET not in repr(config.current())


def client(endpoint, **words):
    return HubClient(endpoint, "a-token", side="source", login=lambda _token: {}, **words)


def test_plain_http_is_for_this_machine_and_for_hosts_that_are_named(monkeypatch):
    monkeypatch.setenv("HUBFERRY_LANG", "en")
    monkeypatch.delenv("HUBFERRY_INSECURE", raising=False)
    client("http://127.0.0.1:1")
    client("https://hub.lan")
    with pytest.raises(UsageError, match=r"unencrypted to hub\.lan:8787") as caught:
        client("http://hub.lan:8787")
    assert "HUBFERRY_INSECURE=hub.lan:8787" in caught.value.hint
    monkeypatch.setenv("HUBFERRY_INSECURE", "other.lan, Hub.LAN:8787 ,[fd00::1]:80")
    client("http://hub.lan:8787")
    client("http://[fd00::1]")
    for endpoint in ("http://hub.lan", "http://sub.other.lan", "http://hub.lan.evil.example:8787"):
        with pytest.raises(UsageError, match="unencrypted"):
            client(endpoint)
    client("http://other.lan:5000")


@pytest.mark.parametrize("words", ["*", "http://hub.lan", "hub.lan/path", "a b", "hub.lan:port"])
def test_a_word_of_the_variable_that_is_no_host_is_an_error(monkeypatch, words):
    monkeypatch.setenv("HUBFERRY_INSECURE", words)
    with pytest.raises(UsageError, match="HUBFERRY_INSECURE"):
        client("http://hub.lan")


def test_effective_settings_say_where_they_come_from(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    hub('{ env = "LAB_TOKEN" }', "concurrency = 3\n[hubs.zoo]\nkind='ms'\nendpoint='http://zoo.lan'\n"
        "token={ command = ['pass', 'my-secret-entry'] }\ninsecure = true\n")  # fmt: skip
    _hf, _ms, lab, zoo = effective.hubs()
    assert (lab.token.state, lab.token.name, lab.concurrency.value) == ("set", "LAB_TOKEN", 3)
    assert (zoo.token.state, zoo.token.name, zoo.insecure.value) == ("command", "pass", True)
    assert "my-secret-entry" not in repr((lab, zoo))
    assert os.environ["HUBFERRY_CONFIG"] in lab.endpoint.name

"""`hubferry serve --upstream` as a process, and what its options refuse."""

from __future__ import annotations

import sys

import pytest
from mirroring import ask
from servers import hub_process, sdk_environment

import forked

CONTENT = bytes(range(256)) * 8000


def test_the_command_mirrors_both_dialects_and_sums_up_at_the_end(upstream, tmp_path):
    upstream.store.add("org/model", {"config.json": b"{}", "model.safetensors": CONTENT})
    errors = tmp_path / "stderr"
    options = ("--upstream", f"hf={upstream.url}", "--upstream", f"ms={upstream.url}", "--quota", "1G")
    with (
        errors.open("wb") as stderr,
        hub_process(
            tmp_path / "own", *options, environment=sdk_environment(tmp_path / "home"), stderr=stderr
        ) as served,
    ):
        for _number in range(2):
            assert ask(f"{served.url}/org/model/resolve/main/model.safetensors").body == CONTENT
        assert ask(f"{served.url}/api/v1/models/org/model/repo?FilePath=config.json").body == b"{}"
    text = errors.read_text()
    assert "from upstream" in text
    assert "Traceback" not in text


def refused(*options, tmp_path) -> str:
    line = [sys.executable, "-m", "hubferry", "serve", str(tmp_path / "own"), "--port", "0", *options]
    environment = sdk_environment(tmp_path / "home") | {"HUBFERRY_LANG": "en"}
    done = forked.run(line, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--upstream", "gitlab"), "is no upstream"),
        (("--quota", "5G"), "--quota is for mirrors"),
        (("--open",), "--open is for mirrors"),
        (("--upstream", "hf", "--quota", "much"), "is not a size"),
        (("--upstream", "hf", "--open", "--host", "0.0.0.0", "--writable"), "who may write needs a token"),
        (("--cache", "--open", "--host", "0.0.0.0"), "nobody knows who may read"),
        (("--upstream", "hf", "--host", "0.0.0.0"), "needs a token"),
        (
            ("--upstream", "hf=https://models.lan", "--public-url", "https://models.lan", "--open"),
            "hub itself",
        ),
        (("--upstream", "hf=ms", "--names", "/nonexistent"), "cannot be read"),
    ],
)
def test_what_would_be_open_to_the_wrong_people_is_refused(options, words, tmp_path):
    assert words in refused(*options, tmp_path=tmp_path)


def test_a_closed_mirror_asks_with_the_token_that_its_account_left(upstream, tmp_path):
    upstream.store.add("org/secret", {"config.json": b"{}"})
    upstream.store.find("org/secret").change(private=True)
    environment = sdk_environment(tmp_path / "home") | {"HUBFERRY_LANG": "en"}
    own = str(tmp_path / "own")

    def user(*words: str, given: str = "") -> str:
        line = [sys.executable, "-m", "hubferry", "serve", "user", *words, "--store", own]
        done = forked.run(
            line, env=environment, input=given, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    alice, bob = user("add", "alice"), user("add", "bob")
    user("token", "alice", "hf", given=upstream.token + "\n")
    options = ("--upstream", f"hf={upstream.url}", "--host", "0.0.0.0", "--public-url", "http://127.0.0.1")
    with hub_process(tmp_path / "own", *options, environment=environment, token=None) as served:
        address = f"http://127.0.0.1:{served.port}/org/secret/resolve/main/config.json"
        assert ask(address, alice).body == b"{}"
        assert ask(address, bob).status == 404
        assert ask(address).status == 401
        assert ask(address, upstream.token).status == 401

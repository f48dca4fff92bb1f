"""`hubferry sync run --runner ray`: what a person sees, what a signal ends, what is told to nobody."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed here: make test-ray")

import ray
from clusters import blobs, commits_of
from counting import counted
from mirrored import by_source, entry
from workers import eventually, processes

from hubferry.config import HubSettings, TokenSource
from hubferry.sync.on_ray import runner

MIB = 1 << 20


@pytest.fixture
def large(world):
    """A repository that takes some seconds, and a file that mirrors it."""
    world.publish("org/large", blobs(9, 2 * MIB))
    (world.home / "mirrors.yaml").write_text(
        "version: 1\nsync:\n  - {source: hf:org/large, target: ms:me/large}\n"
    )
    return world


def begun(world, *words):
    """Start the command on the world's cluster."""
    line = [sys.executable, "-m", "hubferry", "sync", "run", "mirrors.yaml", "--runner", "ray"]
    line += ["--ray-address", world.cluster.address, "--split", "4M", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        line,
        cwd=world.home,
        env=environment | world.environment | {"HUBFERRY_CONFIG": "none", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def in_the_middle(world):
    eventually(lambda: world.source.requests._answered and processes("hubferry send_share"))
    eventually(lambda: any(record.route == "storage:put" for record in world.target.requests._answered))


def test_the_command_says_what_it_does_and_ray_says_nothing(large):
    process = begun(large, "--json")
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    [repository] = json.loads(out)["repositories"]
    assert (repository["status"], len(repository["commits"])) == ("copied", 1)
    assert repository["sent"] == sum(len(one) for path, one in blobs(9, 2 * MIB).items() if "weights" in path)
    for noise in ("ray", "Ray", "gcs", "core_worker", "pid="):
        assert noise not in err, err


def test_a_driver_that_is_killed_and_begun_again_converges_with_one_commit(large):
    process = begun(large, "--bwlimit", "2M")
    in_the_middle(large)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = begun(large)
    _out, err = again.communicate(timeout=90)
    assert again.returncode == 0, err
    assert large.held("me/large") == large.original("org/large")
    assert commits_of(large.target, "me/large") == 1
    assert eventually(lambda: not processes("hubferry"))


def test_a_driver_that_is_told_to_end_leaves_nothing_running(large):
    process = begun(large, "--bwlimit", "1M")
    in_the_middle(large)
    process.send_signal(signal.SIGTERM)
    begun_to_end = time.monotonic()
    _out, err = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM, 130), err
    assert not processes("hubferry"), "a task still runs"
    assert time.monotonic() - begun_to_end < 40
    large.target.requests.clear()
    assert commits_of(large.target, "me/large") == 0
    assert large.target.requests.routes() == []


def test_no_token_is_told_to_ray(world, monkeypatch):
    """Neither the nodes' tokens, nor the driver's, nor one that a mirror file has in clear."""
    clear = "hf_canary_in_clear"
    lab = HubSettings(
        "lab", "hf", world.source.url, TokenSource("clear", (clear,)), said=frozenset({"endpoint", "token"})
    )
    world.publish("org/a", blobs(4))
    world.publish("org/hidden", blobs(1))
    world.source.store.find("org/hidden").change(private=True)
    entries = [
        entry("hf:org/a", "ms:me/a"),
        entry("lab:org/hidden", "ms:me/b"),
        entry("hf:org/no", "ms:me/c"),
    ]
    config_hubs = {"lab": lab}
    given, ask = [], runner._Run._ask

    async def noted(self, function, where, task, *words):
        given.append(ray.cloudpickle.dumps((function, self._order, task, words)))
        return await ask(self, function, where, task, *words)

    monkeypatch.setattr(runner._Run, "_ask", noted)
    world.run(*entries, split=2 * MIB, hubs=config_hubs)
    assert given
    secrets = {clear, world.source.token, world.target.token}
    assert not [one for one in secrets for words in given if one.encode() in words], "in a task's arguments"
    session = Path(ray._private.worker.global_worker.node.get_session_dir_path())
    read = 0
    for path in session.rglob("*"):
        if path.is_file() and not path.is_symlink():
            read += 1
            text = path.read_bytes()
            assert not [one for one in secrets if one.encode() in text], path
    assert read > 10
    client = ray._private.worker.global_worker.gcs_client
    for key in client.internal_kv_keys(b"", None):
        value = client.internal_kv_get(key, None) or b""
        assert not [one for one in secrets if one.encode() in key + value], key
    state = ray._private.state.state
    told = repr((ray.timeline(), state.actor_table(None), state.job_table(), ray.nodes()))
    assert "send_share" in told, "the timeline is what it was thought to be"
    assert not [one for one in secrets if one in told]
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [one for one in secrets for line in lines if b"ray" in line and one.encode() in line]


def test_nobody_at_an_address_is_said_soon():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for address in ("127.0.0.1:9", f"127.0.0.1:{silent.getsockname()[1]}"):
            line = [sys.executable, "-c", _JOIN, address]
            done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
            assert done.stdout.startswith("NetworkError: No Ray cluster answers at 127.0.0.1"), done.stderr


_JOIN = """
import os, sys
from hubferry.errors import HubferryError
from hubferry.sync.on_ray.cluster import joined
try:
    with joined(sys.argv[1]):
        pass
except HubferryError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
    os._exit(0)
"""


def test_a_node_with_another_version_says_so(world, monkeypatch):
    world.publish("org/a")
    monkeypatch.setattr("hubferry.sync.on_ray.runner.__version__", "0.0.1")
    [outcome] = world.run(entry("hf:org/a", "ms:me/a")).outcomes
    assert "0.0.1" in outcome.error.message
    assert outcome.status == "failed"


def test_errors_of_a_node_arrive_with_what_to_do(world):
    [outcome] = world.run(entry("hf:org/no", "ms:me/no")).outcomes
    assert type(outcome.error).__name__ == "NotFoundError"
    assert outcome.error.side == "source"
    assert outcome.error.hint


def test_all_workers_together_hold_no_more_connections_than_the_hub_may_have(world, tmp_path):
    for name in "abc":
        world.publish(f"org/{name}", blobs(6))
    token = tmp_path / "token"
    token.write_text(world.target.token)
    token.chmod(0o600)
    source = TokenSource("file", (str(token),))
    said = frozenset({"endpoint", "token", "concurrency"})
    with counted(world.source.url) as there, counted(world.target.url) as here:
        hubs = {
            name: HubSettings(name, name, relay.url, source, concurrency=4, said=said)
            for name, relay in (("hf", there), ("ms", here))
        }
        world.cluster.config.write_text("")
        summary = world.run(*(entry(f"hf:org/{name}", f"ms:me/{name}") for name in "abc"), hubs=hubs)
    assert set(by_source(summary).values()) == {"copied"}
    assert there.most <= 4
    assert here.most <= 4

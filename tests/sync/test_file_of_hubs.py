"""A mirror file with hubs of its own: they are asked, with their tokens, for as long as the file is run."""

from __future__ import annotations

import asyncio

import pytest
from mirrored import EVERYTHING, by_source

from hubferry.errors import UsageError
from hubferry.sync import run as running
from hubferry.sync.reading import read
from hubferry.typed import repository

FILE = """\
version: 1
hubs:
  here: {{kind: hf, endpoint: "{source}", token: {{env: HERE_TOKEN}}}}
  there: {{kind: ms, endpoint: "{target}", token: {{command: [printenv, THERE_TOKEN]}}}}
x-small: &small {{include: ["*.json", "*.md"]}}
sync:
  - {{source: here:org/a, target: there:mine/a, <<: *small}}
  - {{source: "here:org/*", repos: {{allow: b.*}}, target: "there:mine/{{owner}}-{{name}}"}}
  - {{source: here:org/a, target: ./mirror/a, name: beside}}
"""


@pytest.fixture
def file(world, monkeypatch):
    """A file between two hubs that only it knows; nothing else names them, or has their tokens."""
    environment = world.environment
    monkeypatch.setenv("HERE_TOKEN", environment["HF_TOKEN"])
    monkeypatch.setenv("THERE_TOKEN", environment["MODELSCOPE_API_TOKEN"])
    for name in (
        "HF_TOKEN",
        "HF_ENDPOINT",
        "MODELSCOPE_API_TOKEN",
        "MODELSCOPE_ENDPOINT",
        "MODELSCOPE_DOMAIN",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("a", "b1", "b2", "c"):
        world.publish(f"org/{name}")
    path = world.home / "hubferry-sync.yaml"
    path.write_text(FILE.format(source=world.source.url, target=world.target.url))
    path.chmod(0o600)
    return path


def test_hubs_of_the_file_are_copied_between_and_are_gone_afterwards(world, file):
    said = read(file)
    assert {
        change.plan is not None for change in asyncio.run(running.check(said, said.entries, EVERYTHING))
    } == {True}
    summary = asyncio.run(running.run(said, said.entries, EVERYTHING))
    assert by_source(summary) == dict.fromkeys(("here:org/a", "here:org/b1", "here:org/b2"), "copied")
    assert len(summary.outcomes) == 4
    for name in ("b1", "b2"):
        assert world.held(f"mine/org-{name}") == world.original(f"org/{name}")
    whole = world.original("org/a")
    part = {path: digest for path, digest in whole.items() if path.endswith((".json", ".md"))}
    held = world.held("mine/a")
    assert {path: held[path] for path in part} == part
    assert "model.safetensors" not in held
    assert {path.name for path in (world.home / "mirror" / "a").iterdir()} >= set(whole) - {".gitattributes"}
    with pytest.raises(UsageError, match="No hub is called"):
        repository("here:org/a", None)
    again = asyncio.run(running.run(said, said.entries, EVERYTHING))
    assert {one.status for one in again.outcomes} == {"same"}

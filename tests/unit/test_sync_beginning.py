"""What a mirror file begins with: an example that is right, and a schema that says what the reader does."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

import forked
from hubferry.config.hub_tables import HUB_KEYS, TOKEN_KEYS
from hubferry.entries import ALLOWABLE
from hubferry.errors import UsageError
from hubferry.i18n import set_language
from hubferry.sync import beginning, entry_tables, reading, schedules
from hubferry.sync.reading import read

SCHEMA = json.loads(beginning.schema())
VALID = Draft202012Validator(SCHEMA)
ENTRY = SCHEMA["$defs"]["entry"]["properties"]
HEAD = "version: 1\n"
SYNC = "sync: [{source: hf:a/b, target: ms:c/d}]\n"


class Texts(yaml.SafeLoader):
    """Read as editors do, by YAML 1.2: a date is a text."""


Texts.yaml_implicit_resolvers = {
    first: [(tag, match) for tag, match in found if not tag.endswith(":timestamp")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def seen(text):
    """Return whether the schema takes a text, as an editor has it checked."""
    return VALID.is_valid(yaml.load(text, Loader=Texts))


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    monkeypatch.setenv("HUBFERRY_CONFIG", "none")
    monkeypatch.setenv("HUBFERRY_LANG", "en")
    monkeypatch.chdir(tmp_path)


def hubferry(*words, **environment):
    return forked.run(
        [sys.executable, "-m", "hubferry", "sync", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("known", "properties"),
    [
        (reading.TOP_KEYS, SCHEMA["properties"]),
        (entry_tables.ENTRY_KEYS, ENTRY),
        (entry_tables.DEFAULT_KEYS, SCHEMA["properties"]["defaults"]["properties"]),
        (entry_tables.REPOS_KEYS, ENTRY["repos"]["properties"]),
        (entry_tables.NAMES_KEYS, SCHEMA["$defs"]["rules"]["properties"]),
        (entry_tables.DELETE_KEYS, ENTRY["delete"]["oneOf"][1]["properties"]),
        (schedules.KEYS, ENTRY["schedule"]["oneOf"][2]["properties"]),
        (HUB_KEYS, SCHEMA["$defs"]["hub"]["properties"]),
        (TOKEN_KEYS, SCHEMA["$defs"]["hub"]["properties"]["token"]["properties"]),
        (ALLOWABLE, SCHEMA["$defs"]["kind"]["enum"]),
        (entry_tables.VISIBLE, ENTRY["visibility"]["enum"]),
        (entry_tables.CARDS, ENTRY["card"]["enum"]),
    ],
)  # fmt: skip
def test_schema_and_reader_know_the_same_words(known, properties):
    assert set(known) == set(properties)


def test_every_key_is_in_the_reference_and_described_in_the_schema():
    page = (Path(__file__).parents[2] / "docs" / "sync-file.md").read_text(encoding="utf-8")
    for table in (
        SCHEMA["properties"],
        ENTRY,
        ENTRY["repos"]["properties"],
        SCHEMA["$defs"]["hub"]["properties"],
    ):
        for key, said in table.items():
            assert f"`{key}`" in page, key
            assert said.get("description"), key


def test_the_examples_of_the_reference_are_right(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "sync-file.md").read_text(encoding="utf-8")
    whole = [part.partition("```")[0] for part in page.split("```yaml\n")[1:]]
    files = [text for text in whole if text.startswith("version: 1")]
    assert files
    for text in files:
        (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
        assert read(tmp_path / "one.yaml").entries
        assert seen(text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_example_is_read_as_it_stands_and_the_schema_takes_it(language, tmp_path):
    set_language(language)
    try:
        text = beginning.example()
    finally:
        set_language(None)
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    names = [entry.name for entry in read(tmp_path / "one.yaml").entries]
    assert names == ["qwen-small", "hf:Qwen/*", "hf:datasets/my-org/data", "ms:my-org/adapter"]
    assert seen(text)
    assert ("镜像" in text) == (language == "zh")


@pytest.mark.parametrize("text", [
    "hubz: {}", "jobs: 0", "jobs: '4'", "jobs: 1.5", "split: big", "receipts: []", "hubs: []",
    "hubs: {Big: {}}",
    "hubs: {file: {}}", "hubs: {ms: {concurrency: 0}}", "hubs: {ms: {token: x}}", "hubs: {ms: {token: {}}}",
    "hubs: {ms: {token: {env: a b}}}", "hubs: {ms: {token: {env: A, file: b}}}", "hubs: {ms: {insecure: 1}}",
    "hubs: {ms: {endpoint: here}}", "defaults: {name: x}", "defaults: {repos: {}}",
    "defaults: {delete: true}",
    "defaults: {delete: {max: 101%}}", "defaults: {delete: {}}", "defaults: {card: fixed}",
    "defaults: {allow: all}",
    "defaults: {visibility: open}", "defaults: {cache: maybe}", "defaults: {include: {}}",
    "defaults: {include: [1]}",
    "defaults: {tags: []}", "defaults: {tags: {alow: []}}", "defaults: {tags: {allow: []}}",
    "defaults: {message: ''}",
    "defaults: {schedule: daily}", "defaults: {schedule: {}}", "defaults: {schedule: {every: often}}",
    "sync: []",
    "version: 2", "sync: {}", "sync: [3]", "sync: [{source: hf:a/b}]", "sync: [{target: hf:a/b}]",
    "sync: [{source: 'hf:a/*', target: 'ms:c/{name}', repos: {limit: 0}}]",
    "sync: [{source: 'hf:a/*', target: 'ms:c/{name}', repos: {newer_than: lately}}]",
    "sync: [{source: hf:a/b, target: ms:c/d, name: -x}]",
])  # fmt: skip
def test_what_the_schema_can_see_to_be_wrong_schema_and_reader_refuse(text, tmp_path):
    whole = (HEAD if "version" not in text else "") + text + "\n" + (SYNC if "sync:" not in text else "")
    (tmp_path / "one.yaml").write_text(whole)
    assert not seen(whole)
    with pytest.raises(UsageError):
        read(tmp_path / "one.yaml")


@pytest.mark.parametrize("text", [
    "jobs: 256", "split: 50G", "split: 1.5 TiB", "split: 1000", "receipts: ../r", "x-a: [1, {b: c}]",
    "hubs: {ms: {}}", "hubs: {lab: {kind: hf, endpoint: 'HTTPS://x', token: {command: [a, b]}}}",
    "hubs: {hf: {token: {command: pass show x}}}", "defaults: {}", "defaults: {schedule: never, tags: true}",
    "defaults: {tags: false, branches: 'v.*'}", "defaults: {tags: {deny: []}}",
    "defaults: {delete: {max: 20}}",
    "defaults: {delete: {max: 100%}, allow: empty, include: [], exclude: '*.bin'}",
    "defaults: {schedule: {every: 6h, at_start: true}}", "defaults: {schedule: '*/5 * * * MON-FRI'}",
    "sync: [{source: 'hf:a/*', target: 'ms:c/{name}', repos: {newer_than: 2024-05-01, tags: x}}]",
])  # fmt: skip
def test_what_is_right_schema_and_reader_take(text, tmp_path):
    whole = HEAD + text + "\n" + (SYNC if "sync:" not in text else "")
    (tmp_path / "one.yaml").write_text(whole)
    (tmp_path / "one.yaml").chmod(0o600)
    assert seen(whole)
    assert read(tmp_path / "one.yaml").entries


def test_init_writes_the_example_and_never_over_what_is_there(tmp_path):
    done = hubferry("init")
    assert (done.returncode, done.stdout) == (0, "")
    written = tmp_path / "hubferry-sync.yaml"
    assert written.read_text(encoding="utf-8") == beginning.example()
    assert [one.name for one in tmp_path.iterdir()] == ["hubferry-sync.yaml"]
    written.write_text("mine")
    again = hubferry("init")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert written.read_text() == "mine"


def test_init_writes_the_schema_beside_the_file_where_it_is_asked_for(tmp_path):
    assert hubferry("init", "mirrors.yaml", "--schema").returncode == 0
    first = (tmp_path / "mirrors.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=hubferry-sync.schema.json"
    assert json.loads((tmp_path / "hubferry-sync.schema.json").read_text(encoding="utf-8")) == SCHEMA
    assert read(tmp_path / "mirrors.yaml").entries
    assert hubferry("init", "others.yaml", "--schema").returncode == 0
    (tmp_path / "hubferry-sync.schema.json").write_text("mine")
    assert hubferry("init", "third.yaml", "--schema").returncode == 2
    assert not (tmp_path / "third.yaml").exists()


def test_init_and_schema_print_to_a_pipe(tmp_path):
    assert hubferry("init", "-", PYTHONUTF8="1").stdout == beginning.example()
    assert json.loads(hubferry("schema").stdout) == SCHEMA
    assert hubferry("init", "-", "--schema").returncode == 2
    assert not list(tmp_path.iterdir())


def test_init_says_why_it_cannot_write(tmp_path):
    done = hubferry("init", str(tmp_path / "absent" / "x.yaml"))
    assert (done.returncode, "cannot be written" in done.stderr) == (7, True)

"""A mirror file is read strictly: every mistake with its line and column, and no value of it quoted."""

# ruff: noqa: E501 - a mistake a line reads as a table

from __future__ import annotations

import os
import re
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubferry import config
from hubferry.errors import UsageError
from hubferry.hubs import credentials
from hubferry.names.rules import Names
from hubferry.sync import composing, nodes, values
from hubferry.sync.mistakes import Mistakes
from hubferry.sync.reading import read
from hubferry.sync.spec import Deletion, Position, Schedule, Selection, SyncFile
from hubferry.typed import repository

GOOD = """\
version: 1
hubs:
  ms: {commits_per_hour: 60, concurrency: 4}
  lab: {kind: hf, endpoint: "http://10.0.0.5:8787/", token: {env: LAB_TOKEN}, insecure: true}
defaults:
  schedule: "0 3 * * *"
  delete: {max: 10%}
x-weights: &weights {include: ["*.safetensors", README.md]}
jobs: 8
split: 50G
receipts: receipts
sync:
  - {name: flux, source: hf:org/FLUX.1-dev, target: ms:my-org/FLUX.1-dev, tags: true, card: fix-license}
  - <<: *weights
    source: hf:Qwen/*
    repos: {allow: ["Qwen3-.*"], deny: [".*-GGUF"], newer_than: 2024-05-01, larger_than: 1K, limit: 3}
    target: ms:mirror/{owner}-{name}
  - {source: hf:datasets/org/data, target: ms:org/data, branches: {deny: ["pr.*"]}, delete: never}
  - {source: ./models/mine, target: "lab:me/{x}", schedule: {every: 6h, at_start: true}}
  - {source: "hf:o/n@v1", target: "~/mirror/{owner}/{name}", schedule: never, allow: [empty], include: "*.json"}
""".replace("{x}", "mine")
ONE = "version: 1\nsync:\n  - {source: hf:a/b, target: ms:c/d%s}\n"


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("HUBFERRY_CONFIG", "none")
    monkeypatch.setenv("HUBFERRY_LANG", "en")
    for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path):
    """Write a mirror file."""
    path = tmp_path / "mirrors.yaml"

    def write(text, mode=0o600):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return write


def wrong(path):
    """Return what is wrong with a file: line, column, words and hint of each."""
    with pytest.raises(UsageError) as caught:
        read(path)
    found = []
    for error in (caught.value, *caught.value.others):
        match = re.fullmatch(rf"{re.escape(str(path))}:(\d+):(\d+): (.*)", error.message, re.DOTALL)
        assert match, error.message
        assert error.path == f"{path}:{match[1]}:{match[2]}"
        found.append((int(match[1]), int(match[2]), match[3], error.hint))
    return found


def test_a_file_has_what_its_tables_say(file, tmp_path):
    path = file(GOOD)
    said = read(path)
    assert (said.path, said.jobs, said.split, said.receipts) == (path, 8, 50 << 30, tmp_path / "receipts")
    flux, qwen, data, mine, other = said.entries
    assert (flux.name, flux.source, flux.target) == ("flux", "hf:org/FLUX.1-dev", "ms:my-org/FLUX.1-dev")
    assert (flux.tags, flux.card, flux.position) == (Names(), "fix-license", Position(13, 5))
    assert (flux.schedule, flux.delete) == (Schedule("0 3 * * *"), Deletion(wanted=True, most="10%"))
    assert qwen.repos == Selection(
        ("Qwen3-.*",), (".*-GGUF",), newer_than=1714521600.0, larger_than=1024, limit=3
    )
    assert (qwen.target, qwen.include) == ("ms:mirror/{owner}-{name}", ("*.safetensors", "README.md"))
    assert (data.target, data.branches, data.delete) == (
        "ms:datasets/org/data",
        Names(deny=("pr.*",)),
        Deletion(),
    )
    assert (mine.source, mine.target) == (str(tmp_path / "models/mine"), "lab:me/mine")
    assert mine.schedule == Schedule(every=6 * 3600.0, at_start=True)
    assert (other.target, other.schedule) == (str(tmp_path / "home/mirror/o/n"), None)
    assert (other.source, other.allow, other.include) == ("hf:o/n@v1", {"empty"}, ("*.json",))


def entry(words):
    return ONE % words


def top(words):
    return ONE.replace("sync:", words + "\nsync:") % ""


def line(words):
    return f"version: 1\nsync:\n- {words}\n"


# ¦ marks where the mistake is
MISTAKES = {
    "another key": (top("¦hubz: {}"), "a mirror file has no key “hubz”", "hubs"),
    "a key of an entry": (entry(", ¦tag: true"), "sync has no key “tag”", "tags"),
    "a key of repos": (line("{source: 'hf:a/*', target: 'ms:c/{name}', repos: {¦newer: 3d}}"), "repos has no key “newer”", "newer_than"),
    "a key of tags": (entry(", tags: {¦alow: [a]}"), "tags has no key “alow”", "allow"),
    "a key of delete": (entry(", delete: {¦maxx: 3}"), "delete has no key “maxx”", "max"),
    "a key of schedule": (entry(", schedule: {¦evry: 3h}"), "schedule has no key “evry”", "every"),
    "a key of defaults": (top("defaults: {¦name: x}"), "defaults has no key “name”", ""),
    "a key of a hub": (top("hubs: {ms: {¦conc: 1}}"), "hubs.ms has no key “conc”", "concurrency"),
    "a key of a token": (top("hubs: {ms: {token: {¦evn: X}}}"), "hubs.ms.token has no key “evn”", "env"),
    "no truth but true": (entry(", cache: ¦no"), "cache is true or false", None),
    "nor on": (entry(", keep_going: ¦on"), "keep_going is true or false", None),
    "an exponent": (top("split: ¦3e5"), "split is a size", None),
    "underscores": (top("jobs: ¦1_0"), "jobs is a whole number from 1 to 256", None),
    "octal": (top("jobs: ¦010"), "jobs is a whole number from 1 to 256", None),
    "base sixty": (top("jobs: ¦1:30"), "jobs is a whole number from 1 to 256", None),
    "a number in quotes": (top("jobs: ¦'4'"), "jobs is a whole number from 1 to 256", None),
    "a date for a text": (entry(", license: ¦2024-05-01"), "license is a text, and without quotes", "quotes"),
    "a truth for a text": (entry(", name: ¦no"), "name is a text, and without quotes", "quotes"),
    "nothing for a text": (entry(", message: ¦~"), "message is empty", None),
    "a number in a list": (entry(", include: [a, ¦1.0]"), "include is a text, and without quotes", "quotes"),
    "a table for a list": (entry(", include: ¦{a: b}"), "include is a list of texts", "include:"),
    "a list for a text": (entry(", license: ¦[mit]"), "license is a text", None),
    "two lines for one": (entry(', license: ¦"a\\nb"'), "license is one line", None),
    "a key twice": (entry(", ¦target: ms:x/y"), "the key “target” stands here a second time; line 3", None),
    "a tab": ("version: 1\nsync:\n¦\t- a\n", "a tab stands where YAML wants spaces", None),
    "a merge of no table": (entry(", <<: ¦3"), "<< merges a table", None),
    "a merged mistake": ("version: 1\nx-a: &a {include: ¦7}\nsync:\n- {<<: *a, source: hf:a/b, target: ms:c/d}\n- {<<: *a, source: hf:a/c, target: ms:c/e}\n", "include is a text", "quotes"),
    "an unknown anchor": (entry(", <<: ¦*a"), "no anchor &a stands before this", None),
    "an alias in itself": ("version: 1\nx-a: &a [¦*a]\n", "*a stands inside of what it names", None),
    "a second document": ("version: 1\nsync:\n  - {source: hf:a/b, target: ms:c/d}\n¦---\nversion: 1\n", "a second document begins here", None),
    "a tag": (entry(", license: ¦!!str x"), "tags (!…) are not read", None),
    "a key that is no word": (top("¦[a]: b"), "a key is a word", None),
    "no yaml": ("version: 1\nsync: [\n¦", "this is no YAML: ", None),
    "a control character": ("version: 1\nx-a: é¦\x07\n", "a character that YAML has no place for: U+0007", None),
    "nothing": ("¦# nothing\n", "the file says nothing", "hubferry sync init"),
    "no table": ("¦- version: 1\n", "a mirror file is a table", "hubferry sync init"),
    "no version": ("¦sync: []\n", "the file does not say its version", "version: 1"),
    "a version in quotes": ("version: ¦'1'\n", "version is 1, a number without quotes", None),
    "a later version": ("version: ¦2\nwhatever: 3\n", "version 2 is read by a later hubferry", None),
    "no sync": ("¦version: 1\n", "sync is a list", None),
    "an empty sync": ("version: 1\nsync: ¦[]\n", "sync is a list", None),
    "an entry that is none": ("version: 1\nsync: [¦3]\n", "a line of sync is a table", None),
    "no source": (line("¦{target: ms:a/b}"), "this line of sync does not say its source", None),
    "one name twice": ("version: 1\nsync:\n  - {source: hf:a/b, target: ms:c/d}\n  - ¦{source: hf:a/b, target: ms:c/e}\n", "line 3 has an entry of this name", "name: …"),
    "one target twice": ("version: 1\nsync:\n  - {source: hf:a/b, target: ms:c/d}\n  - {source: hf:a/x, target: ¦ms:C/D}\n", "line 3 has this target already", None),
    "one pattern twice": ("version: 1\nsync:\n- {source: 'hf:a/*', target: 'ms:c/{name}'}\n- {name: x, source: 'hf:a/*', target: ¦'ms:c/{name}'}\n", "line 3 has this target already", None),
    "a folder in a target": ("version: 1\nsync:\n- {source: hf:a/b, target: ./m}\n- {source: hf:a/c, target: ¦./m/c}\n", "this folder is inside the target of line 3", None),
    "a folder in its source": (line("{source: ./m, target: ¦./m/c}"), "this folder is inside its source", None),
    "the source itself": (line("{source: hf:a/b@v1, target: ¦hf:A/b}"), "source and target are the same", None),
    "an owner's own": (line("{source: 'hf:a/*', target: ¦'hf:{owner}/{name}'}"), "source and target are the same", None),
    "a pattern to one": (line("{source: 'hf:a/*', target: ¦'ms:c/{owner}'}"), "target: all of an owner's repositories would go to one", "{name}"),
    "a wrong blank": (line("{source: 'hf:a/*', target: ¦'ms:c/{nam}'}"), "target: nothing fills the blank {nam}", "{name}"),
    "half a blank": (line("{source: 'hf:a/*', target: ¦'ms:c/{name'}"), "target: a brace that stands alone", None),
    "a folder's owner": (line("{source: ./a, target: ¦'ms:c/{name}'}"), "target: a folder has neither", None),
    "a pattern as target": (line("{source: hf:a/b, target: ¦'ms:c/*'}"), "target: a pattern names sources", None),
    "a pattern of owners": (line("{source: ¦'hf:*/b', target: 'ms:c/{name}'}"), "source: a pattern chooses among the names of one owner", None),
    "no hub": (line("{source: ¦a/b, target: ms:c/d}"), "source: “a/b” does not say which hub", "hf:a/b"),
    "another hub": (line("{source: ¦hff:a/b, target: ms:c/d}"), "source: No hub is called “hff”", "hf:a/b"),
    "no name": (line("{source: hf:a/b, target: ¦ms:c}"), "target: “ms:c” lacks the owner", "ms:owner/c"),
    "another kind": (line("{source: hf:a/b, target: ¦ms:datasets/c/d}"), "target: the source is no dataset", None),
    "an unset variable": (line("{source: ¦$NO_SUCH/b, target: ms:c/d}"), "source: a variable that is not set here", "./folder"),
    "no such home": (line("{source: ¦~nobody-here/b, target: ms:c/d}"), "source: ~nobody-here/b: there is no such home", "whole path"),
    "repos of one": (entry(", ¦repos: {limit: 3}"), "repos chooses among an owner's repositories", "hf:owner/*"),
    "tags of a folder": (line("{source: ./b, target: ms:c/d, tags: ¦true}"), "tags: the source is a folder", None),
    "no expression": (entry(', tags: ["v1", "v¦(1"]'), "tags: no regular expression: missing )", None),
    "no end": (entry(', tags: [¦"(a+)+b"]'), "tags: this expression may take for ever", ".*-GGUF"),
    "too long": (entry(', tags: [¦"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]'), "tags: an expression has 200 characters at most", None),
    "an empty list of tags": (entry(", tags: ¦[]"), "tags: an empty list takes nothing", None),
    "no tags by yaml's no": (entry(", tags: ¦no"), "tags is true, false, a list", None),
    "no cron": (entry(", schedule: ¦0 3 * *"), "schedule is no cron expression: five fields", "0 3 * * *"),
    "a wrong hour": (entry(", schedule: {cron: ¦0 25 * * *}"), "cron is no cron expression: the second field, the hour", "0 3 * * *"),
    "a day that never is": (entry(", schedule: ¦0 3 30 2 *"), "schedule is no cron expression: the third field", "0 3 * * *"),
    "too often": (entry(", schedule: {every: ¦5s}"), "every is a minute at least", None),
    "no time": (entry(", schedule: {every: ¦daily}"), "every is a time such as", None),
    "an empty schedule": (entry(", schedule: ¦{}"), "schedule says nothing", None),
    "delete for all": (entry(", delete: ¦true"), "delete is never, or says at most how much", "{max: 100%}"),
    "delete for none": (entry(", delete: ¦false"), "delete is never, or says at most how much", "delete: never"),
    "more than all": (entry(", delete: {max: ¦101%}"), "max is a number of files", None),
    "visibility": (entry(", visibility: ¦privat"), "visibility is one of: source, private, public", "private"),
    "card": (entry(", card: ¦fixlicense"), "card is one of: exact, fix-license", "fix-license"),
    "allow": (entry(", allow: [empty, ¦secret]"), "allow is one of: empty, pointers", "secrets"),
    "a glob from the root": (entry(", include: [¦/a.json]"), "include matches paths as the repository", None),
    "a size of nothing": (top("split: ¦0"), "split is a size", None),
    "nothing between": (line("{source: 'hf:a/*', target: 'ms:c/{name}', repos: {larger_than: 2G, smaller_than: ¦1G}}"), "nothing is larger than", None),
    "no day": (line("{source: 'hf:a/*', target: 'ms:c/{name}', repos: {newer_than: ¦2024-02-30}}"), "newer_than is a date", None),
    "a limit of none": (line("{source: 'hf:a/*', target: 'ms:c/{name}', repos: {limit: ¦0}}"), "limit is a whole number from 1", None),
    "a hub's name": (top("hubs: {¦Big: {}}"), "“Big” cannot be a hub's name", None),
    "a hub without a place": (top("hubs: {¦lab: {kind: hf}}"), "hubs.lab does not say where it is", None),
    "a hub without a kind": (top("hubs: {¦lab: {endpoint: 'http://x'}}"), "hubs.lab does not say what it speaks: kind: hf or kind: ms", None),
    "a hub's number": (top("hubs: {ms: {commits_per_hour: ¦0}}"), "commits_per_hour is a number from 1", None),
    "hubs that are a list": (top("hubs: ¦[ms]"), "hubs is a table", None),
    "a token in clear": (top("hubs: {ms: {token: ¦canary}}"), "a token in clear has no place in a mirror file", "{env:"),
    "an empty token": (top("hubs: {ms: {token: ¦~}}"), "token is one of: {env", None),
}  # fmt: skip


@pytest.mark.parametrize("parser", ["of PyYAML", "of libyaml"])
@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_column_and_the_nearest_right_word(
    file, kind, parser, monkeypatch
):
    loader = yaml.SafeLoader if parser == "of PyYAML" else getattr(yaml, "CSafeLoader", None)
    if loader is None:
        pytest.skip("this PyYAML has no libyaml")
    monkeypatch.setattr(composing, "_LOADER", loader)
    marked, words, hint = MISTAKES[kind]
    before, _mark, after = marked.partition("¦")
    found = wrong(file(before + after))
    assert len(found) == 1, found
    assert found[0][:2] == (before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1), found
    assert found[0][2].startswith(words), found
    assert (hint or "") in (found[0][3] or ""), found


def test_every_mistake_is_named_in_the_order_of_the_file(file):
    text = (
        "version: 1\njobs: 0\nhubs: {ms: {x: 1}}\ndefaults: {card: 1}\nsync: [{source: hf:a/b, target: c}]\n"
    )
    assert [one[:2] for one in wrong(file(text))] == [(2, 7), (3, 13), (4, 18), (5, 33)]
    many = "version: 1\nsync:\n" + "  - 3\n" * 80
    with pytest.raises(UsageError) as caught:
        read(file(many))
    assert len(caught.value.others) == 50
    assert caught.value.others[-1].message.endswith("and 30 more mistakes")


def test_a_file_that_is_not_utf8_is_named_at_its_first_wrong_byte_and_a_mark_at_its_begin_is_none(file):
    assert wrong(file(b"version: 1\nx-a: \xff\n"))[0][:3] == (2, 6, "the file is not in UTF-8")
    assert wrong(file(GOOD.encode("utf-16")))[0][:3] == (1, 1, "the file is not in UTF-8")
    assert read(file(b"\xef\xbb\xbf" + GOOD.encode())).jobs == 8
    assert wrong(file("\ufeffversion: 1\nx-a: [\ufeff]\n"))[0][:2] == (2, 7)
    assert read(file(GOOD.replace("\n", "\r\n"))).jobs == 8


def test_what_is_no_file_or_too_large_or_absent_is_refused(file, tmp_path):
    for path, words in (
        (tmp_path, "it is no file"),
        (tmp_path / "absent.yaml", "there is no"),
        (file("#" * (1 << 20) + "\n"), "it is larger than 1 MiB"),
        (tmp_path / "a\0b", "ValueError"),
    ):
        with pytest.raises(UsageError, match=words):
            read(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="it is no file"):
        read(tmp_path / "pipe")


def test_aliases_are_followed_no_further_than_a_file_can_mean(file, monkeypatch):
    """Count the values that are made: a file of 500 bytes that stands for ten thousand millions makes few."""
    made = []
    honest = composing._Composer._scalar

    def counted(*words):
        made.append(1)
        return honest(*words)

    monkeypatch.setattr(composing._Composer, "_scalar", counted)
    lines = ["x-0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    found = wrong(file("version: 1\n" + "\n".join(lines) + "\nsync: *a9\n"))
    assert "more than 250000 values" in found[0][2]
    assert len(made) < 50
    merged = ", ".join(f"k{n}: 1" for n in range(1000))
    text = f"version: 1\nx-a: &a {{{merged}}}\nx-b: &b {{<<: [{', '.join(['*a'] * 300)}]}}\nsync: []\n"
    assert "more than 250000 values" in wrong(file(text))[0][2]
    deep = "version: 1\nsync: " + "[" * 5000
    assert "too deep" in wrong(file(deep))[0][2]


def test_what_an_entry_says_wins_over_what_is_merged_and_that_over_defaults(file):
    text = """\
        version: 1
        defaults: {include: d, exclude: d, card: fix-license}
        x-a: &a {include: a, exclude: a, license: mit}
        x-b: &b {include: b, message: b}
        sync:
        - {<<: [*a, *b], include: own, source: hf:a/b, target: ms:c/d}
    """
    (one,) = read(file(textwrap.dedent(text))).entries
    assert (one.include, one.exclude, one.license, one.message) == (("own",), ("a",), "mit", "b")
    assert one.card == "fix-license"


def test_a_value_that_may_be_a_token_is_never_quoted(file):
    canary = "hf_canaryCANARYcanaryCANARY"
    for text in (
        f"hubs: {{ms: {{token: {canary}}}}}", f"hubs: {{ms: {{token: [{canary}]}}}}",
        f"hubs: {{ms: {{token: {{env: '{canary} '}}}}}}", f"hubs: {{ms: {{endpoint: 'http://{canary}@x'}}}}",
        f"hubs: {{ms: {{kind: {canary}}}}}", f"hubs: {{ms: {{token: {{command: '\"{canary}'}}}}}}",
        f"jobs: {canary}", f"split: {canary}", f"hubs: {canary}", f"defaults: {{card: {canary}, delete: {canary}}}",
        f"defaults: {{schedule: {canary}, tags: '({canary}', license: !x {canary}}}", f"hubs: {{ms: '{canary}",
    ):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            read(file(top(text)))
        for error in (caught.value, *caught.value.others):
            assert canary not in f"{error} {error.hint} {error.path}", text


def test_folders_are_those_beside_the_file_from_wherever_it_is_read(file, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELS", "/srv/models")
    path = file(GOOD + "  - {source: $MODELS/x, target: ../up}\n  - {source: file:///a/b, target: ./d}\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "link.yaml").symlink_to(path)
    *_others, variable, address = read(Path("../mirrors.yaml")).entries
    assert (variable.source, variable.target) == ("/srv/models/x", str(tmp_path.parent / "up"))
    assert (address.source, address.target) == ("/a/b", str(tmp_path / "d"))
    assert read(Path("link.yaml")).receipts == tmp_path / "elsewhere" / "receipts"


def test_hubs_of_the_file_are_names_in_it_and_where_they_are_laid_over(file):
    said = read(file(GOOD))
    with pytest.raises(UsageError, match="No hub is called"):
        repository("lab:me/mine", None)
    with config.laid_over(said.hubs):
        assert repository("lab:me/mine", None).endpoint == "http://10.0.0.5:8787"
        assert config.current().hubs["ms"].commits_per_hour == 60
        with config.laid_over({}):
            pass
        assert "lab" in config.current().hubs
    assert "lab" not in config.current().hubs


def configured(tmp_path, monkeypatch, text):
    path = tmp_path / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    monkeypatch.setenv("HUBFERRY_CONFIG", str(path))


def test_a_budget_in_the_file_leaves_token_and_endpoint_of_the_configuration_where_they_are(
    file, tmp_path, monkeypatch
):
    configured(
        tmp_path, monkeypatch,
        '[hubs.lab]\nkind = "ms"\nendpoint = "https://lab.lan"\ntoken = "secret"\ninsecure = true\nconcurrency = 2\n',
    )  # fmt: skip
    said = read(file("version: 1\nhubs: {lab: {commits_per_hour: 9, insecure: false}}\n" + ONE[11:] % ""))
    assert "secret" not in repr(said)
    assert said.hubs["lab"].token is None
    with config.laid_over(said.hubs):
        hub = config.current().hubs["lab"]
    assert (hub.kind, hub.endpoint, hub.concurrency) == ("ms", "https://lab.lan", 2)
    assert (hub.commits_per_hour, hub.insecure) == (9, False)
    assert hub.token == config.TokenSource("clear", ("secret",))


def test_a_token_of_the_configuration_never_goes_to_an_endpoint_of_the_file(file, tmp_path, monkeypatch):
    configured(
        tmp_path, monkeypatch,
        '[hubs.lab]\nkind = "hf"\nendpoint = "https://lab.lan"\ntoken = "secret"\ninsecure = true\n'
        '[hubs.hf]\ntoken = "secret"\n',
    )  # fmt: skip
    hubs = "hubs: {lab: {endpoint: http://other.lan}, hf: {endpoint: https://third.lan}}"
    with config.laid_over(read(file(top(hubs))).hubs):
        found = config.current().hubs
        assert credentials.huggingface_token({}, "https://third.lan") is None
    assert (found["lab"].endpoint, found["lab"].token, found["lab"].insecure) == (
        "http://other.lan",
        None,
        False,
    )
    assert found["hf"].token is None


def test_a_mistake_of_the_configuration_is_named_as_its_own(file, tmp_path, monkeypatch):
    configured(tmp_path, monkeypatch, "[hubs.lab]\n")
    with pytest.raises(UsageError, match=r"config\.toml:1"):
        read(file(GOOD))


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_a_file_that_says_where_tokens_go_is_believed_from_hands_that_may_say_so(file, tmp_path):
    for mode in (0o620, 0o602):
        with pytest.raises(UsageError, match="can be written by others") as caught:
            read(file(GOOD, mode))
        assert caught.value.hint == f"chmod go-w {tmp_path / 'mirrors.yaml'}"
        assert read(file(top("hubs: {ms: {concurrency: 2}}"), mode)).hubs["ms"].concurrency == 2
    if os.geteuid() == 0:
        os.chown(file(GOOD), 65534, 65534)
        with pytest.raises(UsageError, match="belongs to another account"):
            read(tmp_path / "mirrors.yaml")


def test_the_file_of_a_token_is_beside_the_mirror_file(file, tmp_path):
    said = read(file(top("hubs: {ms: {token: {file: secrets/ms}}}")))
    assert said.hubs["ms"].token == config.TokenSource("file", (str(tmp_path / "secrets/ms"),))


def test_two_patterns_may_share_a_target_where_they_choose_differently(file):
    text = "version: 1\nsync:\n" + "".join(
        f"- {{name: {name}, source: 'hf:a/*', target: 'ms:c/{{name}}', repos: {{allow: '{name}.*'}}}}\n"
        for name in ("one", "two")
    )
    assert len(read(file(text)).entries) == 2


def test_branches_of_one_repository_are_targets_of_their_own(file):
    text = "version: 1\nsync:\n- {source: hf:a/b@v1, target: ms:c/d@v1}\n- {source: hf:a/b@v2, target: ms:c/d@v2}\n"
    assert [one.target for one in read(file(text)).entries] == ["ms:c/d@v1", "ms:c/d@v2"]


NASTY = st.sampled_from(
    ["~", "no", "1_000", "010", "3e5", "1:30", "2024-05-01", "hf:a/b", "hf:a/*", "ms:c/{name}", "./x", "{owner}",
     "x-a", "version", "sync", "source", "target", "repos", "tags", "delete", "max", "hubs", "ms", "token", "env",
     "*", "&", "<<", "\0", "\x85", "\u2028", "\ud800", "$", "~x", "(a+)+b", "(", "100%", "* * * * *", "99 * * * *", "0 0 L/0 2 *", "9999-12-31", "0001-01-01", "1e400", "9" * 30, "a" * 3000]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=20) | NASTY
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NASTY | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=20,
)
KEYS = [
    "name",
    "source",
    "target",
    "repos",
    "tags",
    "include",
    "delete",
    "visibility",
    "schedule",
    "allow",
    "card",
]
RIGHT = {"source": "hf:a/b", "target": "ms:c/d"}
ENTRIES = st.dictionaries(st.sampled_from(KEYS), NASTY | TREES, max_size=4).map(lambda found: RIGHT | found)


def read_or_refused(path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    with suppress(UsageError):
        assert isinstance(read(path), SyncFile)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(tree=st.fixed_dictionaries({"version": st.just(1)}, optional={
    "sync": st.lists(ENTRIES | TREES, max_size=4), "defaults": ENTRIES | TREES, "hubs": TREES | st.dictionaries(NASTY, TREES),
    "jobs": SCALARS, "split": SCALARS, "receipts": SCALARS, "x-a": TREES,
}))  # fmt: skip
def test_whatever_a_file_holds_it_is_read_or_refused(tree, tmp_path):
    text = yaml.safe_dump(tree, allow_unicode=True)
    read_or_refused(tmp_path / "any.yaml", text.encode("utf-8", "replace"))


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    cut=st.integers(0, len(GOOD)),
    more=st.text(max_size=12) | st.sampled_from(["\t", "[", "{", "&a ", "*a", "*weights", "<<: ", "!x ", "? ", "'", '"', "|", "\n---\n", "%"]),
    skip=st.integers(0, 12),
)  # fmt: skip
def test_whatever_is_spoilt_in_a_right_file_it_is_read_or_refused(cut, more, skip, tmp_path):
    text = GOOD[:cut] + more + GOOD[cut + skip :]
    read_or_refused(tmp_path / "any.yaml", text.encode("utf-8", "replace"))


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=st.binary(max_size=200))
def test_whatever_bytes_a_file_has_it_is_read_or_refused(content, tmp_path):
    read_or_refused(tmp_path / "any.yaml", content)


def test_scalars_are_what_all_readers_of_yaml_agree_on():
    here = Position(1, 1)
    for text in (
        "no",
        "ON",
        "~",
        "",
        "1",
        "1.",
        ".5",
        "1e3",
        "3e5",
        "0x1F",
        "0o17",
        "017",
        "1_0",
        "1:30",
        "2024-05-01",
        ".inf",
        "=",
    ):
        assert nodes.Scalar(text, True, here).is_ambiguous, text
        assert not nodes.Scalar(text, False, here).is_ambiguous, text
    for text in ("v1", "1.2.3", "hf:a/b", "nope", "50G", "10%", "30d", "e5", "_", "-", "y"):
        assert not nodes.Scalar(text, True, here).is_ambiguous, text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400),
        ("12h", 43200),
        ("1.5d", 129600),
        ("2w", 1209600),
        ("30", None),
        ("-3d", None),
        ("0d", None),
    ],
)
def test_times_are_as_the_command_line_has_them(text, seconds):
    reader = values.Values(Mistakes(Path("f")))
    assert reader.age(nodes.Scalar(text, True, Position(1, 1)), "every") == seconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-01", 1714521600.0),
        ("2024-05-01T08:00:00+08:00", 1714521600.0),
        ("2024-05-01T00:00Z", 1714521600.0),
    ],
)
def test_dates_mean_the_same_on_every_machine(text, moment):
    reader = values.Values(Mistakes(Path("f")))
    assert reader.moment_or_age(nodes.Scalar(text, True, Position(1, 1)), "newer_than") == (moment, None)

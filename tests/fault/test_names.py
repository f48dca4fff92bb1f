"""A hub's file names are data that anybody may have written: stored exactly, or refused beforehand."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from worlds import sha256

COMPOSED = unicodedata.normalize("NFC", "café.json")
DECOMPOSED = unicodedata.normalize("NFD", "café.json")
REFUSED = {
    "parent": ["../outside.json"],
    "parent-in-the-middle": ["a/../../outside.json"],
    "parent-at-the-end": ["a/.."],
    "dot": ["./config.json"],
    "absolute": ["/tmp/outside.json"],
    "doubled-slash": ["a//b.json"],
    "drive": ["C:/windows/outside.json"],
    "drive-without-slash": ["a:b.json"],
    "drive-with-backslash": ["C:\\windows\\outside.json"],
    "backslash": ["a\\b.json"],
    "backslash-parent": ["..\\outside.json"],
    "nul": ["a\0b.json"],
    "newline": ["a\nb.json"],
    "escape": ["a\x1b[2Jb.json"],
    "delete": ["a\x7f.json"],
    "256-bytes": ["x" * 256],
    "256-bytes-of-Chinese": ["模" * 85 + "x"],
    "too-long": ["/".join(["d" * 200] * 20)],
    "too-deep": ["d/" * 1_500 + "a.json"],
    "git": [".git/config"],
    "git-in-capitals": [".GIT/config"],
    "records": [".hubferry/manifest.json"],
    "records-in-capitals": [".HubFerry/journal"],
    "composition-twins": [COMPOSED, DECOMPOSED],
    "file-and-directory": ["a", "a/b.json"],
    "file-and-deeper-directory": ["a/b", "a/b/c/d.json"],
}
STORED = {
    "hyphen": "-rf",
    "two-hyphens": "--help",
    "blanks": " a b .json",
    "percent": "100%25.json",
    "half-an-escape": "a%zz.json",
    "plus": "a+b.json",
    "hash": "a#b.json",
    "question": "a?b.json",
    "ampersand": "a&b=c;d.json",
    "quotes": "a'b\"c`d$e.json",
    "Chinese": "模型/权重.json",
    "emoji": "🚀/🤖.json",
    "combined": DECOMPOSED,
    "255-bytes": "x" * 255,
    "device": "con.json",
    "device-alone": "sub/NUL",
    "trailing-dot": "sub/a.",
    "hidden": ".config",
    "gitignore": ".gitignore",
    "three-dots": ".../a.json",
    "tilde": "~/a.json",
    "colon": "ab:c.json",
    "looks-partial": "a.part",
    "lock": "lock",
    "manifest": "manifest.json",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_name_that_is_not_safe_is_refused_before_a_byte_is_fetched(world, kind):
    world.add_source({path: f"{number}".encode() for number, path in enumerate(REFUSED[kind])})
    before = set(world.home.parent.rglob("*"))
    outcome = world.attempt()
    assert outcome.code == 6, outcome.said
    assert outcome.error.side == "source"
    assert {"storage:get", "hf:resolve"}.isdisjoint(world.source.requests.routes())
    assert world.destination.requests.commits == 0
    assert world.published() == {}
    new = {path for path in set(world.home.parent.rglob("*")) - before if path.is_file()}
    assert not [path for path in new if world.home in path.parents]
    assert not Path("/tmp/outside.json").exists()


@pytest.mark.parametrize("kind", STORED)
def test_a_strange_name_arrives_exactly_as_it_is(world, kind):
    path = STORED[kind]
    world.content = {path: b"content of " + kind.encode(), "README.md": b"# names\n"}
    world.source.store.delete("org/model")
    world.add_source()
    outcome = world.attempt()
    assert outcome.code == 0, outcome.said
    assert world.published() == world.expected
    assert {path: sha256(content) for path, content in world.held().items()} == world.expected
    assert world.attempt("check").code == 0


def test_names_that_differ_in_case_alone_are_both_there_or_both_refused(world):
    world.content = {"Config.json": b"1", "config.json": b"2"}
    world.source.store.delete("org/model")
    world.add_source()
    outcome = world.attempt()
    if outcome.code == 0:
        assert world.published() == world.expected
        assert len(world.held()) == 2
    else:
        assert outcome.code == 6, outcome.said
        assert "config.json" in outcome.error.message.lower()
        assert world.held() == {}


@pytest.mark.parametrize("same", [True, False])
def test_a_name_that_is_listed_twice_means_one_file_or_none(world, same):
    def twice(entries):
        first = next(entry for entry in entries if entry["path"] == "config.json")
        return [*entries, first if same else first | {"oid": "0" * 40}]

    from faults import rewrite

    world.source_faults.plan(rewrite(twice), "hf:tree", times=None)
    outcome = world.attempt()
    assert outcome.code == (0 if same else 6), outcome.said
    world.assert_true()
    world.converge()


@pytest.mark.parametrize("kind", ["parent", "escape", "newline", "records", "file-and-directory"])
def test_the_command_names_the_refused_file_on_one_line_without_control_characters(world, kind):
    world.add_source(dict.fromkeys(REFUSED[kind], b"x"))
    done = world.command()
    assert done.code == 6, done.said
    assert "\x1b" not in done.said
    assert [line for line in done.err.splitlines() if line.startswith("error:")]
    assert world.published() == {}

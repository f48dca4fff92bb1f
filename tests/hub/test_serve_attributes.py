"""What a strict hub reads: `.gitattributes` as git itself does, and any card without breaking."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubferry.serve.attributes import Attributes, initial_attributes
from hubferry.serve.cards import inspect_card

if TYPE_CHECKING:
    from pathlib import Path

LFS = "filter=lfs diff=lfs merge=lfs -text"
CALM = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def worktree(tmp_path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def covered_by_git(worktree: Path, content: bytes, paths: list[str]) -> list[str]:
    """Return the paths that git itself would hand to LFS."""
    (worktree / ".gitattributes").write_bytes(content)
    asked = subprocess.run(
        ["git", "-c", "core.ignorecase=false", "-C", str(worktree), "check-attr", "-z", "--stdin", "filter"],
        input="".join(f"{path}\0" for path in paths).encode(),
        capture_output=True,
        check=True,
    )
    words = asked.stdout.decode().split("\0")
    return [path for path, value in zip(words[::3], words[2::3], strict=False) if value == "lfs"]


PIECES = st.sampled_from(
    [
        "a",
        "b",
        "*",
        "?",
        "/",
        "**/",
        "/**",
        "[ab]",
        "[!a]",
        "[^b-]",
        "[]a]",
        "[z-a]",
        "[[:space:]]",
        "[a",
        ".",
        "\\*",
        "-",
        "\\",
    ]
)
PATTERN = st.lists(PIECES, min_size=1, max_size=6).map("".join)
NAME = st.text(st.sampled_from("ab*. -"), min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
PATH = st.lists(NAME, min_size=1, max_size=3).map("/".join)
SETTINGS = st.sampled_from([LFS, "filter=lfs", "-filter", "!filter", "text", "filter=other"])


@CALM
@given(
    lines=st.lists(st.tuples(PATTERN, SETTINGS), max_size=4), paths=st.lists(PATH, max_size=8, unique=True)
)
def test_a_file_is_covered_where_git_says_so(worktree, lines, paths):
    content = "".join(f"{pattern} {words}\n" for pattern, words in lines).encode()
    attributes = Attributes(content)
    assert [path for path in paths if attributes.covers(path)] == covered_by_git(worktree, content, paths)


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("a/", []),
        ("a**/", []),
        ("a**/b", ["a/b", "a/x/b", "ab", "ab/b"]),
        ("[a]**/b", ["a/b", "ab/b"]),
        ("**/b", ["a/b", "a/x/b", "ab/b", "b"]),
        ("a/**", ["a/b", "a/x/b"]),
        ("/b", ["b"]),
        ("a*b", ["ab"]),
        ("?", ["a", "a/b", "a/x/b", "ab/b", "b"]),
        ("[!b]*", ["a", "ab"]),
        ("[a", []),
        ("b\\", []),
    ],
)
def test_the_corners_of_a_pattern_are_those_of_git(worktree, pattern, covered):
    paths = ["a", "a/b", "a/x/b", "ab", "ab/b", "b"]
    content = f"{pattern} {LFS}\n".encode()
    assert covered_by_git(worktree, content, paths) == covered
    assert [path for path in paths if Attributes(content).covers(path)] == covered


@CALM
@given(
    paths=st.lists(st.text(st.sampled_from("ab *?[]!#\\é/"), min_size=1, max_size=8), min_size=1, max_size=5)
)
def test_a_line_that_was_added_covers_its_file_and_no_other(worktree, paths):
    named = sorted({path.strip("/") for path in paths if path.strip("/") and "//" not in path})
    content = Attributes(b"").with_lines_for(named)
    others = [f"{path}x" for path in named]
    attributes = Attributes(content)
    assert all(attributes.covers(path) for path in named)
    assert sorted(covered_by_git(worktree, content, named)) == named
    assert [path for path in others if attributes.covers(path)] == covered_by_git(worktree, content, others)


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_new_repository_covers_what_git_says_it_covers(worktree, kind):
    content = initial_attributes(kind)
    paths = [
        "a.safetensors", "sub/a.bin", "a.json", "events.out.tfevents.1", "saved_model/a", "saved_model/sub/a",
        "x/saved_model/a", "a.tar.gz", "a.lfs.x", "a.mp4", "a.txt",
    ]  # fmt: skip
    attributes = Attributes(content)
    assert [path for path in paths if attributes.covers(path)] == covered_by_git(worktree, content, paths)


@settings(deadline=None, max_examples=400)
@given(pattern=st.text(max_size=12), path=st.text(max_size=12))
def test_no_pattern_breaks_the_hub(pattern, path):
    assert Attributes(f"{pattern} {LFS}\n".encode(errors="replace")).covers(path) in (True, False)


FIELDS = ["license", "tags", "language", "base_model", "mit", "en", "2020-13-45", "0x", "null", "1e9"]
SIGNS = [": ", "- ", "\n", "  ", "[", "]", "{", "}", "'", "&a ", "*a", "? ", "<<", ",", "|", "\t"]
TYPES = ["!!int ", "!!float ", "!!timestamp ", "!!set ", "!!binary ", "!!bool ", "!!python/object:os.system "]
WORDS = st.sampled_from([*FIELDS, *SIGNS, *TYPES])


@settings(deadline=None, max_examples=600)
@given(words=st.lists(WORDS | st.text(max_size=4), max_size=12))
def test_no_card_breaks_the_hub(words):
    report = inspect_card("---\n" + "".join(words) + "\n---\n# A card\n")
    assert all(isinstance(text, str) and text for text in (*report.errors, *report.warnings))


def test_a_card_that_nests_without_end_is_no_card():
    (error,) = inspect_card("---\ntags: " + "[" * 5_000 + "\n---\n").errors
    assert error.startswith("Invalid YAML in README.md: ")

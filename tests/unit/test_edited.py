"""Which changes of a file are a hub's own additions, and which are somebody's."""

from __future__ import annotations

import pytest

from hubferry.edited import only_adds

OURS = b"*.bin filter=lfs diff=lfs merge=lfs -text\n# a comment\n\n*.json text\n"
LFS = b"x.gguf filter=lfs diff=lfs merge=lfs -text\n"


@pytest.mark.parametrize(
    "theirs",
    [
        OURS,
        OURS + LFS,
        LFS + OURS,
        OURS.replace(b"# a", LFS + b"# a"),
        OURS.rstrip(b"\n"),
        OURS + b"\n" + LFS,
        OURS + b'"a b.gguf" filter=lfs diff=lfs merge=lfs -text\n',
        OURS + "模型.gguf filter=lfs diff=lfs merge=lfs -text\n".encode(),
        OURS + b"\xff.gguf -text filter=lfs  diff=lfs\tmerge=lfs\n",
    ],
)
def test_lines_that_name_lfs_files_are_additions_wherever_they_stand(theirs):
    assert only_adds(OURS, theirs)


def test_an_addition_behind_a_last_line_without_an_end_is_one():
    assert only_adds(OURS.rstrip(b"\n"), OURS + LFS)
    assert only_adds(b"", LFS)


@pytest.mark.parametrize(
    "theirs",
    [
        b"",
        LFS,
        OURS.replace(b"# a comment\n", b"") + LFS,
        OURS.replace(b"*.json text\n", b"") + LFS,
        b"*.json text\n" + OURS.replace(b"*.json text\n", b"") + LFS,
        OURS + b"# another comment\n",
        OURS + b"x.gguf filter=lfs\n",
        OURS + b"x.gguf -filter -diff -merge text\n",
        OURS + b"# x filter=lfs diff=lfs merge=lfs -text\n",
        OURS + b"filter=lfs diff=lfs merge=lfs -text\n",
        OURS.replace(b"\n", b"\r\n") + LFS,
    ],
)
def test_anything_else_is_somebodys(theirs):
    assert not only_adds(OURS, theirs)

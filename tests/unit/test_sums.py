"""SHA256SUMS as it is written and as it is read: whatever files are called."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hubferry.receipts.document import ReceiptFile
from hubferry.receipts.sums import sums
from hubferry.signed import covered

NAMES = some.text(some.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: not name.startswith("./")
)


@given(some.sets(NAMES, max_size=5))
def test_what_is_written_is_read_again_whatever_the_files_are_called(names):
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    written = sums(ReceiptFile(name, 1, digest) for name, digest in digests.items())
    assert covered.sums(written).digests == digests


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\x0bb", "a\x1cb"])
def test_what_ends_a_line_for_nobody_but_unicode_is_part_of_a_name(name):
    line = f"{'0' * 64}  {name}\r\n".encode()
    assert dict(covered.sums(line).digests) == {name: "0" * 64}

"""A model's own files may say anything: the check names what is wrong, and neither crashes nor runs them."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from tests import models
from tests.tampering import GONE, ODD, changed, places, spoilt

from hubferry.cache.check import State, check_model
from hubferry.cache.formats.flaw import FlawError
from hubferry.cache.formats.safetensors import examine

CALM = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
KIB = 1024
STATES = {State.WHOLE, State.PARTIAL, State.BROKEN, State.UNKNOWN}


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    top = tmp_path_factory.mktemp("models")
    return (
        models.transformers_model(top / "llm", shards=2, shard_size=6 * KIB),
        models.diffusers_model(top / "flux", shard_size=6 * KIB),
    )


@settings(CALM, max_examples=200)
@given(data=some.data())
def test_json_that_was_tampered_with_is_named_or_harmless(directories, data):
    directory = data.draw(some.sampled_from(directories))
    path = data.draw(some.sampled_from(sorted(directory.rglob("*.json"))))
    content = path.read_bytes()
    try:
        path.write_bytes(data.draw(spoilt(content)))
        state = check_model(directory)
        assert state.verdict in STATES
        assert all(problem.path and problem.what for problem in state.problems)
    finally:
        path.write_bytes(content)


@settings(CALM, max_examples=30)
@given(
    front=some.binary(max_size=400) | some.text(max_size=200).map(lambda text: f"---\n{text}\n---\n".encode())
)
@pytest.mark.parametrize(
    "bomb", [b"", b"---\na: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n---\n", b"---\n!!python/object\n"]
)
def test_a_model_card_may_say_anything_since_no_yaml_is_read(directories, front, bomb):
    directory = directories[0]
    card = directory / "README.md"
    content = card.read_bytes()
    try:
        card.write_bytes(bomb + front)
        assert check_model(directory).verdict is State.WHOLE
    finally:
        card.write_bytes(content)


def header_and_rest(path):
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def test_an_odd_value_anywhere_in_a_safetensors_header_is_refused_unless_it_changes_no_place(
    directories, tmp_path
):
    header, rest = header_and_rest(next(directories[0].glob("*-00001-of-*.safetensors")))
    path, refused, taken = tmp_path / "a.safetensors", 0, []
    for way in places(header):
        for odd in ODD:
            text = json.dumps(changed(header, way, odd)).encode()
            path.write_bytes(struct.pack("<Q", len(text)) + text + rest)
            try:
                with path.open("rb") as file:
                    examine(file, path.stat().st_size)
            except FlawError:
                refused += 1
            else:
                taken.append((way, odd))
    assert refused > 300
    for way, odd in taken:
        described = "__metadata__" in way
        unknown_kind = way[-1:] == ("dtype",)
        same = odd is not GONE and changed(header, way, odd) == header
        harmless = (
            described
            or unknown_kind
            or same
            or (len(way) == 1 and odd is not GONE and way[0] == "__metadata__")
        )
        assert harmless, f"{way} may be {odd!r}"

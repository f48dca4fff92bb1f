"""Each kind of fault once through the real command: its exit code, its sentence, and what to type next."""

from __future__ import annotations

import re

import pytest
from faults import answer, meanwhile, refuse, rewrite, spoil, stall
from test_network_bytes import flipped, longer, shifted_and_says_so, shorter
from worlds import FIRST, sha256

PAGE = b"<html>Please log in</html>"
DENIED = {"Code": 500, "Success": False, "Message": "busy", "Data": None}
BYTES = ("source", "storage:get")
KINDS = {
    "reset": (BYTES, refuse, 5),
    "stall": (BYTES, stall, 5),
    "wrong-byte": (BYTES, spoil(flipped), 6),
    "range-shifted": (BYTES, spoil(shifted_and_says_so), 5),
    "too-long": (BYTES, spoil(longer), (5, 6)),
    "too-short": (BYTES, spoil(shorter), (5, 6)),
    "expired": (BYTES, answer(403, b"Request has expired"), 5),
    "not-json": (("source", "hf:tree"), answer(200, PAGE, Content_Type="text/html"), 5),
    "wrong-length": (("source", "hf:tree"), spoil(lambda _r, s, h, b: (s, h, b[:9])), 5),
    "401": (("source", "hf:tree"), answer(401, b""), 4),
    "404": (("source", "hf:info"), answer(404, b"", X_Error_Code="RepoNotFound"), 3),
    "gated": (("source", "hf:resolve"), answer(403, b"", X_Error_Code="GatedRepo"), 4),
    "429": (("destination", "ms:batch"), answer(429, b""), 5),
    "429-names-the-time": (("destination", "ms:batch"), answer(429, b"", Retry_After="0"), 5),
    "503-names-a-day": (("destination", "ms:batch"), answer(503, b"", Retry_After="86400"), 5),
    "500": (("destination", "storage:put"), answer(500, b"oops"), 5),
    "403": (("destination", "ms:create"), answer(403, {"Message": "no permission"}), 4),
    "denied-in-its-envelope": (("destination", "ms:files"), answer(200, DENIED), 5),
    "sent-elsewhere": (("destination", "ms:commit"), answer(308, b"", Location="https://other.example/"), 1),
    "lying-exists": (
        ("destination", "ms:batch"),
        rewrite(lambda value: value | {"Data": {"objects": []}}),
        1,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_says_what_failed_and_what_to_type_next(world, kind):
    (side, route), act, codes = KINDS[kind]
    digest = sha256(world.content[FIRST])
    faults = world.source_faults if side == "source" else world.destination_faults
    faults.plan(act, route, times=None, only=lambda r: route != "storage:get" or digest in r.path)
    done = world.command()
    assert done.code in (codes if isinstance(codes, tuple) else (codes,)), done.said
    assert re.search(r"^error: \S", done.err, re.MULTILINE)
    assert re.search(r"^hint: \S", done.err, re.MULTILINE), done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    world.assert_true()
    assert world.commits() == 0
    world.converge()


@pytest.mark.parametrize("variable", ["HF_ENDPOINT", "MODELSCOPE_ENDPOINT"])
def test_a_name_that_is_not_known_is_said_with_the_variable_that_it_comes_from(world, variable):
    name = "x" * 64  # longer than any name may be: no resolver has to be asked
    done = world.command(**{variable: f"https://{name}", "HUBFERRY_PATIENCE": "0.2"})
    assert done.code == 5
    assert f"{name}: the host's name is not known\n" in done.err
    assert f"hint: The name comes from {variable}: check how it is spelled.\n" in done.err
    assert world.commits() == 0


def test_a_source_that_cannot_be_reached_is_named(world):
    done = world.command("copy", "hf:org/model", "ms:mine/model", "--source-endpoint", "http://127.0.0.1:9")
    assert done.code == 5, done.said
    assert "127.0.0.1:9" in done.err
    assert re.search(r"^hint: \S", done.err, re.MULTILINE)
    world.converge()


def test_a_branch_that_moves_in_the_middle_is_copied_as_it_was(world):
    world.source_faults.plan(meanwhile(lambda: world.add_source({"config.json": b"{}"})), "hf:tree")
    done = world.command()
    assert done.code == 0, done.said
    assert world.published() == world.expected


def test_a_passing_fault_is_told_and_gone_over(world):
    world.source_faults.plan(answer(503, b""), "storage:get")
    done = world.command()
    assert done.code == 0, done.said
    assert "then retry 1: fetching model-0000" in done.err
    assert world.published() == world.expected

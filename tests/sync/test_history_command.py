"""`hubferry sync history` and `hubferry verify-receipt` as a person sees them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import forked

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from inside import ferry
from mirrored import entry, small_model

from hubferry.cli.cells import width
from hubferry.errors import AccessError, NotFoundError
from hubferry.sync import receipts
from hubferry.sync.history.store import History
from hubferry.sync.outcome import FileProof, Outcome
from hubferry.sync.run import Asked
from hubferry.sync.spec import Job, Manner

CANARY = "hf_canaryCANARYcanary"


class Home:
    """Somebody's home, with a history in it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.state = place / "state" / "hubferry" / "sync.sqlite"
        self.environment = {
            "HOME": str(place),
            "XDG_STATE_HOME": str(place / "state"),
            "HF_TOKEN": CANARY,
            "PATH": os.environ["PATH"],
            "COLUMNS": "100",
        }

    def ran(self, name: str, *outcomes: Outcome, end: str | None = "finished") -> int:
        with History.open(self.state) as history:
            run = history.begin(self.place / name, "run")
            for outcome in outcomes:
                history.record(run, outcome)
            if end is not None:
                history.end(run, end)
        return run

    def types(self, *words: str, code: int = 0, **environment: str) -> str:
        ended = ferry(("sync", "history", *words), self.environment | environment, self.place)
        assert ended.code == code, ended.said
        return ended.said


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def outcome(name: str, status: str = "copied", **words) -> Outcome:
    line = entry(f"hf:org/{name}", f"ms:mine/{name}")
    return Outcome(
        Job(line, line.source, line.target), status, **({"started": time.time(), "seconds": 1.0} | words)
    )


def gone(name: str = "gone", **words) -> Outcome:
    error = NotFoundError(f"{name}: there is no such repository", hint="hubferry ls hf:org")
    return outcome(name, "failed", error=error, **words)


def test_the_table_has_a_row_a_run_the_last_one_first(home):
    home.ran("m.yaml", outcome("flux", fetched=3 << 20, sent=1 << 20), outcome("a", "same"))
    home.ran("m.yaml", gone(), end="failed")
    said = home.types()
    lines = said.splitlines()
    assert re.search(r"2 +\d{4}-\d\d-\d\d \d\d:\d\d .+ failed +0 +0 +1 ", lines[1]), said
    assert re.search(r"1 +\d{4}-.+ finished +1 +1 +0 +0 +3.0 MiB +1.0 MiB$", lines[2]), said
    assert "m.yaml" not in said
    home.ran("other.yaml", outcome("b"))
    assert str(home.place / "other.yaml") in home.types()
    assert re.findall(r"^ *(\d+) +\d{4}-", home.types("other.yaml"), re.MULTILINE) == ["3"]


def test_columns_stand_below_each_other_in_chinese(home):
    home.ran("m.yaml", outcome("flux"), gone(), end="failed")
    home.ran("m.yaml", outcome("flux"), end=None)
    lines = home.types(HUBFERRY_LANG="zh").splitlines()[:3]
    assert re.search("[一-鿿]", lines[0] + lines[1])
    assert len({width(line) for line in lines}) == 1


def test_one_run_is_shown_repository_by_repository_with_errors_and_what_to_type(home):
    run = home.ran(
        "m.yaml", outcome("flux", commits=("c" * 40,), notes=("left out: x",)), gone(), end="failed"
    )
    said = home.types("--run", str(run))
    assert "hf:org/flux -> ms:mine/flux" in said
    assert "ms:mine/flux: commits cccccccccccc" in said
    assert "left out: x" in said
    assert "hf:org/gone: gone: there is no such repository\n  hint: hubferry ls hf:org" in said
    assert "no run 99" in home.types("--run", "99", code=3)


def test_repositories_and_failures_are_found_across_runs(home):
    home.ran("m.yaml", outcome("flux"), gone(), end="failed")
    home.ran("m.yaml", outcome("flux", "same"), gone(), end="failed")
    by_name = home.types("--repository", "flux")
    assert by_name.count("hf:org/flux -> ms:mine/flux") == 2
    assert "gone" not in by_name
    failed = home.types("--failed", "--since", "1d")
    assert failed.count("hf:org/gone -> ms:mine/gone") == 2
    assert failed.count("there is no such repository") == 1
    assert "failed 2 times in a row" in failed
    assert "no such run is remembered" in home.types("--repository", "nothing")


def test_a_run_that_was_killed_is_shown_as_broken_off(home):
    program = (
        "import sys, os, pathlib; from hubferry.sync.history.store import History\n"
        "History.open(pathlib.Path(sys.argv[1])).begin(pathlib.Path('m.yaml'), 'run')\n"
        "os.kill(os.getpid(), 9)"
    )
    forked.run([sys.executable, "-c", program, str(home.state)], check=False)
    assert "broken off" in home.types()


def test_where_nothing_is_remembered_it_says_so_and_makes_nothing(home):
    assert "no run is remembered yet" in home.types()
    assert not home.state.parent.exists()
    assert json.loads(home.types("--json"))["runs"] == []


def test_a_newer_history_is_an_error_with_a_way_on(home):
    import sqlite3

    home.ran("m.yaml")
    connection = sqlite3.connect(home.state)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    said = home.types(code=7)
    assert "newer" in said
    assert "pip install --upgrade hubferry" in said


def test_forgetting_asks_and_only_yes_is_yes(home):
    for _number in range(3):
        home.ran("m.yaml", outcome("flux"))
    refused = home.types("--prune", "--keep", "1", code=2)
    assert "hubferry sync history --prune --keep 1 --force" in refused
    assert "--prune needs an age" in home.types("--prune", code=2)
    assert "hubferry sync history --keep 1 --prune 90d" in home.types("--keep", "1", code=2)
    assert "is not an age" in home.types("--prune", "soon", code=2)
    assert answered(home, "n\n", "--prune", "--keep", "1") == 0
    assert len(json.loads(home.types("--json"))["runs"]) == 3
    assert answered(home, "yes\n", "--prune", "--keep", "1") == 0
    assert [run["id"] for run in json.loads(home.types("--json"))["runs"]] == [3]
    assert "nothing to forget" in home.types("--prune", "30d")
    assert "1 run forgotten" in home.types("--prune", "0s", "--force")


def answered(home: Home, answer: str, *words: str) -> int:
    """Run a command at a terminal, and answer its question."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        return forked.run(
            [sys.executable, "-m", "hubferry", "sync", "history", *words],
            env=home.environment, cwd=home.place, stdin=theirs, stdout=theirs, stderr=theirs, check=False,
        ).returncode  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)


def test_no_token_is_shown_or_kept(world):
    """A hub's own words may have the token in them."""
    from hubferry.cli.secrets import redact

    place = Path(world.environment["HOME"]) / ".local" / "state" / "hubferry" / "sync.sqlite"
    token = world.environment["HF_TOKEN"]
    with History.open(place, clean=redact) as history:
        run = history.begin(world.home / "m.yaml", "run")
        history.record(run, outcome("a", "failed", error=AccessError(f"token {token} is wrong")))
        history.end(run, "failed")
    ended = ferry(("sync", "history", "--run", "1"), world.environment, world.home)
    assert "token *** is wrong" in ended.said
    assert token.encode() not in b"".join(one.read_bytes() for one in place.parent.iterdir() if one.is_file())


def test_a_run_that_is_killed_with_one_repository_done_is_remembered_so_and_the_next_one_ends(world):
    for name, size in (("a", 4096), ("b", 3 << 20)):
        world.publish(f"org/{name}", small_model(name, size))
    (world.home / "m.yaml").write_text(
        "version: 1\nsync:\n"
        "  - {source: hf:org/a, target: ms:mine/a}\n  - {source: hf:org/b, target: ms:mine/b}\n"
    )
    words = ["sync", "run", "m.yaml", "--jobs", "1", "--progress", "json", "--receipts", "receipts"]
    command = [sys.executable, "-m", "hubferry", *words, "--bwlimit", "300K"]
    with forked.Popen(
        command, cwd=world.home, env=world.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not list((world.home / "receipts").glob("*/SHA256SUMS")):
            time.sleep(0.02)
        process.kill()

    def runs() -> list[dict]:
        ended = ferry(("sync", "history", "--json"), world.environment, world.home)
        return json.loads(ended.out)["runs"]

    (killed,) = runs()
    assert (killed["how"], killed["counts"]["copied"]) == ("broken-off", 1)
    assert ferry(tuple(words), world.environment, world.home).code == 0
    last, _killed = runs()
    assert (last["how"], last["counts"]["copied"], last["counts"]["same"]) == ("finished", 1, 1)
    written = sorted((world.home / "receipts").glob("*/*.json"))
    assert len(written) == 2
    for receipt in written:
        assert ferry(("verify-receipt", str(receipt)), world.environment, world.home).code == 0


def test_a_receipt_is_verified_from_the_command_line(world, tmp_path):
    world.publish("org/a")
    line = entry("hf:org/a", "ms:mine/a")
    (copied,) = world.run(line, asked=Asked(manner=Manner(proof=True))).outcomes
    receipt = receipts.write(tmp_path / "receipts", copied)

    def types(*words: str, code: int) -> str:
        ended = ferry(("verify-receipt", str(receipt), *words), world.environment, world.home)
        assert ended.code == code, ended.said
        return ended.said

    assert "as the receipt says: 3 files" in types(code=0)
    world.target.store.add("mine/a", {"config.json": b"{1}\n", "new.txt": b"x"})
    said = types("--latest", "--differences", code=6)
    assert said.splitlines() == ["* config.json", "+ new.txt", "2 the same, 1 changed, 1 not in the receipt"]
    assert json.loads(types("--latest", "--json", code=6))["counts"] == {
        "same": 2, "changed": 1, "missing": 0, "extra": 1
    }  # fmt: skip
    receipt.write_text(receipt.read_text().replace("config.json", "confug.json"))
    assert "was changed after it was written" in types(code=6)
    receipt.unlink()
    assert "there is no file" in types(code=3)


def test_names_of_a_receipt_cannot_order_a_terminal_about(world, tmp_path):
    line = entry("hf:org/a", "ms:mine/a")
    proof = (FileProof("a\x1b[2Jb", 1, "a" * 64),)
    made = Outcome(Job(line, line.source, line.target), "copied", 1.0, proof=proof)
    receipt = receipts.write(tmp_path / "receipts", made)
    (tmp_path / "folder").mkdir()
    words = ("verify-receipt", str(receipt), str(tmp_path / "folder"))
    ended = ferry(words, world.environment, world.home)
    assert ended.code == 6
    assert "\x1b" not in ended.said
    assert "- a\\x1b[2Jb" in ended.said

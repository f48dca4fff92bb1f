"""The history of mirrors: real SQLite, real processes that are killed in the middle."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mirrored import entry

import forked
from hubferry.beside import NameCopied
from hubferry.errors import AccessError, DiskError, NotFoundError, PartialError
from hubferry.sync.history import opening, schema
from hubferry.sync.history.reading import Wanted, fits
from hubferry.sync.history.store import History, place
from hubferry.sync.outcome import Outcome
from hubferry.sync.spec import Job

EVERYTHING = Wanted()
PROGRAM = """
import os, pathlib, sys, time
sys.path.insert(0, {tests!r})
from hubferry.sync.history.store import History
from hubferry.sync.outcome import Outcome
from hubferry.sync.spec import Entry, Job
path, file, count, way = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
history = History.open(path)
run = history.begin(file, "run")
for number in range(count):
    name = f"hf:org/{{file.stem}}-{{number}}"
    job = Job(Entry(name, name, "ms:mine/x"), name, f"ms:mine/{{file.stem}}-{{number}}")
    history.record(run, Outcome(job, "copied", time.time(), 0.1, "a", "b", ("c",)))
    print(number, flush=True)
if way == "end":
    history.end(run, "finished")
    history.close()
    sys.exit(f"trouble: {{history.trouble}}" if history.trouble else 0)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state" / "sync.sqlite"


@pytest.fixture
def history(path):
    with History.open(path) as opened:
        yield opened


def job(name: str = "a", **words) -> Job:
    line = entry(f"hf:org/{name}", f"ms:mine/{name}", **words)
    return Job(line, line.source, line.target)


def outcome(name: str = "a", status: str = "copied", **words) -> Outcome:
    words = {"started": time.time(), "seconds": 1.0} | words
    return Outcome(job(name), status, **words)


def program(path: Path, file: str, count: int, way: str) -> subprocess.Popen[str]:
    text = PROGRAM.format(tests=str(Path(__file__).parent))
    words = [sys.executable, "-c", text, str(path), file, str(count), way]
    return forked.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_run_is_remembered_with_what_became_of_each_repository(history, path, tmp_path):
    run = history.begin(tmp_path / "m.yaml", "run")
    history.record(run, outcome("a", fetched=7, sent=5, files=2, size=9, commits=("c1", "c2"), notes=("n",)))
    history.record(run, outcome("b", "failed", error=NotFoundError("gone", hint="look")))
    history.end(run, "failed")
    history.close()
    with History.open(path) as again:
        (one,) = again.runs(EVERYTHING)
        first, second = again.outcomes(one.id, EVERYTHING)
    assert (one.file, one.kind, one.how) == (str(tmp_path / "m.yaml"), "run", "failed")
    assert (one.counts, one.fetched, one.sent, one.commits) == ({"copied": 1, "failed": 1}, 7, 5, 2)
    assert (first.source, first.target, first.status) == ("hf:org/a", "ms:mine/a", "copied")
    assert (first.commits, first.files, first.size, first.notes) == (("c1", "c2"), 2, 9, ("n",))
    assert (second.error.kind, second.error.message, second.error.hint) == ("NotFoundError", "gone", "look")
    assert second.error.exit_code == 3


def test_the_errors_of_single_files_are_remembered_but_not_without_end(history):
    files = tuple(NotFoundError(f"no {number}", path=str(number)) for number in range(500))
    run = history.begin(Path("m.yaml"), "run")
    history.record(run, outcome("a", "failed", error=PartialError("many", files)))
    (one,) = history.outcomes(run, EVERYTHING)
    assert [other.path for other in one.error.others] == [str(number) for number in range(20)]


def test_what_was_recorded_survives_kill_9_and_the_run_is_broken_off(path):
    with program(path, "killed.yaml", 5, "stay") as process:
        for _number in range(5):
            process.stdout.readline()
        with History.open(path) as beside:
            (going,) = beside.runs(EVERYTHING)
            assert going.how == "running"
        process.send_signal(signal.SIGKILL)
    with History.open(path) as history:
        (run,) = history.runs(EVERYTHING)
        assert (run.how, run.ended, run.counts) == ("broken-off", None, {"copied": 5})
        assert history.trouble is None


def test_an_outcome_in_the_middle_of_which_a_kill_comes_is_not_there_in_part(path):
    text = (
        "import os, sys, pathlib\n"
        "sys.path[:0] = [sys.argv[2], sys.argv[2] + '/..', sys.argv[2] + '/../hub']\n"
        "from test_history import History, Path, outcome\n"
        "history = History.open(pathlib.Path(sys.argv[1]))\n"
        "run = history.begin(Path('m.yaml'), 'run')\n"
        "history.record(run, outcome('whole', commits=('c',)))\n"
        "die = lambda said: os.kill(os.getpid(), 9) if said.startswith('INSERT INTO commits') else None\n"
        "history._connection.set_trace_callback(die)\n"
        "history.record(run, outcome('half', commits=('c',)))"
    )
    words = [sys.executable, "-c", text, str(path), str(Path(__file__).parent)]
    assert forked.run(words, check=False).returncode == -signal.SIGKILL
    with History.open(path) as history:
        assert [one.entry for one in history.outcomes(1, EVERYTHING)] == ["hf:org/whole"]
        assert history.last("hf:org/half", "ms:mine/half") is None


def test_a_run_without_an_end_is_over_when_a_later_one_of_its_file_began(history, tmp_path):
    (tmp_path / "m.yaml").touch()
    (tmp_path / "link.yaml").symlink_to(tmp_path / "m.yaml")
    first, other = history.begin(tmp_path / "m.yaml", "run"), history.begin(tmp_path / "n.yaml", "run")
    assert {run.how for run in history.runs(EVERYTHING)} == {"running"}
    later = history.begin(tmp_path / "link.yaml", "watch")
    states = {run.id: run.how for run in history.runs(EVERYTHING)}
    assert states == {first: "broken-off", other: "running", later: "running"}
    assert [run.id for run in history.runs(Wanted(file=tmp_path / "link.yaml"))] == [later, first]


def test_several_processes_write_at_once_and_nobody_is_refused(path):
    processes = [program(path, f"p{number}.yaml", 40, "end") for number in range(4)]
    for process in processes:
        _out, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    with History.open(path) as history:
        assert sorted(run.counts["copied"] for run in history.runs(EVERYTHING)) == [40] * 4


def test_several_threads_may_use_one_history(history):
    run = history.begin(Path("m.yaml"), "watch")
    names = [f"t{number}" for number in range(40)]
    threads = [threading.Thread(target=history.record, args=(run, outcome(name))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.entry for one in history.outcomes(run, EVERYTHING)} == {f"hf:org/{name}" for name in names}
    assert history.trouble is None


def test_failures_in_a_row_grow_the_pause_until_a_success_ends_it(history):
    run = history.begin(Path("m.yaml"), "run")
    seen = []
    for status in ("failed", "failed", "skipped", "failed", "stopped", "same", "failed"):
        history.record(run, outcome("a", status, started=1000.0, seconds=0.0))
        memory = history.last("hf:org/a", "ms:mine/a")
        seen.append((memory.failures, memory.next_try))
    assert seen == [
        (1, None), (2, 1600.0), (2, 1600.0), (3, 2200.0), (3, 2200.0), (0, None), (1, None)
    ]  # fmt: skip


def test_what_was_proven_is_known_after_failures_and_only_for_the_same_wish(history):
    assert history.last("hf:org/a", "ms:mine/a") is None
    run = history.begin(Path("m.yaml"), "run")
    history.record(run, outcome("a", source_commit="s1", target_commit="t1"))
    history.record(run, outcome("a", "failed", source_commit="s2", error=NotFoundError("x")))
    memory = history.last("hf:org/a", "ms:mine/a")
    assert (memory.source_commit, memory.target_commit, memory.status) == ("s1", "t1", "failed")
    assert memory.proves(job("a"))
    assert not memory.proves(job("a", include=("*.json",)))
    assert history.last("hf:org/a", "ms:other/a") is None


def test_names_are_known_as_they_are_and_a_run_has_those_that_it_moved(history):
    run = history.begin(Path("m.yaml"), "run")
    first = (NameCopied("v1", "tag", "s1", "t1"), NameCopied("dev", "branch", "s1", "t1"))
    moved = NameCopied("dev", "branch", "s2", "t2")
    history.record(run, outcome("a", names=first))
    history.record(run, outcome("a", "failed", names=(moved,)))
    assert history.last("hf:org/a", "ms:mine/a").names == (moved, first[0])
    history.record(run, outcome("a", "same", names=(moved,)))
    assert history.last("hf:org/a", "ms:mine/a").names == (moved,)
    assert [one.names for one in history.outcomes(run, EVERYTHING)] == [first, (moved,), ()]


def pruned(history, **limits):
    return history.forget([run.id for run in history.prunable(**limits)])


def test_pruning_forgets_runs_and_neither_what_goes_on_nor_what_was_proven(history):
    for number in range(5):
        run = history.begin(Path("m.yaml"), "run")
        history.record(run, outcome(f"r{number}", source_commit="s", commits=("c",)))
        history.end(run, "finished")
    going = history.begin(Path("n.yaml"), "run")
    assert [one.id for one in history.prunable(keep=2)] == [3, 2, 1]
    assert pruned(history, older_than=3600) == 0
    assert pruned(history, keep=2) == 3
    assert [one.id for one in history.runs(EVERYTHING)] == [going, 5, 4]
    assert pruned(history, keep=0) == 2
    assert pruned(history, keep=0, file=Path("n.yaml")) == 0
    assert [one.id for one in history.runs(EVERYTHING)] == [going]
    run = history.begin(Path("m.yaml"), "run")
    assert run == going + 1, "a number is never given again"
    assert history.last("hf:org/r4", "ms:mine/r4").source_commit == "s"


def test_pruning_gives_the_room_back(history, path):
    run = history.begin(Path("m.yaml"), "run")
    for number in range(300):
        history.record(run, outcome(f"r{number}", notes=("x" * 3000,)))
    history.end(run, "finished")
    history.forget([])
    before = path.stat().st_size
    assert pruned(history, keep=0) == 1
    assert path.stat().st_size < before / 5


def test_runs_are_found_by_file_time_repository_and_failure(history):
    for number, file in enumerate(("a.yaml", "b.yaml", "a.yaml")):
        run = history.begin(Path(file), "run")
        history.record(run, outcome(f"flux-{number}", "failed" if number == 1 else "same"))
    found = {
        name: [one.id for one in history.runs(wanted)]
        for name, wanted in {
            "file": Wanted(file=Path("a.yaml")),
            "late": Wanted(since=time.time() + 60),
            "part": Wanted(repository="FLUX-1"),
            "glob": Wanted(repository="ms:*/flux-[12]"),
            "failed": Wanted(failed=True),
            "both": Wanted(failed=True, repository="flux-0"),
            "last": Wanted(limit=1),
        }.items()
    }
    assert found == {
        "file": [3, 1], "late": [], "part": [2], "glob": [3, 2], "failed": [2], "both": [], "last": [3]
    }  # fmt: skip
    assert fits("flux", "hf:org/Flux")


def test_no_secret_is_written_where_the_error_has_one(path):
    canary = "hf_canaryCANARYcanary"
    with History.open(path, clean=lambda words: words.replace(canary, "***")) as history:
        run = history.begin(Path("m.yaml"), "run")
        error = AccessError(f"no {canary}", hint=f"set {canary}")
        history.record(run, outcome("a", "failed", error=error, notes=(f"with {canary}",)))
        assert "***" in history.outcomes(run, EVERYTHING)[0].error.message
    assert canary.encode() not in b"".join(one.read_bytes() for one in path.parent.iterdir())


def test_nobody_else_may_read_it(path, history):
    history.begin(Path("m.yaml"), "run")
    for one in path.parent.iterdir():
        assert one.stat().st_mode & 0o077 == 0, one


@pytest.mark.parametrize(
    "content", [b"no database at all, of some length" * 100, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_damaged_history_is_set_aside_and_a_new_one_begins(path, content):
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with History.open(path) as history:
        run = history.begin(Path("m.yaml"), "run")
        assert history.outcomes(run, EVERYTHING) == ()
        assert (run, history.trouble) == (1, None)
        assert len(history.told) == 1
    (aside,) = (one for one in path.parent.iterdir() if ".damaged-" in one.name)
    assert aside.read_bytes() == content
    assert str(aside) in history.told[0]


def test_another_programs_database_is_set_aside_whole(path):
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE runs (mine TEXT)")
    other.close()
    with History.open(path) as history:
        assert history.begin(Path("m.yaml"), "run") == 1
    (aside,) = (one for one in path.parent.iterdir() if ".damaged-" in one.name)
    with sqlite3.connect(aside) as kept:
        assert kept.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]
    kept.close()


def test_damage_that_is_met_in_the_middle_of_a_run_loses_neither_the_run_nor_what_comes_after(path):
    with History.open(path) as history:
        for number in range(200):
            run = history.begin(Path("m.yaml"), "run")
            history.record(run, outcome(f"r{number}"))
    with History.open(path) as history:
        run = history.begin(Path("m.yaml"), "run")
        history.forget([])  # everything is in the file itself then
        with path.open("r+b") as stream:
            stream.seek(4096)
            stream.write(b"\xff" * (path.stat().st_size - 4096))
        history._connection.execute("PRAGMA shrink_memory")
        history.record(run, outcome("after"))
        assert history.trouble is None
        assert [one.id for one in history.runs(EVERYTHING)] == [run]
        assert [one.source for one in history.outcomes(run, EVERYTHING)] == ["hf:org/after"]
        history.end(run, "finished")
        assert history.runs(EVERYTHING)[0].how == "finished"


def test_a_newer_history_is_left_alone_and_the_run_goes_on(path):
    with History.open(path) as history:
        history.begin(Path("m.yaml"), "run")
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    newer.close()
    before = path.read_bytes()
    with History.open(path) as history:
        assert "newer" in str(history.trouble)
        assert history.begin(Path("m.yaml"), "run") == 0
        history.record(0, outcome())
        history.end(0, "finished")
        assert (history.last("hf:org/a", "ms:mine/a"), history.runs(EVERYTHING)) == (None, ())
    assert path.read_bytes() == before


def test_an_older_history_becomes_todays_in_one_step(path, monkeypatch):
    with History.open(path) as history:
        history.record(history.begin(Path("m.yaml"), "run"), outcome())
    later = (*schema.MIGRATIONS, ("ALTER TABLE runs ADD COLUMN mood TEXT", "CREATE TABLE moods (a TEXT)"))
    connection = sqlite3.connect(path, isolation_level=None)
    broken = (*schema.MIGRATIONS, (later[-1][0], "CREATE NONSENSE"))
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, broken)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    assert "mood" not in [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    schema.migrate(connection, later)
    assert connection.execute("SELECT file, mood FROM runs").fetchall() == [
        (str(Path("m.yaml").absolute()), None)
    ]
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION + 1,)
    connection.close()


def test_without_a_home_nothing_is_remembered_and_nothing_fails(monkeypatch):
    monkeypatch.setattr("hubferry.places.home", lambda: None)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert place() is None
    with History.open() as history:
        assert history.begin(Path("m.yaml"), "run") == 0
        assert isinstance(history.trouble, NotFoundError)
        assert "XDG_STATE_HOME" in str(history.trouble)


def test_looking_makes_no_history_where_there_is_none(path):
    with History.open(path, create=False) as history:
        assert (history.runs(EVERYTHING), history.trouble) == ((), None)
    assert not path.parent.exists()


@pytest.mark.parametrize("way", ["wal", "delete"])
def test_a_history_on_a_disk_that_is_only_read_can_be_looked_at(tmp_path, path, way):
    if os.geteuid() != 0:
        pytest.skip("becomes somebody else, which takes root")
    with History.open(path) as history:
        history.record(history.begin(Path("m.yaml"), "run"), outcome())
    tmp_path.chmod(0o755)
    top = Path(tempfile.gettempdir()).resolve()
    for above in tmp_path.resolve().parents:
        if above != top and above.is_relative_to(top):
            above.chmod(above.stat().st_mode | 0o055)
    path.parent.chmod(0o755)
    for one in path.parent.iterdir():
        one.chmod(0o644)
    if way == "delete":
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = delete")
        connection.close()
    text = (
        "import os, pathlib, sys\n"
        "from hubferry.sync.history.store import History; from hubferry.sync.history.reading import Wanted\n"
        "import hubferry.sync.history.opening\n"
        "os.setgid(65534); os.setuid(65534)  # afterwards no module may be there to be read\n"
        "history = History.open(pathlib.Path(sys.argv[1]))\n"
        "run = history.begin(pathlib.Path('m'), 'run')\n"
        "print(len(history.runs(Wanted())), run, type(history.trouble).__name__)"
    )
    done = forked.run([sys.executable, "-c", text, str(path)], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", "0", "DiskError"], done.stderr


def test_a_pipe_in_its_place_is_not_waited_for(path):
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with History.open(path) as history:
        assert history.begin(Path("m.yaml"), "run") == 0
        assert isinstance(history.trouble, DiskError)


def test_on_a_disk_of_the_network_no_log_is_kept_beside_the_file(path, monkeypatch):
    def journal() -> str:
        with History.open(path) as history:
            history.begin(Path("m.yaml"), "run")
            return history._connection.execute("PRAGMA journal_mode").fetchone()[0]

    assert journal() == "wal"
    monkeypatch.setattr(opening, "filesystem", lambda _directory: "nfs4")
    assert journal() == "delete"


def test_the_filesystem_is_that_of_the_nearest_mount(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "20 1 8:1 / / rw - ext4 /dev/sda rw\n"
        "31 20 0:44 / /home rw,relatime shared:1 - nfs4 server:/home rw\n"
        "32 31 0:45 / /home/me/a\\040b rw - tmpfs tmpfs rw\n"
        "33 20 0:46 / /homeless rw - cifs //server/x rw\n"
        "odd\n"
    )
    kinds = [
        opening.filesystem(Path(one), mounts) for one in ("/etc", "/home/me", "/home/me/a b/c", "/homeless")
    ]
    assert kinds == ["ext4", "nfs4", "tmpfs", "cifs"]
    assert opening.is_network("nfs4")
    assert not opening.is_network("ext4")
    assert opening.filesystem(Path("/etc"), tmp_path / "none") is None


def test_a_full_disk_ends_no_run_and_what_comes_later_is_remembered(history):
    run = history.begin(Path("m.yaml"), "run")
    (pages,) = history._connection.execute("PRAGMA page_count").fetchone()
    history._connection.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(50):
        history.record(run, replace(outcome(f"x{number}"), notes=("y" * 3000,)))
    assert "full" in str(history.trouble)
    history._connection.execute("PRAGMA max_page_count = 100000")
    history.record(run, outcome("later"))
    assert history.outcomes(run, EVERYTHING)[-1].source == "hf:org/later"

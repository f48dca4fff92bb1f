"""Two accounts of one group and one cache: whatever they do to it in any order, it converges."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from servers import running_hub, sdk_environment
from worlds import QUICK

from hubferry.cache import manifest
from hubferry.cache.manifest import Signature
from people import ANN, BOB, SHARED_GROUP, interpreter

ACCOUNTS = {"ann": ANN, "bob": BOB}
NAMES = ("README.md", "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
KILLED = -9
people = st.sampled_from(sorted(ACCOUNTS))


def content_of(name: str, version: int) -> bytes:
    seed = hashlib.sha256(f"{name} {version}".encode()).digest()
    return seed * (4096 if name.endswith(".safetensors") else 4)


class GroupMachine(RuleBasedStateMachine):
    """A hub whose model moves on, a cache with the setgid bit, two accounts that work in it."""

    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        self.top = Path(tempfile.mkdtemp(prefix="hubferry-group-", dir="/tmp"))
        self.stack.callback(shutil.rmtree, self.top)
        self.top.chmod(0o755)
        self.root = self.top / "cache"
        self.root.mkdir()
        os.chown(self.root, 0, SHARED_GROUP)
        self.root.chmod(0o2770)
        self.place = self.root / "org_model"

    @initialize()
    def begin(self):
        self.hub = self.stack.enter_context(running_hub(self.top / "hub"))
        self.hub.store.create("org/model", "model", license="mit")
        self.version, self.published = 0, {}
        self.accounts = {name: self.stack.enter_context(self.account(name)) for name in ACCOUNTS}
        self.source_moves_on()

    def account(self, name: str) -> subprocess.Popen[str]:
        python, paths = interpreter()
        home = self.top / name
        environment = sdk_environment(home, hf=self.hub) | QUICK | {
            "PYTHONPATH": paths, "HUBFERRY_CACHE": str(self.root), "HUBFERRY_LANG": "en", "TMPDIR": str(home),
        }  # fmt: skip
        home.chmod(0o700)
        os.chown(home, ACCOUNTS[name].uid, ACCOUNTS[name].uid)
        worker = str(Path(__file__).with_name("account.py"))
        running = subprocess.Popen(
            ACCOUNTS[name].words(python, worker),
            env=environment,
            cwd="/",
            encoding="utf-8",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.stack.callback(running.stdin.close)
        return running

    def ask(self, name: str, *words: str, turn: int = 0) -> int:
        running = self.accounts[name]
        running.stdin.write(json.dumps({"words": words, "turn": turn}) + "\n")
        running.stdin.flush()
        answer = json.loads(running.stdout.readline())
        self.said = answer["said"]
        assert "Traceback" not in self.said, self.said
        assert "no permission" not in self.said, self.said
        return answer["code"]

    def teardown(self):
        if hasattr(self, "accounts"):
            try:
                for name in sorted(ACCOUNTS):
                    assert self.ask(name, "fetch", "-q", "hf:org/model") == 0, self.said
                    assert self.files() == self.published
                    assert self.ask(name, "cache", "verify", "--full") == 0, self.said
            finally:
                self.stack.close()

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.place).as_posix(): path.read_bytes()
            for path in self.place.rglob("*")
            if path.is_file() and ".hubferry" not in path.parts
        }

    # what happens

    @rule()
    def source_moves_on(self):
        self.version += 1
        names = NAMES[: 3 + self.version % 2]  # now and then there is a file more, which then stays
        files = {name: content_of(name, self.version // 2 + at) for at, name in enumerate(names)}
        self.hub.store.add("org/model", files)
        self.published |= files

    @rule(who=people)
    def fetch(self, who):
        assert self.ask(who, "fetch", "-q", "hf:org/model") == 0, self.said
        assert self.files() == self.published

    @rule(who=people)
    def fetch_a_part(self, who):
        assert self.ask(who, "fetch", "-q", "hf:org/model", "--include", "*.json") == 0, self.said

    @rule(who=people, turn=st.integers(1, 120))
    def is_killed_while_fetching(self, who, turn):
        assert self.ask(who, "fetch", "-q", "hf:org/model", turn=turn) in (0, KILLED), self.said

    @precondition(lambda self: self.place.is_dir())
    @rule(name=st.sampled_from(NAMES), who=people)
    def a_disk_spoils_a_file(self, name, who):
        path = self.place / name
        if path.is_file():
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            assert self.ask(who, "cache", "verify", "org/model") in (0, 6), self.said

    @precondition(lambda self: self.place.is_dir())
    @rule(name=st.sampled_from(NAMES))
    def somebody_removes_a_file(self, name):
        (self.place / name).unlink(missing_ok=True)

    @precondition(lambda self: (self.place / ".hubferry/manifest.json").exists())
    @rule(who=people)
    def repair(self, who):
        assert self.ask(who, "cache", "repair", "org/model") == 0, self.said
        assert self.ask(who, "cache", "check", "org/model") == 0, self.said

    @precondition(lambda self: (self.place / ".hubferry/manifest.json").exists())
    @rule(who=people, pinned=st.booleans())
    def pin(self, who, pinned):
        assert self.ask(who, "cache", "pin" if pinned else "unpin", "org/model") == 0, self.said

    @precondition(lambda self: self.place.is_dir())
    @rule(who=people)
    def clean(self, who):
        assert self.ask(who, "cache", "unpin", "org_model") in (0, 3), self.said
        assert self.ask(who, "cache", "clean", "org_model", "--force") == 0, self.said
        assert not self.place.exists()

    @rule(who=people)
    def look(self, who):
        assert self.ask(who, "cache", "list", "--json") == 0, self.said
        assert self.ask(who, "cache", "check") in (0, 6), self.said

    # what is always true

    @invariant()
    def what_is_called_verified_is_what_it_is_called(self):
        known = manifest.load(self.place / ".hubferry")
        for path, entry in known.files.items() if known is not None else ():
            place = self.place / path
            if entry.here and place.is_file() and Signature.of(place.lstat()) == entry.signature:
                assert hashlib.sha256(place.read_bytes()).hexdigest() == entry.sha256

    @invariant()
    def everything_is_the_groups(self):
        for path in self.root.rglob("*"):
            status = path.lstat()
            assert status.st_gid == SHARED_GROUP, path
            assert status.st_mode & 0o060 == 0o060, path
            assert not path.is_dir() or status.st_mode & stat.S_ISGID, path


def test_two_accounts_in_any_order_leave_a_cache_that_converges():
    interpreter()  # skips where nobody else can be acted for
    GroupMachine.TestCase.settings = settings(
        max_examples=8,
        stateful_step_count=10,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    case = GroupMachine.TestCase()
    case.runTest()

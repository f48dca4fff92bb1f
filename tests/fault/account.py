"""Run the real command as this account, again and again: a line of JSON asks, a line of JSON answers.

Each command runs in a forked process of its own, which may be told to kill itself at its n-th operation on
the cache's disk.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile

import hubferry.api
import hubferry.cli.copy
import hubferry.cli.fetch
import hubferry.transfer  # noqa: F401 - imported once, so that each command starts at once
from hubferry.cache.disk import Disk, disk
from hubferry.cli.main import main


def kill_at(turn: int) -> None:
    """Let this process be killed in the middle of its `turn`-th operation."""
    left = [turn]

    def dying(honest):
        def operation(*arguments, **keywords):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return honest(*arguments, **keywords)

        return operation

    for name in vars(Disk):
        if not name.startswith("_"):
            setattr(disk, name, dying(getattr(disk, name)))


def run(words: list[str], turn: int) -> dict[str, object]:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            sys.argv = ["hubferry", *words]
            if turn:
                kill_at(turn)
            code = main()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _child, status = os.waitpid(child, 0)
        said.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "said": said.read().decode(errors="replace")}


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(run(asked["words"], asked["turn"])), flush=True)

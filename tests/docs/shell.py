"""Type a page's console blocks into a shell, one command after the other, and take down what is printed."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ("8787", "8788")
"""Those that the pages name; others, that are free, are used in their place."""
_SECONDS = 60


def commands(text: str) -> list[str]:
    """Return what the page's console blocks type, in order."""
    return [line[2:] for block in BLOCK.findall(text) for line in block.splitlines() if line.startswith("$ ")]


def with_answers(text: str, answers: Iterable[str]) -> str:
    """Return the page with these answers below its commands."""
    rest = iter(answers)

    def filled(block: re.Match[str]) -> str:
        lines = [line for line in block[1].splitlines() if line.startswith("$ ")]
        return "```console\n" + "".join(f"{line}\n{next(rest)}" for line in lines) + "```"

    return BLOCK.sub(filled, text)


@dataclass(frozen=True)
class Shell:
    """A shell in a home of its own; what it started ends with it."""

    place: Path
    environment: dict[str, str]

    def type(self, typed: list[str]) -> list[str]:
        """Type these commands; return what each of them printed."""
        ports = {named: str(_free_port()) for named in PORTS}
        process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self.place,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            answers = []
            for number, line in enumerate(typed):
                end = f"--- {number} is over ---"
                process.stdin.write(f"{_swapped(line, ports)}\necho; echo '{end}'\n")
                process.stdin.flush()
                answer = "".join(iter(process.stdout.readline, f"{end}\n"))
                answers.append(_swapped(answer, {used: named for named, used in ports.items()})[:-1])
                for named, used in ports.items():
                    if line.endswith("&") and named in line:
                        _wait_for(int(used))
        finally:
            process.stdin.write("kill $(jobs -p)\nwait\nexit\n")
            process.stdin.close()
            process.wait(_SECONDS)
            process.stdout.close()
        return answers


def _swapped(text: str, words: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_for(port: int) -> None:
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(port)

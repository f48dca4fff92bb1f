"""Whole screens, as a person sees them: tests/cli/transcripts holds them, and they are made anew here.

`WRITE_TRANSCRIPTS=1 pytest tests/cli/test_transcripts.py` writes them; what differs is then read in the diff.
Ports, paths, commits, times and rates are stood in for; a frame's numbers by as many columns.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from desks import lying_about_sizes, publish
from servers import running_hub
from terminal import terminal

import forked
from hubferry.cache.locks import hold
from hubferry.cache.names import RECORDS
from hubferry.serve import Strictness

HERE = Path(__file__).parent / "transcripts"
MIB = 1024 * 1024
WIDTHS = (80, 60, 40)
LANGUAGES = ("en", "zh")
PAIR = ("copy", "hf:org/model", "ms:mine/model")


def compare(name, text):
    """Hold a transcript against the one that is committed, or write it."""
    place = HERE / f"{name}.txt"
    if os.environ.get("WRITE_TRANSCRIPTS"):
        place.write_text(text, encoding="utf-8")
    assert text == place.read_text(encoding="utf-8"), f"WRITE_TRANSCRIPTS=1 writes {place.name}"


class Redaction:
    """Take out what differs from run to run."""

    def __init__(self, desk, **hubs):
        self._words = [
            (str(desk.home), "~"),
            (str(desk.home.parent), "<tmp>"),
            (socket.gethostname(), "<host>"),
        ]
        for name, hub in hubs.items():
            self._words[:0] = [(hub.url, f"http://{name}.example"), (hub.url[7:], f"{name}.example")]

    def __call__(self, text, *, sizes=False):
        for word, shown in self._words:
            text = text.replace(word, shown)
        text = re.sub(r"\b[0-9a-f]{12}(?:[0-9a-f]{28})?\b", "<commit>", text)
        text = re.sub(r"\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?(?!\d)", "<clock>", text)
        text = re.sub(r"(<clock> )+<clock>", "<clock>", text)
        text = re.sub(r"\d+ (min|分) \d+ (s\b|秒)|\d+(\.\d+)? (s\b|秒)", "<time>", text)
        text = re.sub(r"(process|进程) \d+", r"\1 <number>", text)
        return re.sub(r"\d+(\.\d)? [KMGTP]iB", "<size>", text) if sizes else text


FRAME = re.compile(r"\r(?:\x1b\[\d+A)?(?:[^\x1b\n]*\x1b\[K(?:\r+\n)?)*\x1b\[J\r?")


def said(screen):
    """Return what was said on a terminal, line by line as it was meant: no frames, colours or wraps."""
    text = FRAME.sub("", screen.drawn.decode())
    return re.sub(r"\x1b\[[\d;]*m", "", text).replace("\r", "").replace("^C", "").strip() + "\n"


def frame_of(screen):
    """Return the frame, its numbers stood in for by as many columns; files in the order of their names."""
    rows = [row.rstrip() for row in screen.screen.display]
    begin = next(
        number for number, row in enumerate(rows) if re.match(r"\d+ of \d+ files|\d+/\d+ 个文件", row)
    )
    first, *others = [row for row in rows[begin:] if row]
    first = re.sub(r"(, .* left|，剩余 .*)$", "", first)
    head, files = [levelled(row) for row in others[:2]], [levelled(row) for row in others[2:]]
    return "\n".join([first, *head, *sorted(files)]) + "\n"


def levelled(row):
    row = re.sub(r"[\d.]+ (?:B|KiB|MiB)(?=/\d)", lambda found: "n".rjust(len(found[0])), row)
    row = re.sub(r"[\d.]+ (?:B|KiB|MiB)/s", lambda found: "r/s".rjust(len(found[0])), row)
    row = re.sub(r"\d+%", lambda found: "n%".rjust(len(found[0])), row)
    row = re.sub(r"(?<=/s)( +)(-|[\d.]+ (?:s|秒)|\d+ (?:min|分|h|小时) \d+ (?:s|秒|min|分))$", "  left", row)
    return re.sub(r"[━╌]+", lambda found: "━" * len(found[0]), row)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_first_run_a_resumed_one_and_one_with_nothing_to_do(desk, slow, valve, language):
    redacted = Redaction(desk, hf=slow, ms=desk.destination)
    desk.environment |= {
        "HF_ENDPOINT": slow.url, "TERM": "xterm", "LANG": "en_US.UTF-8", "HUBFERRY_LANG": language
    }  # fmt: skip
    command = [sys.executable, "-m", "hubferry", *PAIR]
    with terminal(command, desk.environment, desk.home, columns=WIDTHS[0]) as screen:
        screen.wait_for(
            lambda text: re.search(r"10 of 12 files|10/12 个文件", text) and everything_moves(text)
        )
        frames = []
        for columns in WIDTHS:
            screen.resize(columns)
            screen.redrawn()
            frames.append(f"# {columns}\n{frame_of(screen)}")
        screen.type(b"\x03")
        assert screen.end() == -signal.SIGINT
        first = redacted(said(screen))
    valve.open()
    texts = ["$ hubferry " + " ".join(PAIR), first, *frames]
    for again in ("resumed", "nothing to do"):
        with terminal(command, desk.environment, desk.home, columns=WIDTHS[0]) as screen:
            assert screen.end() == 0
        texts += [f"\n$ hubferry {' '.join(PAIR)}", redacted(said(screen), sizes=again == "resumed")]
    compare(f"runs-{language}", "\n".join(texts))


def everything_moves(text):
    return all(
        len(re.findall(f"{arrow} .*0000{number}-of", text)) == 1 for arrow in "↓↑" for number in (1, 2)
    )


DRIVER = """
import json, os, sys
from hubferry.__main__ import main
environment = dict(os.environ)
for line in sys.stdin:
    words, changes = json.loads(line)
    os.environ.clear()
    os.environ.update(environment | changes)
    sys.argv = ["hubferry", *words]
    code = main()
    sys.stdout.flush()
    print(f"[{code}]", file=sys.stderr, flush=True)
"""


@pytest.fixture
def troubles(desk, model, tmp_path):
    """Two hubs and a home in which everything that the table of the README names can be met."""
    source, destination = desk.source.store, desk.destination.store
    for name in ("gated", "private", "huge", "larger", "card"):
        publish(desk.source, model, f"org/{name}")
    source.find("org/gated").change(gated="manual", granted=("somebody",))
    source.find("org/private").change(private=True)
    source.add("org/card", {"README.md": b"---\nlicense: Apache License 2.0\n---\n# A model\n"})
    publish(desk.destination, model, "mine/open")
    destination.add("mine/open", {"notes.txt": b"ours"})
    desk.home.mkdir(exist_ok=True)
    (desk.home / "org" / "model").mkdir(parents=True)
    (desk.home / "org" / "model" / "config.json").write_bytes(b"{}")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
    (desk.home / "clone").mkdir()
    (desk.home / "clone" / "model.safetensors").write_bytes(pointer)
    with running_hub(tmp_path / "strict", strict=Strictness.real()) as strict:
        yield strict


def steps(desk, strict):
    """Return what is typed, with what else is set: first what works, then the table of troubles in order."""
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HUBFERRY_RETRIES": "0"}
    strictly = ("--destination-endpoint", strict.url)
    return [
        (("copy", "hf:org/gated", "ms:mine/model"), {}),
        (("copy", "hf:org/absent", "ms:mine/model"), {}),
        (("copy", "hf:org/model@v9", "ms:mine/model"), {}),
        (("copy", "hf:org/model", "ms:mine/model"), {"HF_TOKEN": "hf_wrongwrongwrong"}),
        (("copy", "hf:org/model", "ms:mine/model"), {"MODELSCOPE_API_TOKEN": ""}),
        (("copy", "hf:org/model", "ms:mine/model"), {"MODELSCOPE_API_TOKEN": desk.destination.read_token}),
        (("copy", "hf:org/model", "ms:mine/model"), nowhere),
        (("fetch", "hf:org/huge"), {}),
        (("copy", "hf:org/larger", "hf:tester/larger", *strictly), {}),
        (("copy", "hf:org/private", "ms:mine/open"), {}),
        (("copy", "hf:org/card", "hf:tester/card", *strictly), {}),
        (("copy", "./clone", "ms:mine/model"), {}),
        (("copy", "org/model", "ms:mine/model"), {}),
        (("copy", "hf:org/model", "ms:mine/open", "--dry-run"), {}),
        (("copy", "hf:org/model", "ms:mine/open"), {}),
        (("fetch", "hf:org/model"), {}),
        (("fetch", "hf:org/model", "--offline"), {}),
        (("cache", "clean", "org/model"), {}),
        (("cache", "clean", "org/model", "--force"), {"HELD": "1"}),
        (("copy", "hf:org/model", "ms:mine/model", "--fast"), {}),
        (("copy", "hf:no good", "ms:mine/model"), {}),
        (("copy", "hf:org/model", "ms:mine/model", "--bwlimit", "fast"), {}),
    ]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_said_about_each_trouble_of_the_readme(desk, troubles, language):
    redacted = Redaction(desk, hf=desk.source, ms=desk.destination, strict=troubles)
    todo = steps(desk, troubles)
    shard = "model-00001-of-00002.safetensors"
    with (
        lying_about_sizes(desk.source, shard, 1 << 50, "org/huge"),
        lying_about_sizes(desk.source, shard, 600 << 30, "org/larger"),
    ):
        texts = []
        for part, held in ((todo[:18], False), (todo[18:19], True), (todo[19:], False)):
            texts += drive(desk, part, language, held=held)
    said = [
        redacted(settled(text), sizes="hf:org/huge" in words or "clean" in words)
        for (words, _more), text in zip(todo, texts, strict=True)
    ]
    screens = [f"$ {redacted(typed(*step))}\n{text}" for step, text in zip(todo, said, strict=True)]
    compare(f"troubles-{language}", "\n".join(screens))


def settled(text):
    """Take out who was heard before the run was refused: both hubs are asked at once."""
    if text.endswith("[0]\n"):
        return text
    return re.sub(r"^(source: |destination: |源：|目标：).*\n", "", text, flags=re.MULTILINE)


def drive(desk, todo, language, *, held):
    """Run commands one after another in one process; return what each of them said, with its exit code."""
    lines = "".join(json.dumps(step) + "\n" for step in todo)
    environment = {"HUBFERRY_LANG": language, "COLUMNS": "80"}
    records = desk.home / "cache" / "org_model" / RECORDS
    with hold(records, name="org/model", wait=0) if held else contextlib.nullcontext():
        done = forked.run(
            [sys.executable, "-c", DRIVER], input=lines, env=desk.environment | environment, cwd=desk.home,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=120, check=True,
        )  # fmt: skip
    return [text + code for text, code in re.findall(r"(.*?)(\[\d+\]\n)", done.stdout, re.DOTALL)]


def typed(words, more):
    variables = [
        f"{name}={value}" for name, value in more.items() if name not in ("HELD", "HUBFERRY_RETRIES")
    ]
    return " ".join([*variables, "hubferry", shlex.join(words)])

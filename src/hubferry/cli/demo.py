"""`hubferry demo`: a whole copy between two hubs of our own, by the same commands a person types."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubferry.cli import demo_model, output
from hubferry.cli.command import Command
from hubferry.errors import DiskError, HubferryError, UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MODEL = "demo/tiny-llama"
_FOREIGN = ("HF_", "HUGGING_FACE_", "MODELSCOPE_", "HUBFERRY_", "XDG_")
_KEPT = ("HUBFERRY_LANG", "HUBFERRY_DEBUG")
_STOP_SECONDS = 5


@click.command(
    cls=Command,
    help=_(
        "Watch a whole copy: two hubs start on this machine, a small model moves from one to the other, "
        "is proven identical, and does not move a second time. It needs no account and no internet, and "
        "leaves nothing behind."
    ),
    examples=("hubferry demo", "hubferry demo --model ./tiny-llama"),
)
@click.option(
    "--model",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=_("Only write the demo's model into DIR, to try commands with; DIR must be new or empty."),
)
def demo(model: Path | None) -> None:
    """Run the command."""
    if model is not None:
        _write_model(model)
        return
    started = time.monotonic()
    with ExitStack() as stack:
        home = stack.enter_context(_temporary_home())
        token = secrets.token_hex(16)
        _say(_("Two hubs of our own start on this machine, in a home that is gone afterwards."))
        source = stack.enter_context(_hub(home, "huggingface", token))
        destination = stack.enter_context(_hub(home, "modelscope", token))
        environment = _environment(home) | {
            "HF_ENDPOINT": source(),
            "HF_TOKEN": token,
            "MODELSCOPE_ENDPOINT": destination(),
            "MODELSCOPE_API_TOKEN": token,
        }
        demo_model.write(home / "tiny-llama")
        for sentence, words in _acts():
            _say(sentence)
            _run(words, environment, home)
    _say(
        _("Done in {time}; nothing is left behind.").format(time=output.duration(time.monotonic() - started))
    )
    output.talk(_("Next: hubferry doctor, then hubferry copy hf:org/name ms:my-org/name"))


def _write_model(place: Path) -> None:
    try:
        if place.exists() and any(place.iterdir()):
            raise UsageError(
                _("{folder} is not empty").format(folder=place), hint=f"hubferry demo --model {place}/new"
            )
        demo_model.write(place)
    except OSError as error:
        raise DiskError(
            _("{folder} cannot be used: {reason}").format(folder=place, reason=error.strerror or error)
        ) from error
    output.data(str(place))


def _acts() -> tuple[tuple[str, tuple[str, ...]], ...]:
    pair = (f"hf:{_MODEL}", f"ms:{_MODEL}")
    return (
        (
            _("A small model goes onto the first hub."),
            ("copy", "./tiny-llama", pair[0], "--no-cache", "--quiet"),
        ),
        (_("What would a copy do?"), ("copy", *pair, "--dry-run")),
        (_("The copy itself."), ("copy", *pair)),
        (_("The proof: both hubs' listings, file by file."), ("check", *pair)),
        (_("Again: nothing moves."), ("copy", *pair)),
        (_("The cache keeps what was verified."), ("cache", "list")),
    )


def _say(sentence: str) -> None:
    output.talk()
    output.talk(sentence, label="#", colour="cyan")


def _run(words: tuple[str, ...], environment: dict[str, str], home: Path) -> None:
    output.talk(" ".join(("hubferry", *words)), label="$", colour="cyan")
    sys.stdout.flush()
    with _held_signals() as release:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "hubferry", *words],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is heard here, and a Python that is only starting says nothing
        )
        try:
            release()
            code = process.wait()
        finally:
            process.kill()
            process.wait()
    if code:
        raise HubferryError(
            _("the demo's command ended with exit code {code}").format(code=code),
            hint="HUBFERRY_DEBUG=1 hubferry demo",
        )


@contextmanager
def _held_signals() -> Iterator[Callable[[], None]]:
    """Hold signals back until what is given is called: one in the middle of a start leaves a process."""
    if not hasattr(signal, "pthread_sigmask"):
        yield lambda: None
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield lambda: _set_mask(before)
    finally:
        _set_mask(before)


def _set_mask(signals: set[signal.Signals] | set[int]) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, signals)


@contextmanager
def _temporary_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="hubferry-demo-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _hub(home: Path, name: str, token: str) -> Iterator[Callable[[], str]]:
    """Run a hub in a process of its own, and give what waits for its address."""
    words = ["serve", str(home / name), "--port", "0", "--user", "demo", "--writable", "--json"]
    with (home / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "hubferry", *words],
            env=_environment(home) | {"HUBFERRY_TOKEN": token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )
        try:
            yield lambda: _address(process.stdout.readline() if process.stdout else "", Path(log.name))
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


def _address(line: str, log: Path) -> str:
    try:
        return str(json.loads(line)["url"])
    except (ValueError, KeyError):
        said = log.read_text(encoding="utf-8", errors="replace").strip()
        message = _("the demo's hub did not start: {said}").format(said=said)
        raise HubferryError(message, hint="hubferry serve --port 0") from None


def _environment(home: Path) -> dict[str, str]:
    """Return this environment without anybody's tokens, caches, proxies and configuration file."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if (name in _KEPT or not name.startswith(_FOREIGN)) and not name.lower().endswith("_proxy")
    }
    return ours | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "HUBFERRY_CACHE": str(home / "cache"),
        "HUBFERRY_CONFIG": "none",
    }

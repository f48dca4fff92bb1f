"""Get a hub's token from where the configuration file says it is, when it is needed and no earlier."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from hubferry import places
from hubferry.errors import AccessError
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.config.settings import HubSettings, TokenSource

SECONDS = 60.0
"""That a command may take: long enough to unlock a store of passwords, short enough for a job at night."""
_LARGEST = 64 * 1024
_HIDDEN = "***"
_obtained: dict[TokenSource, str] = {}
_running: set[subprocess.Popen[bytes]] = set()
_stops: list[None] = []
"""One for each time that the commands were ended: what was being started meanwhile ends as well."""
_one_at_a_time = threading.Lock()


def obtain(hub: HubSettings) -> str | None:
    """Return a hub's token; None where the file names none, or the variable that it names is not set.

    A command is run once in a process, without a shell and without input.

    Raises:
        AccessError: The file cannot be read, or the command failed; what it said to stderr is in the hint.
    """
    source = hub.token
    if source is None:
        return None
    if source.kind == "env":
        token = os.environ.get(source.words[0], "").strip() or None
    elif source.kind == "clear":
        token = source.words[0]
    elif source.kind == "file":
        token = _of_file(hub, source)
    else:
        with _one_at_a_time:
            token = _obtained.get(source) or _of_command(hub, source)
    if token:
        _obtained[source] = token
    return token


def obtained() -> tuple[str, ...]:
    """Return every token that was got in this process, so that nothing that is printed has it."""
    return tuple(_obtained.values())


def stop() -> None:
    """End the commands that are still running: whoever wanted a token does not wait any longer."""
    _stops.append(None)
    for process in tuple(_running):
        _kill(process)


def _of_file(hub: HubSettings, source: TokenSource) -> str | None:
    path = places.expanded(source.words[0])
    try:
        if not path.is_file():
            reason = _("there is no such file")
        elif path.stat().st_size > _LARGEST:
            reason = _("it is too long for a token")
        else:
            return _token_in(hub, path.read_bytes(), str(path))
    except OSError as error:
        reason = error.strerror or type(error).__name__
    message = _("the token of {hub} cannot be read from {place}: {reason}")
    raise AccessError(message.format(hub=hub.name, place=path, reason=reason), hint="hubferry config show")


def _of_command(hub: HubSettings, source: TokenSource) -> str:
    words = list(source.words)
    words[0] = os.path.expandvars(os.path.expanduser(words[0]))  # noqa: PTH111 - a name without a path stays one
    stops = len(_stops)
    try:
        process = subprocess.Popen(  # noqa: S603 - the person's own file says so; no shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=os.name == "posix",
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise _failed(hub, source, reason) from error
    _running.add(process)
    if len(_stops) != stops:
        _kill(process)
    out, err = _Kept(process.stdout), _Kept(process.stderr)
    try:
        code = process.wait(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        reason = _("it did not end within {seconds:.0f} s").format(seconds=SECONDS)
        raise _failed(hub, source, reason) from None
    finally:
        _kill(process)
        _running.discard(process)
        out.end()
        err.end()
    if code:
        raise _failed(hub, source, _("it ended with {code}").format(code=code), _said(out.bytes, err.bytes))
    token = _token_in(hub, out.bytes, source.shown)
    if token is None:
        raise _failed(hub, source, _("it printed nothing"), _said(out.bytes, err.bytes))
    return token


class _Kept:
    """Read what a command prints to its end, and keep as much of it as a token may have."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self.bytes = b""
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            while self._stream is not None and (piece := os.read(self._stream.fileno(), _LARGEST)):
                self.bytes = (self.bytes + piece)[: _LARGEST + 1]

    def end(self) -> None:
        """Wait for the end, but not for what the command left running."""
        self._thread.join(timeout=1.0)
        if self._stream is not None and not self._thread.is_alive():
            self._stream.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started; one that has ended is no error."""
    if process.poll() is not None:
        return
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _token_in(hub: HubSettings, content: bytes, place: str) -> str | None:
    """Return the one word that a file or a command gave, None where it gave nothing."""
    text = content.decode("utf-8", "replace").strip()
    if len(content) > _LARGEST or len(text.split()) > 1 or not text.isprintable():
        message = _("what {place} gives for {hub} is no token: one word is expected")
        raise AccessError(message.format(place=place, hub=hub.name), hint="hubferry config show")
    return text or None


def _said(out: bytes, err: bytes) -> str:
    """Return what a command said to stderr, without anything that it printed."""
    text = err.decode("utf-8", "replace").strip()
    for word in out.decode("utf-8", "replace").split():
        text = text.replace(word, _HIDDEN)
    return text


def _failed(hub: HubSettings, source: TokenSource, reason: str, said: str = "") -> AccessError:
    message = _("the command {command} gives no token for {hub}: {reason}")
    words = {"command": source.shown, "hub": hub.name, "reason": reason}
    return AccessError(message.format(**words), hint=said or "hubferry config show")

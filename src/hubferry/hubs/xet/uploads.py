"""Store blobs in Hugging Face's chunked storage with its own client: chunks that the hub has are not sent.

One upload is a commit of hf_xet's with one stream. It blocks whoever writes, and is aborted from outside, in
the middle of a write as well (docs/adr/0003-xet.md). Whatever goes wrong ends Xet for the run, and git LFS
sends the blob from its start. hf_xet believes the sha256 that it is told: it is a body that holds its last
bytes back until they fit.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from hubferry.errors import HubferryError
from hubferry.events import Listener, Note, ignore
from hubferry.hubs.xet import access as xet_access
from hubferry.hubs.xet.access import NoXetError
from hubferry.hubs.xet.threads import in_thread
from hubferry.i18n import _
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hubferry.hubs.huggingface.wire import Wire
    from hubferry.hubs.ports import Body
    from hubferry.hubs.xet.access import Access
    from hubferry.model import Blob, RepoRef

LEAST = 8 << 20
"""Bytes of a blob from which chunks are worth their while; smaller ones go by git LFS, many at once."""
AT_ONCE = 2
"""Uploads side by side: each holds up to some hundred MiB of chunks, and sends over several connections."""
WRITE = 4 << 20
"""Bytes given to hf_xet at a time."""
_SETTINGS = {
    "telemetry.enabled": False,
    "client.retry_max_attempts": 1,
    "client.ac_max_upload_concurrency": 4,  # of 64 MiB each, which are in memory: by itself it goes up to 64
}
_WORTH_TELLING = 1 << 20
_LAST_SECONDS = 2.0


class XetUploads:
    """Uploads to one server."""

    def __init__(self, wire: Wire, silence: float, listen: Listener = ignore, *, least: int = LEAST) -> None:
        """Prepare; nothing of Xet is imported or asked for before it is needed.

        Args:
            wire: The server.
            silence: Seconds in which nothing moves before Xet is given up.
            listen: Hears of what was not sent.
            least: Bytes of the smallest blob that is sent this way.
        """
        self._wire = wire
        self._silence = silence
        self._listen = listen
        self._least = least
        self._given_up = False
        self._session: Any = None
        self._access: dict[tuple[str, str, str | None], Access] = {}
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def upload(self, ref: RepoRef, blob: Blob, body: Body) -> bool:
        """Store a blob; return False where that has to be done in another way, from its first byte.

        Raises:
            HubferryError: What reading the body raised; nothing is stored then.
        """
        if not self._may_take(blob):
            return False
        async with self._places:
            if not self._may_take(blob):
                return False
            try:
                opened = _Upload(await self._opened(ref), blob, self._silence)
            except (NoXetError, HubferryError):
                self._given_up = True
                return False
            try:
                new = await opened.run(body)
            except NoXetError:
                self._given_up = True
                self._listen(Note(_("chunked storage (Xet) does not take the files; they go by git LFS")))
                return False
            self._tell(blob, new)
            return True

    def _may_take(self, blob: Blob) -> bool:
        return not self._given_up and blob.size >= self._least

    async def _opened(self, ref: RepoRef) -> Any:
        """Return a commit of hf_xet's, with the right to write that the hub gives."""
        key = (ref.repo_type, ref.repo_id, ref.revision)
        async with self._turn:
            granted = self._access.get(key)
            if granted is None or time.time() >= granted.renew_at:
                granted = self._access[key] = await xet_access.ask_to_write(self._wire, ref)
            work = in_thread(lambda: self._begin(granted))
            await asyncio.wait({work}, timeout=self._silence)
            if not work.done():
                raise NoXetError
            return work.result()

    def _begin(self, granted: Access) -> Any:
        import hf_xet  # type: ignore[import-untyped]  # a compiled module without stubs

        if self._session is None:
            self._session = hf_xet.XetSession(hf_xet.XetConfig().with_config(_SETTINGS))
        return self._session.new_upload_commit(
            granted.address, token=granted.token, token_expiry_unix_secs=granted.expires
        )

    def _tell(self, blob: Blob, new: int) -> None:
        if blob.size - new > _WORTH_TELLING:
            message = _("{path}: the hub has chunks of it, and {new} of {size} were sent")
            words = {"new": readable_size(new), "size": readable_size(blob.size)}
            self._listen(Note(message.format(path=blob.path, **words)))


class _Upload:
    """One blob on its way."""

    def __init__(self, commit: Any, blob: Blob, silence: float) -> None:
        self._commit = commit
        self._blob = blob
        self._silence = silence
        self._moved = (time.monotonic(), -1)

    async def run(self, body: Body) -> int:
        """Send all of a body; return how many bytes of it the hub had not.

        Raises:
            NoXetError: Anything went wrong, or nothing moved for too long.
        """
        work: asyncio.Future[Any] | None = None
        try:
            work = in_thread(self._open)
            stream = await self._watched(work)
            async with aclosing(_gathered(body)) as blocks:
                async for block in blocks:
                    work = in_thread(partial(stream.write, block))
                    await self._watched(work)
            work = in_thread(lambda: self._close(stream))
            return int(await self._watched(work))
        except BaseException:
            # Also of a stream in whose write a thread is waiting: that ends the wait.
            with suppress(Exception):
                self._commit.abort()
            if work is not None and not work.done():
                with suppress(Exception, asyncio.CancelledError):
                    await asyncio.wait({work}, timeout=_LAST_SECONDS)
            raise

    def _open(self) -> Any:
        return self._commit.start_upload_stream(name=self._blob.sha256[:12], sha256=self._blob.sha256)

    def _close(self, stream: Any) -> int:
        """Finish the stream, then the commit, which makes the file known by its sha256."""
        said = stream.finish()
        if said.xet_info.file_size != self._blob.size:
            raise NoXetError
        return int(self._commit.wait_to_finish().dedup_metrics.new_bytes)

    async def _watched(self, work: asyncio.Future[Any]) -> Any:
        """Wait for a thread as long as it moves anything."""
        self._moved = (time.monotonic(), self._moved[1])
        while not work.done():
            await asyncio.wait({work}, timeout=self._silence / 8)
            now, progress = time.monotonic(), self._commit.progress()
            position = progress.total_transfer_bytes_completed + progress.total_bytes_completed
            if position != self._moved[1]:
                self._moved = (now, position)
            elif not work.done() and now - self._moved[0] > self._silence:
                raise NoXetError
        return work.result()


async def _gathered(body: Body) -> AsyncGenerator[bytes, None]:
    """Yield a body in larger blocks, the last one as it comes: it waits for the hash of all."""
    held = bytearray()
    async with aclosing(body()) as pieces:
        async for piece in pieces:
            held += piece
            if len(held) >= WRITE:
                yield bytes(held)
                held.clear()
    if held:
        yield bytes(held)

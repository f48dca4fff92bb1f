"""Wait for a Rust call that blocks: in a thread that keeps no process alive when it never ends."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hubferry.hubs.xet.access import NoXetError

if TYPE_CHECKING:
    from collections.abc import Callable


def in_thread(action: Callable[[], Any]) -> asyncio.Future[Any]:
    """Run `action` in a daemon thread; whatever it raises is a NoXetError, without its words."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, *, failed: bool) -> None:
        if future.done():
            return
        future.set_exception(NoXetError()) if failed else future.set_result(result)
        future.exception()  # whoever asked may have gone

    def run() -> None:
        try:
            result, failed = action(), False
        # A panic in Rust is no Exception; what any of them says may hold a token or a signed address.
        except BaseException:  # noqa: BLE001 - see above; the plain way is taken whatever it was
            result, failed = None, True
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(lambda: settle(result, failed=failed))

    threading.Thread(target=run, name="hubferry-xet", daemon=True).start()
    return future

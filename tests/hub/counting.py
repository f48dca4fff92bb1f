"""A relay in front of a hub that counts the connections it has at once, as the hub would see them."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Relay:
    """Pass bytes on both ways. A connection counts until its client has closed it, not until we notice."""

    def __init__(self, hub: str) -> None:
        self._to = (urlsplit(hub).hostname, urlsplit(hub).port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.most = 0
        self.accepted = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open = {one for one in self._open if not _has_ended(one)} | {client}
                self.most = max(self.most, len(self._open))
                self.accepted += 1
            hub = socket.create_connection(self._to)
            for one, other in ((client, hub), (hub, client)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {one, other}
        for end in (one, other):
            end.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _has_ended(client: socket.socket) -> bool:
    """Return whether a client has closed, also where we have yet to read what it said before."""
    told = select.poll()
    told.register(client, getattr(select, "POLLRDHUP", select.POLLHUP))
    return bool(told.poll(0))


@contextlib.contextmanager
def counted(hub: str) -> Iterator[Relay]:
    """Run a relay in front of the hub at an address."""
    relay = Relay(hub)
    try:
        yield relay
    finally:
        relay.close()

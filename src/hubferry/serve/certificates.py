"""The certificate of a hub that speaks TLS, read again when its files change: certificates are renewed."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    Stamp = tuple[tuple[int, int, int], ...]

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Renewable:
    """A certificate and its key, as files that somebody may put others in the place of.

    Attributes:
        certificate: The chain.
        key: The key; None where it is in the same file.
    """

    certificate: Path
    key: Path | None = None
    _stamp: Stamp = ()
    _current: ssl.SSLContext | None = field(default=None, repr=False)

    def context(self) -> ssl.SSLContext:
        """Return what a server is started with; connections that come later get what the files hold then.

        Raises:
            OSError: They cannot be read, or (ssl.SSLError) are no certificate with its key.
        """
        self._stamp = self._look()
        self._current = self._read()
        outermost = self._read()
        outermost.sni_callback = self._choose
        return outermost

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Give a connection that begins the certificate of now; OpenSSL asks, also where no name is sent."""
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._current, self._stamp = self._read(), stamp
                _LOGGER.info("%s was read again", self.certificate)
        except OSError as error:  # half of it is there, or gone: the one before it is good for a while
            _LOGGER.warning("%s cannot be used, and the one before it still is: %s", self.certificate, error)
        if self._current is not None:
            connection.context = self._current

    def _look(self) -> Stamp:
        files = [self.certificate] if self.key is None else [self.certificate, self.key]
        return tuple((s.st_mtime_ns, s.st_size, s.st_ino) for s in (file.stat() for file in files))

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key, password="")  # none is asked for on a terminal
        return context

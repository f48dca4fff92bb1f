"""Seal lines with an account's token: without it nobody reads them, and none that was changed is believed.

The standard library has no cipher. SHAKE-256 over a key and a nonce is a stream that only the key's owner
knows, HMAC-SHA-256 over nonce and hidden text is the seal.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

_NONCE, _TAG = 16, 32


class Seal:
    """Seal and open lines; whoever has the token can do with it all that the lines could be used for."""

    def __init__(self, token: str, purpose: str) -> None:
        """Derive the keys of one purpose."""
        base = hmac.new(token.encode(), f"hubferry {purpose}".encode(), hashlib.sha256).digest()
        self._stream_key = hmac.new(base, b"stream", hashlib.sha256).digest()
        self._tag_key = hmac.new(base, b"seal", hashlib.sha256).digest()

    def close(self, text: bytes) -> bytes:
        """Return a line that holds `text`."""
        nonce = secrets.token_bytes(_NONCE)
        hidden = nonce + self._hidden(nonce, text)
        return b64encode(hidden + self._tag(hidden))

    def open(self, line: bytes) -> bytes | None:
        """Return what a line holds, None where it was not made with this token, or was changed."""
        try:
            sealed = b64decode(line, validate=True)
        except binascii.Error:
            return None
        hidden, tag = sealed[:-_TAG], sealed[-_TAG:]
        if len(hidden) < _NONCE or not hmac.compare_digest(self._tag(hidden), tag):
            return None
        return self._hidden(hidden[:_NONCE], hidden[_NONCE:])

    def _hidden(self, nonce: bytes, text: bytes) -> bytes:
        stream = hashlib.shake_256(self._stream_key + nonce).digest(len(text))
        mixed = int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")
        return mixed.to_bytes(len(text), "big")

    def _tag(self, hidden: bytes) -> bytes:
        return hmac.new(self._tag_key, hidden, hashlib.sha256).digest()

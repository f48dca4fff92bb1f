"""Signed addresses that expire: who holds one may read or write exactly one blob, without a token."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

BELOW = {"get": "", "put": "", "part": "/part", "join": "/join"}
"""What an address is for, and where below the blob's own it leads."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Sign and check addresses; the key lives as long as the process.

    Attributes:
        lifetime: Seconds for which an address works.
    """

    lifetime: float = 3600.0
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def address(self, purpose: str, sha256: str, **claims: str) -> str:
        """Return path and query of an address for `purpose` (see `BELOW`); claims come back on checking."""
        claims = {"expires": str(int(time.time() + self.lifetime)), **claims}
        claims["signature"] = self._sign(purpose, sha256, claims)
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in claims.items())
        return f"/storage/{sha256}{BELOW[purpose]}?{query}"

    def check(self, purpose: str, sha256: str, query: MultiMapping[str]) -> Mapping[str, str]:
        """Return the claims of an address's query; nothing else of the query is to be believed.

        Raises:
            Refusal: It was not signed here for this purpose, says something twice, or has expired.
        """
        claims = dict(query.items())
        if len(claims) != len(query):
            raise Refusal(Reason.INVALID, "A parameter is given twice")
        expected = self._sign(purpose, sha256, {k: v for k, v in claims.items() if k != "signature"})
        given = claims.get("signature", "")
        if not hmac.compare_digest(expected.encode(), given.encode(errors="replace")):
            raise Refusal(Reason.EXPIRED, "The signature does not match")
        if float(claims.get("expires", "0")) < time.time():
            raise Refusal(Reason.EXPIRED, "Request has expired")
        return claims

    def _sign(self, purpose: str, sha256: str, claims: Mapping[str, str]) -> str:
        # as JSON, since what is merely joined could be taken apart in more ways than one
        text = json.dumps([purpose, sha256, *sorted(claims.items())])
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()

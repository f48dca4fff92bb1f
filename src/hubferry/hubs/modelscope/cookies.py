"""The session cookie out of a pickled cookie jar, without ever loading the pickle.

`modelscope login` stores a pickled `requests.cookies.RequestsCookieJar` (modelscope_hub/config.py:
`save_token`). Loading a pickle runs code of whoever wrote it; here its opcodes are only read, as text.
"""

from __future__ import annotations

import pickletools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "m_session_id"
_STRINGS = frozenset({"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"})
_STORES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_LOADS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_STRUCTURE = frozenset({"PROTO", "FRAME", "MARK", "SETITEM", "SETITEMS", "POP", "STOP"})
_OTHER = object()


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """A login: `expires` in seconds since 1970, None for never."""

    value: str
    domain: str = ""
    expires: float | None = None

    @property
    def expired(self) -> bool:
        """Whether it is of no use any more."""
        return self.expires is not None and self.expires <= time.time()

    def __repr__(self) -> str:
        return f"SessionCookie(domain={self.domain!r})"


def session_cookies(pickled: bytes) -> tuple[SessionCookie, ...]:
    """Find every `m_session_id` in a pickled cookie jar; none when it is not one."""
    try:
        atoms = list(_atoms(pickled))
    except (ValueError, IndexError, KeyError, UnicodeDecodeError):
        return ()
    return tuple(
        cookie
        for index, atom in enumerate(atoms)
        if atom == "name" and atoms[index + 1 : index + 2] == [_NAME]
        for cookie in [_cookie(atoms[index:])]
        if cookie
    )


def _atoms(pickled: bytes) -> Iterator[object]:
    """Yield strings and numbers in the order in which the pickle names them; anything else as a blank."""
    memo: dict[int, object] = {}
    last: object = _OTHER
    for opcode, argument, _position in pickletools.genops(pickled):
        if opcode.name == "MEMOIZE":
            memo[len(memo)] = last
            continue
        if opcode.name in _STORES:
            memo[int(str(argument))] = last
            continue
        if opcode.name in _STRUCTURE:
            last = _OTHER
            continue
        if opcode.name in _STRINGS or opcode.name in _NUMBERS:
            last = argument
        elif opcode.name in _LOADS:
            last = memo[int(str(argument))]
        else:
            last = _OTHER
        yield last


def _cookie(atoms: list[object]) -> SessionCookie | None:
    """Read the state of one `http.cookiejar.Cookie`, whose attributes follow each other as name and value."""
    state: dict[object, object] = {}
    for key, value in zip(atoms[::2], atoms[1::2], strict=False):
        if not isinstance(key, str) or key in state:
            break
        state[key] = value
    token, domain, expires = state.get("value"), state.get("domain"), state.get("expires")
    if not isinstance(token, str):
        return None
    return SessionCookie(
        token,
        domain if isinstance(domain, str) else "",
        float(expires) if isinstance(expires, (int, float)) else None,
    )

"""The accounts of a hub, in files beside what it stores, read anew whenever they change.

    <root>/accounts.json            names, roles, organisations, and the sha256 of each token
    <root>/upstream-tokens.json     tokens of other hubs that an account left here, as they have to be sent

Both are readable by nobody else. A token has so many random bits that guessing it from its sha256 is
hopeless; a slow hash would add nothing to that, and would be paid for by each request.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import msgspec
from filelock import FileLock

from hubferry.serve.access import Account
from hubferry.serve.disk import make_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)
Role = Literal["read", "write", "admin"]
_TOKEN_BYTES, _ID_BYTES = 32, 4
SHORTEST_TOKEN = 24
"""Letters that a token has to have which somebody else made up."""


class TokenRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One token of an account; `sha256` is of the token, `id` is what a person calls it by."""

    id: str
    sha256: str
    created: float


class AccountRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One account.

    Attributes:
        role: `read` sees the private repositories of its namespaces, `write` also changes what is in them,
            `admin` does so in every namespace.
        organisations: Its namespaces besides its own name.
    """

    name: str
    role: Role = "write"
    full_name: str = ""
    organisations: tuple[str, ...] = ()
    tokens: tuple[TokenRecord, ...] = ()

    @property
    def account(self) -> Account:
        """What the hub lets it do."""
        return Account(
            self.name,
            may_write=self.role != "read",
            namespaces=None if self.role == "admin" else frozenset([self.name, *self.organisations]),
            role=self.role,
            full_name=self.full_name,
            organisations=self.organisations,
        )


class AccountsFile(msgspec.Struct, frozen=True):
    """The content of `accounts.json`."""

    version: Literal[1] = 1
    accounts: tuple[AccountRecord, ...] = ()


UpstreamTokens = dict[str, dict[str, str]]
"""Account, then upstream (`hf`, `ms`), then the token."""
Content = TypeVar("Content")


class _Watched(Generic[Content]):
    """A file that is read again when it is another one; a broken one changes nothing."""

    def __init__(self, path: Path, shape: type[Content], nothing: Content) -> None:
        self.path = path
        self._shape = shape
        self._nothing = nothing
        self._read: tuple[object, Content] = (None, nothing)
        self._lock = threading.Lock()

    def exists(self) -> bool:
        return self.path.exists()

    def content(self) -> Content:
        """Return what the file says now; nothing where it is not there."""
        try:
            found = self.path.stat()
            mark: object = (found.st_mtime_ns, found.st_size, found.st_ino)
        except FileNotFoundError:
            mark = "none"
        seen, content = self._read
        if mark == seen:
            return content
        with self._lock:
            try:
                content = self.load()
            except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors, too
                if seen is None:
                    raise
                _LOGGER.error("%s cannot be read, what it said before holds: %s", self.path, error)  # noqa: TRY400
            self._read = mark, content
        return content

    def load(self) -> Content:
        """Read the file.

        Raises:
            ValueError: It is not what it should be.
        """
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=self._shape)
        except FileNotFoundError:
            return self._nothing

    def save(self, content: Content) -> None:
        make_folder(self.path.parent)
        text = msgspec.json.format(msgspec.json.encode(content), indent=2)
        write_atomically(self.path, text + b"\n", mode=0o600)


class Accounts:
    """Who may show which token; what changes it holds a lock, so that no two changes are one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._accounts: _Watched[AccountsFile] = _Watched(
            root / "accounts.json", AccountsFile, AccountsFile()
        )
        self._upstream: _Watched[UpstreamTokens] = _Watched(root / "upstream-tokens.json", UpstreamTokens, {})
        self._by_digest: tuple[AccountsFile | None, dict[str, Account]] = (None, {})

    def exist(self) -> bool:
        """Return whether there is a file of accounts, even one without any."""
        return self._accounts.exists()

    def all(self) -> tuple[AccountRecord, ...]:
        """Return every account.

        Raises:
            ValueError: The file is broken and nothing else was read before.
        """
        return self._accounts.content().accounts

    def identify(self, token: str) -> Account | None:
        """Return whose token it is, None if nobody's."""
        content = self._accounts.content()
        made_of, known = self._by_digest
        if made_of is not content:
            known = {one.sha256: record.account for record in content.accounts for one in record.tokens}
            self._by_digest = content, known
        return known.get(digest_of(token))

    def upstream_token(self, account: Account, upstream: str) -> str | None:
        """Return the token that an account left here for another hub (`hf` or `ms`), None for none."""
        return self._upstream.content().get(account.name, {}).get(upstream)

    def add(
        self,
        name: str,
        *,
        role: Role | None = None,
        organisations: tuple[str, ...] = (),
        full_name: str | None = None,
        token: str | None = None,
    ) -> tuple[AccountRecord, str]:
        """Make an account, or give the one of that name another token; return it and the token.

        What is left out stays as it is. Without `token` one is made up.

        Raises:
            ValueError: The token is too short, or somebody has it already.
        """
        token = token if token is not None else f"hbf_{secrets.token_urlsafe(_TOKEN_BYTES)}"
        if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError(token[:0])
        with self._changing() as records:
            if any(one.sha256 == digest_of(token) for record in records.values() for one in record.tokens):
                raise ValueError(name)
            before = records.get(name) or AccountRecord(name)
            new = TokenRecord(secrets.token_hex(_ID_BYTES), digest_of(token), time.time())
            records[name] = msgspec.structs.replace(
                before,
                role=role or before.role,
                full_name=full_name if full_name is not None else before.full_name,
                organisations=tuple(dict.fromkeys((*before.organisations, *organisations))),
                tokens=(*before.tokens, new),
            )
        return records[name], token

    def revoke(self, name: str, token_id: str | None = None) -> bool:
        """Remove a token of an account, or the account with all of its; return whether it was there."""
        with self._changing() as records:
            record = records.get(name)
            if record is None:
                return False
            if token_id is None:
                del records[name]
            else:
                left = tuple(one for one in record.tokens if one.id != token_id)
                if len(left) == len(record.tokens):
                    return False
                records[name] = msgspec.structs.replace(record, tokens=left)
        if token_id is None:
            for upstream in tuple(self._upstream.load().get(name, {})):
                self.keep_upstream_token(name, upstream, None)
        return True

    def keep_upstream_token(self, name: str, upstream: str, token: str | None) -> None:
        """Keep a token with which another hub is asked for an account, or forget it."""
        with self._held():
            kept = {one: dict(tokens) for one, tokens in self._upstream.load().items()}
            if token is None:
                kept.get(name, {}).pop(upstream, None)
            else:
                kept.setdefault(name, {})[upstream] = token
            self._upstream.save({one: tokens for one, tokens in kept.items() if tokens})

    @contextmanager
    def _changing(self) -> Iterator[dict[str, AccountRecord]]:
        """Yield the accounts by name, and write what became of them."""
        with self._held():
            before = {record.name: record for record in self._accounts.load().accounts}
            records = dict(before)
            yield records
            if records != before:
                self._accounts.save(AccountsFile(accounts=tuple(records.values())))

    @contextmanager
    def _held(self) -> Iterator[None]:
        make_folder(self._root)
        with FileLock(self._root / "accounts.lock", mode=0o600):
            yield


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def readable_by_others(root: Path) -> list[Path]:
    """Return the files of accounts that somebody else may read."""
    paths = [root / "accounts.json", root / "upstream-tokens.json"]
    return [path for path in paths if os.name == "posix" and path.exists() and path.stat().st_mode & 0o077]

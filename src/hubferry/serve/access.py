"""Who may do what on the embedded hub. No I/O."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hubferry.serve.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.serve.records import RepositoryRecord


@dataclass(frozen=True, slots=True)
class Account:
    """Someone with a token.

    Attributes:
        name: The user name, the namespace of repositories named without one.
        may_write: Whether the token may change anything.
        namespaces: The owners whose private repositories it sees and may write to; None is all of them.
        role: What its tokens are called: `read`, `write` or `admin`; None goes by `may_write`.
        full_name: Its name as people say it; empty for the user name.
        organisations: Which namespaces it has besides its own, in the order in which they are told.
        repositories: The only ones that a fine-grained token may write to, and it creates none; None is no
            such token.
    """

    name: str = "local"
    may_write: bool = True
    namespaces: frozenset[str] | None = None
    repositories: frozenset[str] | None = None
    role: str | None = None
    full_name: str = ""
    organisations: tuple[str, ...] = ()

    def belongs_to(self, repo_id: str) -> bool:
        """Return whether the repository lies in one of the account's namespaces."""
        return self.namespaces is None or repo_id.partition("/")[0] in self.namespaces


@dataclass(frozen=True, slots=True)
class Credential:
    """A token and whose it is."""

    token: str = field(repr=False)
    account: Account = Account()


class KnownAccounts(Protocol):
    """Tokens that may come and go while the hub runs."""

    def exist(self) -> bool:
        """Return whether tokens are kept at all, even if there is none at the moment."""
        ...

    def identify(self, token: str) -> Account | None:
        """Return whose token it is, None if nobody's."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """What the hub lets whom do.

    Attributes:
        credentials: The known tokens. Without any, every token is taken, as befits a hub on loopback.
        writable: Whether anything may be changed at all.
        anonymous_reads: Whether public repositories are open to a request without a token.
        accounts: More tokens, in a file that may change meanwhile.
    """

    credentials: Sequence[Credential] = ()
    writable: bool = False
    anonymous_reads: bool = True
    accounts: KnownAccounts | None = None

    @property
    def takes_any_token(self) -> bool:
        """Whether there is none to know, so that every token is taken, as befits a hub on loopback."""
        return not self.credentials and (self.accounts is None or not self.accounts.exist())

    def identify(self, token: str | None) -> Account | None:
        """Return whose token it is, None for a request without one.

        Raises:
            Refusal: A token that is not known.
        """
        if not token:
            return None
        if self.takes_any_token:
            return Account()
        given = token.encode(errors="replace")
        found: Account | None = None
        for credential in self.credentials:  # all of them, so that the time tells nothing
            if hmac.compare_digest(given, credential.token.encode()):
                found = credential.account
        if found is None and self.accounts is not None:
            found = self.accounts.identify(token)
        if found is None:
            raise Refusal(Reason.WRONG_CREDENTIALS, "Invalid credentials")
        return found

    def require_account(self, account: Account | None) -> Account:
        """Return the account, or refuse a request without a token."""
        if account is None:
            raise Refusal(Reason.NO_CREDENTIALS, "A token is required")
        return account

    def require_entry(self, account: Account | None) -> None:
        """Refuse an anonymous request where even public repositories need a token."""
        if account is None and not self.anonymous_reads:
            raise Refusal(Reason.NO_CREDENTIALS, "A token is required")

    def sees(self, account: Account | None, repository: RepositoryRecord) -> bool:
        """Return whether the repository exists as far as this account can tell."""
        if not repository.private:
            return account is not None or self.anonymous_reads
        return account is not None and account.belongs_to(repository.repo_id)

    def require_content(self, account: Account | None, repository: RepositoryRecord) -> None:
        """Refuse the content of a gated repository to whom it was not granted.

        An account named like the repository's owner or of that organisation, one granted by name, and an
        administrator have it.
        """
        if repository.gated is None:
            return
        owner = repository.repo_id.partition("/")[0]
        if account is not None and (account.role == "admin" or owner in account.organisations):
            return
        if account is None or account.name not in (owner, *repository.granted):
            raise Refusal(
                Reason.GATED,
                f"Access to model {repository.repo_id} is restricted: its terms must be accepted first",
                about="anonymous" if account is None else account.name,
            )

    def require_write(self, account: Account | None, repo_id: str) -> Account:
        """Return the account that may change the repository, or refuse."""
        writer = self._require_writer(account)
        granted = writer.repositories is None or repo_id in writer.repositories
        if not (writer.may_write and writer.belongs_to(repo_id) and granted):
            raise Refusal(Reason.NO_RIGHTS, f"This token may not write to {repo_id}", about=repo_id)
        return writer

    def require_creation(self, account: Account | None, repo_id: str, kind: str) -> Account:
        """Return the account that may make the repository, or refuse; a token for named ones makes none."""
        writer = self._require_writer(account)
        if not (writer.may_write and writer.belongs_to(repo_id) and writer.repositories is None):
            owner = repo_id.partition("/")[0]
            text = f'You don\'t have the rights to create a {kind} under the namespace "{owner}"'
            raise Refusal(Reason.NO_RIGHTS, text)
        return writer

    def _require_writer(self, account: Account | None) -> Account:
        writer = self.require_account(account)
        if not self.writable:
            raise Refusal(Reason.FORBIDDEN, "This hub is read-only: start it with --writable")
        return writer


def organisations_of(account: Account) -> list[str]:
    """Return the namespaces of an account besides its own."""
    return list(account.organisations) or sorted((account.namespaces or frozenset()) - {account.name})

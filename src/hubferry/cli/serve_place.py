"""Where a hub's store is unless somebody says, and the accounts that are in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import places
from hubferry.cli import output
from hubferry.errors import IntegrityError
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.serve import Accounts


def default_store() -> Path:
    """Return the folder of the hub of this person."""
    home = places.from_environment("XDG_DATA_HOME") or places.expanded("~/.local/share")
    return Path(home) / "hubferry" / "hub"


def known_accounts(store: Path) -> Accounts:
    """Return the accounts of a store; says so where others can read them.

    Raises:
        IntegrityError: Their file is broken.
    """
    from hubferry.serve import Accounts
    from hubferry.serve.accounts import readable_by_others

    accounts = Accounts(store)
    for path in readable_by_others(store):
        output.talk(
            _("{path} can be read by others; chmod 600 keeps it to you").format(path=path),
            label=_("warning:"),
            colour="yellow",
        )
    try:
        accounts.all()
    except ValueError as error:
        raise IntegrityError(
            _("{path} cannot be read: {reason}").format(path=store / "accounts.json", reason=error),
            path=str(store / "accounts.json"),
        ) from error
    return accounts

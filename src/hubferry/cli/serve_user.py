"""`hubferry serve user`: who may use a hub, and as whom other hubs are asked for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import output
from hubferry.cli.command import Command
from hubferry.cli.serve_place import default_store
from hubferry.errors import IntegrityError, UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.serve.accounts import AccountRecord, Accounts

_UPSTREAMS = ("hf", "ms")


def _store(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--store",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="STORE",
        help=_("Folder of the hub; the one that `hubferry serve` takes unless given."),
    )(function)


def _accounts(store: Path | None) -> Accounts:
    from hubferry.serve.accounts import Accounts

    root = store or default_store()
    accounts = Accounts(root)
    try:
        accounts.all()
    except ValueError as error:
        path = root / "accounts.json"
        raise IntegrityError(
            _("{path} cannot be read: {reason}").format(path=path, reason=error), path=str(path)
        ) from error
    return accounts


def _token_from_stdin() -> str:
    token = sys.stdin.readline().strip()
    if not token:
        raise UsageError(_("no token came on the standard input"))
    return token


@click.group(
    "user",
    help=_("Say who may use the hub. A hub that runs sees every change at once."),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """Run a command."""


@command.command(
    "add",
    cls=Command,
    help=_("Make the account NAME, or give it another token, which is printed this once."),
    examples=(
        "hubferry serve user add alice",
        "hubferry serve user add bob --role read --organisation lab",
    ),
)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["read", "write", "admin"]),
    help=_("What it may do: read, write in its own namespaces (unless given), or everything."),
)
@click.option(
    "--organisation",
    "organisations",
    multiple=True,
    metavar="NAME",
    help=_("A namespace besides its own name; can be repeated."),
)
@click.option("--full-name", metavar="TEXT", help=_("Its name as people say it."))
@click.option(
    "--token-stdin", is_flag=True, help=_("Take the token from the standard input, and print none.")
)
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON document."))
@_store
def add(  # one a command-line option
    name: str,
    role: Any,
    organisations: tuple[str, ...],
    full_name: str | None,
    store: Path | None,
    *,
    token_stdin: bool,
    as_json: bool,
) -> None:
    """Add an account or a token."""
    from hubferry.serve.accounts import SHORTEST_TOKEN

    for one in (name, *organisations):
        _require_name(one)
    token = _token_from_stdin() if token_stdin else None
    try:
        record, new = _accounts(store).add(
            name, role=role, organisations=organisations, full_name=full_name, token=token
        )
    except ValueError:
        raise UsageError(
            _("the token is taken already, or is no word of at least {count} letters").format(
                count=SHORTEST_TOKEN
            ),
            hint=f"hubferry serve user add {name}",
        ) from None
    if as_json:
        shown = {} if token_stdin else {"token": new}
        output.document({**_described(record), "token_id": record.tokens[-1].id, **shown})
        return
    if not token_stdin:
        output.data(new)
    output.talk(
        _("{name} may use the hub, with the role {role}. The token {id} is not shown again.").format(
            name=name, role=record.role, id=record.tokens[-1].id
        )
    )


def _require_name(name: str) -> None:
    from hubferry.serve import Refusal
    from hubferry.serve.store import check_repo_id

    try:
        check_repo_id(f"{name}/name")
    except Refusal:
        message = _("{name} is no name for an account or an organisation").format(name=name)
        raise UsageError(message, hint=_("letters, digits, “-”, “_” and “.”")) from None


@command.command("list", cls=Command, help=_("List the accounts."), examples=("hubferry serve user list",))
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON document."))
@_store
def list_accounts(store: Path | None, *, as_json: bool) -> None:
    """List who there is, without tokens."""
    records = _accounts(store).all()
    if as_json:
        output.document({"accounts": [_described(record) for record in records]})
        return
    for record in records:
        words = [record.name, record.role, ",".join(record.organisations) or "-"]
        words.append(",".join(one.id for one in record.tokens) or "-")
        output.data("\t".join(words))


@command.command(
    "revoke",
    cls=Command,
    help=_("Remove the account NAME with all of its tokens, or one of them."),
    examples=("hubferry serve user revoke alice", "hubferry serve user revoke alice --token-id 1f0c9a2b"),
)
@click.argument("name")
@click.option("--token-id", metavar="ID", help=_("Only this token, as `list` names it."))
@_store
def revoke(name: str, token_id: str | None, store: Path | None) -> None:
    """Remove an account or a token."""
    if not _accounts(store).revoke(name, token_id):
        raise UsageError(_("there is no account or no token of that name"), hint="hubferry serve user list")
    output.talk(_("{name}: revoked").format(name=name))


@command.command(
    "token",
    cls=Command,
    help=_("Keep the token of NAME at another hub (hf or ms), which a mirror asks with for it."),
    examples=(
        "hubferry serve user token alice hf < token.txt",
        "hubferry serve user token alice hf --forget",
    ),
)
@click.argument("name")
@click.argument("upstream", type=click.Choice(_UPSTREAMS))
@click.option("--forget", is_flag=True, help=_("Forget it."))
@_store
def token(name: str, upstream: str, store: Path | None, *, forget: bool) -> None:
    """Take a token of another hub from the standard input."""
    accounts = _accounts(store)
    if name not in {record.name for record in accounts.all()}:
        raise UsageError(
            _("there is no account or no token of that name"), hint=f"hubferry serve user add {name}"
        )
    accounts.keep_upstream_token(name, upstream, None if forget else _token_from_stdin())
    output.talk(
        _("{name}: token for {upstream} forgotten").format(name=name, upstream=upstream)
        if forget
        else _("{name}: token for {upstream} kept").format(name=name, upstream=upstream)
    )


def _described(record: AccountRecord) -> dict[str, object]:
    return {
        "name": record.name,
        "role": record.role,
        "full_name": record.full_name,
        "organisations": list(record.organisations),
        "tokens": [{"id": one.id, "created": output.iso_time(one.created)} for one in record.tokens],
    }

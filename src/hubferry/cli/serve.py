"""`hubferry serve`: a hub for this machine or network, until it is told to stop."""

from __future__ import annotations

import asyncio
import shlex
import sys
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import listening, output, serve_talk
from hubferry.cli.combining import combined
from hubferry.cli.command import Command
from hubferry.cli.serve_mirror import MirrorOptions, MirrorWish, mirror_options, mirror_wish
from hubferry.cli.serve_place import default_store, known_accounts
from hubferry.errors import DiskError, UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp import web
    from typing_extensions import Unpack

    from hubferry.serve import Policy
    from hubferry.serve.public import Public
    from hubferry.serve.server import RunningHub

_DEFAULT_PORT = 8787
_BELOW = {"user": "serve_user", "gc": "serve_gc"}


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the command line asks for."""

    store: Path
    host: str
    port: int
    tokens: tuple[str, ...]
    read_tokens: tuple[str, ...]
    user: str
    writable: bool
    initial_files: bool
    xet: bool
    strict: bool
    as_json: bool
    quiet: bool
    public: Public
    tls_cert: Path | None = None
    tls_key: Path | None = None
    mirror: MirrorWish | None = None

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it, as far as can be told: a proxy may show it to others."""
        from hubferry.serve.addresses import is_loopback

        shown = self.public.host
        return is_loopback(self.host) and (shown is None or is_loopback(shown.strip("[]")))

    @property
    def has_tokens(self) -> bool:
        """Whether somebody has a token of this hub's own."""
        return bool(self.tokens or self.read_tokens or self.has_accounts)

    @property
    def has_accounts(self) -> bool:
        """Whether the store has accounts of its own."""
        from hubferry.serve import Accounts

        return Accounts(self.store).exist()


class _Serve(Command):
    """`hubferry serve`, with a few commands below it; a store that is called like one is `./user`."""

    commands_below = tuple(_BELOW)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the words of the command, or leave them to the one below that is named first."""
        if args[:1] and args[0] in _BELOW:
            below = self.below(args[0])
            return below.make_context(f"{info_name} {args[0]}", args[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    @staticmethod
    def below(name: str) -> click.Command:
        """Return the command of that name below this one."""
        command: click.Command = import_module(f"hubferry.cli.{_BELOW[name]}").command
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands below, then the examples."""
        with formatter.section(_("Commands")):
            formatter.write_dl(
                [
                    ("user", _("Say who may use the hub. A hub that runs sees every change at once.")),
                    ("gc", _("Remove blobs that no commit names.")),
                ]
            )
        super().format_epilog(ctx, formatter)


@click.command(
    "serve",
    cls=_Serve,
    help=_("Run a hub over the folder STORE that the official Hugging Face and ModelScope clients can use."),
    examples=(
        "hubferry serve",
        "hubferry serve ./hub --port 9000 --writable",
        "HUBFERRY_TOKEN=secret hubferry serve /srv/hub --host 0.0.0.0 --writable",
    ),
)
@click.argument("store", type=click.Path(path_type=Path, file_okay=False), required=False)
@listening.address(
    _DEFAULT_PORT,
    _("Port to listen on; 0 takes a free one."),
    _("Address to listen on. Any other than this machine's own demands a token."),
)
@click.option("--writable", is_flag=True, help=_("Let clients create repositories and upload."))
@click.option(
    "--token",
    "tokens",
    envvar="HUBFERRY_TOKEN",
    metavar="TOKEN",
    help=_("Token that clients must show; several with commas. Better in HUBFERRY_TOKEN."),
)
@click.option(
    "--read-token",
    "read_tokens",
    envvar="HUBFERRY_READ_TOKEN",
    metavar="TOKEN",
    help=_("Token that may only read; several with commas. Better in HUBFERRY_READ_TOKEN."),
)
@combined(
    click.option(
        "--user", default="local", show_default=True, help=_("Name of the account that the tokens belong to.")
    ),
    needs=("--token TOKEN", "--read-token TOKEN"),
)
@combined(
    click.option(
        "--initial-files",
        is_flag=True,
        help=_("Give new ModelScope repositories a README.md and a .gitattributes, as the real hub may."),
    ),
    needs=("--writable",),
)
@click.option("--xet", is_flag=True, help=_("Also speak Xet to clients on this machine."))
@click.option(
    "--strict",
    is_flag=True,
    help=_("Refuse as the real hubs do: cards, sizes, rates, rights. docs/serve.md lists the rules."),
)
@click.option(
    "--public-url",
    metavar="URL",
    help=_("Address that clients know it by, when a proxy stands before it. All links begin with it."),
)
@click.option(
    "--trust-proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help=_(
        "Address or network of a proxy whose X-Forwarded headers are believed; can be repeated. "
        "Those from this machine always are."
    ),
)
@listening.certificate()
@mirror_options
@listening.address_as_json()
@click.option("--quiet", is_flag=True, help=_("Print the address only, and no line for each request."))
def serve(  # noqa: PLR0913  # one a command-line option
    store: Path | None,
    port: int,
    host: str,
    tokens: str | None,
    read_tokens: str | None,
    user: str,
    *,
    writable: bool,
    initial_files: bool,
    xet: bool,
    strict: bool,
    as_json: bool,
    public_url: str | None,
    proxies: tuple[str, ...],
    quiet: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    **mirror: Unpack[MirrorOptions],
) -> None:
    """Run a hub until Ctrl-C."""
    wish = _Wish(
        store or default_store(), host, port, _split(tokens), _split(read_tokens), user,
        writable=writable, initial_files=initial_files, xet=xet, strict=strict,
        as_json=as_json, quiet=quiet, public=_public(public_url, proxies), mirror=mirror_wish(mirror),
        tls_cert=tls_cert, tls_key=tls_key,
    )  # fmt: skip
    known = wish.has_tokens
    if wish.mirror is not None:
        wish.mirror.refuse_loop(
            wish.public.url, *(f"http://{name}:{port}" for name in (host, "localhost", "127.0.0.1"))
        )
        wish.mirror.check(local=wish.local, writable=writable, tokens=known)
    open_to_all = wish.mirror is not None and wish.mirror.is_open
    if not (wish.local or open_to_all or known):
        raise UsageError(
            _("a hub that other machines can reach needs a token"),
            hint=f"HUBFERRY_TOKEN=... hubferry serve {shlex.quote(str(wish.store))} "
            + (f"--public-url {public_url}" if public_url else f"--host {host}"),
        )
    if xet and not wish.local:
        raise UsageError(_("--xet works for clients on this machine only"), hint="hubferry serve --xet")
    try:
        _run(wish)
    except KeyboardInterrupt:
        output.talk(_("stopped"))


def _public(url: str | None, proxies: tuple[str, ...]) -> Public:
    from hubferry.serve.public import Public, proxy_network, public_url

    try:
        shown = public_url(url) if url is not None else None
    except ValueError:
        raise UsageError(
            _(
                "{url} is no address for --public-url: it is http:// or https://, a host, and perhaps a path"
            ).format(url=url),
            hint="hubferry serve --public-url https://hub.example.org",
        ) from None
    networks = []
    for text in proxies:
        try:
            networks.append(proxy_network(text))
        except ValueError:
            raise UsageError(
                _("{address} is no address and no network for --trust-proxy").format(address=text),
                hint="hubferry serve --trust-proxy 10.0.0.0/8",
            ) from None
    return Public(shown, tuple(networks))


def _split(tokens: str | None) -> tuple[str, ...]:
    return tuple(token.strip() for token in (tokens or "").split(",") if token.strip())


def _run(wish: _Wish) -> None:
    from hubferry.hubs.xet.folder import read_xet_file
    from hubferry.serve import Accounts, Seams, Store, Strictness, XetStorage, create_application
    from hubferry.serve.server import allow_many_connections

    try:
        store = Store(wish.store)
    except OSError as error:
        raise DiskError(
            _("{folder} cannot be used: {reason}").format(folder=wish.store, reason=error.strerror or error)
        ) from error
    allow_many_connections()
    with store.hold():
        xet = XetStorage(wish.store, read_xet_file) if wish.xet else None
        strict = Strictness.real() if wish.strict else None
        application = create_application(
            store,
            _policy(wish),
            seams=Seams(record=None if wish.quiet else serve_talk.log_request),
            initial_files=wish.initial_files,
            xet=xet,
            strict=strict,
            public=wish.public,
        )
        if wish.mirror is not None:
            wish.mirror.attach(application, local=wish.local, accounts=Accounts(wish.store))
            wish.mirror.show_cache(application, to_all=wish.local and not wish.has_tokens)
        _runner()(_serve(wish, application))


def _policy(wish: _Wish) -> Policy:
    from hubferry.serve import Account, Credential, Policy

    own = frozenset([wish.user]) if wish.strict else None
    writer, reader = Account(wish.user, namespaces=own), Account(wish.user, may_write=False, namespaces=own)
    credentials = [Credential(token, writer) for token in wish.tokens]
    credentials += [Credential(token, reader) for token in wish.read_tokens]
    accounts = known_accounts(wish.store)
    if wish.mirror is not None and wish.mirror.opens(local=wish.local):
        from hubferry.mirror.application import NetworkPolicy, OpenPolicy

        kind = OpenPolicy if wish.local else NetworkPolicy
        return kind(credentials, writable=wish.writable, accounts=accounts)
    return Policy(credentials, writable=wish.writable, anonymous_reads=wish.local, accounts=accounts)


def _runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


async def _serve(wish: _Wish, application: web.Application) -> None:
    from hubferry.serve.pages import prepare
    from hubferry.serve.server import start

    stopped = listening.until_stopped()
    context = listening.tls_context(wish.tls_cert, wish.tls_key)
    try:
        running = await start(application, wish.host, wish.port, context)
    except OSError as error:
        raise listening.refused(wish.host, wish.port, error, "hubferry serve --port 0") from error
    _announce(wish, running)
    ready = asyncio.create_task(asyncio.to_thread(prepare))
    await stopped.wait()
    await ready
    if wish.mirror is not None and not wish.quiet:
        wish.mirror.sum_up(application)
    await running.stop()
    output.talk(_("stopped"))


def _announce(wish: _Wish, running: RunningHub) -> None:
    url = wish.public.url or replace(running, host=listening.reachable_host(wish.host)).url
    if wish.as_json:
        output.document({"url": url, "host": wish.host, "port": running.port}, indent=None)
    else:
        output.data(url)
    if not (wish.as_json or wish.quiet):
        _explain(wish, running, url)
    sys.stdout.flush()


def _explain(wish: _Wish, running: RunningHub, url: str) -> None:
    output.talk(_("Serving {folder}. Point the official clients here:").format(folder=wish.store))
    for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        output.talk(f"  export {variable}={url}")
    if not wish.xet:
        output.talk("  export HF_HUB_DISABLE_XET=1")
    if wish.has_tokens:
        output.talk(
            _("Their token, in HF_TOKEN and MODELSCOPE_API_TOKEN, is one that this hub was started with.")
        )
    if wish.public.url is not None:
        output.talk(_("The proxy finds it at {url}.").format(url=running.url))
    if wish.mirror is not None:
        wish.mirror.explain(local=wish.local)
    if not wish.writable:
        output.talk(_("It is read-only; --writable lets clients upload."))
    output.talk(_("Ctrl-C stops it."))

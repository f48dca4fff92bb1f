"""What makes `hubferry serve` a mirror: its options, what they mean, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from hubferry.cli import output
from hubferry.cli.combining import combined
from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.units import read_size
from hubferry.units import size as readable_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aiohttp import web

    from hubferry.mirror.upstreams import Choice, Names, Upstream
    from hubferry.serve import Accounts

_TTL = 300.0


class MirrorOptions(TypedDict):
    """The options as they were given."""

    upstreams: tuple[str, ...]
    from_cache: bool
    is_open: bool
    offline: bool
    ttl: float
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    names: Path | None
    quota: str | None


def mirror_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a mirror."""
    for option in reversed(_options()):
        command = option(command)
    return command


def _options() -> list[Callable[..., Any]]:
    return [
        click.option(
            "--upstream",
            "upstreams",
            multiple=True,
            metavar="HUB[=URL]",
            help=_(
                "Get what is not here from this hub, and keep it in the cache: hf, ms, or with an address. "
                "hf=ms answers Hugging Face's clients from ModelScope. Can be repeated."
            ),
        ),
        click.option(
            "--cache",
            "from_cache",
            is_flag=True,
            help=_("Serve what the cache has, to read; no hub is asked unless --upstream names one."),
        ),
        click.option(
            "--open",
            "is_open",
            is_flag=True,
            help=_("Let whoever reaches it read what is public upstream; tokens are passed on to upstream."),
        ),
        click.option("--offline", is_flag=True, help=_("Ask no upstream: serve what is known and cached.")),
        combined(
            click.option(
                "--ttl",
                type=click.FloatRange(0, 86400 * 30),
                default=_TTL,
                show_default=True,
                metavar="SECONDS",
                help=_("How long a branch is believed to be where it was."),
            ),
            needs=("--upstream hf",),
        ),
        click.option(
            "--allow",
            multiple=True,
            metavar="PATTERN",
            help=_("Mirror only repositories that fit, as Qwen/* or an owner's name; can be repeated."),
        ),
        click.option(
            "--deny",
            multiple=True,
            metavar="PATTERN",
            help=_("Never mirror repositories that fit; can be repeated."),
        ),
        combined(
            click.option(
                "--names",
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="FILE",
                help=_("Table of names for hf=ms and ms=hf: a line each, the client's name and the hub's."),
            ),
            needs=("--upstream hf=ms",),
        ),
        click.option(
            "--quota",
            metavar="SIZE",
            help=_("Bytes that the cache may take, as 500G; what is longest unused goes first."),
        ),
    ]


@dataclass(frozen=True, slots=True)
class MirrorWish:
    """What was asked for.

    Attributes:
        upstreams: At most one a dialect.
        is_open: Whether `--open` was given.
        offline: Whether no hub is asked.
    """

    upstreams: tuple[Upstream, ...]
    is_open: bool
    offline: bool
    ttl: float
    choice: Choice
    names: Names
    quota: int | None

    def opens(self, *, local: bool) -> bool:
        """Return whether clients send tokens of upstream, not of this hub."""
        return self.is_open or local

    def check(self, *, local: bool, writable: bool, tokens: bool) -> None:
        """Refuse what would let strangers change, or read, what they must not.

        Raises:
            UsageError: Says which.
        """
        if self.is_open and writable and not local and not tokens:
            raise UsageError(
                _("--open lets everybody read: who may write needs a token"),
                hint="HUBFERRY_TOKEN=... hubferry serve --open --writable",
            )
        if self.is_open and not local and not any(one.endpoint for one in self.upstreams):
            raise UsageError(
                _("without an upstream nobody knows who may read what the cache has: it needs a token"),
                hint="HUBFERRY_TOKEN=... hubferry serve --cache --host 0.0.0.0",
            )

    def refuse_loop(self, *addresses: str | None) -> None:
        """Refuse to mirror oneself, as HF_ENDPOINT in the mirror's own environment would have it.

        Raises:
            UsageError: An upstream is at one of these addresses.
        """
        own = {address.rstrip("/") for address in addresses if address}
        for one in self.upstreams:
            if one.endpoint in own:
                message = _("{endpoint} is this hub itself").format(endpoint=one.endpoint)
                raise UsageError(message, hint="hubferry serve --upstream hf=https://huggingface.co")

    def attach(self, application: web.Application, *, local: bool, accounts: Accounts) -> None:
        """Make the hub a mirror."""
        from hubferry.cache.store import Cache
        from hubferry.mirror.application import attach
        from hubferry.mirror.mirror import Wishes

        wishes = Wishes(
            self.upstreams,
            ttl=self.ttl,
            offline=self.offline,
            is_open=self.opens(local=local),
            trusts_cache=local or not self.is_open,
            quota=self.quota,
            choice=self.choice,
            names=self.names,
            upstream_token=accounts.upstream_token,
        )
        attach(application, Cache(), wishes)

    def show_cache(self, application: web.Application, *, to_all: bool) -> None:
        """Show what it keeps at `/-/cache`, to read: to everybody here, or to an administrator."""
        from hubferry.serve.hub import account_of
        from hubferry.serve.pages.showing import MAY_SEE_CACHE
        from hubferry.serve.refusal import Reason, Refusal
        from hubferry.ui.application import add_pages
        from hubferry.ui.settings import Settings

        def may_see(request: web.Request) -> bool:
            account = account_of(request)
            return to_all or (account is not None and account.role == "admin")

        def permit(request: web.Request) -> None:
            if not may_see(request):
                raise Refusal(Reason.ROUTE_MISSING, "No such route")

        application[MAY_SEE_CACHE] = may_see

        settings = Settings(read_only=True, sections=frozenset({"cache"}), base="/-")
        add_pages(application, settings, title=None, permit=permit)

    def explain(self, *, local: bool) -> None:
        """Say what it mirrors, and for whom."""
        for one in self.upstreams:
            clients = {"hf": "Hugging Face", "ms": "ModelScope"}[one.dialect]
            if one.endpoint and not self.offline:
                message = _("{clients}'s clients get what is not here from {endpoint}.")
                output.talk(message.format(clients=clients, endpoint=one.endpoint))
            else:
                output.talk(_("{clients}'s clients get what the cache has.").format(clients=clients))
        if self.is_open and not local:
            output.talk(_("It is open: whoever reaches it may read what is public; tokens go to upstream."))

    def sum_up(self, application: web.Application) -> None:
        """Say what it has done."""
        from hubferry.mirror.application import counted

        counts = counted(application)
        if counts is not None:
            message = _(
                "{hits} hits, {misses} misses; {served} served, {fetched} from upstream, {saved} saved"
            )
            output.talk(
                message.format(
                    hits=counts.hits,
                    misses=counts.misses,
                    served=readable_size(counts.served),
                    fetched=readable_size(counts.fetched),
                    saved=readable_size(counts.saved),
                )
            )


def mirror_wish(given: MirrorOptions) -> MirrorWish | None:
    """Return what was asked for; None where no option makes the hub a mirror.

    Raises:
        UsageError: An option is wrong, or means nothing without another.
    """
    if not given["upstreams"] and not given["from_cache"]:
        needing = [f"--{name}" for name in ("offline", "allow", "deny", "quota") if given[name]]
        if given["is_open"] or needing:
            message = _("{option} is for mirrors").format(option=" ".join(needing or ["--open"]))
            raise UsageError(message, hint="hubferry serve --upstream hf --upstream ms")
        return None
    from hubferry.mirror.upstreams import Choice, Names, Upstream, parse, read_names

    upstreams = parse(given["upstreams"], _endpoint_of)
    known = {one.dialect for one in upstreams}
    cached = tuple(Upstream(one, one, "") for one in ("hf", "ms") if given["from_cache"] and one not in known)
    table = given["names"]
    names = Names() if table is None else read_names(_text(table), str(table))
    return MirrorWish(
        (*upstreams, *cached),
        given["is_open"],
        given["offline"] or not upstreams,
        given["ttl"],
        Choice(given["allow"], given["deny"]),
        names,
        _quota(given["quota"]),
    )


def _text(table: Path) -> str:
    try:
        return table.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = _("{path} cannot be read: {reason}").format(path=table, reason=error)
        raise UsageError(message) from error


def _quota(text: str | None) -> int | None:
    from hubferry.cache import quota

    if text is None:
        return quota.limit()
    found = read_size(text)
    if found is None:
        message = _("“{text}” is not a size such as 500G").format(text=text)
        raise UsageError(message, hint="--quota 500G")
    return found


def _endpoint_of(hub: str) -> str:
    from hubferry.hubs.credentials import huggingface_endpoint, modelscope_endpoint

    return modelscope_endpoint() if hub == "ms" else huggingface_endpoint()

"""`hubferry ui`: pages for whoever sits at this machine, until they are closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import listening, output
from hubferry.cli.command import Command
from hubferry.cli.value_types import PlaceType
from hubferry.errors import UsageError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from aiohttp import web

    from hubferry.ui.settings import Settings

_PORT = 8788
_KEY_BYTES = 24
_ELSEWHERE = ("SSH_CONNECTION", "SSH_TTY", "CI")
"""Variables that say that a browser of this machine is not before whoever typed."""


@click.command(
    "ui",
    cls=Command,
    help=_(
        "Show this machine in a browser: what fills the cache and whether it is whole, what moves, copies "
        "that are planned and started in the page, mirrors and their history, receipts.\n\n"
        "Only who has the printed address gets in. Copies that were started in a page go on when it is "
        "closed, and so they do after Ctrl-C here."
    ),
    examples=(
        "hubferry ui",
        "hubferry ui --sync mirrors.yaml --receipts ./receipts",
        "hubferry ui --no-browser --port 0 --json",
        "ssh -L 8788:127.0.0.1:8788 server hubferry ui --no-browser",
    ),
)
@listening.address(
    _PORT,
    _("Port to listen on; 0 takes a free one. Where it is taken, another one is."),
    _("Address to listen on. Any other than this machine's own demands --tls-cert."),
)
@listening.certificate()
@click.option(
    "--open-browser/--no-browser",
    "browser",
    default=None,
    show_default=False,
    help=_("Whether to open a browser; by itself where there is one on a screen."),
)
@click.option(
    "--sync",
    "sync_files",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help=_("Show this mirror file, besides those that have run; may be repeated."),
)
@click.option(
    "--receipts",
    metavar="DIR",
    multiple=True,
    type=PlaceType(),
    help=_("List the receipts in this directory; may be repeated."),
)
@click.option("--read-only", is_flag=True, help=_("Show, and let nothing be started, changed or removed."))
@listening.address_as_json()
def ui(**words: Any) -> None:
    """Run until Ctrl-C."""
    from hubferry.serve.addresses import is_loopback

    local = is_loopback(words["host"])
    if not local and words["tls_cert"] is None:
        raise UsageError(
            _("what other machines can reach is shown over https only: a key lets its reader in"),
            hint=f"ssh -L {_PORT}:127.0.0.1:{_PORT} HOST hubferry ui --no-browser",
        )
    from hubferry.ui.settings import Settings

    key = secrets.token_urlsafe(_KEY_BYTES)
    settings = Settings(
        key=key,
        read_only=words["read_only"],
        sync_files=tuple(file.absolute() for file in words["sync_files"]),
        receipts=tuple(words["receipts"]),
        hosts=frozenset({words["host"].lower()}),
        local=local,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_stay(settings, key, words))


async def _stay(settings: Settings, key: str, words: dict[str, Any]) -> None:
    from aiohttp import web

    from hubferry.ui.application import create
    from hubferry.ui.site import SITE

    application = create(settings)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    stopped = listening.until_stopped()
    try:
        await _listen(runner, words)
        _announce(runner, key, words)
        await stopped.wait()
    finally:
        await runner.cleanup()
    _say_what_goes_on(application[SITE].runs.count)


async def _listen(runner: web.AppRunner, words: dict[str, Any]) -> None:
    """Listen where it was asked for; at a free port where nobody asked for the one that is taken."""
    from aiohttp import web

    context = listening.tls_context(words["tls_cert"], words["tls_key"])
    chosen = (
        click.get_current_context().get_parameter_source("port") is not click.core.ParameterSource.DEFAULT
    )
    for port in (words["port"],) if chosen else (words["port"], 0):
        try:
            await web.TCPSite(runner, words["host"], port, ssl_context=context).start()
        except OSError as error:
            reason = error
            continue
        return
    raise listening.refused(words["host"], words["port"], reason, "hubferry ui --port 0") from reason


def _announce(runner: web.AppRunner, key: str, words: dict[str, Any]) -> None:
    host, port = listening.reachable_host(words["host"]), int(runner.addresses[0][1])
    shown = f"[{host}]" if ":" in host else host
    scheme = "http" if words["tls_cert"] is None else "https"
    address = f"{scheme}://{shown}:{port}/?key={key}"
    if words["as_json"]:
        output.document({"url": address, "host": words["host"], "port": port}, indent=None)
    else:
        output.data(address)
        output.talk(_("Open it in a browser; whoever has this address can do there what you can."))
        output.talk(_("Ctrl-C ends the pages; copies that were started in them go on."))
    sys.stdout.flush()
    wanted = words["browser"]
    if wanted or (wanted is None and not words["as_json"] and _has_a_screen()):
        _open(address)


def _has_a_screen() -> bool:
    """Return whether a browser would be seen by whoever typed the command."""
    if any(os.environ.get(name) for name in _ELSEWHERE) or not sys.stdout.isatty():
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(address: str) -> None:
    import webbrowser
    from threading import Thread

    page = _way_in(address)
    # Some browsers are started in the foreground, and the pages have to answer meanwhile.
    Thread(target=webbrowser.open, args=(page,), name="hubferry-browser", daemon=True).start()


def _way_in(address: str) -> str:
    """Return what a browser is told to open: everybody sees its words in the list of processes.

    A file that only this account can read leads on to the address with the key.
    """
    import atexit
    import tempfile
    from html import escape

    descriptor, name = tempfile.mkstemp(prefix="hubferry-ui-", suffix=".html")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(address)}">\n')
    atexit.register(Path(name).unlink, missing_ok=True)
    return Path(name).as_uri()


def _say_what_goes_on(count: int) -> None:
    if count:
        sentence = ngettext(
            "{count} copy goes on: hubferry transfers", "{count} copies go on: hubferry transfers", count
        )
        output.talk(sentence.format(count=count))

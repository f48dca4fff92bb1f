"""`hubferry sync watch`: stay, and run what is due."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output, receipt
from hubferry.cli.announced import Subject
from hubferry.cli.command import Command
from hubferry.cli.sync import options as sync_options
from hubferry.cli.sync import words as saying
from hubferry.cli.sync.showing import follow
from hubferry.errors import UsageError
from hubferry.events import ignore
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from aiohttp import web

    from hubferry.sync.events import Hear, Told
    from hubferry.sync.outcome import Summary
    from hubferry.sync.runner import Runner
    from hubferry.sync.spec import Entry, SyncFile
    from hubferry.sync.watch import Watch


@click.command(
    "watch",
    cls=Command,
    help=_(
        "Stay, and bring the targets in FILE up to date by their schedules: cron expressions, intervals, at "
        "the start.\n\n"
        "SIGHUP reads FILE again. SIGTERM and Ctrl-C end what runs in good order; it goes on in the next run "
        "where it stopped. Exit code 0."
    ),
    examples=(
        "hubferry sync watch",
        "hubferry sync watch mirrors.yaml --listen 127.0.0.1:9464",
        "hubferry sync watch --quiet --json",
    ),
)
@sync_options.file()
@options.group(
    _("What to do"),
    sync_options.choosing(),
    click.option("--listen", metavar="HOST:PORT", envvar="HUBFERRY_LISTEN", show_envvar=False,
                 help=_("Answer pages, /metrics (Prometheus) and /healthz there.")),
)  # fmt: skip
@options.group(_("How"), sync_options.moving())
@options.group(_("Where"), sync_options.placing())
@options.group(_("What to say"), options.talking())
def watch_command(file: Path, **words: Any) -> int:
    """Run the command."""
    from hubferry.cli.memory import keep_freed_memory
    from hubferry.running import run as on_a_loop

    keep_freed_memory()
    read_file = sync_options.opened(file, words)
    _refuse_never(read_file)
    receipt.require_place(read_file.receipts)
    with sync_options.placed(words) as place:
        on_a_loop(lambda _listen: _watch(file, words, place), ignore)
    return 0


def _refuse_never(read_file: SyncFile) -> None:
    if not any(entry.schedule for entry in read_file.entries):
        message = _("nothing in {path} has a schedule: it would stay for nothing").format(path=read_file.path)
        raise UsageError(message, hint='schedule: "0 3 * * *"')


async def _watch(file: Path, words: dict[str, Any], place: Callable[[SyncFile], Runner | None]) -> None:
    from hubferry.sync import run
    from hubferry.sync.care import only_run_of
    from hubferry.sync.listening import listening
    from hubferry.sync.metrics import Metrics
    from hubferry.sync.watch import Watch

    metrics = Metrics()
    showing = {"quiet": words["quiet"], "style": words["progress"], "stays": True}

    def read() -> SyncFile:
        read_file = sync_options.opened(file, words)
        return replace(read_file, entries=tuple(run.wanted(read_file.entries, words["only"])))

    async def work(read_file: SyncFile, entries: Sequence[Entry]) -> Summary:
        asked = sync_options.asked(read_file, words)
        with (
            only_run_of(read_file.path),
            sync_options.recorded(read_file, "watch") as record,
            follow(**showing, subject=Subject("hubferry sync watch", str(read_file.path))) as hear,
        ):
            asked = replace(asked, keep=record.keep, recall=record.recall, runner=place(read_file))
            summary = await run.run(read_file, entries, asked, _both(metrics.take, hear))
        metrics.ran(summary)
        _report(summary, words)
        return summary

    async with AsyncExitStack() as stack:
        watch = Watch(read, work, stack.enter_context(follow(**showing)))
        if words["listen"]:
            pages = _pages(file, words["listen"])
            address = await stack.enter_async_context(
                listening(words["listen"], metrics, watch.standing, pages)
            )
            if not words["quiet"]:
                output.talk(_("metrics: {address}").format(address=f"{address}/metrics"))
                output.talk(_("pages: {address}").format(address=f"{address}/"))
        with _signals(watch):
            await watch.run()


def _pages(file: Path, address: str) -> web.Application:
    """Return what shows the file, its runs and what moves to whoever reaches the address."""
    from hubferry.serve.addresses import is_loopback
    from hubferry.sync.listening import address_of
    from hubferry.ui.application import create
    from hubferry.ui.settings import Settings

    return create(
        Settings(
            read_only=True,
            sections=frozenset({"sync", "transfers"}),
            sync_files=(file.absolute(),),
            only_files=True,
            own_process=True,
            local=is_loopback(address_of(address)[0]),
            unguarded=frozenset({"/metrics", "/healthz"}),
        ),
        "hubferry sync watch",
    )


def _both(first: Hear, second: Hear) -> Hear:
    def hear(told: Told) -> None:
        first(told)
        second(told)

    return hear


def _report(summary: Summary, words: dict[str, Any]) -> None:
    if words["as_json"]:
        output.document(saying.summary_document(summary), indent=None)
    elif not words["quiet"]:
        for line in saying.summary_lines(summary):
            output.data(line)
    sys.stdout.flush()


@contextmanager
def _signals(watch: Watch) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the watch, SIGHUP read the file again, as far as the system has them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    meant = {"SIGTERM": watch.stop, "SIGINT": watch.stop, "SIGHUP": watch.reload}
    heard = []
    for name, act in meant.items():
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, act)
        except (NotImplementedError, RuntimeError):  # Windows
            continue
        heard.append(number)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)

"""`hubferry cache`: see what is there, prove it, keep it small. A command is imported when it runs."""

from __future__ import annotations

import click

from hubferry.cli.command import Commands
from hubferry.i18n import _


def _commands() -> dict[str, str]:
    return {
        "list": _("List the models of the cache, what they take and whether they are whole."),
        "show": _("Show one model: its files, their hashes, their state."),
        "check": _("Say whether models are whole, by names, sizes and headers."),
        "verify": _("Read files and compare their hashes with what the hub listed."),
        "repair": _("Find what is wrong by reading everything, and fetch just that again."),
        "clean": _("Remove models, after a question."),
        "prune": _("Remove what a limit says nobody needs."),
        "pin": _("Keep pruning away from a model."),
        "unpin": _("Let pruning take a model again."),
        "dir": _("Print where the cache is."),
        "move": _("Move the cache to another directory."),
        "adopt": _("Take in a folder that has the files of a model."),
    }


_MODULES = {"list": "listing", "unpin": "pin", "dir": "place", "move": "place"}


def _place(name: str) -> tuple[str, str]:
    return f"hubferry.cli.cache.{_MODULES.get(name, name)}", f"{name}_command"


@click.command(
    cls=Commands,
    help=_("Look into the cache, verify it, clean it. All but repair works without a network."),
    described=_commands,
    place=_place,
    examples=(
        "hubferry cache list",
        "hubferry cache check flux",
        "hubferry cache prune --max-size 500G --dry-run",
    ),
)
def cache() -> None:
    """Run a command."""

"""`hubferry sync`: keep mirrors by a file that says what mirrors what. A command is imported when it runs."""

from __future__ import annotations

import click

from hubferry.cli.command import Commands
from hubferry.i18n import _


def _commands() -> dict[str, str]:
    return {
        "init": _("Write an example of a mirror file, with comments."),
        "check": _("Say what a run would change, and change nothing."),
        "run": _("Bring every target up to date, once."),
        "watch": _("Stay, and bring targets up to date by their schedules."),
        "history": _("Show earlier runs: what was copied, what failed and why."),
        "schema": _("Print the JSON schema of a mirror file, for editors."),
    }


_MODULES = {"schema": "init"}


def _place(name: str) -> tuple[str, str]:
    return f"hubferry.cli.sync.{_MODULES.get(name, name)}", f"{name}_command"


@click.command(
    cls=Commands,
    help=_(
        "Keep mirrors of repositories by a file that says what mirrors what: single ones, all of an owner, "
        "tags. Without FILE it is hubferry-sync.yaml, here."
    ),
    described=_commands,
    place=_place,
    examples=("hubferry sync init", "hubferry sync check", "hubferry sync run", "hubferry sync history"),
)
def sync() -> None:
    """Run a command."""

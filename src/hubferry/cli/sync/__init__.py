"""`hubferry sync`: keep mirrors by a file that says what mirrors what. A command is imported when it runs."""

from __future__ import annotations

from importlib import import_module

import click

from hubferry.cli.command import Command
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


class _SyncCommands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _commands():
            return None
        module = import_module(f"hubferry.cli.sync.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section(_("Commands")):
            formatter.write_dl(list(_commands().items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        examples = ("hubferry sync init", "hubferry sync check", "hubferry sync run", "hubferry sync history")
        Command.write_examples(formatter, examples)


@click.command(
    cls=_SyncCommands,
    help=_(
        "Keep mirrors of repositories by a file that says what mirrors what: single ones, all of an owner, "
        "tags. Without FILE it is hubferry-sync.yaml, here."
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def sync() -> None:
    """Run a command."""

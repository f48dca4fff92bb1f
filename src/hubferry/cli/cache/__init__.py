"""`hubferry cache`: see what is there, prove it, keep it small. A command is imported when it runs."""

from __future__ import annotations

from importlib import import_module

import click

from hubferry.cli.command import Command
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


class _CacheCommands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _commands():
            return None
        module = import_module(f"hubferry.cli.cache.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section(_("Commands")):
            formatter.write_dl(list(_commands().items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        examples = (
            "hubferry cache list",
            "hubferry cache check flux",
            "hubferry cache prune --max-size 500G --dry-run",
        )
        Command.write_examples(formatter, examples)


@click.command(
    cls=_CacheCommands,
    help=_("Look into the cache, verify it, clean it. All but repair works without a network."),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def cache() -> None:
    """Run a command."""

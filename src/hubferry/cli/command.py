"""What every command's help has: its examples, in the reader's language."""

from __future__ import annotations

from typing import Any

import click

from hubferry.i18n import _


class Command(click.Command):
    """A command whose help ends with examples: `@click.command(cls=Command, examples=("hubferry …",))`."""

    def __init__(self, *arguments: Any, examples: tuple[str, ...] = (), **options: Any) -> None:
        options.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*arguments, **options)
        self.examples = examples

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the words of a command line; what is not said there may stand in the configuration file."""
        if not {"-h", "--help"} & set(args):
            from hubferry.cli import defaults

            extra.setdefault("default_map", defaults.of(self))
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options group by group, in order; those without a group come last."""
        groups: dict[str, list[tuple[str, str]]] = {}
        shown = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        for option in sorted(shown, key=lambda one: not hasattr(one, "group")):
            record = option.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(option, "group", _("Options")), []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples after the options."""
        self.write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)

    @staticmethod
    def write_examples(formatter: click.HelpFormatter, examples: tuple[str, ...]) -> None:
        """Write one example a line, as it is typed."""
        if examples:
            with formatter.section(_("Examples")):
                for example in examples:
                    formatter.write(" " * formatter.current_indent + example + "\n")

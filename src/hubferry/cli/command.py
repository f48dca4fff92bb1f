"""What every command's help has: its examples, in the reader's language."""

from __future__ import annotations

import shlex
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words, and refuse an option among them that would do nothing."""
        from hubferry.cli import combining

        typed = list(args)
        left = super().parse_args(ctx, args)
        combining.refuse(ctx, typed)
        return left

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


class Commands(click.Group):
    """A group that imports a command's module only when that command runs, or shows its help."""

    def __init__(
        self,
        *arguments: Any,
        described: Callable[[], Mapping[str, str]],
        place: Callable[[str], tuple[str, str]],
        examples: tuple[str, ...] = (),
        elsewhere: Mapping[str, str] = MappingProxyType({}),
        **options: Any,
    ) -> None:
        """Begin with nothing imported.

        Args:
            *arguments: As for any group.
            described: Returns each name with what it does, in the order of the help.
            place: Returns the module of a command, and its name there.
            examples: What the help ends with.
            elsewhere: What other programs call a command, and how it is called here.
            **options: As for any group.
        """
        options.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*arguments, **options)
        self._described = described
        self._place = place
        self._examples = examples
        self._elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        del ctx
        return list(self._described())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name."""
        del ctx
        if cmd_name not in self._described():
            return None
        module, name = self._place(cmd_name)
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that was typed; a word that is none is answered with the nearest that is.

        Raises:
            UsageError: With the line that was meant, as far as can be told.
        """
        word = args[0]
        if word not in self._described() and not word.startswith("-"):
            near = [self._elsewhere.get(word), *get_close_matches(word, self._described(), n=1)]
            meant = next(filter(None, near), None)
            message = _("No such command {name!r}.").format(name=word)
            hint = shlex.join([*ctx.command_path.split(), *meant.split(), *args[1:]]) if meant else None
            raise UsageError(message, hint=hint or f"{ctx.command_path} --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section(_("Commands")):
            formatter.write_dl(list(self._described().items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        del ctx
        Command.write_examples(formatter, self._examples)

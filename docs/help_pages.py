"""Write commands.md, in both languages, from each command's help; `make docs` runs it first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubferry.cli.main import command_line
from hubferry.i18n import set_language

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
_COLUMNS = 100
_HEADS = {
    "en": "# Commands\n\nWhat each `--help` says.\n",
    "zh": "# 命令\n\n每条命令的 `--help` 所显示的内容。\n",
}


def main() -> None:
    """Write the pages."""
    for place, text in pages():
        place.write_text(text, encoding="utf-8")


def pages() -> Iterator[tuple[Path, str]]:
    """Return each page's place and text."""
    for language, place in (("en", HERE / "commands.md"), ("zh", HERE / "zh/commands.md")):
        set_language(language)
        try:
            yield place, _HEADS[language] + "".join(_sections(command_line(), "hubferry", None))
        finally:
            set_language(None)


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=_COLUMNS, max_content_width=_COLUMNS
    )
    # the arguments of a command stand in the path of those below it, where nobody types them
    path = " ".join(filter(None, [parent.command_path if parent else "", name]))
    yield f"\n## `{path}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from _sections(found, below, context)
    for below in getattr(command, "commands_below", ()):
        yield from _sections(command.below(below), f"{name} {below}", parent)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()

"""`hubferry sync init` and `schema`: what a mirror file begins with."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from hubferry.cli import output
from hubferry.cli.command import Command
from hubferry.cli.sync.options import USUAL
from hubferry.errors import DiskError, UsageError
from hubferry.i18n import _

_STDOUT = "-"


@click.command(
    "init",
    cls=Command,
    help=_(
        "Write an example of a mirror file to FILE, ./hubferry-sync.yaml unless given, with comments on all "
        "parts of it. What is there already stays as it is; “-” prints the example instead."
    ),
    examples=("hubferry sync init", "hubferry sync init mirrors.yaml --schema", "hubferry sync init -"),
)
@click.argument("file", required=False, default=USUAL, type=click.Path(path_type=Path))
@click.option(
    "--schema", "with_schema", is_flag=True, help=_("Write the schema beside it as well, and name it there.")
)
def init_command(file: Path, *, with_schema: bool) -> None:
    """Run the command."""
    from hubferry.sync import beginning

    text = beginning.example(beginning.SCHEMA_NAME if with_schema else None)
    if str(file) == _STDOUT:
        if with_schema:
            raise UsageError(_("--schema writes beside a file, and “-” is none"), hint="hubferry sync schema")
        output.data(text.rstrip("\n"))
        return
    schema = file.parent / beginning.SCHEMA_NAME
    if with_schema and not _is_there(schema, beginning.schema()):
        _write(schema, beginning.schema())
    _write(file, text)
    output.talk(_("wrote {path}").format(path=output.visible(str(file))))
    named = [] if file == Path(USUAL) else [shlex.quote(str(file))]
    output.talk(" ".join(["hubferry sync check", *named]), label=_("hint:"), colour="cyan")


@click.command(
    "schema",
    cls=Command,
    help=_("Print the JSON schema of a mirror file, by which editors complete and check it as you type."),
    examples=("hubferry sync schema",),
)
def schema_command() -> None:
    """Run the command."""
    from hubferry.sync import beginning

    output.data(beginning.schema().rstrip("\n"))


def _is_there(path: Path, text: str) -> bool:
    """Return whether a file has just this; one that has not is in the way."""
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        return False


def _write(path: Path, text: str) -> None:
    """Write a new file.

    Raises:
        UsageError: It is there already.
        DiskError: It cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="\n") as new:
            new.write(text)
    except FileExistsError as error:
        message = _("{path} is there already, and stays as it is").format(path=path)
        raise UsageError(message, path=str(path), hint="hubferry sync init -") from error
    except OSError as error:
        message = _("{path} cannot be written: {reason}")
        reason = error.strerror or type(error).__name__
        raise DiskError(message.format(path=path, reason=reason), path=str(path)) from error

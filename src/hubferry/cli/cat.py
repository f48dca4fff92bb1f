"""`hubferry cat`: one file of a repository, to stdout."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import look_words, options
from hubferry.cli.command import Command
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from hubferry.content import Part

_RANGE = re.compile(r"(\d*)-(\d*)")
_DIGITS = 18
_OBEYED = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
"""What a terminal may take for an order."""


class BytesType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """Read `0-99` (the first hundred bytes), `100-` (from there on) or `-8` (the last eight)."""

    name = "A-B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Part:
        """Return the part, or fail with a sentence."""
        from hubferry.content import Part

        match = _RANGE.fullmatch(str(value))
        first, last = (match[1], match[2]) if match else ("", "")
        if not (first or last) or max(len(first), len(last)) > _DIGITS:
            self.fail(_("{value!r} is no range such as 0-99, 100- or -8").format(value=value), param, ctx)
        if not first:
            return Part(-int(last)) if int(last) else Part(0, 0)
        return Part(int(first), int(last) + 1 if last else None)


@click.command(
    cls=Command,
    help=_(
        "Print one file of SOURCE, byte for byte: PATH, or what stands behind the name in "
        "hf:org/name/config.json. With a revision PATH stands by itself. It is taken from the cache where "
        "that has it, and hashed: when it is not what the listing says, its end is not printed and the exit "
        "code is 6."
    ),
    examples=(
        "hubferry cat hf:org/name/config.json",
        "hubferry cat hf:org/name@v1.0 config.json",
        "hubferry cat ms:org/name/README.md --offline",
        "hubferry cat hf:org/name/model.safetensors --bytes 0-7 | xxd",
    ),
)
@click.argument("source")
@click.argument("path", required=False)
@click.option(
    "--bytes", "part", type=BytesType(), metavar="A-B",
    help=_("Print only bytes A to B, counted from 0, as 0-99, 100- or -8; a part cannot be verified."),
)  # fmt: skip
@click.option("--force", "-f", is_flag=True, help=_("Print also what is no text to a terminal."))
@click.option("--revision", metavar="NAME", help=_("Branch, tag or commit; the default branch unless given."))
@options.offline()
@options.place()
@options.one_access()
@click.option("--quiet", "-q", is_flag=True, help=_("Say nothing but errors."))
def cat(source: str, path: str | None, **words: Any) -> None:
    """Run the command."""
    from hubferry import api
    from hubferry.content import Part, file_reference

    name, chosen = file_reference(source, path)
    pinned = options.source_words(name, words)
    out = Output(sys.stdout.buffer, careful=sys.stdout.isatty() and not words["force"])
    listen = look_words.listener(quiet=words["quiet"])
    api.write_file(pinned, chosen, out.write, options.build(**words), listen, part=words["part"] or Part())
    out.flush()


@dataclass
class Output:
    """Where the bytes go; `careful` says that a terminal is there, which must not obey them."""

    stream: BinaryIO
    careful: bool
    checked: Callable[[bytes], object] = _OBEYED.search

    def write(self, piece: bytes) -> None:
        """Print some bytes.

        Raises:
            UsageError: They are no text, and a terminal would show them.
        """
        if self.careful and self.checked(piece.replace(b"\x1b", b"\x00")):
            message = _("this is no text, and a terminal may do anything with it")
            raise UsageError(message, hint=_("write it into a file with > FILE, or add --force"))
        self.stream.write(piece)

    def flush(self) -> None:
        """Let what is written go."""
        self.stream.flush()

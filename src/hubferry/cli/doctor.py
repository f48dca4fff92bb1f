"""`hubferry doctor`: look at everything a copy needs, and say what would stop it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output
from hubferry.cli.combining import combined
from hubferry.cli.command import Command
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.cli.examine import Finding

_SIGNS = {"good": "=", "note": "-", "bad": "!"}
_COPY = ("SOURCE hf:org/name ms:my-org/name",)
"""What there is no question about without: which copy."""


@click.command(
    cls=Command,
    help=_(
        "Look at tokens (never shown), endpoints, proxies, disk and versions, and say what would stop a copy "
        "from Hugging Face to ModelScope.\n\n"
        "With SOURCE and DESTINATION the question is whether this very copy would begin: both hubs are asked "
        "about login, role, terms and the right to write, its plan is made, and nothing is written.\n\n"
        "\b\n"
        "= good\n"
        "- worth knowing\n"
        "! would stop a copy\n\n"
        "Exit code 0 when nothing would stop a copy, else that of the first thing that would."
    ),
    examples=(
        "hubferry doctor",
        "hubferry doctor hf:org/name ms:my-org/name",
        "hubferry doctor --offline",
        "hubferry doctor --json",
    ),
)
@click.argument("source", required=False)
@click.argument("destination", required=False)
@options.group(
    _("What to copy"),
    combined(
        options.selection(),
        options.allowing(),
        options.visibility(_("As for `hubferry copy`."), _("As for `hubferry copy`.")),
        needs=_COPY,
    ),
)
@options.group(_("How"), options.place(), combined(options.both_access(), needs=_COPY))
@click.option("--offline", is_flag=True, help=_("Ask no hub; look at this machine only."))
@options.as_json()
def doctor(source: str | None, destination: str | None, **words: Any) -> int:
    """Run the command."""
    found = _found(source, destination, words)
    if words["as_json"]:
        output.document(_document(found))
    else:
        for line in _lines(found):
            output.data(line)
    return next((one.exit_code for one in found if one.exit_code), 0)


def _found(source: str | None, destination: str | None, words: dict[str, Any]) -> list[Finding]:
    if source is None or destination is None:
        if source is not None:
            message = _("where would {source} be copied to? DESTINATION is missing")
            hint = shlex.join(["hubferry", "doctor", source, "ms:my-org/name"])
            raise UsageError(message.format(source=source), hint=hint)
        from hubferry.cli.examine import examine

        return examine(words["cache_dir"], ask_hubs=not words["offline"])
    if words["offline"]:
        raise UsageError(_("whether a copy would begin cannot be said without asking the hubs"))
    from hubferry.cli.examine_copy import examine_copy

    pinned = options.source_words(source, words)
    return examine_copy(pinned, destination, options.build(**words))


def _lines(found: list[Finding]) -> list[str]:
    lines = []
    for one in found:
        said = _("{subject}: {text}").format(subject=one.subject, text=one.text)
        lines.append(f"{_SIGNS[one.state]} {said}")
        if one.hint and one.state != "good":
            lines.append(f"    {_('hint:')} {one.hint}")
    stops = sum(one.state == "bad" for one in found)
    lines.append("")
    lines.append(
        _("Nothing here would stop a copy.") if not stops else _("What is marked ! would stop a copy.")
    )
    return lines


def _document(found: list[Finding]) -> dict[str, object]:
    return {
        "schema": 1,
        "ready": all(one.state != "bad" for one in found),
        "findings": [
            {
                "code": one.code,
                "subject": one.subject,
                "state": one.state,
                "text": one.text,
                "hint": one.hint,
                "exit_code": one.exit_code,
            }
            for one in found
        ],
    }

"""`hubferry doctor`: look at everything a copy needs, and say what would stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import output
from hubferry.cli.command import Command
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.cli.examine import Finding

_SIGNS = {"good": "=", "note": "-", "bad": "!"}


@click.command(
    cls=Command,
    help=_(
        "Look at tokens (never shown), endpoints, proxies, disk and versions, and say what would stop a copy "
        "from Hugging Face to ModelScope.\n\n"
        "\b\n"
        "= good\n"
        "- worth knowing\n"
        "! would stop a copy\n\n"
        "Exit code 0 when nothing would stop a copy, else that of the first thing that would."
    ),
    examples=("hubferry doctor", "hubferry doctor --offline", "hubferry doctor --json"),
)
@click.option("--offline", is_flag=True, help=_("Ask no hub; look at this machine only."))
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON document instead of text."))
def doctor(**words: Any) -> int:
    """Run the command."""
    from hubferry.cli.examine import examine

    found = examine(ask_hubs=not words["offline"])
    if words["as_json"]:
        output.document(_document(found))
    else:
        for line in _lines(found):
            output.data(line)
    return next((one.exit_code for one in found if one.exit_code), 0)


def _lines(found: list[Finding]) -> list[str]:
    lines = []
    for one in found:
        lines.append(f"{_SIGNS[one.state]} {one.subject}: {one.text}")
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

"""`hubferry check`: two listings side by side, one line a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output
from hubferry.cli.command import Command
from hubferry.cli.progress import follow
from hubferry.errors import IntegrityError
from hubferry.i18n import _, ngettext
from hubferry.results import Verdict

if TYPE_CHECKING:
    from hubferry.results import Comparison

SIGNS = {
    Verdict.SAME: "=",
    Verdict.ONLY_SOURCE: "+",
    Verdict.ONLY_DESTINATION: "-",
    Verdict.DIFFERS: "*",
    Verdict.UNKNOWN: "!",
}


@click.command(
    cls=Command,
    help=_(
        "Compare SOURCE and DESTINATION file by file, by digest; nothing is transferred or changed.\n\n"
        "\b\n"
        "= the same\n"
        "+ only in the source\n"
        "- only in the destination\n"
        "* different content\n"
        "! could not be compared\n\n"
        "Exit code 0 when everything is the same, 6 when it is not."
    ),
    examples=(
        "hubferry check hf:org/name ms:my-org/name",
        "hubferry check ./folder ms:my-org/name --differences",
        "hubferry check hf:org/name@v1.0 ms:my-org/name@v1.0 --json",
    ),
)
@click.argument("source")
@click.argument("destination")
@options.selection()
@options.signatures()
@click.option("--differences", "-d", is_flag=True, help=_("Print only what is not the same."))
@options.offline()
@options.both_access()
@options.talking()
def check(source: str, destination: str, **words: Any) -> int:
    """Run the command."""
    from hubferry import api

    pinned = options.source_words(source, words)
    with follow(quiet=words["quiet"], style=words["progress"]) as listen:
        found = api.check(pinned, destination, options.build(**words), listen)
    if words["as_json"]:
        output.document(_document(found, only_differences=words["differences"]))
    else:
        _print(
            found, only_differences=words["differences"], quiet=words["quiet"] or words["progress"] == "json"
        )
    return 0 if all(one.verdict is Verdict.SAME for one in found) else IntegrityError.exit_code


def _print(found: tuple[Comparison, ...], *, only_differences: bool, quiet: bool) -> None:
    for one in _shown(found, only_differences=only_differences):
        output.data(f"{SIGNS[one.verdict]} {output.visible(one.path)}")
    if not quiet:
        output.talk(_sum(_counts(found)))


def _shown(found: tuple[Comparison, ...], *, only_differences: bool) -> list[Comparison]:
    return [one for one in found if not (only_differences and one.verdict is Verdict.SAME)]


def _sum(counts: dict[Verdict, int]) -> str:
    sentences = {
        Verdict.SAME: _("{count} the same"),
        Verdict.DIFFERS: _("{count} different"),
        Verdict.ONLY_SOURCE: _("{count} only in the source"),
        Verdict.ONLY_DESTINATION: _("{count} only in the destination"),
        Verdict.UNKNOWN: _("{count} could not be compared"),
    }
    if not any(counts[verdict] for verdict in Verdict if verdict is not Verdict.SAME):
        count = counts[Verdict.SAME]
        return ngettext("identical: {count} file", "identical: {count} files", count).format(count=count)
    return _(", ").join(sentence.format(count=counts[v]) for v, sentence in sentences.items() if counts[v])


def _counts(found: tuple[Comparison, ...]) -> dict[Verdict, int]:
    return {verdict: sum(one.verdict is verdict for one in found) for verdict in Verdict}


def _document(found: tuple[Comparison, ...], *, only_differences: bool) -> dict[str, object]:
    return {
        "same": all(one.verdict is Verdict.SAME for one in found),
        "counts": {verdict.value: count for verdict, count in _counts(found).items()},
        "files": [
            {
                "path": one.path,
                "verdict": one.verdict.value,
                "source_size": one.source.size if one.source else None,
                "destination_size": one.destination.size if one.destination else None,
                "source_sha256": one.source.sha256 if one.source else None,
                "destination_sha256": one.destination.sha256 if one.destination else None,
            }
            for one in _shown(found, only_differences=only_differences)
        ],
    }

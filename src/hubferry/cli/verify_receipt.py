"""`hubferry verify-receipt`: is what a copy left still there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import look_words, options, output
from hubferry.cli.combining import combined
from hubferry.cli.command import Command
from hubferry.errors import IntegrityError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from hubferry.receipts.checking import CheckedFile, ReceiptCheck

_SIGNS = {"same": "=", "changed": "*", "missing": "-", "extra": "+"}


@click.command(
    "verify-receipt",
    cls=Command,
    help=_(
        "Hold the receipt FILE against the target that it names, at the commit that it names; or against "
        "WHERE, any repository or a folder, whose files are hashed.\n\n"
        "\b\n"
        "= the same\n"
        "* changed\n"
        "- missing\n"
        "+ not in the receipt\n\n"
        "Exit code 0 when everything is as the receipt says, 6 when it is not, or the receipt itself was "
        "changed."
    ),
    examples=(
        "hubferry verify-receipt receipts/ms_org_name-1a2b3c4d/20261129T030000.000000Z-9070ed2f37bd.json",
        "hubferry verify-receipt RECEIPT.json --latest --differences",
        "hubferry verify-receipt RECEIPT.json hf:org/name",
        "hubferry verify-receipt RECEIPT.json ./folder --json",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("where", required=False)
@combined(
    click.option(
        "--latest", is_flag=True, help=_("Look at the head of the target's branch, not at the commit.")
    ),
    excludes=("WHERE",),
)
@click.option("--differences", "-d", is_flag=True, help=_("Print only what is not the same."))
@options.offline()
@options.one_access()
@options.as_json()
@options.quiet()
def verify_receipt(file: Path, where: str | None, **words: Any) -> int:
    """Run the command."""
    from hubferry import api

    listen = look_words.listener(quiet=words["quiet"])
    found = api.verify_receipt(file, where, options.build(**words), listen, latest=words["latest"])
    if words["as_json"]:
        output.document(_document(found, only_differences=words["differences"]))
    else:
        for one in _shown(found, only_differences=words["differences"]):
            output.data(f"{_SIGNS[one.state.value]} {output.visible(one.path)}")
        if not words["quiet"]:
            output.talk(_sum(found))
    return 0 if found.good else IntegrityError.exit_code


def _shown(found: ReceiptCheck, *, only_differences: bool) -> list[CheckedFile]:
    return [one for one in found.files if not (only_differences and one.state.value == "same")]


def _counts(found: ReceiptCheck) -> dict[str, int]:
    from hubferry.receipts.checking import counts

    return {state.value: count for state, count in counts(found.files).items()}


def _sum(found: ReceiptCheck) -> str:
    counts, count = _counts(found), len(found.files)
    if found.good:
        sentence = ngettext("as the receipt says: {count} file", "as the receipt says: {count} files", count)
        return sentence.format(count=count)
    sentences = {
        "same": _("{count} the same"),
        "changed": _("{count} changed"),
        "missing": _("{count} missing"),
        "extra": _("{count} not in the receipt"),
    }
    parts = [sentence.format(count=counts[state]) for state, sentence in sentences.items() if counts[state]]
    return _(", ").join(parts)


def _document(found: ReceiptCheck, *, only_differences: bool) -> dict[str, object]:
    receipt = found.receipt
    return {
        "good": found.good,
        "place": found.place,
        "commit": found.commit,
        "listing_digest": found.listing_digest,
        "receipt": {
            "written": receipt.written,
            "status": receipt.status,
            "source": _side(receipt.source),
            "target": _side(receipt.target),
        },
        "counts": _counts(found),
        "files": [_row(one) for one in _shown(found, only_differences=only_differences)],
    }


def _side(side: Any) -> dict[str, object]:
    return {name: getattr(side, name) for name in ("ref", "endpoint", "commit", "listing_digest")}


def _row(one: CheckedFile) -> dict[str, object]:
    return {
        "path": one.path,
        "state": one.state.value,
        "size": one.size,
        "sha256": one.sha256,
        "found_size": one.found_size,
        "found_sha256": one.found_sha256,
    }

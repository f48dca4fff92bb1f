"""Carry out a copy, whichever command asks for it: shown while it runs, told, proven by a receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubferry.cli import output, present, receipt
from hubferry.cli.memory import keep_freed_memory
from hubferry.cli.progress import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.cli.announced import Subject
    from hubferry.events import Listener
    from hubferry.options import Options
    from hubferry.results import Report


def carry_out(
    subject: Subject, asked: Options, words: dict[str, Any], work: Callable[[Listener], Report]
) -> int:
    """Copy, and say what is proven; return the exit code.

    Args:
        subject: What others on this machine see of it.
        asked: How the hubs are reached, for the receipt.
        words: The command line: `receipts`, and how much is said.
        work: Copies, and returns its report.
    """
    keep_freed_memory()
    with follow(quiet=words["quiet"], style=words["progress"], subject=subject) as listen:
        report = work(listen)
        kept = receipt.write(words["receipts"], report, asked, listen) if words["receipts"] else None
    if words["as_json"]:
        output.document(present.report_document(report))
    elif not words["quiet"]:
        for line in present.report_lines(report):
            output.data(line)
    if kept is not None and not words["quiet"]:
        receipt.tell(kept)
    return 0

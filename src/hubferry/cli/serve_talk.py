"""What `hubferry serve` says of each request."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hubferry.cli import output

if TYPE_CHECKING:
    from hubferry.serve import AccessRecord

_REFUSED = 400
"""Status from which on a request was not answered as it was meant."""


def log_request(record: AccessRecord) -> None:
    """Write a line about an answered request; never its query, in which signatures are.

    Of one that was refused only what kind of question it was: its path may be anything, a token as well.
    """
    asked = output.presentable(record.path) if record.status < _REFUSED else record.route or "-"
    moment = datetime.now().astimezone().isoformat(timespec="seconds")
    output.talk(
        f"{moment} {record.client} {record.method} {asked} {record.status} {record.sent} {record.seconds:.3f}"
    )

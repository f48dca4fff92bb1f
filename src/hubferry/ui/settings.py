"""What is shown, and to whom. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Section = Literal["overview", "cache", "transfers", "copy", "sync", "receipts"]
EVERYTHING: frozenset[Section] = frozenset({"overview", "cache", "transfers", "copy", "sync", "receipts"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What is shown, and to whom.

    Attributes:
        key: What the first address of a reader has to have; None lets everybody in who reaches it.
        read_only: Whether nothing can be started, changed or removed.
        sections: Which pages there are.
        sync_files: Mirror files to show, besides those that the history knows.
        receipts: Directories whose receipts are listed, besides those that mirror files name.
        only_files: Whether the mirror files of the history are left out.
        hosts: Names besides this machine's own under which it may be asked for.
        local: Whether only this machine reaches it; then names that are not its own are refused.
        unguarded: Paths that are no pages, and that programs ask for by whatever name they know.
        own_process: Whether only transfers of this very process are shown.
        base: Stands before the path of each page, where another application has them.
        roots: The caches that are shown; None for all that commands look into.
    """

    key: str | None = None
    read_only: bool = False
    sections: frozenset[Section] = EVERYTHING
    sync_files: tuple[Path, ...] = ()
    receipts: tuple[Path, ...] = ()
    only_files: bool = False
    hosts: frozenset[str] = frozenset()
    local: bool = True
    unguarded: frozenset[str] = frozenset()
    own_process: bool = False
    base: str = ""
    roots: tuple[Path, ...] | None = None

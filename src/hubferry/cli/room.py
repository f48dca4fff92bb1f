"""What helps this command when a disk is full, and how much room could be made."""

from __future__ import annotations

import shlex
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry.cli import output
from hubferry.errors import HubferryError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.errors import DiskFullError

_CLEAN = "clean_model_cache.py"


def hint(error: DiskFullError, command: Sequence[str]) -> str | None:
    """Return what to type when the disk of a cache is full; of another disk, what the error says itself.

    Args:
        error: Says which disk; one of a destination has its own hint.
        command: What the person typed.
    """
    if error.side != "cache":
        return error.hint
    if command[0] == "python":
        return _of_the_scripts(Path(command[1]) if len(command) > 1 else Path(_CLEAN))
    chosen = _option("--cache-dir", command)
    where = ["--cache-dir", chosen] if chosen else []
    prune = shlex.join(["hubferry", "cache", "prune", "--older-than", "30d", *where, "--dry-run"])
    other = "--cache-dir /another/disk" if chosen else "HUBFERRY_CACHE=/another/disk"
    return f"{prune}   # " + _("or another disk: {setting}").format(setting=other)


def _of_the_scripts(script: Path) -> str:
    """Return the command that cleans what the scripts keep: their caches are not moved by HUBFERRY_CACHE."""
    beside = script.parent / _CLEAN
    below = script.parent / "scripts" / _CLEAN
    place = beside if beside.is_file() else below if below.is_file() else Path("scripts") / _CLEAN
    clean = f"python {shlex.quote(str(place))}"
    return f"{clean} list   # " + _("then: {command}").format(command=f"{clean} clean NAME")


def _option(name: str, command: Sequence[str]) -> str | None:
    """Return the value of an option as it was typed, None without one."""
    for number, word in enumerate(command):
        if word == "--":
            break
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and number + 1 < len(command):
            return command[number + 1]
    return None


def tell_what_pruning_frees(error: DiskFullError) -> None:
    """Say how much room the other models of the same disk take, as far as that can be found out."""
    if error.side != "cache":
        return
    from hubferry.cache import clean, listing
    from hubferry.cache.retention import Policy
    from hubferry.cli.cache import words
    from hubferry.cli.cache.selection import roots

    with suppress(HubferryError, OSError):
        place = Path(error.path or ".").resolve()
        found = listing.list_models(tuple(dict.fromkeys((*roots(None), place.parent))))
        chosen = clean.plan_prune(found, Policy(keep_last=0), now=time.time())
        others = [model for model, _reason in chosen if not place.is_relative_to(model.path.resolve())]
        if others:
            sentence = _("the cache holds {models} besides; removing them would free {size}")
            output.talk(
                sentence.format(models=words.counted(others), size=output.size(listing.freed(others)))
            )

"""Say of an interruption what it left, which depends on what was interrupted."""

from __future__ import annotations

from pathlib import PurePath

from hubferry.i18n import _

_MOVING_BYTES = frozenset({"adopt", "apply", "bundle", "copy", "fetch", "repair", "run", "unbundle"})
_REMOVING = frozenset({"clean", "prune"})
_MOVING_THE_CACHE, _DEMO = "move", "demo"
_LOOKING = frozenset({
    "cat", "check", "dir", "doctor", "history", "info", "list", "ls", "path", "schema", "show", "transfers",
    "verify", "verify-receipt",
})  # fmt: skip
_DRY = frozenset({"--dry-run", "-n"})


def sentence(command: list[str]) -> str:
    """Return what to say when `command`, as it was typed, was interrupted."""
    verb = _verb(command)
    if verb in _LOOKING or _DRY.intersection(command):
        return _("interrupted; nothing was changed")
    if verb in _MOVING_BYTES:
        return _("interrupted; what has arrived is kept, and the same command continues there")
    if verb in _REMOVING:
        return _("interrupted; each model is whole or gone, and the same command goes on with the rest")
    if verb == _MOVING_THE_CACHE:
        return _("interrupted; each model is whole, at one place or the other, and the same command goes on")
    return _("interrupted; the demo leaves nothing behind") if verb == _DEMO else _("interrupted")


def _verb(command: list[str]) -> str:
    """Return the command's own verb; the scripts have one, but for that which cleans."""
    words = [word for word in command[1:] if not word.startswith("-")]
    if command[:1] == ["python"]:
        script = PurePath(words[0] if words else "").stem
        return next(iter(words[1:]), "list") if script == "clean_model_cache" else "copy"
    if words[:1] in (["cache"], ["config"], ["sync"]):
        return next(iter(words[1:]), "list")
    return next(iter(words), "")

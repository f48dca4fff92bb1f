"""Say in one line what a Python lacks that hubferry needs. Imports the standard library alone."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry.cli import output
from hubferry.i18n import _, set_language

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Never

OLDEST = (3, 10)


@contextmanager
def dependencies() -> Iterator[None]:
    """Import in this block; what is missing is said in one line, and ends the process with exit code 1."""
    if sys.version_info < OLDEST:
        _speak()
        _end(_("{python} is too old: hubferry needs Python {version} or newer").format(
            python=sys.executable, version=".".join(map(str, OLDEST))))  # fmt: skip
    try:
        yield
    except ImportError as error:
        if _is_ours(error):
            raise
        _speak()
        _end(missing(error))


def missing(error: ImportError) -> str:
    """Return what to install, and with which Python, after an import that failed."""
    python, what = shlex.quote(sys.executable), _wanted(error)
    words = {"python": sys.executable, "module": (error.name or str(error)).partition(".")[0]}
    if not _is_the_systems_own():
        sentence = _("{python} has no {module}, which hubferry needs; install it: {command}")
        first = "" if find_spec("pip") else f"{python} -m ensurepip && "
        return sentence.format(**words, command=f"{first}{python} -m pip install {what}")
    clone = _clone()
    place = "~/hubferry-venv" if clone is None else shlex.quote(str(clone / ".venv"))
    command = f"{python} -m venv {place} && {place}/bin/python -m pip install {what}"
    sentence = _(
        "{python} has no {module}, which hubferry needs; make an environment: {command}; then run this with "
        "{place}/bin/python"
    )
    return sentence.format(**words, command=command, place=place)


def is_missing(error: BaseException) -> bool:
    """Return whether an error says that this Python lacks a package of somebody else's."""
    return isinstance(error, ModuleNotFoundError) and not _is_ours(error)


def _is_ours(error: ImportError) -> bool:
    return (error.name or "").partition(".")[0] == "hubferry"


def _clone() -> Path | None:
    """Return the clone that this package is in, None where it was installed."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() and (root / "src" / "hubferry").is_dir() else None


def _wanted(error: ImportError) -> str:
    """Return what pip is to install: the clone with all that it needs, else the packages by name."""
    clone = _clone()
    if clone is not None:
        return shlex.quote(str(clone))
    from importlib.metadata import PackageNotFoundError, requires

    try:
        named = requires("hubferry") or []
    except PackageNotFoundError:
        named = []
    return " ".join(map(shlex.quote, named)) or shlex.quote((error.name or "hubferry").partition(".")[0])


def _is_the_systems_own() -> bool:
    """Return whether this Python is one into which a system lets nobody install (PEP 668)."""
    import sysconfig

    if sys.prefix != sys.base_prefix:
        return False
    return (Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED").is_file()


def _speak() -> None:
    """Choose the language as whoever was started would have: the scripts speak Chinese."""
    started = Path(sys.argv[0])
    if not os.environ.get("HUBFERRY_LANG") and started.suffix == ".py" and started.name != "__main__.py":
        set_language("zh")
    output.prepare()


def _end(sentence: str) -> Never:
    output.talk(sentence, label=_("error:"), colour="red")
    raise SystemExit(1)

#!/usr/bin/env python3
"""Look at the model caches and clean them: list, clean, clean NAME, clean --force."""

import argparse
import sys
from pathlib import Path

try:
    from hubferry.cli.starting import dependencies
except ImportError:  # run from a clone that is not installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
    from hubferry.cli.starting import dependencies
with dependencies():
    from hubferry import compat, compat_cache
    from hubferry.i18n import _


def main() -> int:
    """Parse, call the library, return the exit code."""
    parser = argparse.ArgumentParser(description=_("Look at the model caches and clean them."))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help=_("print every model with its size"))
    clean = commands.add_parser("clean", help=_("delete one model, or all"))
    clean.add_argument("name", nargs="?", metavar="NAME", help=_("part of a name, such as flux"))
    clean.add_argument("--force", action="store_true", help=_("ask nothing"))
    clean.add_argument(
        "--pinned", action="store_true", help=_("a pinned model, too, if NAME is its whole name")
    )
    clean.add_argument("--dry-run", action="store_true", help=_("show what would go; delete nothing"))
    options = parser.parse_args()
    if options.command == "list":
        return compat_cache.list_caches()
    wishes = compat_cache.Wishes(force=options.force, pinned=options.pinned, dry_run=options.dry_run)
    return compat_cache.clean_caches(options.name, wishes)


if __name__ == "__main__":
    sys.exit(compat.run(main))

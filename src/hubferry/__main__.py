"""Run the command line: `hubferry`, or `python -m hubferry`."""

from __future__ import annotations

import gc
import sys

_YOUNG = 50_000
"""Objects that may be made before cycles among them are looked for. Python's own 700 is reached hundreds of
times while modules are imported, none of which is garbage: a sixth of the start of `hubferry copy`."""


def main() -> int:
    """Run the command line and return its exit code."""
    gc.set_threshold(_YOUNG)
    from hubferry.cli.starting import dependencies

    with dependencies():
        from hubferry.cli import signals
        from hubferry.cli.main import main as run

    return signals.finish(run())


if __name__ == "__main__":
    sys.exit(main())

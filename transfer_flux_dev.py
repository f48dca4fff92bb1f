#!/usr/bin/env python3
"""Move black-forest-labs/FLUX.1-dev to ModelScope; the copy in ~/flux_model_cache/flux-dev stays."""

import argparse
import os
import sys
from pathlib import Path

try:
    from hubferry.cli.starting import dependencies
except ImportError:  # run from a clone that is not installed
    sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))
    from hubferry.cli.starting import dependencies
with dependencies():
    from hubferry import compat
    from hubferry.i18n import _


def check_model_exists(directory: "str | Path | None" = None) -> bool:
    """Say what the cache holds; return whether the model is there, whole."""
    return compat.check_directory(Path(directory) if directory else compat.FLUX.of(None))


def main() -> int:
    """Parse, call the library, return the exit code."""
    parser = argparse.ArgumentParser(description=_("Move FLUX.1-dev from Hugging Face to ModelScope."))
    where = _("destination; <your account>/FLUX.1-dev unless given, also by FLUX_MS_MODEL")
    parser.add_argument("ms_model", nargs="?", help=where)
    parser.add_argument("--ms-model", default=os.environ.get("FLUX_MS_MODEL"), dest="named", help=where)
    options = compat.arguments(parser)
    return compat.Transfer(
        "black-forest-labs/FLUX.1-dev", options.ms_model or options.named, compat.FLUX,
        warning=_("⚠️  Note: this is a large model (~23GB), the download may take a while"),
        verify_only=options.verify_only, public=options.public,
    ).run()  # fmt: skip


if __name__ == "__main__":
    sys.exit(compat.run(main))

#!/usr/bin/env python3
"""Move a model from Hugging Face to ModelScope: simple_hf_to_ms.py HF_MODEL MS_MODEL [HF_TOKEN]."""

import argparse
import sys
from pathlib import Path

try:
    from hubferry.cli.starting import dependencies
except ImportError:  # run from a clone that is not installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
    from hubferry.cli.starting import dependencies
with dependencies():
    from hubferry import compat
    from hubferry.i18n import _


def check_model_exists(hf_model: str) -> bool:
    """Say what the cache holds of a model; return whether it is there, whole."""
    return compat.Transfer(hf_model, place=compat.SIMPLE).check_model_exists()


def main() -> int:
    """Parse, call the library, return the exit code."""
    parser = argparse.ArgumentParser(description=_("Move a model from Hugging Face to ModelScope."))
    parser.add_argument("hf_model", metavar="HF_MODEL", help=_("source, such as owner/name or gpt2"))
    parser.add_argument("ms_model", metavar="MS_MODEL", help=_("destination, such as owner/name"))
    parser.add_argument("hf_token", metavar="HF_TOKEN", nargs="?",
                        help=_("Hugging Face token; better set HF_TOKEN"))  # fmt: skip
    options = compat.arguments(parser)
    compat.hide_token(options.hf_token)
    return compat.Transfer(
        options.hf_model, options.ms_model, compat.SIMPLE,
        verify_only=options.verify_only, public=options.public,
    ).run()  # fmt: skip


if __name__ == "__main__":
    sys.exit(compat.run(main))

#!/usr/bin/env python3
"""Move a model from Hugging Face to ModelScope through ~/.cache/model_transfer."""

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


class HFToModelScopeTransfer(compat.Transfer):
    """One model's way; `check_model_exists()` asks the cache, `run()` moves it."""


def main() -> int:
    """Parse, call the library, return the exit code."""
    parser = argparse.ArgumentParser(description=_("Move a model from Hugging Face to ModelScope."))
    parser.add_argument("--hf-model", required=True, help=_("source, such as owner/name or gpt2"))
    parser.add_argument("--ms-model", required=True, help=_("destination, such as owner/name"))
    parser.add_argument("--hf-token", help=_("Hugging Face token; better set HF_TOKEN"))
    parser.add_argument("--commit-message", help=_("message of the commit"))
    parser.add_argument("--log-level", default="INFO", type=str.upper, choices=compat.LOG_LEVELS)
    options = compat.arguments(parser)
    compat.hide_token(options.hf_token)
    compat.set_log_level(options.log_level)
    return HFToModelScopeTransfer(
        options.hf_model, options.ms_model, message=options.commit_message, verify_only=options.verify_only,
        public=options.public, quiet=options.log_level not in ("DEBUG", "INFO"),
    ).run()  # fmt: skip


if __name__ == "__main__":
    sys.exit(compat.run(main))

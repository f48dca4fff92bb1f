"""The Hugging Face dialect, as huggingface_hub 1.x and 2.x speak it."""

from hubferry.serve.huggingface import (
    accounts,
    commits,
    discussions,
    files,
    lfs_files,
    moves,
    references,
    repositories,
    tags,
    uploads,
    xet,
)
from hubferry.serve.huggingface.answers import answer

TABLES = (
    accounts.routes,
    repositories.routes,
    references.routes,
    discussions.routes,
    lfs_files.routes,
    moves.routes,
    tags.routes,
    xet.routes,
    uploads.routes,
    commits.routes,
    files.routes,
)

__all__ = ["TABLES", "answer"]

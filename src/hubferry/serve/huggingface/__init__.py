"""The Hugging Face dialect, as huggingface_hub 1.x and 2.x speak it."""

from hubferry.serve.huggingface import commits, files, references, repositories, xet
from hubferry.serve.huggingface.answers import answer

TABLES = (repositories.routes, references.routes, xet.routes, commits.routes, files.routes)

__all__ = ["TABLES", "answer"]

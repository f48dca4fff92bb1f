"""The ModelScope dialect, as modelscope-hub 0.5 speaks it."""

from hubferry.serve.modelscope import commits, files, references, repositories
from hubferry.serve.modelscope.answers import answer

TABLES = (repositories.routes, references.routes, files.routes, commits.routes)

__all__ = ["TABLES", "answer"]

"""Repositories to git itself: `git clone`, `fetch` and `push` over HTTP, where the machine has git."""

from hubferry.serve.smart_git import routes

TABLES = (routes.routes,)

__all__ = ["TABLES"]

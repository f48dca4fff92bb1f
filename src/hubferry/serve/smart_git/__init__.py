"""Repositories to git itself: `git clone`, `fetch` and `push` over HTTP, where the machine has git."""

from hubferry.serve.smart_git.routes import routes

__all__ = ["routes"]

"""The hub's pages for a browser, at the addresses that the real hub has."""

from hubferry.serve.pages.refused import show_refusal as refuse
from hubferry.serve.pages.routing import attach, show_pages, wants_page
from hubferry.serve.pages.showing import prepare
from hubferry.serve.pages.signing_in import FORMS

__all__ = ["FORMS", "attach", "prepare", "refuse", "show_pages", "wants_page"]

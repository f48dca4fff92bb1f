"""Receipts: what a copy left at its target, path by path, and whether it is still so; docs/receipts.md."""

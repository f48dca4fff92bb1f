"""Copies and fetches as they run anywhere on this machine: each says how it goes, whoever looks reads it."""

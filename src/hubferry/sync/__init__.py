"""Mirrors: a file says what mirrors what, and this keeps it so."""

"""What a mirror file begins with: an example with comments, and the schema for editors."""

from __future__ import annotations

from importlib import resources

from hubferry.i18n import language

SCHEMA_NAME = "hubferry-sync.schema.json"
"""What the schema is called beside a mirror file."""


def example(schema: str | None = None) -> str:
    """Return an example in the language of the moment, which `reading.read` takes as it stands.

    Args:
        schema: Where an editor finds the schema; None says nothing of one.
    """
    name = "example.zh.yaml" if language() == "zh" else "example.yaml"
    line = "" if schema is None else f"# yaml-language-server: $schema={schema}\n"
    return line + _packaged(name)


def schema() -> str:
    """Return the JSON schema (draft 2020-12) of mirror files."""
    return _packaged("schema.json")


def _packaged(name: str) -> str:
    return resources.files("hubferry.sync").joinpath(name).read_text(encoding="utf-8")

"""docs/api.md is what the docstrings say, and says something about every public name."""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import forked
import hubferry
from hubferry.wishes import Wishes

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/api.md"


def test_the_page_is_current():
    done = forked.run([sys.executable, str(ROOT / "docs/reference.py"), "--check"], check=False)
    assert done.returncode == 0, "run `make api`"


@pytest.mark.parametrize("name", [name for name in hubferry.__all__ if name != "aio"])
def test_every_public_name_is_described(name):
    text = PAGE.read_text(encoding="utf-8")
    assert f"### `{name}`" in text or f"| `{name}` (" in text
    assert inspect.getdoc(getattr(hubferry, name))


@pytest.mark.parametrize("name", [name for name in dir(hubferry.aio) if name in hubferry.__all__])
def test_a_verb_and_its_awaited_form_take_the_same(name):
    plain, awaited = getattr(hubferry, name), getattr(hubferry.aio, name)
    if inspect.isfunction(plain):
        assert inspect.iscoroutinefunction(awaited)
        assert inspect.signature(plain) == inspect.signature(awaited)


def test_every_option_is_a_keyword_that_type_checkers_know():
    options = {field.name for field in fields(hubferry.Options)} - {"source", "destination"}
    assert options <= Wishes.__annotations__.keys()

"""Expressions of a mirror file: those that people write are taken, those that have no end are not."""

from __future__ import annotations

import pytest

from hubferry.sync.expressions import wrong

USUAL = [
    "Qwen3-.*", ".*-GGUF", r"v\d+(\.\d+)*", r"v\d+\.\d+\.\d+(-rc\d+)?", "a|b|c", "(?i)qwen.*", ".*Instruct.*",
    ".*a.*b.*c.*", "(-GGUF|-AWQ)?x", "(?!x).*", "", "[a-z0-9.-]+", "(?:-[a-z0-9]+)*", "(ab){3}", "x{2,5}",
    "Qwen[0-9.]+-.*-Instruct.*", r"v[0-9]+(\.[0-9]+)?(\.[0-9]+)?(-.*)?", "llama-(7|13|70)b(-chat)?(-hf)?",
    "[^/]*",
    r"\bv\d+$", "(?<!x)y", "(?i)(?:-[A-Z]+)*", "(?P<a>x)y",
]  # fmt: skip
ENDLESS = [
    "(a+)+b", "(a|a)*b", "(a|ab)*c", ".*.*.*.*b", "a?" * 20 + "a" * 20, r"(.*)\1", "(a*)*", "(.*){5}x",
    "(x+x+)+y",
    "((a{1,9}){1,9}){1,9}b", r"(\w+\s?)*$", r"(\.[\w.]+)*", "(){255}(a?){255}", "(?i)(a[B-Z]*A)*x",
    "(a)?(?(1)b|c)",
    r".+.{1,50}1+?\d+?", r"\d?(a[^a]*-*){1,50}-?", r"((a[^a]*?[^a]+)*?[^a]?-|[^a]{0,200})?\W{3}",
    "[a-z]+[a-z]+[a-z]+[a-z]+b", "(?:a|b|ab)+x", "(-[^x]*)*y", r"(1\d*)*x", "((a))*" + "(a*)*",
    r"(\W-\W)*(-\W*)*x",
]  # fmt: skip
WRONG = {
    "(": 0, "ab(c": 2, "*": 0, "[b-a]": 1, "[[a]": None, "x{99999999999}": None, "a" * 201: None,
    "(" * 150: 149,
}  # fmt: skip


@pytest.mark.parametrize("expression", USUAL)
def test_what_people_write_is_taken(expression):
    assert wrong(expression) is None


@pytest.mark.parametrize("expression", ENDLESS)
def test_what_may_take_for_ever_is_not(expression):
    found = wrong(expression)
    assert found is not None
    assert "for ever" in found.message


@pytest.mark.parametrize("expression", WRONG)
def test_what_is_no_expression_is_named_where_it_goes_wrong(expression):
    found = wrong(expression)
    assert found is not None
    assert found.at == WRONG[expression]
    assert "for ever" not in found.message


def test_what_python_only_warns_of_is_refused_as_later_ones_do():
    assert wrong("a(?i)b") is not None  # a warning in 3.10, an error since
    assert wrong("[[a]") is not None

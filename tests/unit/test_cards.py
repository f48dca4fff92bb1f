"""A model card's licence: read, and named as the other hub names it, with every other byte kept."""

import pytest

from hubferry import cards, front_matter, licenses


def card(front, rest="# Model\n"):
    return f"---\n{front}\n---\n{rest}".encode()


@pytest.mark.parametrize(
    ("front", "named"),
    [
        ("license: mit", "mit"),
        ("license: [apache-2.0, mit]", "apache-2.0"),
        ("license:\n- gpl-3.0\n- mit", "gpl-3.0"),
        ("license: Apache License 2.0", "Apache License 2.0"),
        ('license: "other"\nlicense_name: flux', "flux"),
        ("license: other", "other"),
        ("tags: [a]", None),
        ("license: ", None),
        ("license: {a: b}", None),
        ("license: [", None),
        ("- a list", None),
    ],
)
def test_the_licence_of_a_card_is_read(front, named):
    assert cards.license_of(card(front)) == named


@pytest.mark.parametrize(
    "content", [b"", b"# no front matter\nlicense: mit\n", b"---\nlicense: mit\n", b"\xff\xfe"]
)
def test_a_text_without_front_matter_names_no_licence(content):
    assert cards.license_of(content) is None
    assert cards.with_known_license(content) is None


@pytest.mark.parametrize(
    ("spoken", "known"),
    [
        ("Apache License 2.0", "apache-2.0"),
        ("Apache-2.0", "apache-2.0"),
        ("apache_2.0", "apache-2.0"),
        ("MIT License", "mit"),
        ("GPL-3.0", "gpl-3.0"),
        ("CC-BY-NC-4.0", "cc-by-nc-4.0"),
        ("The Unlicense", "unlicense"),
        ("Llama 3.1 Community", None),
        ("other", "other"),
    ],
)
def test_what_people_call_a_licence_has_an_identifier_or_none(spoken, known):
    assert licenses.identifier(spoken) == known


def test_a_known_licence_is_named_as_the_hub_knows_it_and_nothing_else_changes():
    front = b"tags:\r\n- a\r\nlicense: Apache License 2.0\r\nlanguage: en\r\n"
    before = b"\xef\xbb\xbf---\r\n" + front + b"---\r\n# x \xff\r\n"
    after = before.replace(b"Apache License 2.0", b"apache-2.0")
    assert cards.with_known_license(before) == after
    assert cards.with_known_license(after) is None


def test_an_unknown_licence_becomes_other_and_keeps_its_name():
    mended = cards.with_known_license(card("license: Tongyi Qianwen LICENSE\ntags: [a]"))
    assert mended == card("license: other\nlicense_name: tongyi-qianwen-license\ntags: [a]")
    named = card("license: Tongyi Qianwen\nlicense_name: qwen")
    assert cards.with_known_license(named) == card("license: other\nlicense_name: qwen")


@pytest.mark.parametrize(
    "front", ["license: mit", "license: [Apache License 2.0]", "license:\n- Apache License 2.0", "a: b"]
)
def test_a_card_that_needs_no_mending_or_has_a_list_is_left_alone(front):
    assert cards.with_known_license(card(front)) is None


@pytest.mark.parametrize(
    "odd", ["!!bool x", "!!int ''", "!!float ''", "!!timestamp x", "2020-13-45", "[" * 5_000]
)
def test_a_card_with_a_value_that_no_reader_can_make_says_nothing(odd):
    assert cards.license_of(card(f"license: mit\nodd: {odd}")) is None
    assert cards.with_known_license(card(f"license: Apache License 2.0\nodd: {odd}")) is None


def test_a_short_card_of_merges_does_not_become_millions_of_keys():
    """Each mapping merges the one before it twice: 40 lines stand for a billion keys."""
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], own: 1}}" for n in range(1, 40)]
    front = "\n".join(["license: mit", *lines])
    assert cards.license_of(card(front)) == "mit"
    assert front_matter.facts(front)["a39"] == {"own": 1}

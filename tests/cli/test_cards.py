"""A model card that the destination will not take is found in the plan, and there is a way on."""

from __future__ import annotations

import pytest
from desks import digests, publish, stored
from servers import running_hub

from hubferry.serve import Strictness

CARD = b"---\nlicense: Apache License 2.0\ntags:\n- text\n---\n# A model from the other hub\n"
MENDED = CARD.replace(b"Apache License 2.0", b"apache-2.0")


@pytest.fixture
def strict(tmp_path):
    with running_hub(tmp_path / "strict", strict=Strictness.real()) as hub:
        yield hub


@pytest.fixture
def ferry(desk, model, strict):
    """Publish a model with another hub's card at the first hub; copy it to a strict one."""
    (model / "README.md").write_bytes(CARD)
    (model / ".gitattributes").unlink()  # the strict hub keeps its own
    publish(desk.source, model, "org/card")

    def copy(*words, **options):
        where = ("--destination-endpoint", strict.url)
        return desk.ferry("copy", "hf:org/card", "hf:tester/card", *where, *words, **options)

    return copy


def test_a_card_that_would_be_refused_is_refused_first_and_the_field_is_named(ferry, strict):
    for words in (("--dry-run",), ()):
        done = ferry(*words, check_code=2)
        assert "will not take README.md" in done.err
        assert '"license" must be one of [apache-2.0, mit, openrail, …]' in done.err
        assert "--card fix-license" in done.err.splitlines()[-1]
    assert strict.requests.count("hf:create", "hf:commit", "storage:put") == 0
    plan = ferry("--dry-run", "--json", check_code=2).json()
    assert [(one["code"], one["path"]) for one in plan["findings"] if one["kind"] == "refused"] == [
        ("card", "README.md")
    ]


def test_a_card_is_published_with_the_licence_as_the_hub_knows_it(ferry, strict, model, desk):
    report = ferry("--card", "fix-license", "--json", check_code=0).json()
    assert report["adapted"] == ["README.md"]
    (model / "README.md").write_bytes(MENDED)
    there = stored(strict, "tester/card")
    assert there.items() >= digests(model).items()
    again = ferry("--card", "fix-license", check_code=0)
    assert "nothing to do" in again.out
    assert strict.requests.commits == 1
    (model / "README.md").write_bytes(CARD)
    cached = desk.home / "cache" / "org_card"
    assert digests(cached).items() <= digests(model).items()  # never what was adapted


def test_a_card_can_be_left_out_or_left_behind(ferry, strict, model):
    done = ferry("--keep-going", check_code=9)
    assert "README.md" in done.err
    assert "README.md" not in stored(strict, "tester/card")
    assert len(stored(strict, "tester/card")) >= len(digests(model)) - 1
    ferry("--exclude", "README.md", check_code=0)


def test_the_file_that_the_hub_keeps_itself_is_neither_counted_nor_deleted(ferry, strict):
    done = ferry("--card", "fix-license", "--delete", check_code=0)
    assert "identical" in done.out
    assert ".gitattributes" not in done.said
    assert ".gitattributes" in stored(strict, "tester/card")


def test_what_a_hub_remarks_on_a_card_is_a_warning(ferry, strict, model, desk):
    desk.source.store.add("org/card", {"README.md": b"# No front matter\n"})
    done = ferry(check_code=0)
    assert "warning: the destination remarks on README.md: empty or missing yaml metadata" in done.err


def test_a_card_that_is_there_already_is_not_asked_about(ferry, strict):
    ferry("--card", "fix-license", check_code=0)
    asked = strict.requests.count("hf:validate-yaml")
    ferry("--card", "fix-license", check_code=0)
    assert strict.requests.count("hf:validate-yaml") == asked == 1

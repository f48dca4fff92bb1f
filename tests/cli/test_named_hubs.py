"""Hubs that the configuration file names: `lab:org/name` works wherever `hf:org/name` does."""

from __future__ import annotations

from pathlib import Path

import pytest
from desks import KIB, digests, publish, stored
from servers import running_hub

import models

TOKEN = "hf_test_write"


@pytest.fixture
def lab(tmp_path):
    with running_hub(tmp_path / "lab") as hub:
        yield hub


@pytest.fixture
def other(tmp_path):
    """A model of the same name on the third hub, with other content."""
    return models.transformers_model(tmp_path / "other", shards=1, shard_size=48 * KIB)


def write(desk, text):
    path = desk.home / ".config" / "hubferry" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def table(lab, name="lab", kind="hf", token='{ env = "LAB_TOKEN" }', more=""):
    return f'[hubs.{name}]\nkind = "{kind}"\nendpoint = "{lab.url}/"\ntoken = {token}\n{more}\n'


def test_a_named_hub_is_a_source_and_a_destination_like_any_other(desk, model, lab, other):
    write(desk, table(lab))
    publish(lab, other, "org/model")
    lab.store.find("org/model").change(private=True)
    words = {"environment": {"LAB_TOKEN": TOKEN}, "check_code": 0}
    fetched = desk.ferry("fetch", "lab:org/model", **words)
    assert digests_at(fetched.out) == digests(other)
    desk.ferry("copy", "hf:org/model", "lab:mine/model", **words)
    assert stored(lab, "mine/model") == digests(model)
    desk.ferry("copy", "lab:org/model@main", "ms:mine/other", "--public", **words)
    assert desk.published("mine/other") == digests(other)
    desk.ferry("check", "lab:org/model", "ms:mine/other", **words)


def digests_at(out):
    return digests(Path(out.strip()))


def test_two_hubs_models_of_one_name_lie_side_by_side(desk, model, lab, other):
    write(desk, table(lab) + table(lab, "zoo"))
    publish(lab, other, "org/model")
    words = {"environment": {"LAB_TOKEN": TOKEN}, "check_code": 0}
    ours = desk.ferry("fetch", "-q", "lab:org/model", **words).out.strip()
    theirs = desk.ferry("fetch", "-q", "hf:org/model", **words).out.strip()
    assert ours != theirs
    assert (digests_at(ours), digests_at(theirs)) == (digests(other), digests(model))
    assert theirs.endswith("/org_model")  # the plain name is for the hub that everybody knows
    assert (
        desk.ferry("fetch", "-q", "zoo:org/model", **words).out.strip() == ours
    )  # another name, the same hub
    listed = desk.ferry("cache", "list", "--hub", "lab", "--json", **words).json()
    assert [one["path"] for one in listed["models"]] == [ours]
    desk.ferry("cache", "verify", "lab:org/model", **words)
    assert desk.ferry("fetch", "-q", "lab:org/model", "--offline", **words).out.strip() == ours

"""Whose a directory is, when a configuration file names hubs: told by the endpoint, not by the name."""

from __future__ import annotations

import json

import msgspec

from hubferry.cache import manifest, names
from hubferry.cache.store import Cache
from hubferry.model import RepoRef

HF = RepoRef("hf", "org/model")
LAB = RepoRef("hf", "org/model", endpoint="http://lab.lan", named="lab")
ZOO = RepoRef("hf", "org/model", endpoint="http://lab.lan", named="zoo")
FAR = RepoRef("hf", "org/model", endpoint="http://far.lan", named="lab")
MIRROR = RepoRef("hf", "org/model", endpoint="https://hf-mirror.com")


def test_a_directory_belongs_to_one_endpoint_whatever_it_is_called():
    known = manifest.new(LAB)
    assert known.belongs_to(ZOO)
    assert not any(known.belongs_to(other) for other in (HF, FAR, MIRROR))
    assert known.ref == LAB
    assert manifest.new(HF).belongs_to(MIRROR)  # a mirror has the same models


def test_a_manifest_of_a_hub_that_everybody_knows_has_no_new_key():
    """An older version, which refuses keys that it does not know, reads it."""
    keys = json.loads(msgspec.json.encode(manifest.new(HF))).keys()
    assert not {"endpoint", "named"} & keys
    assert {"endpoint", "named"} <= json.loads(msgspec.json.encode(manifest.new(LAB))).keys()


def test_names_of_directories_differ_by_endpoint_and_leave_the_plain_one_to_others():
    found = {names.directory_names(ref)[0] for ref in (HF, LAB, ZOO, FAR, MIRROR)}
    assert len(found) == 3
    assert names.directory_names(HF)[0] == "org_model"
    assert "org_model" not in names.directory_names(LAB)


def test_what_an_older_tool_left_is_never_taken_for_a_named_hubs(tmp_path):
    (tmp_path / "org_model").mkdir()
    (tmp_path / "org_model" / "config.json").write_text("{}")
    (tmp_path / names.directory_names(LAB)[0]).mkdir()
    (tmp_path / names.directory_names(LAB)[0] / "config.json").write_text("{}")
    cache = Cache(tmp_path, roots=(tmp_path,))
    assert cache.find(HF).path == tmp_path / "org_model"
    assert cache.find(LAB) is None

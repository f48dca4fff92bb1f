"""The cache's commands in this process: which models they take, and which they leave alone."""

from __future__ import annotations

import gc
import json

import pytest
from tests.recorded import many, recorded_model

from hubferry.cli.main import command_line
from hubferry.errors import NotFoundError, PinnedError, UsageError
from hubferry.i18n import set_language


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty cache, in English, with a collector that a listing may stop."""
    set_language("en")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HUBFERRY_CACHE", raising=False)
    yield tmp_path / ".cache/model_transfer"
    set_language(None)
    gc.enable()


@pytest.fixture
def cache(root, capsys):
    """Run a command; return what it says, as lines, and its document with --json."""

    def run(*words):
        command_line().main(["cache", *words], prog_name="hubferry", standalone_mode=False)
        said = capsys.readouterr()
        return json.loads(said.out) if "--json" in words else said.err.splitlines()

    return run


@pytest.fixture
def titles(cache):
    def titles(*words):
        return [one["repository"] for one in cache("list", *words, "--json")["models"]]

    return titles


def test_a_list_is_sorted_and_filtered(cache, root, titles):
    recorded_model(root / "b", "Qwen/B-GGUF", {"w": b"x" * 20_000}, used=3.0)
    recorded_model(root / "a", "Qwen/A", {"w": b"x" * 9000}, used=9.0, pinned=True)
    recorded_model(root / "c", "mlx/C", {"w": b"x" * 90_000}, used=6.0, hub="ms")
    assert titles() == ["mlx/C", "Qwen/B-GGUF", "Qwen/A"]
    assert titles("--sort", "used") == ["Qwen/A", "mlx/C", "Qwen/B-GGUF"]
    assert titles("--sort", "name") == ["mlx/C", "Qwen/A", "Qwen/B-GGUF"]
    assert titles("qwen") == titles("qwen/*") == ["Qwen/B-GGUF", "Qwen/A"]
    assert titles("*-gguf") == ["Qwen/B-GGUF"]
    assert titles("--hub", "ms") == ["mlx/C"]
    assert titles("--pinned") == titles("qwen", "--pinned") == ["Qwen/A"]
    assert cache("list", "mlx", "--pinned") == ["none of 1 model matches"]
    with pytest.raises(NotFoundError):
        cache("list", "qwem")


def test_the_exact_name_wins_over_longer_ones(cache, root, titles):
    for number in (1, 10, 100):
        recorded_model(root / f"org_model{number}", f"org/model{number}")
    assert cache("clean", "model1", "--force")[0] == "removed org/model1"
    assert titles("--sort", "name") == ["org/model10", "org/model100"]
    assert cache("clean", "model10", "--dry-run")[-1].startswith("would remove 1 ")
    assert cache("pin", "model10") == ["pinned org/model10"]
    with pytest.raises(UsageError) as caught:
        cache("unpin", "odel")
    assert caught.value.message == "odel means several models: org/model10, org/model100"
    assert caught.value.hint == "hubferry cache unpin org/model10"


def test_a_pinned_model_stays_but_for_its_whole_name_with_pinned(cache, root, titles):
    pinned = recorded_model(root / "Qwen_Qwen3", "Qwen/Qwen3", pinned=True)
    recorded_model(root / "Qwen_Qwen2", "Qwen/Qwen2")
    said = cache("clean", "Qwen", "--force")
    assert said[-2:] == ["Qwen/Qwen3 is pinned, and stays", "1 pinned model stays"]
    assert titles() == ["Qwen/Qwen3"]
    for words in (("Qwen/Qwen3",), ("Qwen3", "--pinned"), ("qwen", "--pinned")):
        with pytest.raises(PinnedError) as caught:
            cache("clean", *words, "--force")
        assert caught.value.message == "Qwen/Qwen3 is pinned, and stays"
        assert caught.value.hint == "hubferry cache clean Qwen/Qwen3 --pinned"
        assert caught.value.exit_code == 2
    with pytest.raises(UsageError) as caught:
        cache("clean", "--pinned", "--force")
    assert caught.value.hint == "hubferry cache clean NAME --pinned"
    cache("prune", "--keep-last", "0")
    assert pinned.is_dir()
    cache("clean", "Qwen/Qwen3", "--pinned", "--force")
    assert not pinned.exists()


def test_one_of_two_models_of_a_name_goes_by_its_path(cache, root, titles, tmp_path):
    recorded_model(root / "org_m", "org/m", pinned=True)
    other = recorded_model(tmp_path / "flux_model_cache/org_m", "org/m")
    assert cache("clean", "org/m", "--dry-run")[-1] == "1 pinned model stays"
    cache("clean", str(other), "--force")
    assert titles() == ["org/m"]
    assert not other.exists()


def test_a_path_outside_of_every_root_is_never_cleaned(cache, root, tmp_path):
    outside = recorded_model(tmp_path / "outside", "org/m")
    recorded_model(root / "org_n", "org/n")
    with pytest.raises(NotFoundError):
        cache("clean", str(outside), "--force")
    assert outside.is_dir()


def test_a_model_that_was_pinned_after_the_question_stays(cache, root, monkeypatch, titles):
    from hubferry.cache.directory import ModelDirectory
    from hubferry.cli.cache import clean
    from hubferry.model import RepoRef

    place, *_others = many(root, 3)

    def pin_meanwhile(_models, _name):
        model = ModelDirectory(place, RepoRef("hf", "org/model-0"))
        with model.hold(wait=0):
            model.pin(pinned=True)
        return True

    monkeypatch.setattr(clean, "_agreed", pin_meanwhile)
    assert "org/model-0 is pinned, and stays" in cache("clean")
    assert titles() == ["org/model-0"]


def test_every_command_offers_the_nearest_names(cache, root):
    many(root, 30)
    for command in ("check", "verify", "show", "repair", "clean", "pin", "unpin", "list"):
        with pytest.raises(NotFoundError) as caught:
            cache(command, "org/modle-29")
        assert caught.value.hint.startswith("did you mean: org/model-29, ")
        assert caught.value.hint.count("org/") == 3


def test_a_model_is_removed_by_its_path_however_the_way_to_its_root_is_spelled(cache, root, tmp_path):
    model = recorded_model(root / "org_m", "org/m")
    (tmp_path / "short").symlink_to(root)
    cache("clean", str(tmp_path / "short/org_m"), "--force")
    assert not model.exists()


def test_a_pin_on_a_link_is_kept_where_it_leads_and_keeps_the_link(cache, root, tmp_path):
    outside = recorded_model(tmp_path / "outside", "org/m")
    root.mkdir(parents=True)
    (root / "org_m").symlink_to(outside)
    assert cache("pin", "org/m") == ["pinned org/m"]
    (model,) = cache("list", "--pinned", "--json")["models"]
    assert (model["pinned"], model["link_to"]) == (True, str(outside))
    assert cache("clean", "--force")[-1] == "1 pinned model stays"
    cache("clean", "org/m", "--pinned", "--force")
    assert not (root / "org_m").is_symlink()
    assert outside.is_dir()


def test_a_hint_is_for_the_cache_that_was_looked_into(cache, root, tmp_path):
    recorded_model(tmp_path / "big disk/org_m", "org/m", pinned=True)
    recorded_model(tmp_path / "big disk/org_n", "org/n")
    where = ("--cache-dir", str(tmp_path / "big disk"))
    for words, hint in (
        (("clean", "org/m"), "clean org/m --pinned"),
        (("clean", "org/n"), "clean org/n --force"),
        (("pin", "org"), "pin org/m"),
    ):
        with pytest.raises(UsageError) as caught:
            cache(*words, *where)
        assert caught.value.hint == f"hubferry cache {hint} --cache-dir '{tmp_path}/big disk'"

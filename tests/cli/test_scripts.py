"""The four scripts: their caches, their lines, their exit codes."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import sysconfig

import pytest
from desks import KIB, ROOT, digests, publish, stored

import forked
import models

FLUX = "transfer_flux_dev.py"
HF_TO_MS = "scripts/hf_to_modelscope_transfer.py"
SIMPLE = "scripts/simple_hf_to_ms.py"
CLEAN = "scripts/clean_model_cache.py"


@pytest.fixture
def flux(desk, tmp_path):
    folder = models.diffusers_model(tmp_path / "flux", shard_size=32 * KIB)
    publish(desk.source, folder, "black-forest-labs/FLUX.1-dev")
    return folder


def test_the_flux_script_prints_its_lines_and_sends_to_the_tokens_account(desk, flux):
    done = desk.script(FLUX)
    assert done.code == 0, done.said
    assert done.out.splitlines()[:5] == [
        "🔍 检查模型是否已存在...",
        "📁 检查目录: ~/flux_model_cache/flux-dev",
        "📥 开始从Hugging Face下载FLUX.1-dev模型...",
        "⚠️  注意：这是一个大模型（~23GB），下载可能需要较长时间",
        "✅ 下载完成！",
    ]
    assert stored(desk.destination, f"{desk.destination.user}/FLUX.1-dev") == digests(flux)
    assert digests(desk.home / "flux_model_cache" / "flux-dev") == digests(flux)


def test_the_flux_script_skips_a_model_that_is_there(desk, flux):
    desk.script(FLUX)
    sent = desk.source.requests.bytes_sent
    done = desk.script(FLUX)
    gigabytes = sum(path.stat().st_size for path in flux.rglob("*") if path.is_file()) / 1024**3
    assert done.code == 0, done.said
    assert done.out.splitlines()[:4] == [
        "🔍 检查模型是否已存在...",
        "📁 检查目录: ~/flux_model_cache/flux-dev",
        f"✅ 模型已存在且完整: {gigabytes:.2f} GB",
        "✅ 模型已存在，跳过下载！",
    ]
    assert "开始从Hugging Face下载" not in done.out
    assert desk.source.requests.bytes_sent - sent < 32 * KIB  # a listing, no weights


def test_the_flux_script_names_the_size_of_the_real_model(desk, tmp_path):
    """54 GiB of holes stand for the weights: the check reads names, sizes and headers only."""
    directory = desk.home / "flux_model_cache" / "flux-dev"
    models.diffusers_model(directory, shards=3, shard_size=5 * 1024**3, sparse=True)
    total = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    with (directory / "ae.safetensors").open("r+b"):
        done = desk.script(FLUX, "--verify-only", environment={"HF_HUB_OFFLINE": "1"})
    assert done.code == 0, done.said
    assert f"✅ 模型已存在且完整: {total / 1024**3:.2f} GB" in done.out


def test_the_flux_script_goes_where_it_is_told(desk, flux):
    assert desk.script(FLUX, "team/flux").code == 0
    assert desk.script(FLUX, environment={"FLUX_MS_MODEL": "team/flux-2"}).code == 0
    assert desk.script(FLUX, "--ms-model", "team/flux-3").code == 0
    for name in ("team/flux", "team/flux-2", "team/flux-3"):
        assert stored(desk.destination, name) == digests(flux)


def test_a_gated_model_says_where_its_terms_are_and_which_token_to_set(desk, flux):
    desk.source.store.find("black-forest-labs/FLUX.1-dev").change(gated="manual", granted=("somebody",))
    done = desk.script(FLUX)
    assert done.code == 4
    assert f"{desk.source.url}/black-forest-labs/FLUX.1-dev" in done.err
    assert "HF_TOKEN" in done.err


def test_the_transfer_script_keeps_its_cache_and_its_arguments(desk, model):
    words = ("--hf-model", "org/model", "--ms-model", "mine/model")
    done = desk.script(HF_TO_MS, *words, "--commit-message", "第一版", "--log-level", "INFO")
    assert done.code == 0, done.said
    assert desk.published() == digests(model)
    assert digests(desk.home / ".cache" / "model_transfer" / "org_model") == digests(model)
    repository = desk.destination.store.find("mine/model")
    assert repository.history.commit(repository.resolve(None)).title == "第一版"
    again = desk.script(HF_TO_MS, *words)
    assert "✅ 模型已存在，跳过下载！" in again.out
    assert repository.history.commit(repository.resolve(None)).title == "第一版"


def test_the_simple_script_keeps_its_cache_and_takes_a_token_as_its_third_word(desk, model):
    done = desk.script(SIMPLE, "org/model", "mine/model", desk.source.token, unset=("HF_TOKEN",))
    assert done.code == 0, done.said
    assert digests(desk.home / ".cache" / "simple_model_transfer" / "org_model") == digests(model)
    assert desk.published() == digests(model)
    assert desk.source.token not in done.said


@pytest.mark.parametrize("spelling", ["--hf-token {}", "--hf-token={}"])
def test_a_token_option_is_taken_out_and_its_neighbours_are_not(desk, model, spelling):
    token = spelling.format(desk.source.token).split()
    words = ("--hf-model", "org/model", *token, "--verify-only", "--ms-model", "mine/model")
    desk.source.store.find("org/model").change(private=True)
    done = desk.script(HF_TO_MS, *words, unset=("HF_TOKEN",))
    assert done.code == 0, done.said
    assert "警告：命令行中的令牌可能被他人看到" in done.err
    assert desk.destination.requests.records == []


def test_verify_only_sends_nothing_and_needs_no_modelscope_token(desk, model):
    done = desk.script(SIMPLE, "org/model", "mine/model", "--verify-only", unset=("MODELSCOPE_API_TOKEN",))
    assert done.code == 0, done.said
    assert "✅ 下载完成！" in done.out
    assert desk.destination.requests.records == []


def test_verify_only_of_a_whole_cache_needs_no_network(desk, model):
    desk.script(SIMPLE, "org/model", "mine/model", "--verify-only")
    for environment in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        done = desk.script(SIMPLE, "org/model", "mine/model", "--verify-only", environment=environment)
        assert done.code == 0, done.said
        assert "✅ 模型已存在，跳过下载！" in done.out


def test_a_model_that_was_verified_goes_out_when_the_source_cannot_be_asked(desk, model):
    desk.script(SIMPLE, "org/model", "mine/model", "--verify-only")
    done = desk.script(SIMPLE, "org/model", "mine/model", environment={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert done.code == 0, done.said
    assert desk.published() == digests(model)


def test_a_source_without_an_owner_is_a_source(desk, tmp_path):
    folder = models.transformers_model(tmp_path / "gpt2", shards=1, shard_size=8 * KIB)
    publish(desk.source, folder, "gpt2")
    done = desk.script(SIMPLE, "gpt2", "mine/gpt2")
    assert done.code == 0, done.said
    assert stored(desk.destination, "mine/gpt2") == digests(folder)


def test_an_older_cache_that_kept_the_dot_is_used_as_it_is(desk, tmp_path):
    folder = models.transformers_model(tmp_path / "model", shards=1, shard_size=64 * KIB)
    publish(desk.source, folder, "org/model-1.5")
    old = desk.home / ".cache" / "simple_model_transfer" / "org_model_1.5"
    shutil.copytree(folder, old)
    done = desk.script(SIMPLE, "org/model-1.5", "mine/model")
    assert done.code == 0, done.said
    assert "📁 检查目录: ~/.cache/simple_model_transfer/org_model_1.5" in done.out
    assert "✅ 模型已存在，跳过下载！" in done.out
    assert desk.source.requests.count("hf:resolve") == 0
    assert desk.published() == digests(folder)
    assert not (old.parent / "org_model_1_5").exists()


def test_a_cut_shard_is_found_named_and_fetched_again(desk, model):
    desk.script(SIMPLE, "org/model", "mine/model", "--verify-only")
    shard = desk.home / ".cache/simple_model_transfer/org_model/model-00002-of-00002.safetensors"
    os.truncate(shard, shard.stat().st_size - 1)
    done = desk.script(SIMPLE, "org/model", "mine/model")
    assert done.code == 0, done.said
    assert "model-00002-of-00002.safetensors" in done.out
    assert "跳过下载" not in done.out
    assert desk.published() == digests(model)


def test_a_shell_loop_over_many_models_runs_to_its_end(desk, tmp_path):
    for name in ("one", "two", "three"):
        folder = models.transformers_model(tmp_path / name, shards=1, shard_size=8 * KIB, seed=name)
        publish(desk.source, folder, f"org/{name}")
    loop = f"""
    while read -r name; do
        "{sys.executable}" "{ROOT / SIMPLE}" "org/$name" "mine/$name" > "$name.log" 2>&1
        echo "$name $?"
    done
    """
    done = desk.run(
        "sh", "-c", loop, input="one\nabsent\ntwo\nthree\n", stdin=None, unset=("HUBFERRY_CACHE",)
    )
    assert done.out.splitlines() == ["one 0", "absent 3", "two 0", "three 0"]


def test_the_scripts_speak_english_when_told_to(desk, model):
    done = desk.script(SIMPLE, "org/model", "mine/model", environment={"HUBFERRY_LANG": "en"})
    assert done.out.splitlines()[0] == "🔍 Checking whether the model is there already..."


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
def test_what_cannot_be_shown_never_stops_a_script(desk, model, encoding):
    done = desk.script(SIMPLE, "org/model", "mine/model", environment={"PYTHONIOENCODING": encoding})
    assert done.code == 0, done.said
    assert desk.published() == digests(model)


def test_wrong_arguments_end_with_code_2(desk):
    for script, words in ((SIMPLE, ("only-one",)), (HF_TO_MS, ()), (CLEAN, ("wash",)), (FLUX, ("--what",))):
        assert desk.script(script, *words).code == 2
    assert desk.script(SIMPLE, "no good name!", "mine/model").code == 2


@pytest.mark.parametrize("script", [FLUX, HF_TO_MS, SIMPLE, CLEAN])
def test_each_script_runs_from_a_clone_that_was_not_installed(desk, tmp_path, script):
    """Only the dependencies are there: the package itself is hidden from the interpreter."""
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import sys\n"
        f"sys.path[:] = [path for path in sys.path if path != {str(ROOT / 'src')!r}]\n"
        "sys.meta_path[:] = [finder for finder in sys.meta_path if 'editable' not in repr(finder).lower()]\n"
    )
    done = desk.script(script, "--help", environment={"PYTHONPATH": str(hide)})
    assert done.code == 0, done.said
    assert "usage" in done.out.lower() or "用法" in done.out


@pytest.fixture
def caches(desk, model):
    """Two caches as the older scripts left them."""
    shutil.copytree(model, desk.home / ".cache" / "simple_model_transfer" / "org_model")
    models.diffusers_model(desk.home / "flux_model_cache" / "flux-dev", shard_size=8 * KIB)
    return desk.home


def test_list_shows_each_cache_and_the_sum(desk, caches):
    done = desk.script(CLEAN, "list")
    assert done.code == 0
    assert "📁 ~/flux_model_cache" in done.out
    assert "📁 ~/.cache/simple_model_transfer" in done.out
    assert "flux-dev" in done.out
    assert "org_model" in done.out
    assert "💾 合计" in done.out.splitlines()[-1]


def test_clean_without_a_terminal_refuses_and_shows_what_would_go(desk, caches):
    done = desk.script(CLEAN, "clean", "flux")
    assert done.code == 2
    assert "~/flux_model_cache/flux-dev" in done.out
    assert "--force" in done.err
    assert (caches / "flux_model_cache" / "flux-dev" / "model_index.json").exists()


def test_clean_with_a_part_of_a_name_deletes_that_model_only(desk, caches):
    done = desk.script(CLEAN, "clean", "FLUX", "--force")
    assert done.code == 0, done.said
    assert not (caches / "flux_model_cache" / "flux-dev").exists()
    assert (caches / ".cache/simple_model_transfer/org_model/config.json").exists()


def test_clean_with_force_deletes_all_and_asks_nothing(desk, caches):
    assert desk.script(CLEAN, "clean", "--force").code == 0
    assert "💾 合计: 0 B" in desk.script(CLEAN, "list").out


def test_a_name_that_matches_nothing_lists_what_there_is(desk, caches):
    done = desk.script(CLEAN, "clean", "llama", "--force")
    assert done.code == 3
    assert "flux-dev" in done.err
    assert "org_model" in done.err


@pytest.mark.parametrize(
    ("answer", "gone"), [("y", True), ("yes", True), ("是", True), ("", False), ("x", False)]
)
def test_clean_asks_at_a_terminal_and_anything_but_yes_is_no(desk, caches, answer, gone):
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in desk.environment.items() if name != "HUBFERRY_CACHE"}
    process = forked.Popen(
        [sys.executable, str(ROOT / CLEAN), "clean", "flux"],
        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
    )  # fmt: skip
    os.write(ours, f"{answer}\n".encode())
    out = process.communicate(timeout=60)[0].decode()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, out
    assert (not (caches / "flux_model_cache" / "flux-dev").exists()) is gone


def test_every_script_is_short():
    for script in (FLUX, HF_TO_MS, SIMPLE, CLEAN):
        assert len((ROOT / script).read_text().splitlines()) <= 40


@pytest.mark.slow
def test_the_scripts_and_the_command_run_after_pip_install(desk, model, tmp_path):
    """A wheel is built and installed alone; the dependencies are those of the test."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = (
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(tmp_path / "wheel"),
        str(ROOT),
    )
    desk.run(*pip, *build, check_code=0)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (wheel,) = (tmp_path / "wheel").iterdir()
    python = str(tmp_path / "venv" / "bin" / "python")
    desk.run(*pip, "--python", python, "install", "--no-deps", "--no-index", str(wheel), check_code=0)
    dependencies = {"PYTHONPATH": sysconfig.get_path("purelib")}
    where = desk.run(python, "-c", "import hubferry; print(hubferry.__file__)", environment=dependencies).out
    assert str(tmp_path) in where
    for script in (FLUX, HF_TO_MS, SIMPLE, CLEAN):
        installed = str(tmp_path / "venv" / "bin" / script.rpartition("/")[2])
        done = desk.run(installed, "--help", environment=dependencies)
        assert done.code == 0, done.said
        assert "用法" in done.out
    simple = str(tmp_path / "venv" / "bin" / "simple_hf_to_ms.py")
    done = desk.run(simple, "org/model", "mine/model", environment=dependencies)
    assert done.code == 0, done.said
    assert desk.published() == digests(model)

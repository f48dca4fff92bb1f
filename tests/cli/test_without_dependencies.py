"""What a person reads who starts hubferry by a Python that lacks what it needs."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from desks import ROOT

from hubferry.cli import starting
from hubferry.i18n import set_language

SCRIPTS = (
    "transfer_flux_dev.py",
    "scripts/hf_to_modelscope_transfer.py",
    "scripts/simple_hf_to_ms.py",
    "scripts/clean_model_cache.py",
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python of its own without any package."""
    place = tmp_path_factory.mktemp("bare") / "a venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    return str(place / "bin" / "python")


def run(python, *words, **environment):
    """Run a Python that has a pip which only tells what it was asked for."""
    purelib = Path(python).parents[1] / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    (purelib / "pip").mkdir(exist_ok=True)
    (purelib / "pip" / "__init__.py").touch()
    (purelib / "pip" / "__main__.py").write_text("import sys\nprint('pip', *sys.argv[1:])\n")
    environment = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | environment
    return subprocess.run(
        [python, *words], env=environment, capture_output=True, encoding="utf-8", check=False, timeout=60
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_says_in_one_chinese_line_what_to_install_and_with_which_python(bare, script):
    done = run(bare, str(ROOT / script), "org/model", "mine/model")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"错误：{bare} 缺少 hubferry 所需的 click，请先安装：")
    command = line.partition("请先安装：")[2]
    assert command == f"{shlex.quote(bare)} -m pip install {ROOT}"
    told = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert told == f"pip install {ROOT}\n"


def test_the_command_says_so_in_the_readers_language(bare):
    done = run(bare, "-m", "hubferry", "copy", PYTHONPATH=str(ROOT / "src"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {bare} has no click, which hubferry needs; install it: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_script_speaks_english_where_chinese_cannot_be_shown_or_is_not_wanted(bare):
    for environment in ({"PYTHONIOENCODING": "ascii"}, {"HUBFERRY_LANG": "en"}):
        done = run(bare, str(ROOT / SCRIPTS[0]), **environment)
        assert done.stderr.startswith("error: "), done.stderr
        assert f"-m pip install {ROOT}" in done.stderr


def test_a_package_that_is_missed_only_later_is_named_as_well(desk, model, tmp_path):
    """click is on many machines; what the network needs is imported when it is asked for."""
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'msgspec':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
    )
    done = desk.script(SCRIPTS[2], "org/model", "mine/model", environment={"PYTHONPATH": str(hide)})
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(f"错误：{sys.executable} 缺少 hubferry 所需的 msgspec，")
    assert "Traceback" not in done.err


def test_an_installed_copy_names_its_packages(tmp_path, monkeypatch):
    set_language("en")
    try:
        monkeypatch.setattr(starting, "_clone", lambda: None)
        said = starting.missing(ModuleNotFoundError("no click", name="click"))
    finally:
        set_language(None)
    assert all(shlex.quote(one) in said for one in requires("hubferry"))


@pytest.mark.skipif(
    not Path("/usr/bin/python3").exists() or shutil.which("pip", path="/usr/bin") is None,
    reason="there is no Python of the system's own here",
)
def test_a_python_into_which_the_system_lets_nobody_install_gets_an_environment(tmp_path):
    outside = ["/usr/bin/python3", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]
    stdlib = Path(subprocess.run(outside, capture_output=True, text=True, check=True).stdout.strip())
    if not (stdlib / "EXTERNALLY-MANAGED").exists() or (
        subprocess.run(
            ["/usr/bin/python3", "-c", "import click"], capture_output=True, check=False
        ).returncode
        == 0
    ):
        pytest.skip("the system's Python lets everybody install, or has what is needed")
    done = run_system(str(ROOT / SCRIPTS[0]))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"/usr/bin/python3 -m venv {ROOT}/.venv && {ROOT}/.venv/bin/python -m pip install {ROOT}" in line


def run_system(*words):
    environment = {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    return subprocess.run(
        ["/usr/bin/python3", *words], env=environment, capture_output=True, encoding="utf-8", check=False
    )

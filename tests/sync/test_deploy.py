"""What is in deploy/: units that systemd takes, objects for Kubernetes, and commands that there are."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from hubferry import __version__
from hubferry.cli.main import command_line

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("hubferry-*"))


def parsed(words: list[str]) -> None:
    """Read a command line as `hubferry` would, without running it."""
    command: click.Command | None = command_line()
    left = list(words)
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), left.pop(0))
    assert command is not None, words
    command.make_context("hubferry", left)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_has_nothing_to_say_against_the_units(tmp_path):
    for unit in UNITS:
        text = unit.read_text().replace("/opt/hubferry/bin/hubferry", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    for unit in UNITS:
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_each_timer_has_its_service_and_each_service_its_command():
    services = {unit.stem: unit for unit in UNITS if unit.suffix == ".service"}
    assert {unit.stem for unit in UNITS if unit.suffix == ".timer"} <= set(services)
    for unit in services.values():
        (line,) = re.findall(r"^ExecStart=/opt/hubferry/bin/hubferry (.+)$", unit.read_text(), re.MULTILINE)
        parsed(shlex.split(line))


def test_the_services_keep_the_same_distance_from_the_rest_of_the_machine():
    hardened = [
        [
            line
            for line in unit.read_text().splitlines()
            if re.match(r"(No|Protect|Private|Restrict|Cap)", line)
        ]
        for unit in UNITS
        if unit.suffix == ".service"
    ]
    assert len(hardened) == 3
    assert hardened[0] == hardened[1] == hardened[2]


def test_the_cron_job_runs_a_command_that_there_is_with_no_right_that_it_does_not_need():
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "cronjob.yaml").read_text()))
    claim, job = documents
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    parsed(container["args"])
    assert container["image"] == f"hubferry:{__version__}"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    named = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    ]
    assert named == [claim["metadata"]["name"]]
    assert not [name for name in container["env"] if "value" in name], "a token in clear"


def test_the_image_installs_what_is_declared_in_the_versions_that_are_tested():
    def pinned(path: Path) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text(), re.MULTILINE):
            found.setdefault(name, set()).add(version)
        return found

    image, tested = pinned(DEPLOY / "requirements.lock"), pinned(ROOT / "requirements.lock")
    assert image.items() <= tested.items()
    declared = re.search(r"\ndependencies = \[(.*?)\n\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)
    assert declared is not None
    names = set(re.findall(r'^  "([\w-]+)', declared[1], re.MULTILINE))
    assert names <= set(image)
    assert "pytest" not in image


def test_the_image_runs_as_nobody_special_and_copies_what_is_there():
    lines = (DEPLOY / "Dockerfile").read_text()
    steps = re.sub(r"\\\n", " ", lines).splitlines()
    for step in steps:
        words = step.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--"):
            for path in words[1:-1]:
                assert (ROOT / path).exists(), path
    users = [step.split()[1] for step in steps if step.startswith("USER ")]
    assert users
    assert all(user.partition(":")[0] not in ("0", "root") for user in users)
    (command,) = [step for step in steps if step.startswith("CMD ")]
    parsed(yaml.safe_load(command.removeprefix("CMD ")))

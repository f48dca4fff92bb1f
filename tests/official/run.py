"""Run the official clients' own tests against `hubferry serve`.

    python -m tests.official.run [huggingface|modelscope ...] [-- PYTEST OPTIONS]

The suites come from the package index, pinned by hash, and stay out of this tree. Each test that cannot pass
stands with its reason in `exceptions.toml`; any other that fails fails the run, and so does one of them that
passes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tests.official.certificate import make_certificate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PLACE = Path(os.environ.get("OFFICIAL_CACHE", HERE.parents[1] / ".official"))
"""Where what was fetched is kept for the next run."""


@dataclass(frozen=True)
class Suite:
    """One client's tests.

    Attributes:
        host: The hub's name that its tests have written into them.
        sdist: The archive, as `requirements.txt` pins it.
        files: Which of its files are run.
        options: For pytest.
    """

    name: str
    host: str
    sdist: str
    files: tuple[str, ...]
    options: tuple[str, ...] = ()


SUITES = (
    Suite(
        "huggingface",
        "hub-ci.huggingface.co",
        "huggingface_hub-2.4.0",
        ("test_hf_api.py", "test_hf_file_system.py"),
        ("-m", "not production and not git_lfs and not vcr"),
    ),
)


def fetch() -> None:
    """Bring the suites and what they need besides, each of them by its hash."""
    PLACE.mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if not (PLACE / "site" / "pytest_mock").exists():
        wanted = ["--no-deps", "--require-hashes", "-r", str(HERE / "requirements.txt")]
        subprocess.run([*pip, "install", "--target", str(PLACE / "site"), *wanted], check=True)
    for suite in SUITES:
        if not (PLACE / f"{suite.sdist}.tar.gz").exists():
            wanted = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "-r", str(HERE / "sdists.txt")]
            subprocess.run([*pip, "download", "--dest", str(PLACE), *wanted], check=True)


def unpack(suite: Suite, top: Path) -> Path:
    """Unpack a suite, put our conftest beside its tests, and return the folder of its tests."""
    with tarfile.open(PLACE / f"{suite.sdist}.tar.gz") as archive:
        archive.extractall(top, filter="data")
    tests = top / suite.sdist / "tests"
    (tests / "__init__.py").touch()
    shutil.copyfile(HERE / suite.name / "beside.py", tests / "conftest.py")
    return tests


@contextlib.contextmanager
def running(suite: Suite, top: Path) -> Iterator[dict[str, str]]:
    """Run a hub under the suite's name, and yield what the environment has to say of it."""
    certificate, key = make_certificate(top, suite.host)
    line = [sys.executable, "-m", "tests.official.hub", str(top / "hub"), str(certificate), str(key)]
    line += [f"https://{suite.host}", str(HERE / suite.name / "accounts.json")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1]) as hub:
        try:
            assert hub.stdout is not None
            yield {
                "OFFICIAL_PORT": hub.stdout.readline().strip(),
                "SSL_CERT_FILE": str(certificate),
                "REQUESTS_CA_BUNDLE": str(certificate),
            }
        finally:
            hub.terminate()


def run(suite: Suite, more: list[str]) -> bool:
    """Run a suite; return whether each test ended as it should."""
    with tempfile.TemporaryDirectory(prefix="official-") as name:
        top = Path(name)
        tests = unpack(suite, top)
        with running(suite, top) as said:
            environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MODELSCOPE_"))}
            environment |= {**said, "HOME": str(top), "HF_HUB_DISABLE_XET": "1", "NO_COLOR": "1"}
            environment |= {"PYTHONPATH": str(PLACE / "site"), "COLUMNS": "200"}
            line = [
                sys.executable,
                "-m",
                "pytest",
                "-c",
                str(HERE / "suite.ini"),
                "--rootdir",
                str(tests.parent),
            ]
            line += [
                "-q",
                "-n",
                "4",
                "--tb=short",
                "-rfE",
                f"--junitxml={top / 'report.xml'}",
                *suite.options,
            ]
            line += more or [str(tests / file) for file in suite.files]
            log = PLACE / f"{suite.name}.log"
            with log.open("wb") as output:
                subprocess.run(
                    line, check=False, env=environment, cwd=tests.parent, stdout=output, stderr=output
                )
        if not (top / "report.xml").exists():
            print(f"{suite.name}: nothing was run, see {log}")
            return False
        return judge(suite, outcomes(top / "report.xml"), whole=not more)


def outcomes(report: Path) -> dict[str, str]:
    """Return what became of each test: passed, failed or skipped."""
    found: dict[str, str] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '').removeprefix('tests.')}.{case.get('name')}"
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        if found.get(name) != "failed":
            found[name] = outcome
    return found


def judge(suite: Suite, found: dict[str, str], *, whole: bool) -> bool:
    """Compare with what is known to fail, and say what differs."""
    known = tomllib.loads((HERE / "exceptions.toml").read_text())[suite.name]
    failed = {name for name, outcome in found.items() if outcome == "failed"}
    new, passed = failed - known.keys(), {name for name in known if found.get(name) == "passed"}
    gone = {name for name in known if name not in found} if whole else set()
    for file in suite.files:
        module = file.removesuffix(".py")
        of_file = [outcome for name, outcome in found.items() if name.startswith(f"{module}.")]
        counted = {word: of_file.count(word) for word in ("passed", "failed", "skipped")}
        print(f"{suite.name}: {file}: {json.dumps(counted)}")
    for words, names in (
        ("fails", new),
        ("passes, and is listed as one that cannot", passed),
        ("is no test", gone),
    ):
        for name in sorted(names):
            print(f"{suite.name}: {name} {words}")
    return not (new or passed or gone)


def main(arguments: list[str]) -> int:
    """Run what is named, or everything."""
    names, more = arguments, []
    if "--" in arguments:
        cut = arguments.index("--")
        names, more = arguments[:cut], arguments[cut + 1 :]
    try:
        fetch()
    except subprocess.CalledProcessError:
        print("the official suites cannot be fetched here: none of them was run")
        return int(os.environ.get("OFFICIAL_REQUIRED") == "1")
    ended = [run(suite, more) for suite in SUITES if not names or suite.name in names]
    return int(not all(ended))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run the official clients' own tests against `hubferry serve`.

    python -m tests.official.run [huggingface|modelscope ...] [--tests DIR] [-- PYTEST OPTIONS]

The suite of huggingface_hub comes from the package index, pinned by hash. That of modelscope is in no
package: it is run from a checkout of github.com/modelscope/modelscope, which `--tests` (or
`OFFICIAL_MODELSCOPE`) names, and is left out where there is none. Both stay out of this tree. Each test that
cannot pass stands with its reason in `exceptions.toml`; any other that fails fails the run, and so does one
of them that passes.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tests.official.certificate import make_certificate
from tests.official.suites import HERE, PLACE, SUITES, Suite, fetch, unpack

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def running(suite: Suite, top: Path, tests: Path) -> Iterator[dict[str, str]]:
    """Run a hub under the suite's name, and yield what the environment has to say of it."""
    certificate, key = make_certificate(top, suite.host)
    line = [sys.executable, "-m", "tests.official.hub", str(top / "hub"), str(certificate), str(key)]
    line += [suite.url, str(HERE / suite.name / "accounts.json")]
    line += [] if suite.sdist else [str(tests / "hub")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1]) as hub:
        try:
            assert hub.stdout is not None
            port = hub.stdout.readline().strip()
            names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO")
            yield {
                **{name: text.format(port=port) for name, text in suite.said.items()},
                **dict.fromkeys(names, str(certificate)),
                "OFFICIAL_PORT": port,
                "OFFICIAL_DATA": str(tests.parent / "data"),
            }
        finally:
            hub.terminate()


def run(suite: Suite, source: Path, more: list[str]) -> bool:
    """Run a suite; return whether each test ended as it should."""
    with tempfile.TemporaryDirectory(prefix="official-") as name:
        top = Path(name)
        tests = unpack(suite, source, top)
        with running(suite, top, tests) as said:
            environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MODELSCOPE_"))}
            environment |= {**said, "HOME": str(top), "NO_COLOR": "1", "COLUMNS": "200"}
            environment["PYTHONPATH"] = os.pathsep.join([str(suite.site), str(tests.parent)])
            log = PLACE / f"{suite.name}.log"
            with log.open("wb") as output:
                line = _pytest(suite, top, tests, more)
                subprocess.run(
                    line, check=False, env=environment, cwd=tests.parent, stdout=output, stderr=output
                )
        if not (top / "report.xml").exists():
            print(f"{suite.name}: nothing was run, see {log}")
            return False
        return judge(suite, outcomes(top / "report.xml"), whole=not more)


def _pytest(suite: Suite, top: Path, tests: Path, more: list[str]) -> list[str]:
    line = [sys.executable, "-m", "pytest", "-c", str(HERE / "suite.ini"), "--rootdir", str(tests.parent)]
    line += ["-q", "-n", "4", "--tb=short", "-rfE", f"--junitxml={top / 'report.xml'}", *suite.options]
    return line + (more or [str(tests / file) for file in suite.files])


def outcomes(report: Path) -> dict[str, str]:
    """Return what became of each test: passed, failed or skipped."""
    found: dict[str, str] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '').removeprefix('tests.').removeprefix('hub.')}.{case.get('name')}"
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        if found.get(name) != "failed":
            found[name] = outcome
    return found


def judge(suite: Suite, found: dict[str, str], *, whole: bool) -> bool:
    """Compare with what is known to fail, and say what differs."""
    known = tomllib.loads((HERE / "exceptions.toml").read_text())[suite.name]
    sometimes = known.pop("sometimes", {})
    failed = {name for name, outcome in found.items() if outcome == "failed"}
    new = failed - known.keys() - sometimes.keys()
    passed = {name for name in known if found.get(name) == "passed"}
    gone = {name for name in known if name not in found} if whole else set()
    for file in suite.files:
        module = f"{file.removesuffix('.py')}." if file.endswith(".py") else ""
        of_file = [outcome for name, outcome in found.items() if name.startswith(module)]
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
    place = os.environ.get("OFFICIAL_MODELSCOPE")
    if "--tests" in names:
        at = names.index("--tests")
        place, names = names[at + 1], names[:at] + names[at + 2 :]
    checkout = Path(place).absolute() if place else None
    ended = [_attempt(suite, checkout, more) for suite in SUITES if not names or suite.name in names]
    return int(not all(ended))


def _attempt(suite: Suite, checkout: Path | None, more: list[str]) -> bool:
    source = suite.source(checkout)
    if source is None:
        print(f"{suite.name}: not run: name a checkout of its repository with --tests or OFFICIAL_MODELSCOPE")
        return checkout is None
    try:
        fetch(suite)
    except subprocess.CalledProcessError:
        print(f"{suite.name}: not run: it, or what it needs, cannot be fetched here")
        return os.environ.get("OFFICIAL_REQUIRED") != "1"
    return run(suite, source, more)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

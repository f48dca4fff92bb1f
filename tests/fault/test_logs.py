"""With every logger of every library wide open, no token and no signature is logged, on either side."""

from __future__ import annotations

import http.client
import io
import logging
import sys

import pytest
from servers import hub_process, sdk_environment
from test_secrets import CANARIES, SCENES, assert_clean
from worlds import DESTINATION, SOURCE

import forked

TALKATIVE = ("aiohttp", "asyncio", "urllib3", "httpx", "httpcore", "filelock", "huggingface_hub", "hubferry")


@pytest.fixture
def guarded(make_world):
    """A world whose tokens are canaries."""
    return make_world(tokens=CANARIES)


@pytest.fixture
def everything_logged(monkeypatch):
    """Let every logger write what it has, with tracebacks, into one text."""
    monkeypatch.setenv("HF_DEBUG", "1")
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s %(args)s %(exc_info)s"))
    root, before = logging.getLogger(), logging.getLogger().level
    loggers = [logging.getLogger(name) for name in [*TALKATIVE, *logging.Logger.manager.loggerDict]]
    levels = {logger: logger.level for logger in loggers}
    root.addHandler(handler)
    root.setLevel(1)
    for logger in loggers:
        logger.setLevel(1)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)
    for logger, level in levels.items():
        logger.setLevel(level)


@pytest.mark.parametrize("scene", SCENES)
def test_no_logger_of_the_run_or_of_the_hubs_writes_a_secret(guarded, everything_logged, scene):
    SCENES[scene](guarded)
    outcome = guarded.attempt()
    assert (outcome.code == 0) == (scene == "good"), outcome.said
    logging.getLogger("hubferry").debug("the end")
    assert "the end" in everything_logged.getvalue()
    assert_clean(guarded, everything_logged.getvalue())


PROGRAM = """
import logging, sys
logging.basicConfig(level=1, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
for name in list(logging.Logger.manager.loggerDict):
    logging.getLogger(name).setLevel(1)
import modelscope_hub
from huggingface_hub.utils import logging as official
official.set_verbosity_debug()
from hubferry.cli.main import main
code = main()
logging.getLogger("proof").debug("the loggers are open")
sys.exit(code)
"""


@pytest.mark.parametrize(
    "scene", ["good", "source-tells-all", "storage-tells-all", "upload-breaks", "token-refused"]
)
@pytest.mark.parametrize("verb", ["copy", "check"])
def test_a_program_that_logs_everything_and_runs_the_command_writes_no_secret(guarded, scene, verb):
    SCENES[scene](guarded)
    environment = guarded.environment | {
        "HF_DEBUG": "1",
        "PYTHONASYNCIODEBUG": "1",
        "HF_HUB_VERBOSITY": "debug",
    }
    line = [sys.executable, "-c", PROGRAM, "--debug", verb, SOURCE, DESTINATION]
    done = forked.run(line, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert "the loggers are open" in done.stderr
    assert_clean(guarded, done.stdout, done.stderr)


def test_the_hub_logs_no_token_whatever_is_asked_with_it(tmp_path):
    """The real command, its output caught whole; the token is right, wrong, in a cookie, in an address."""
    environment = sdk_environment(tmp_path / "home") | {"PYTHONASYNCIODEBUG": "1", "HUBFERRY_DEBUG": "1"}
    written = tmp_path / "written"
    with (
        written.open("wb") as err,
        hub_process(tmp_path / "hub", token=CANARIES[0], environment=environment, stderr=err) as hub,
    ):
        host, port = hub.url.removeprefix("http://").split(":")
        for token in CANARIES:
            for path in (
                "/api/whoami-v2",
                f"/api/models/{token}",
                f"/api/models/a/b?token={token}",
                f"/storage/{token}",
            ):
                for headers in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"m_session_id={token}"}):
                    connection = http.client.HTTPConnection(host, int(port), timeout=10)
                    connection.request("GET", path, headers=headers)
                    connection.getresponse().read()
                    connection.close()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(token.encode() in content for token in CANARIES), path

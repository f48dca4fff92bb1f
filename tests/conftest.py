"""The tests are the same on every machine, whatever its configuration file says, however they are begun."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["HUBFERRY_CONFIG"] = "none"

# importlib mode leaves the folder out, and tests of all folders share what is in it
sys.path.insert(0, str(Path(__file__).parent))

# whether data is made quickly is a question of this machine's other work, and no fault of what is tested
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# what is started in the background, or under nohup, ignores these, and so does whatever it starts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


_MOST_DESCRIPTORS = 600
"""A worker has 60, and 300 where it plays a crowd; with a thousand the next test may fail for it."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown():
    """Let go of the hubs that are past, and name a test that leaves much open.

    aiohttp keeps the last 1,024 handlers that it wrapped in middlewares, and with each the hub of a test.
    """
    ended = yield
    web_app = sys.modules.get("aiohttp.web_app")
    if web_app is not None:
        web_app._cached_build_middleware.cache_clear()
    if sys.platform == "linux":
        deadline = time.monotonic() + 30  # a hub of several tests closes its side when it comes to it
        while sum(1 for _descriptor in Path("/proc/self/fd").iterdir()) >= _MOST_DESCRIPTORS:
            assert time.monotonic() < deadline, "this test leaves descriptors open"
            time.sleep(0.05)
    return ended

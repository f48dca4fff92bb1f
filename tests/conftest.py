"""The tests are the same on every machine, whatever its configuration file says, however they are begun."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

os.environ["HUBFERRY_CONFIG"] = "none"

# importlib mode leaves the folder out, and tests of all folders share what is in it
sys.path.insert(0, str(Path(__file__).parent))

# what is started in the background, or under nohup, ignores these, and so does whatever it starts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

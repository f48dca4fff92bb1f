"""The tests are the same on every machine, whatever its configuration file says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

os.environ["HUBFERRY_CONFIG"] = "none"

# importlib mode leaves the folder out, and tests of all folders share what is in it
sys.path.insert(0, str(Path(__file__).parent))

# whether data is made quickly is a question of this machine's other work, and no fault of what is tested
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

"""The tests are the same on every machine, whatever its configuration file says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["HUBFERRY_CONFIG"] = "none"

# importlib mode leaves the folder out, and tests of all folders share what is in it
sys.path.insert(0, str(Path(__file__).parent))

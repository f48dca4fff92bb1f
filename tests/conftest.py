"""The tests are the same on every machine, whatever its configuration file says."""

from __future__ import annotations

import os

os.environ["HUBFERRY_CONFIG"] = "none"

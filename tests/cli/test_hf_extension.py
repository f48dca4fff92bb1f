"""`hf ferry`: the official command line runs ours as its extension."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hubferry

BIN = Path(sys.executable).parent
HF, OURS = BIN / "hf", BIN / "hf-ferry"


@pytest.mark.skipif(not HF.exists() or not OURS.exists(), reason="hf or hf-ferry is not installed here")
def test_hf_ferry_is_hubferry_once_hf_knows_of_it(tmp_path):
    """The note is what `hf extensions install OWNER/hf-ferry` leaves behind, which itself asks GitHub."""
    place = tmp_path / ".local" / "share" / "hf" / "extensions" / "hf-ferry"
    place.mkdir(parents=True)
    note = {
        "owner": "org", "repo": "hf-ferry", "repo_id": "org/hf-ferry", "short_name": "ferry",
        "type": "python", "executable_path": str(OURS), "installed_at": "2026-11-29T00:00:00+00:00",
    }  # fmt: skip
    (place / "manifest.json").write_text(json.dumps(note))
    environment = {
        "HOME": str(tmp_path), "PATH": str(Path(shutil.which("sh") or "/bin/sh").parent), "LC_ALL": "C.UTF-8",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1", "HUBFERRY_CONFIG": "none",
    }  # fmt: skip

    def hf(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(HF), *words], env=environment, capture_output=True, text=True, check=False)

    version = hf("ferry", "--version")
    assert version.stdout.strip() == f"hubferry {hubferry.__version__}", version.stderr
    assert "copy" in hf("ferry", "--help").stdout
    refused = hf("ferry", "copy", "hf:org/name")
    assert refused.returncode == 2
    assert "DESTINATION" in refused.stderr

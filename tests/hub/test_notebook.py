"""A notebook, in a real kernel: verbs with progress, in the loop that runs there, and awaited."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import models

STOP = """
import os, signal
def stop(event):
    if type(event).__name__ == 'Planned':
        os.kill(os.getpid(), signal.SIGINT)
try:
    hubferry.copy('hf:org/model', 'ms:mine/other', listen=stop)
except KeyboardInterrupt:
    print('stopped')
"""
GO_ON = """
import threading
print([one.name for one in threading.enumerate() if one.name.startswith('hubferry')])
print(hubferry.copy('hf:org/model', 'ms:mine/other').verified)
"""
CELLS = (
    "import asyncio, hubferry; asyncio.get_running_loop(); print('a loop is running')",
    "fetched = hubferry.fetch('hf:org/model', progress=True); print(fetched.files, fetched.whole)",
    "report = hubferry.copy('hf:org/model', 'ms:mine/model', progress=True); print(report.verified)",
    "again = await hubferry.aio.plan('hf:org/model', 'ms:mine/model'); print(again.nothing_to_do)",
    STOP,
    GO_ON,
)


def test_a_notebook_copies_and_fetches_with_progress_and_stops_cleanly(make_hub, tmp_path):
    source, destination = make_hub(), make_hub()
    folder = models.transformers_model(tmp_path / "model", shards=2, shard_size=1 << 20)
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    source.store.add("org/model", files)
    environment = source.environment(tmp_path / "home") | {
        "MODELSCOPE_ENDPOINT": destination.url,
        "MODELSCOPE_API_TOKEN": destination.token,
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("notebook.py"))],
        input=json.dumps(CELLS), env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loop, fetched, copied, planned, stopped, after = json.loads(done.stdout)
    assert loop["stdout"] == "a loop is running\n"
    assert "fetched: 100%" in fetched["stderr"]
    assert fetched["stdout"] == f"{len(files)} True\n"
    assert "sent: 100%" in copied["stderr"]
    assert copied["stdout"] == "True\n"
    assert planned["stdout"] == "True\n"
    assert stopped == {"stdout": "stopped\n", "stderr": ""}
    assert after["stdout"] == "[]\nTrue\n"
    other = destination.store.find("mine/other")
    assert set(other.tree(other.resolve(None)).files) == set(files)

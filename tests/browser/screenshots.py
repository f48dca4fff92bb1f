"""Write the pictures of a hub's pages: the first part of `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "hub"), str(HERE)]

import worlds  # noqa: E402  # after the path is known
from pictures import Shot, take  # noqa: E402
from servers import running_hub  # noqa: E402

_DAY = 86_400.0
SHOTS = (
    Shot("hub-first-page", "/"),
    Shot("hub-model", "/lab/quill-120m"),
    Shot("hub-model-zh-dark", "/lab/quill-120m", "zh", "dark"),
    Shot("hub-files", "/lab/quill-120m/tree/main"),
    Shot("hub-tensors", "/lab/quill-120m/blob/main/model.safetensors"),
)


def _past(store):
    """Let the laboratory's repositories be some days old."""
    now, add, count = time.time(), store.add, 0

    def earlier(*words, **more):
        nonlocal count
        count += 1
        with patch("time.time", return_value=now - _DAY * (23.4 / count)):
            return add(*words, **more)

    with patch.object(store, "add", earlier):
        worlds.fill(store)


def main() -> None:
    with tempfile.TemporaryDirectory() as place, running_hub(Path(place) / "hub", port=8787) as hub:
        _past(hub.store)
        take(SHOTS, hub.url)


if __name__ == "__main__":
    main()

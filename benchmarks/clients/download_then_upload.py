"""Copy a model as the two official SDKs do it: a snapshot to the disk, then the folder to the other hub."""

from __future__ import annotations

import sys

from huggingface_hub import snapshot_download
from modelscope_hub import HubApi


def main(source: str, destination: str, revision: str) -> None:
    """Download `source` at `revision`, then upload it to `destination`."""
    folder = snapshot_download(source, revision=revision)
    hub = HubApi()
    if not hub.repo_exists(destination, "model"):
        hub.create_repo(destination, "model")
    hub.upload_folder(destination, "model", folder, disable_tqdm=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

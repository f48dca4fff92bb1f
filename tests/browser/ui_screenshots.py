"""Write the pictures of `hubferry ui`: the second part of `make screenshots`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "hub"), str(HERE.parent / "cli"), str(HERE)]

from desks import publish  # noqa: E402
from pictures import Shot, take  # noqa: E402
from servers import running_hub, sdk_environment  # noqa: E402

import models  # noqa: E402  # after the path is known

MIB = 1 << 20
MODELS = {
    "lab/quill-8b": (3, 12),
    "lab/quill-120m": (1, 1),
    "orchard/plum-vl-7b": (4, 7),
    "orchard/plum-embed": (1, 3),
    "harbour/kite-flow": (2, 9),
    "harbour/kite-flow-lite": (1, 6),
    "meadow/lark-4b": (2, 3),
}
MIRRORS = """\
version: 1
defaults: {schedule: "0 3 * * *"}
sync:
  - {name: embed, source: hf:orchard/plum-embed, target: ms:my-lab/plum-embed}
  - {name: lark, source: hf:meadow/lark-4b, target: ms:my-lab/lark-4b, schedule: {every: 6h}}
"""
SHOTS = (
    Shot("ui-overview", "/"),
    Shot("ui-cache", "/cache"),
    Shot("ui-cache-zh-dark", "/cache", "zh", "dark"),
    Shot("ui-model", "/cache/lab_quill_8b"),
    Shot("ui-plan", "/copy?source=hf:lab/quill-8b&destination=ms:my-lab/quill-8b"),
    Shot("ui-mirrors", "/sync"),
)


@contextmanager
def machine(place: Path):
    """A machine with a cache, a mirror file that has run, and `hubferry ui`: its address, and its home."""
    with running_hub(place / "source") as source, running_hub(place / "destination") as destination:
        home = place / "home"
        environment = sdk_environment(home, hf=source, ms=destination)
        environment |= {"HUBFERRY_CONFIG": "none", "LANG": "C.UTF-8"}
        del environment["HUBFERRY_CACHE"]  # where models are unless somebody says otherwise

        def ferry(*words):
            subprocess.run(
                [sys.executable, "-m", "hubferry", *words], env=environment, cwd=home, check=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

        for name, (shards, size) in MODELS.items():
            folder = models.transformers_model(place / name, shards=shards, shard_size=size * MIB)
            publish(source, folder, name)
            ferry("fetch", f"hf:{name}", "--quiet")
        ferry("cache", "pin", "quill-8b")
        ferry("copy", "hf:harbour/kite-flow-lite", "ms:my-lab/kite-flow-lite", "--quiet")
        (home / "mirrors.yaml").write_text(MIRRORS)
        for _night in range(3):
            ferry("sync", "run", "mirrors.yaml", "--quiet")
        (home / ".cache/model_transfer/orchard_plum_vl_7b/config.json").unlink()
        yield from shown(environment, home)


def shown(environment, home):
    with subprocess.Popen(
        [sys.executable, "-m", "hubferry", "ui", "--json", "--port", "0", "--sync", "mirrors.yaml"],
        env=environment, cwd=home, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield json.loads(process.stdout.readline())["url"], home
        finally:
            process.terminate()


def prepare(page, shot) -> None:
    if shot.name == "ui-plan":
        page.locator("main button.main").click()
        page.locator("dl.figures").wait_for()


def main() -> None:
    with tempfile.TemporaryDirectory() as place, machine(Path(place)) as (address, home):
        origin, _slash, way_in = address.partition("/?")
        take(SHOTS, origin, way_in=f"/?{way_in}", home=home, prepare=prepare)


if __name__ == "__main__":
    main()

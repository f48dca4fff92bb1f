"""Build hubferry as one file: a zipapp with every dependency, for this Python and this platform.

    python deploy/onefile/build.py WHEEL FOLDER

Needs uv beside the interpreter (requirements-dist.lock); the versions are those of deploy/requirements.lock.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = ("bin", "__pycache__")


def main() -> None:
    """Build it, and print where it is."""
    wheel, folder = Path(sys.argv[1]), Path(sys.argv[2])
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    place = folder / f"hubferry-{wheel.name.split('-')[1]}-{tag}-{platform}.pyz"
    with tempfile.TemporaryDirectory() as name:
        gathered = Path(name)
        install(wheel, gathered)
        files = {path.relative_to(gathered).as_posix(): path.read_bytes() for path in inside(gathered)}
    files["__main__.py"] = (HERE / "launcher.py").read_bytes()
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(b"%s\0%d\0%s" % (path.encode(), len(content), content))
    files["BUILD"] = f"{tag} {platform} {digest.hexdigest()[:32]}\n".encode()
    write(place, files)
    print(place)  # noqa: T201 - this is a program


def install(wheel: Path, folder: Path) -> None:
    """Put the wheel and what it needs into a folder, in the versions that are tested."""
    uv = Path(sys.executable).parent / "uv"
    words = [str(uv), "pip", "install", "--quiet", "--target", str(folder), "--python", sys.executable]
    lock = str(HERE.parent / "requirements.lock")
    subprocess.run([*words, "--constraint", lock, str(wheel)], check=True)  # noqa: S603 - our own words


def inside(folder: Path) -> list[Path]:
    """Return the files that belong into the archive."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if not set(path.relative_to(folder).parts) & set(_LEFT_OUT)]


def write(place: Path, files: dict[str, bytes]) -> None:
    """Write the archive: for the same files always the same bytes, and a line before them that runs it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as stream:
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in sorted(files.items()):
                info = zipfile.ZipInfo(path, _EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, content)
    place.chmod(0o755)


if __name__ == "__main__":
    main()

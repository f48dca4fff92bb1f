"""The repositories that everybody copies, made from a seed and put into the source's store."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tests.models import write_file, write_json, write_readme, write_safetensors, write_tokenizer

from hubferry.serve import Put, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MEBIBYTE = 1 << 20
CHANGED_SHARD = "transformer/diffusion_pytorch_model-00002-of-00003.safetensors"
CHANGED_BRANCH = "changed"

_DIFFUSERS_SHARDS = {
    # FLUX.1-dev's components, scaled to 1024 MiB; its single-file copy of the transformer is left out
    "transformer/diffusion_pytorch_model": (240, 240, 128),
    "text_encoder_2/model": (168, 152),
    "text_encoder/model": (32,),
    "vae/diffusion_pytorch_model": (16,),
    "ae": (48,),
}


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at the source.

    Attributes:
        name: What the tables call it.
        repo_id: Its name on the hub.
        files: The sha256 of each file.
        sizes: The bytes of each file.
    """

    name: str
    repo_id: str
    files: Mapping[str, str]
    sizes: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())

    @property
    def largest(self) -> int:
        """Bytes of the largest file."""
        return max(self.sizes.values())

    @property
    def largest_path(self) -> str:
        """The largest file."""
        return max(self.sizes, key=self.sizes.__getitem__)


def build_diffusers(folder: Path, mebibytes: int) -> None:
    """Make a pipeline like FLUX.1-dev: 8 weight files and 21 small ones."""
    write_readme(folder, title="Benchmark pipeline", license_name="other", library="diffusers")
    write_file(folder / "LICENSE.md", "# A licence for benchmarks\n")
    write_file(folder / ".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    write_json(folder / "model_index.json", {"_class_name": "FluxPipeline"})
    write_json(folder / "scheduler/scheduler_config.json", {"_class_name": "FlowMatchEulerDiscreteScheduler"})
    for component in ("text_encoder", "text_encoder_2", "transformer", "vae"):
        write_json(folder / component / "config.json", {"component": component})
    for component in ("tokenizer", "tokenizer_2"):
        write_tokenizer(folder / component)
    for stem, shards in _DIFFUSERS_SHARDS.items():
        _write_shards(folder, stem, [shard * mebibytes * MEBIBYTE // 1024 for shard in shards])


def _write_shards(folder: Path, stem: str, sizes: list[int]) -> None:
    if len(sizes) == 1:
        write_safetensors(folder / f"{stem}.safetensors", {"weight": sizes[0]})
        return
    weight_map = {}
    for number, size in enumerate(sizes, 1):
        path = folder / f"{stem}-{number:05}-of-{len(sizes):05}.safetensors"
        write_safetensors(path, {f"blocks.{number}.weight": size})
        weight_map[f"blocks.{number}.weight"] = path.name
    index = {"metadata": {"total_size": sum(sizes)}, "weight_map": weight_map}
    write_json(folder / f"{stem}.safetensors.index.json", index)


def build_big(folder: Path, mebibytes: int) -> None:
    """Make one weight file, with what every repository has."""
    write_readme(folder, title="One big file")
    write_file(folder / ".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    write_safetensors(folder / "model.safetensors", {"weight": mebibytes * MEBIBYTE}, seed="big")


def build_many(folder: Path, count: int) -> None:
    """Make `count` small texts that both hubs hold in git."""
    write_readme(folder, title="Many small files")
    write_file(folder / ".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    for number in range(count):
        suffix = "json" if number % 2 else "txt"
        words = f'{{"number": {number}, "text": "{number:08} "'.ljust(4094, "x") + "}\n"
        write_file(folder / f"part-{number // 500:02}/{number:05}.{suffix}", words)


def publish(store: Store, name: str, build: Callable[[Path], None]) -> Repository:
    """Make a repository on the store's disk and commit it."""
    repo_id = f"bench/{name}"
    with tempfile.TemporaryDirectory(prefix="build-", dir=store.root) as made:
        folder = Path(made)
        build(folder)
        paths = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
        files: dict[str, bytes | Path] = {
            path: file.read_bytes() if file.stat().st_size < MEBIBYTE else file
            for path, file in paths.items()
        }
        store.add(repo_id, files, "Add the model")
    found = store.find(repo_id)
    tree = found.tree(found.resolve("main")).files
    return Repository(
        name, repo_id, {path: tree[path].sha256 for path in paths}, {path: tree[path].size for path in paths}
    )


def publish_hollow(store: Store, name: str, mebibytes: int) -> Repository:
    """Make a repository of one weight file of holes: whatever its size, it costs no disk at the source."""
    repo_id, path = f"bench/{name}", "model.safetensors"
    made = write_safetensors(store.root / name, {"weight": mebibytes * MEBIBYTE}, sparse=True)
    digest = sha256()
    with made.open("rb") as file:
        while block := file.read(MEBIBYTE):
            digest.update(block)
    blob = store.blobs.path(digest.hexdigest())
    blob.parent.mkdir(exist_ok=True)
    made.rename(blob)
    change = Put(path, digest.hexdigest(), lfs=True)
    store.create(repo_id).commit("main", [change], title="Add the model")
    return Repository(name, repo_id, {path: change.sha256}, {path: blob.stat().st_size})


def publish_change(store: Store, repository: Repository) -> Repository:
    """Commit another content of the same size for one shard, on a branch of its own."""
    found = store.find(repository.repo_id)
    found.add_branch(CHANGED_BRANCH, found.resolve("main"))
    size = repository.sizes[CHANGED_SHARD]
    with tempfile.TemporaryDirectory(prefix="build-", dir=store.root) as folder:
        shard = Path(folder) / "shard.safetensors"
        shutil.copyfile(store.blobs.path(repository.files[CHANGED_SHARD]), shard)
        with shard.open("r+b") as file:
            file.seek(size // 2)
            file.write(sha256(file.read(64)).digest())
        store.add(repository.repo_id, {CHANGED_SHARD: shard}, "Replace a shard", branch=CHANGED_BRANCH)
    tree = found.tree(found.resolve(CHANGED_BRANCH)).files
    files = {path: tree[path].sha256 for path in repository.files}
    return Repository("changed", repository.repo_id, files, repository.sizes)

"""Make small models that are real in every way a machine can check without running them.

Tensors are bytes drawn from a seed, so the same arguments always give the same files. `sparse=True` leaves
the tensors as holes: a 50 GB model with true headers then costs a few kilobytes of disk.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

CHUNK = 1 << 20

README = """---
license: {license}
language:
- en
- zh
library_name: {library}
pipeline_tag: {task}
tags:
- test
---

# {title}

A model made for tests. 一个用于测试的模型。
"""


def content(size: int, seed: object) -> Iterator[bytes]:
    """Yield `size` bytes that depend on `seed` alone, a mebibyte at a time."""
    source = random.Random(str(seed))
    for start in range(0, size, CHUNK):
        yield source.randbytes(min(CHUNK, size - start))


def write_file(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def write_json(path: Path, value: object) -> Path:
    return write_file(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_safetensors(
    path: Path, tensors: Mapping[str, int], *, seed: object = 0, sparse: bool = False
) -> Path:
    """Write half-precision vectors; `tensors` gives each one's bytes, an even number."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, size in tensors.items():
        header[name] = {"dtype": "F16", "shape": [size // 2], "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        _write_tensors(file, offset, f"{seed}/{path.name}", sparse=sparse)
    return path


def _write_tensors(file: Any, size: int, seed: object, *, sparse: bool) -> None:
    if sparse:
        file.truncate(file.tell() + size)
        return
    for chunk in content(size, seed):
        file.write(chunk)


def write_shards(  # keywords with defaults, each a size or a name a test may set
    directory: Path,
    *,
    shards: int,
    shard_size: int,
    stem: str = "model",
    index: str | None = None,
    seed: object = 0,
    sparse: bool = False,
) -> list[Path]:
    """Write `stem`-0000x-of-0000n.safetensors of `shard_size` tensor bytes each, and their index.

    One shard is called `stem`.safetensors and has no index, as the libraries save it.
    """
    if shards == 1:
        tensors = _tensor_sizes("layers.0", shard_size)
        return [write_safetensors(directory / f"{stem}.safetensors", tensors, seed=seed, sparse=sparse)]
    paths, weight_map = [], {}
    for number in range(1, shards + 1):
        path = directory / f"{stem}-{number:05}-of-{shards:05}.safetensors"
        tensors = _tensor_sizes(f"model.layers.{number - 1}", shard_size)
        paths.append(write_safetensors(path, tensors, seed=seed, sparse=sparse))
        weight_map.update(dict.fromkeys(tensors, path.name))
    total = {"metadata": {"total_size": shards * shard_size}, "weight_map": weight_map}
    write_json(directory / (index or f"{stem}.safetensors.index.json"), total)
    return paths


def _tensor_sizes(prefix: str, size: int) -> dict[str, int]:
    """Split `size` bytes into three tensors of even length."""
    third = size // 6 * 2
    names = ("input_layernorm.weight", "mlp.down_proj.weight", "self_attn.q_proj.weight")
    return dict(zip((f"{prefix}.{name}" for name in names), (third, third, size - 2 * third), strict=True))


def write_pytorch_zip(path: Path, size: int, *, seed: object = 0) -> Path:
    """Write what `torch.save` has written since 1.6: a stored zip of a pickle and one storage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = path.stem
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{prefix}/data.pkl"), _state_dict_pickle([("0", size // 4)]))
        archive.writestr(
            zipfile.ZipInfo(f"{prefix}/data/0"), b"".join(content(size // 4 * 4, f"{seed}/{path.name}"))
        )
        archive.writestr(zipfile.ZipInfo(f"{prefix}/version"), b"3\n")
    return path


def write_legacy_pytorch(path: Path, sizes: Sequence[int], *, seed: object = 0) -> Path:
    """Write what `torch.save` wrote before 1.6: five pickles, then a storage of each of `sizes` bytes."""
    storages = [(str(number), size // 4) for number, size in enumerate(sizes)]
    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    magic = 0x1950A86A20F9469CFC6C
    head = [pickle.dumps(value, protocol=2) for value in (magic, 1001, system)]
    head.append(_state_dict_pickle(storages))
    head.append(pickle.dumps([name for name, _ in storages], protocol=2))
    body = [
        struct.pack("<q", count) + b"".join(content(count * 4, f"{seed}/{path.name}/{name}"))
        for name, count in storages
    ]
    return write_file(path, b"".join(head + body))


def _state_dict_pickle(storages: Sequence[tuple[str, int]]) -> bytes:
    """Pickle a state dict as torch does, without torch: float storages stand behind persistent ids."""

    class Storage:
        def __init__(self, key: str, count: int) -> None:
            self.identity = (key, count)

    class Pickler(pickle._Pickler):  # the pure Python one can be told to write a global it cannot import
        def persistent_id(self, thing: object) -> Any:
            return thing.identity if isinstance(thing, Storage) else None

        def save_pers(self, pid: Any) -> None:
            key, count = pid
            self.write(pickle.MARK)
            self.save("storage")
            self.write(b"ctorch\nFloatStorage\n")
            for value in (key, "cpu", count, None):
                self.save(value)
            self.write(pickle.TUPLE + pickle.BINPERSID)

    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump({f"weight.{key}": Storage(key, count) for key, count in storages})
    return buffer.getvalue()


def write_gguf(path: Path, tensors: Mapping[str, int], *, seed: object = 0, sparse: bool = False) -> Path:
    """Write a GGUF version 3 file of half-precision vectors; `tensors` gives each one's bytes."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("general.alignment") + struct.pack("<II", 4, 32),
        text("tokenizer.ggml.tokens")
        + struct.pack("<IIQ", 9, 8, 3)
        + text("<s>")
        + text("</s>")
        + text("好"),
    ]
    infos, offset = [], 0
    for name, size in tensors.items():
        infos.append(text(name) + struct.pack("<IQIQ", 1, size // 2, 1, offset))
        offset += size + -size % 32
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(infos), len(pairs)) + b"".join(pairs + infos)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(head + b"\0" * (-len(head) % 32))
        _write_tensors(file, offset, f"{seed}/{path.name}", sparse=sparse)
    return path


def write_onnx(path: Path, size: int, *, external: str | None = None, seed: object = 0) -> Path:
    """Write an ONNX model of one tensor, its `size` bytes inside or in the file `external` beside it."""
    data = b"".join(content(size, f"{seed}/{path.name}"))
    tensor = _varint_field(1, size // 4) + _varint_field(2, 1) + _bytes_field(8, b"weight")
    if external is None:
        tensor += _bytes_field(9, data)
    else:
        write_file(path.parent / external, data)
        pairs = (("location", external), ("offset", "0"), ("length", str(size)))
        for key, value in pairs:
            tensor += _bytes_field(13, _bytes_field(1, key.encode()) + _bytes_field(2, value.encode()))
        tensor += _varint_field(14, 1)
    graph = _bytes_field(2, b"graph") + _bytes_field(5, tensor)
    model = _varint_field(1, 8) + _bytes_field(2, b"tests") + _bytes_field(7, graph)
    return write_file(path, model + _bytes_field(8, _varint_field(2, 17)))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def write_readme(
    directory: Path, *, title: str, license_name: str = "apache-2.0", library: str = "transformers"
) -> Path:
    task = "text-to-image" if library == "diffusers" else "text-generation"
    text = README.format(license=license_name, library=library, task=task, title=title)
    return write_file(directory / "README.md", text)


def write_tokenizer(directory: Path, *, kind: str = "LlamaTokenizerFast") -> None:
    """Write a byte-pair tokenizer of a few words with its vocabulary in both of its usual shapes."""
    vocabulary = {"<s>": 0, "</s>": 1, "h": 2, "i": 3, "hi": 4, "你": 5, "好": 6, "你好": 7}
    merges = ["h i", "你 好"]
    model = {"type": "BPE", "vocab": vocabulary, "merges": merges}
    write_json(directory / "tokenizer.json", {"version": "1.0", "added_tokens": [], "model": model})
    write_json(directory / "tokenizer_config.json", {"tokenizer_class": kind, "model_max_length": 2048})
    write_json(directory / "special_tokens_map.json", {"bos_token": "<s>", "eos_token": "</s>"})
    write_json(directory / "vocab.json", vocabulary)
    write_file(directory / "merges.txt", "#version: 0.2\n" + "\n".join(merges) + "\n")


def transformers_model(  # keywords with defaults, each a size or a name a test may set
    directory: Path,
    *,
    shards: int = 2,
    shard_size: int = 64 * 1024,
    seed: object = 0,
    sparse: bool = False,
    title: str = "Tiny LLM",
    license_name: str = "apache-2.0",
) -> Path:
    """Make a language model: README, config, tokenizer, and `shards` files of `shard_size` tensor bytes."""
    write_readme(directory, title=title, license_name=license_name)
    write_file(directory / ".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 8,
        "vocab_size": 8,
        "seed": str(seed),
    }
    write_json(directory / "config.json", config)
    write_json(directory / "generation_config.json", {"bos_token_id": 0, "eos_token_id": 1})
    write_tokenizer(directory)
    write_shards(directory, shards=shards, shard_size=shard_size, seed=seed, sparse=sparse)
    return directory


def diffusers_model(  # keywords with defaults, each a size or a name a test may set
    directory: Path,
    *,
    shards: int = 3,
    shard_size: int = 64 * 1024,
    seed: object = 0,
    sparse: bool = False,
    title: str = "FLUX.1 [dev]",
    license_name: str = "other",
) -> Path:
    """Make a pipeline laid out as FLUX.1-dev is: components in folders, two single-file weights on top."""
    write_readme(directory, title=title, license_name=license_name, library="diffusers")
    write_file(directory / "LICENSE.md", "# A licence for tests\n")
    write_file(directory / ".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    components = {
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    index = {"_class_name": "FluxPipeline", "_diffusers_version": "0.30.0.dev0", **components}
    write_json(directory / "model_index.json", index)
    write_json(directory / "scheduler/scheduler_config.json", {"_class_name": components["scheduler"][1]})
    for name in ("text_encoder", "text_encoder_2", "transformer", "vae"):
        write_json(directory / name / "config.json", {"_class_name": components[name][1], "seed": str(seed)})
    for name in ("tokenizer", "tokenizer_2"):
        write_tokenizer(directory / name, kind=components[name][1])
    size = {"shard_size": shard_size, "seed": seed, "sparse": sparse}
    write_shards(directory / "text_encoder", shards=1, **size)
    write_shards(directory / "text_encoder_2", shards=2, **size)
    write_shards(directory / "transformer", shards=shards, stem="diffusion_pytorch_model", **size)
    write_shards(directory / "vae", shards=1, stem="diffusion_pytorch_model", **size)
    write_shards(directory, shards=1, stem="flux1-dev", **size)
    write_shards(directory, shards=1, stem="ae", **size)
    return directory

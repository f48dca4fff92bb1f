"""Hubs with something to look at."""

from __future__ import annotations

import json
import struct
import zlib

CARD = """---
license: apache-2.0
language: [en, zh]
pipeline_tag: text-generation
tags: [chat, small, bilingual]
base_model: lab/quill-base
---
# Quill 120M

A small bilingual model for **short texts** in English and Chinese. 一个小型中英双语模型，适合短文本。

![How the loss fell](loss.png)

## How to use

```python
from transformers import pipeline

write = pipeline("text-generation", "lab/quill-120m")
write("The sea at night")
```

The [settings](config.json) are beside it, the [results](#results) below.

## Results

| task | quill-120m | before |
|:-----|-----------:|-------:|
| short poems | 41.2 | 37.9 |
| summaries | 33.0 | 31.4 |
| 翻译 | 28.7 | 22.1 |

> Trained for three days on one machine.
"""
_BYTES = {"BF16": 2, "F32": 4}


def safetensors(tensors: dict[str, tuple[str, list[int]]], content: int | None = None) -> bytes:
    """Return a file with these tensors; `content` is how many of their bytes are really there."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape) in tensors.items():
        size = _BYTES[dtype]
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at if content is None else content)


def layers(count: int) -> dict[str, tuple[str, list[int]]]:
    """Return the tensors of a small language model."""
    found = {"model.embed_tokens.weight": ("BF16", [32_000, 768])}
    for number in range(count):
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            found[f"model.layers.{number}.self_attn.{name}.weight"] = ("BF16", [768, 768])
        found[f"model.layers.{number}.mlp.up_proj.weight"] = ("BF16", [3072, 768])
        found[f"model.layers.{number}.mlp.down_proj.weight"] = ("BF16", [768, 3072])
        found[f"model.layers.{number}.input_layernorm.weight"] = ("F32", [768])
    return found


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def picture(width: int = 420, height: int = 140) -> bytes:
    """Return a PNG of a curve that falls."""
    rows = bytearray()
    for y in range(height):
        rows += b"\0"
        for x in range(width):
            curve = height * (0.88 - 0.72 / (1 + x / 50)) + 4 * ((x * 7919) % 13) / 13
            near = abs(y - curve)
            rows += (
                bytes((11, 114, 133)) if near < 1.6 else bytes((238, 243, 246) if y % 35 else (217, 224, 230))
            )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def settings(**more: object) -> bytes:
    said = {"architectures": ["LlamaForCausalLM"], "hidden_size": 768, "num_hidden_layers": 12, **more}
    return json.dumps(said, indent=2).encode() + b"\n"


def fill(store) -> None:
    """Put a small laboratory's repositories into a store."""
    store.add("lab/quill-120m", {"README.md": b"# Quill\n", "config.json": settings()}, "First files")
    store.add(
        "lab/quill-120m",
        {
            "README.md": CARD.encode(),
            "loss.png": picture(),
            "model.safetensors": safetensors(layers(12), 3_000_000),
            "tokenizer.json": b'{"model": {"vocab": {}}}\n' * 12_000,
            "onnx/model.onnx": bytes(900_000),
            "docs/使用说明.md": "# 使用说明\n\n请先阅读许可证。\n".encode(),
            "LICENSE": b"Apache License, Version 2.0\n" * 20,
        },
        "Add the weights, and a card that says what they are",
    )
    quill = store.find("lab/quill-120m")
    quill.add_tag("v1.0", quill.resolve(None))
    quill.add_branch("experiments", quill.resolve(None))
    store.add("lab/quill-120m", {"config.json": settings(use_cache=True)}, "Say that the cache is used")
    store.add(
        "lab/poems-zh",
        {
            "README.md": "---\nlicense: cc-by-4.0\ntask_categories: [text-generation]\n---\n# 诗\n".encode(),
            "train.jsonl": '{"text": "明月几时有"}\n'.encode() * 9_000,
        },
        "Add the poems",
        kind="dataset",
    )
    for name, task, license_, count in (
        ("vision/retina-large", "image-classification", "mit", 9),
        ("vision/retina-base", "image-classification", "mit", 4),
        ("speech/echo-tiny", "automatic-speech-recognition", "apache-2.0", 2),
        ("lab/quill-base", "text-generation", "apache-2.0", 6),
        ("lab/embedder", "sentence-similarity", "mit", 1),
        ("vision/segment-any", "image-segmentation", "apache-2.0", 7),
        ("speech/whisper-yue", "automatic-speech-recognition", "mit", 5),
        ("lab/quill-moe", "text-generation", "apache-2.0", 11),
        ("vision/ocr-zh", "image-to-text", "apache-2.0", 3),
        ("lab/reranker", "text-ranking", "mit", 2),
    ):
        card = f"---\nlicense: {license_}\npipeline_tag: {task}\n---\n# {name}\n".encode()
        store.add(
            name, {"README.md": card, "model.safetensors": safetensors(layers(count), 40_000 * count)}, "Add"
        )

"""Make the demo's model: a Llama of 5 million weights, in shards, that transformers could load."""

from __future__ import annotations

import json
import random
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_VOCABULARY = 2048
_HIDDEN = 256
_INNER = 768
_LAYERS = 6
_SHARDS = 3
_BYTES_A_WEIGHT = 2

README = """---
license: mit
language:
- en
- zh
library_name: transformers
pipeline_tag: text-generation
tags:
- llama
- demo
---

# tiny-llama

A model that `hubferry demo` made from random numbers, to be carried from one hub to another.
"""


def write(directory: Path) -> None:
    """Write the model's files into `directory`."""
    directory.mkdir(parents=True)
    (directory / "README.md").write_text(README, encoding="utf-8")
    _write_json(directory / "config.json", _config())
    _write_json(
        directory / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "do_sample": True}
    )
    _write_json(directory / "tokenizer.json", _tokenizer())
    _write_json(
        directory / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "eos_token": "</s>"},
    )
    _write_shards(directory)


def _config() -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": _VOCABULARY,
        "hidden_size": _HIDDEN,
        "intermediate_size": _INNER,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "torch_dtype": "float16",
        "tie_word_embeddings": False,
    }


def _tokenizer() -> dict[str, object]:
    words = ["<unk>", "<s>", "</s>", *(f"word{number}" for number in range(3, _VOCABULARY))]
    vocabulary = {word: number for number, word in enumerate(words)}
    return {
        "version": "1.0",
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (_VOCABULARY, _HIDDEN)}
    for number in range(_LAYERS):
        layer = f"model.layers.{number}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            shapes[f"{layer}.self_attn.{name}.weight"] = (_HIDDEN, _HIDDEN)
        shapes[f"{layer}.mlp.gate_proj.weight"] = (_INNER, _HIDDEN)
        shapes[f"{layer}.mlp.up_proj.weight"] = (_INNER, _HIDDEN)
        shapes[f"{layer}.mlp.down_proj.weight"] = (_HIDDEN, _INNER)
        shapes[f"{layer}.input_layernorm.weight"] = (_HIDDEN,)
        shapes[f"{layer}.post_attention_layernorm.weight"] = (_HIDDEN,)
    return shapes | {"model.norm.weight": (_HIDDEN,), "lm_head.weight": (_VOCABULARY, _HIDDEN)}


def _write_shards(directory: Path) -> None:
    shapes = _shapes()
    names = list(shapes)
    share = -(-len(names) // _SHARDS)
    places: dict[str, str] = {}
    total = 0
    for number in range(_SHARDS):
        file = f"model-{number + 1:05d}-of-{_SHARDS:05d}.safetensors"
        part = {name: shapes[name] for name in names[number * share : (number + 1) * share]}
        total += _write_safetensors(directory / file, part, seed=number)
        places |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    _write_json(directory / "model.safetensors.index.json", index)


def _write_safetensors(path: Path, shapes: dict[str, tuple[int, ...]], *, seed: int) -> int:
    """Write half-precision tensors of random bytes; return how many bytes they take."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        start, weights = end, 1
        for length in shape:
            weights *= length
        end = start + weights * _BYTES_A_WEIGHT
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    source = random.Random(seed)  # noqa: S311  # weights of a demo, the same each time
    path.write_bytes(struct.pack("<Q", len(text)) + text + source.randbytes(end))
    return end


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")

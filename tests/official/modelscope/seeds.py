"""The repositories that modelscope's tests expect on the hub, made small."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.serve import Store

_MOST_SUBSETS = 12
_CARD = b"---\nlicense: apache-2.0\n---\n"
_MODELS: dict[str, dict[str, bytes]] = {
    "ModelScope_Developer/ai_only": {"README.md": _CARD},
    "ModelScope_Developer/cn_only": {"README.md": _CARD},
    "ModelScope_Developer/same_name": {"README.md": _CARD, "on_cn_site": b"here"},
    "Qwen/Qwen2.5-7B-Instruct": {"README.md": _CARD},
    "Qwen/Qwen3-0.6B": {"README.md": _CARD, "tokenizer.json": b"{}", "model.safetensors": bytes(64)},
    "iic/nlp_bert_backbone_base_std": {"README.md": _CARD, "pytorch_model.bin": bytes(range(256))},
    "swift/test_lora": {"README.md": _CARD, "adapter_model.bin": bytes(range(256))},
    "tastelikefeet/test_empty_download": {
        "1.txt": b"",
        "README.md": _CARD,
        "configuration.json": b"{}",
        "init.py": b"",
    },
}
_PICTURES = ("111/shijian.jpeg", "111/222/shijian.jpeg", "111/222/333/shijian.jpeg")
_DATASETS: dict[str, dict[str, bytes]] = {
    "Qwen/ProcessBench": {"README.md": _CARD},
    "ModelScope_Developer/ai_only_dataset": {"README.md": b"# Rows\n", "rows.csv": b"text\none\n"},
    "modelscope/imdb": {"README.md": b"# Rows\n", "rows.csv": b"text\none\n"},
    "citest/test_dataset_download": {
        "README.md": _CARD,
        "open_qa.jsonl": b'{"question": "which?"}\n',
        **{path: b"\xff\xd8" + path.encode() for path in _PICTURES},
    },
}


def subsets_in(tests: Path) -> dict[str, list[str]]:
    """Return which subsets of which datasets the tests load; of long lists they take no more than a few."""
    found: dict[str, list[str]] = {}
    for function in ast.walk(ast.parse((tests / "test_download_dataset.py").read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        lists = [one for one in ast.walk(function) if isinstance(one, ast.List)]
        calls = [one for one in ast.walk(function) if isinstance(one, ast.Call) and one.args]
        names = [one.args[0].value for one in calls if isinstance(one.args[0], ast.Constant)]
        if lists and names:
            found[str(names[0])] = [str(name) for name in ast.literal_eval(lists[0])[:_MOST_SUBSETS]]
    return found


def _subsets(names: list[str]) -> dict[str, bytes]:
    """Return a dataset that has a subset under each of these names."""
    configs = [{"config_name": name, "data_files": f"data/{number}.csv"} for number, name in enumerate(names)]
    card = f"---\nconfigs: {json.dumps(configs)}\n---\n".encode()
    rows = {f"data/{number}.csv": f"text\n{name}\n".encode() for number, name in enumerate(names)}
    return {"README.md": card, **rows}


def plant(store: Store, tests: Path) -> None:
    """Put into a hub what the tests in a folder expect there."""
    for repo_id, files in _MODELS.items():
        store.add(repo_id, files)
    for repo_id, files in _DATASETS.items():
        store.add(repo_id, files, kind="dataset")
    for name, names in subsets_in(tests).items():
        store.add(f"modelscope/{name}", _subsets(names), kind="dataset")

"""What libraries get from a hub, as a process of its own: the files by hash, and what they make of them.

python look.py files MODEL DATASET       huggingface_hub alone
python look.py libraries MODEL DATASET   transformers, tokenizers, safetensors and datasets
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path


def files(model: str, dataset: str) -> dict[str, object]:
    from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, snapshot_download

    api = HfApi()
    found: dict[str, object] = {"commits": [api.model_info(model).sha, api.dataset_info(dataset).sha]}
    for name, kind in ((model, "model"), (dataset, "dataset")):
        folder = Path(snapshot_download(name, repo_type=kind))
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256") if sys.version_info >= (3, 11) else None
                    content = digest or hashlib.sha256(file.read())
                found[f"{kind} {path.relative_to(folder)}"] = content.hexdigest()
    found["listed"] = sorted(api.list_repo_files(model))
    found["one"] = Path(hf_hub_download(model, "config.json", revision="main")).read_text()
    with HfFileSystem().open(f"{model}/model.safetensors", "rb") as file:
        file.seek(100)
        found["part"] = file.read(50).hex()
    return found


def libraries(model: str, dataset: str) -> dict[str, object]:
    from datasets import load_dataset
    from huggingface_hub import hf_hub_download
    from safetensors import safe_open
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    with safe_open(hf_hub_download(model, "model.safetensors"), framework="np") as weights:
        tensor = weights.get_tensor("embeddings.LayerNorm.weight")
        names = len(list(weights.keys()))
    rows = load_dataset(dataset, split="train")
    return {
        "layers": config.num_hidden_layers,
        "words": tokenizer("A mirror of models, 模型的镜像")["input_ids"],
        "tensors": names,
        "first": [float(value) for value in tensor[:4]],
        "rows": rows.num_rows,
        "row": rows[1],
    }


if __name__ == "__main__":
    asked, *names = sys.argv[1:]
    print(json.dumps({"files": files, "libraries": libraries}[asked](*names), sort_keys=True))

"""Hold what one file of a model names against the files and folders that are there.

diffusers' `model_index.json`, sentence-transformers' `modules.json`, PEFT's `adapter_config.json`, OpenVINO's
XML, MNN's `llm_config.json`, Core ML's packages and TensorRT-LLM's ranks say which other files there are.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from hubferry.cache import formats, shards
from hubferry.cache.disk import disk
from hubferry.cache.problem import Kind, Problem
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.cache.look import Look

_PIPELINE = "model_index.json"
_WITH_WEIGHTS = re.compile(
    r"Model|Autoencoder|Encoder|Decoder|UNet|Transformer|VAE|Checker|ControlNet|LM$|ConditionalGeneration|Prior"
)
_WITHOUT_CONFIG = frozenset({".onnx", ".xml"})
"""Components in these formats are also saved, and loaded, without a `config.json`."""
_SPARED = frozenset({"safety_checker", "feature_extractor"})
"""Components that are often left out, and that the pipelines which have both load without."""

_MODULES = "modules.json"
_SAVED_MODULES = frozenset({
    "Transformer", "Pooling", "Dense", "WordEmbeddings", "CNN", "LSTM", "BoW", "WeightedLayerPooling",
    "LayerNorm", "CLIPModel", "StaticEmbedding", "SparseAutoEncoder", "SpladePooling", "MLMTransformer",
    "WordWeights", "Dropout",
})  # fmt: skip
"""Module classes that save at least a configuration; `Normalize` saves nothing: git keeps no empty folder."""
_WITH_OWN_WEIGHTS = frozenset({"Dense", "CNN", "LSTM", "LayerNorm", "SparseAutoEncoder"})

_PACKAGE = re.compile(r"(?P<package>.+\.mlpackage)/Manifest\.json")
_CHECKPOINT = re.compile(r"(variables|.+\.ckpt(-\d+)?|ckpt-\d+)\.index")
_NETWORK = re.compile(rb'<net\s[^>]*\bname="')
_HEAD = 1024
_MOST_RANKS = 10_000


def pipelines(look: Look) -> Iterator[Problem]:
    """Hold a pipeline's components against the folders that are there."""
    index = look.mapping(_PIPELINE)
    components = {
        name: value[1]
        for name, value in index.items()
        if not name.startswith("_") and "/" not in name and _is_component(value)
    }
    single = _is_single_file(look, components)
    for name, kind in components.items():
        for problem in _component(look, name, kind):
            spared = single and problem.path == f"{name}/"
            yield Problem(problem.path, problem.what, Kind.NOTE) if spared else problem


def _is_component(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(word, str) for word in value)  # noqa: PLR2004  # library and class


def _is_single_file(look: Look, components: dict[str, str]) -> bool:
    """Return whether the weights are in single files beside the pipeline's folders, and none in these."""
    on_top = any(map(formats.is_weight, look.folders.get("", ())))
    return on_top and not any(
        formats.is_weight(path) for name in components for path in look.tops.get(name, ())
    )


def _component(look: Look, name: str, kind: str) -> Iterator[Problem]:
    inside = [path.rpartition("/")[2] for path in look.tops.get(name, ())]
    if name in look.inventory.linked:
        return
    if not inside:
        sort = Kind.NOTE if name in _SPARED else Kind.MISSING
        yield Problem(f"{name}/", _("is missing: {name} names it").format(name=_PIPELINE), sort)
    elif _WITH_WEIGHTS.search(kind) and "Tokenizer" not in kind:
        suffixes = {formats.suffix_of(file) for file in inside}
        if "config.json" not in inside and not suffixes & _WITHOUT_CONFIG:
            what = _("is missing: a component has to have it")
            yield Problem(f"{name}/config.json", what, Kind.MISSING)
        if not any(map(formats.is_weight, inside)):
            yield Problem(f"{name}/", _("has no weights"), Kind.MISSING)


def modules(look: Look) -> Iterator[Problem]:
    """Hold the modules of a sentence-transformers model against the folders that are there."""
    for folder, kind in _modules(look):
        names = [path.removeprefix(folder + "/") for path in look.tops.get(folder, ())]
        if folder in look.inventory.linked:
            continue
        if not names:
            yield Problem(f"{folder}/", _("is missing: {name} names it").format(name=_MODULES), Kind.MISSING)
        elif kind in _WITH_OWN_WEIGHTS and not any(map(formats.is_weight, names)):
            yield Problem(f"{folder}/", _("has no weights"), Kind.MISSING)


def _modules(look: Look) -> Iterator[tuple[str, str]]:
    """Yield the folder and the class of each module that has a folder of its own."""
    listed = look.value(_MODULES)
    for module in listed if isinstance(listed, list) else ():
        if isinstance(module, dict):
            folder = str(module.get("path") or "").strip("/")
            kind = str(module.get("type") or "").rpartition(".")[2]
            if folder and "/" not in folder and kind in _SAVED_MODULES:
                yield folder, kind


def adapters(look: Look) -> Iterator[Problem]:
    """Notice an adapter's configuration whose weights are not beside it."""
    for folder, names in look.folders.items():
        if "adapter_config.json" in names and not any(map(formats.is_weight, names)):
            path = f"{folder}/adapter_model.safetensors".removeprefix("/")
            what = _("is missing: {name} describes it").format(name="adapter_config.json")
            yield Problem(path, what, Kind.MISSING)


def openvino(look: Look) -> Iterator[Problem]:
    """Notice an OpenVINO network whose weights are not beside it."""
    for path in look.files:
        weights = path[:-4] + ".bin"
        alone = formats.suffix_of(path) == ".xml" and weights not in look.files
        if alone and _NETWORK.search(_head(look, path)):
            what = _("is missing: {name} keeps weights in it").format(name=path)
            yield Problem(weights, what, Kind.MISSING)


def _head(look: Look, path: str) -> bytes:
    try:
        descriptor = disk.open(look.directory / path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return disk.pread(descriptor, _HEAD, 0)
    except OSError:
        return b""
    finally:
        disk.close(descriptor)


def mnn(look: Look) -> Iterator[Problem]:
    """Hold the files that MNN's `llm_config.json` names against those that are there."""
    for folder, names in look.folders.items():
        if "llm_config.json" in names:
            path = f"{folder}/llm_config.json".removeprefix("/")
            settings = look.mapping(path)
            for key in ("llm_model", "llm_weight"):
                yield from _named(look, path, settings.get(key))


def core_ml(look: Look) -> Iterator[Problem]:
    """Hold a Core ML package's list of contents against its folder; weights may be inside the model."""
    for path in look.files:
        match = _PACKAGE.fullmatch(path)
        entries = look.mapping(path).get("itemInfoEntries") if match else None
        for entry in entries.values() if isinstance(entries, dict) else ():
            item = entry.get("path") if isinstance(entry, dict) else None
            if isinstance(item, str) and item.endswith(".mlmodel"):
                yield from _named(look, path, f"Data/{item}")


def _named(look: Look, path: str, name: Any) -> Iterator[Problem]:
    """Notice that the file `name`, which the one at `path` names, is not there."""
    if isinstance(name, str) and name and look.place(path, name) not in look.files:
        what = _("is missing: {name} names it").format(name=path)
        yield Problem(look.place(path, name), what, Kind.MISSING)


def tensorflow(look: Look) -> Iterator[Problem]:
    """Notice a checkpoint's index none of whose data is beside it; some of it is a matter of numbers."""
    for folder, names in look.folders.items():
        indexes = [name for name in names if _CHECKPOINT.fullmatch(name)]
        data = {name.rpartition(".data-")[0] for name in names} if indexes else set()
        for name in indexes:
            stem = name.removesuffix(".index")
            if stem not in data:
                what = _("is missing: {name} names it").format(name=name)
                path = f"{folder}/{stem}.data-00000-of-00001".removeprefix("/")
                yield Problem(path, what, Kind.MISSING)


def tensorrt(look: Look) -> Iterator[Problem]:
    """Hold TensorRT-LLM's ranks against how many its `config.json` was built for."""
    for folder, names in look.folders.items():
        ranks = shards.ranks_of(names) if "config.json" in names else {}
        if not ranks:
            continue
        config = look.mapping(f"{folder}/config.json".removeprefix("/"))
        built = config.get("pretrained_config", config)
        mapping = built.get("mapping") if isinstance(built, dict) else None
        size = mapping.get("world_size") if isinstance(mapping, dict) else None
        for tail, numbers in ranks.items():
            if isinstance(size, int) and 0 < size <= _MOST_RANKS:
                for number in sorted(set(range(size)) - numbers):
                    what = _("is missing: shard {number} of {count}").format(number=number + 1, count=size)
                    yield Problem(f"{folder}/rank{number}{tail}".removeprefix("/"), what, Kind.MISSING)

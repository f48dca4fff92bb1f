"""Lay out small models as real repositories are laid out."""

from __future__ import annotations

import json
import pickle
import struct
from typing import TYPE_CHECKING

from tests import models
from tests.models import write_file, write_json, write_safetensors
from tests.weights import (
    SIZE,
    SMALL,
    executorch,
    hdf5,
    joblib,
    litertlm,
    msgpack,
    opaque,
    openvino,
    tar,
    zipped,
)  # fmt: skip

if TYPE_CHECKING:
    from pathlib import Path


def readme(directory: Path, library: str = "transformers") -> None:
    models.write_readme(directory, title=directory.name, library=library)


def config(directory: Path, **values: object) -> None:
    write_json(directory / "config.json", {"model_type": "test", **values})


def shards(directory: Path, pattern: str, count: int, index: str | None, *, first: int = 1) -> None:
    """Write safetensors or torch files named by `pattern`, and the index that names them."""
    names = {}
    for number in range(first, first + count):
        path = directory / pattern.format(number)
        if path.name.endswith(".bin"):
            models.write_pytorch_zip(path, SIZE)
        else:
            write_safetensors(path, SMALL)
        names[f"layers.{number}.weight"] = path.name
    if index:
        write_json(directory / index, {"metadata": {}, "weight_map": names})


def language_model(directory: Path) -> None:
    readme(directory)
    config(directory, architectures=["TestForCausalLM"])
    models.write_tokenizer(directory)


def qwen(directory: Path) -> None:
    models.transformers_model(directory, shards=3, shard_size=SIZE)


def deepseek(directory: Path) -> None:
    language_model(directory)
    shards(directory, "model-{:05}-of-000003.safetensors", 3, "model.safetensors.index.json")


def deepseek_without_index(directory: Path) -> None:
    language_model(directory)
    shards(directory, "weights-{:05}-of-000003.safetensors", 3, None)


def kimi(directory: Path) -> None:
    language_model(directory)
    shards(directory, "model-{}-of-12.safetensors", 12, "model.safetensors.index.json")


def unpadded_without_index(directory: Path) -> None:
    language_model(directory)
    shards(directory, "ckpt-{}-of-12.safetensors", 12, None)


def bloom(directory: Path) -> None:
    language_model(directory)
    shards(directory, "pytorch_model_{:05}-of-00003.bin", 3, "pytorch_model.bin.index.json")


def underlined(directory: Path) -> None:
    language_model(directory)
    shards(directory, "model_part_{}_of_3.safetensors", 3, None)


def from_zero(directory: Path) -> None:
    language_model(directory)
    shards(directory, "weights_{:05}-of-00003.safetensors", 3, None, first=0)


def mistral(directory: Path) -> None:
    qwen(directory)
    write_safetensors(directory / "consolidated.safetensors", SMALL)
    write_json(directory / "params.json", {"dim": 8})


def mistral_without_consolidated(directory: Path) -> None:
    qwen(directory)
    names = {"a": "consolidated-00001-of-00051.safetensors"}
    write_json(directory / "consolidated.safetensors.index.json", {"weight_map": names})


def llama(directory: Path) -> None:
    qwen(directory)
    for number in range(3):
        models.write_pytorch_zip(directory / f"original/consolidated.{number:02}.pth", SIZE)
    write_json(directory / "original/params.json", {"dim": 8})


def merged_beside_stale_index(directory: Path) -> None:
    qwen(directory)
    for path in directory.glob("model-*.safetensors"):
        path.unlink()
    write_safetensors(directory / "model.safetensors", SMALL)


def safetensors_of_two_formats(directory: Path) -> None:
    qwen(directory)
    names = {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}
    write_json(directory / "pytorch_model.bin.index.json", {"weight_map": names})


def bert(directory: Path) -> None:
    language_model(directory)
    write_safetensors(directory / "model.safetensors", SMALL)
    models.write_legacy_pytorch(directory / "pytorch_model.bin", [400, 800])
    hdf5(directory / "tf_model.h5")
    msgpack(directory / "flax_model.msgpack")
    models.write_pytorch_zip(directory / "rust_model.ot", SIZE)


def minilm(directory: Path) -> None:
    language_model(directory)
    write_safetensors(directory / "model.safetensors", SMALL)
    names = ("Transformer", "Pooling", "Dense", "Normalize")
    folders = ("", "1_Pooling", "2_Dense", "3_Normalize")
    modules = [
        {"idx": number, "name": str(number), "path": folder, "type": f"sentence_transformers.models.{name}"}
        for number, (name, folder) in enumerate(zip(names, folders, strict=True))
    ]
    write_json(directory / "modules.json", modules)
    write_json(directory / "1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
    write_json(directory / "2_Dense/config.json", {"in_features": 8})
    write_safetensors(directory / "2_Dense/model.safetensors", SMALL)
    models.write_onnx(directory / "onnx/model.onnx", SIZE)
    models.write_onnx(directory / "onnx/model_qint8_avx512.onnx", SIZE)
    openvino(directory / "openvino/openvino_model.xml")


def pipeline(directory: Path, components: dict[str, list[object]]) -> None:
    readme(directory, "diffusers")
    index = {"_class_name": "StableDiffusionPipeline", "_ignore_files": ["x"], "force_upcast": False}
    write_json(directory / "model_index.json", {**index, **components})
    write_json(directory / "scheduler/scheduler_config.json", {"_class_name": "EulerDiscreteScheduler"})
    models.write_tokenizer(directory / "tokenizer", kind="CLIPTokenizer")


STABLE_DIFFUSION: dict[str, list[object]] = {
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "safety_checker": [None, None],
    "requires_safety_checker": [None, True],
}


def stable_diffusion(directory: Path, variant: str = "") -> None:
    pipeline(directory, STABLE_DIFFUSION)
    for name in ("text_encoder", "unet", "vae"):
        write_json(directory / name / "config.json", {})
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        write_safetensors(directory / name / f"{stem}{variant}.safetensors", SMALL)


def sdxl(directory: Path) -> None:
    stable_diffusion(directory)
    stable_diffusion(directory, ".fp16")
    write_safetensors(directory / "sd_xl_base_1.0.safetensors", SMALL)


def only_fp16(directory: Path) -> None:
    stable_diffusion(directory, ".fp16")


def sharded_fp16(directory: Path) -> None:
    """SD3's third text encoder, fetched with `variant="fp16"`: all JSON, and the shards of the variant."""
    stable_diffusion(directory, ".fp16")
    encoder = directory / "text_encoder"
    (encoder / "model.fp16.safetensors").unlink()
    shards(encoder, "model.fp16-{:05}-of-00002.safetensors", 2, "model.safetensors.index.fp16.json")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    write_json(encoder / "model.safetensors.index.json", {"weight_map": names})


def variant_behind_the_number(directory: Path) -> None:
    stable_diffusion(directory, ".fp16")
    unet, pattern = directory / "unet", "diffusion_pytorch_model-{:05}-of-00002.fp16.safetensors"
    (unet / "diffusion_pytorch_model.fp16.safetensors").unlink()
    shards(unet, pattern, 2, "diffusion_pytorch_model.safetensors.index.fp16.json")


def flux(directory: Path) -> None:
    models.diffusers_model(directory, shard_size=SIZE)


def onnx_pipeline(directory: Path) -> None:
    kinds = {name: ["diffusers", "OnnxRuntimeModel"] for name in ("unet", "vae_decoder")}
    pipeline(directory, {"scheduler": STABLE_DIFFUSION["scheduler"], **kinds})
    models.write_onnx(directory / "unet/model.onnx", SIZE, external="weights.pb")
    write_file(directory / "unet/weights.pb", b"\x0a\xa0\x1f" + bytes(4000))
    models.write_onnx(directory / "vae_decoder/model.onnx", SIZE)


def custom_pipeline(directory: Path) -> None:
    pipeline(directory, {**STABLE_DIFFUSION, "unet": ["my_unet", "MyUNet"], "movq": ["diffusers", "VQModel"]})
    write_file(directory / "unet/my_unet.py", "class MyUNet: pass\n")
    for name in ("text_encoder", "unet/inner", "vae", "movq"):
        write_json(directory / name / "config.json", {})
        models.write_pytorch_zip(directory / name / "diffusion_pytorch_model.bin", SIZE)


def single_file_of_a_pipeline(directory: Path) -> None:
    """All JSON and the one file that ComfyUI loads."""
    stable_diffusion(directory)
    for path in directory.glob("*/*.safetensors"):
        path.unlink()
    write_safetensors(directory / "v1-5-pruned-emaonly.safetensors", SMALL)


def pipeline_without_checker(directory: Path) -> None:
    stable_diffusion(directory)
    components = {**STABLE_DIFFUSION, "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    write_json(directory / "model_index.json", components)


def gguf(directory: Path) -> None:
    readme(directory)
    for kind in ("Q4_K_M", "Q8_0"):
        models.write_gguf(directory / f"qwen-7b-{kind}.gguf", SMALL)
    models.write_gguf(directory / "mmproj-f16.gguf", SMALL)


def one_gguf(directory: Path) -> None:
    write_file(directory / ".gitattributes", "*.bin filter=lfs\n")
    models.write_gguf(directory / "qwen-7b-Q4_K_M.gguf", SMALL)


def gguf_with_json_of_its_origin(directory: Path) -> None:
    """What `--include "*.json" --include "*Q4*"` leaves of a repository with both."""
    one_gguf(directory)
    config(directory)
    write_json(directory / "tokenizer_config.json", {"chat_template": "x"})
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    write_json(directory / "model.safetensors.index.json", {"weight_map": names})


def split_gguf(directory: Path) -> None:
    readme(directory)
    for number in range(1, 4):
        models.write_gguf(directory / f"Q8_0/big-Q8_0-{number:05}-of-00003.gguf", SMALL)
    models.write_gguf(directory / "big-Q4_K_M.gguf", SMALL)


def gguf_in_parts(directory: Path) -> None:
    readme(directory)
    for number in (1, 2):
        opaque(directory / f"big.Q8_0.gguf.part{number}of2", b"GGUF\3\0\0\0")


def gguf_in_letters(directory: Path) -> None:
    readme(directory)
    for letter in "abc":
        opaque(directory / f"big.Q8_0.gguf-split-{letter}", b"GGUF\3\0\0\0")


def lora(directory: Path) -> None:
    write_json(directory / "adapter_config.json", {"peft_type": "LORA"})
    write_safetensors(directory / "adapter_model.safetensors", SMALL)


def diffusers_lora(directory: Path) -> None:
    write_file(directory / ".gitattributes", "*.bin filter=lfs\n")
    write_safetensors(directory / "pytorch_lora_weights.safetensors", SMALL)


def textual_inversion(directory: Path) -> None:
    readme(directory, "diffusers")
    write_safetensors(directory / "learned_embeds.safetensors", SMALL)
    models.write_pytorch_zip(directory / "learned_embeds.bin", SIZE)


def mlx(directory: Path) -> None:
    readme(directory, "mlx")
    config(directory, quantization={"bits": 4, "group_size": 64})
    zipped(directory / "weights.npz", {"a.npy": bytes(SIZE)})


def mlx_in_several(directory: Path) -> None:
    language_model(directory)
    for number in range(3):
        write_safetensors(directory / f"weights.{number:02}.safetensors", SMALL)


def gptq(directory: Path) -> None:
    language_model(directory)
    write_json(directory / "quantize_config.json", {"bits": 4, "group_size": 128})
    write_safetensors(directory / "gptq_model-4bit-128g.safetensors", SMALL)


def awq(directory: Path) -> None:
    language_model(directory)
    config(directory, quantization_config={"quant_method": "awq", "bits": 4})
    shards(directory, "model-{:05}-of-00002.safetensors", 2, "model.safetensors.index.json")


def exl2(directory: Path) -> None:
    language_model(directory)
    shards(directory, "output-{:05}-of-00002.safetensors", 2, None)


def sklearn(directory: Path) -> None:
    readme(directory, "sklearn")
    write_file(directory / "model.pkl", pickle.dumps({"a": b"\1" * SIZE}, protocol=4))
    joblib(directory / "pipeline.joblib")
    write_file(directory / "labels.pkl", pickle.dumps({"a": [1, 2], "b": "x"}, protocol=0))


def tensorrt_llm(directory: Path) -> None:
    mapping = {"world_size": 3, "tp_size": 3}
    write_json(directory / "config.json", {"pretrained_config": {"mapping": mapping}, "build_config": {}})
    for number in range(3):
        opaque(directory / f"rank{number}.engine", b"ftrt")


def mnn(directory: Path) -> None:
    readme(directory)
    names = {"llm_model": "llm.mnn", "llm_weight": "llm.mnn.weight"}
    write_json(directory / "llm_config.json", {"hidden_size": 8, **names})
    opaque(directory / "llm.mnn", b"\x20\0\0\0")
    opaque(directory / "llm.mnn.weight")
    write_file(directory / "tokenizer.txt", "words\n")


def execu_torch(directory: Path) -> None:
    readme(directory, "executorch")
    executorch(directory / "model.pte")


def lite_rt(directory: Path) -> None:
    readme(directory, "litert-lm")
    litertlm(directory / "gemma-3n-E2B-it-int4.litertlm")


def media_pipe(directory: Path) -> None:
    readme(directory)
    zipped(directory / "hand_landmarker.task", {"a.tflite": bytes(SIZE), "b.tflite": bytes(SIZE)})
    opaque(directory / "gemma.task", b"\x1c\0\0\0TFL3")


def dduf(directory: Path) -> None:
    readme(directory, "diffusers")
    index = json.dumps({"vae": ["diffusers", "AutoencoderKL"]}).encode()
    members = {"model_index.json": index, "vae/config.json": b"{}", "vae/model.safetensors": bytes(SIZE)}
    zipped(directory / "FLUX.1-dev-Q4.dduf", members)


def core_ml(directory: Path) -> None:
    readme(directory, "coreml")
    package = directory / "Model.mlpackage"
    paths = ("com.apple.CoreML/model.mlmodel", "com.apple.CoreML/weights")
    entries = {str(number): {"path": path} for number, path in enumerate(paths)}
    write_json(package / "Manifest.json", {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries})
    opaque(package / "Data/com.apple.CoreML/model.mlmodel", b"\x08\x07")
    opaque(package / "Data/com.apple.CoreML/weights/weight.bin", b"\2\0\0\0\2\0\0\0")


def open_vino(directory: Path) -> None:
    language_model(directory)
    openvino(directory / "openvino_model.xml")
    openvino(directory / "openvino_tokenizer.xml", 0)


def onnx(directory: Path) -> None:
    language_model(directory)
    models.write_onnx(directory / "onnx/model.onnx", SIZE, external="model.onnx_data")
    models.write_onnx(directory / "onnx/model_q4.onnx", SIZE)


def yolo(directory: Path) -> None:
    write_file(directory / ".gitattributes", "*.bin filter=lfs\n")
    models.write_pytorch_zip(directory / "yolo11n.pt", SIZE)


def kokoro(directory: Path) -> None:
    readme(directory)
    config(directory)
    models.write_legacy_pytorch(directory / "kokoro-v1_0.pth", [400, 800])
    for voice in ("af_bella", "zf_xiaobei"):
        models.write_pytorch_zip(directory / f"voices/{voice}.pt", 400)


def whisper_of_ctranslate2(directory: Path) -> None:
    language_model(directory)
    opaque(directory / "model.bin", b"\6\0\0\0")


def fast_text(directory: Path) -> None:
    readme(directory, "fasttext")
    opaque(directory / "model.bin", struct.pack("<II", 793712314, 12))


def spacy(directory: Path) -> None:
    readme(directory, "spacy")
    write_json(directory / "meta.json", {"lang": "en", "pipeline": ["tok2vec", "ner"]})
    write_file(directory / "config.cfg", "[nlp]\n")
    for name in ("tok2vec", "ner"):
        opaque(directory / name / "model", b"\x84\xa5nodes")
    zipped(directory / "en_core-any-py3-none-any.whl", {"en_core/__init__.py": b""})


def tensorflow_checkpoint(directory: Path) -> None:
    readme(directory, "tf")
    config(directory)
    write_file(directory / "bert_model.ckpt.index", b"\0" * 90)
    for number in range(2):
        opaque(directory / f"bert_model.ckpt.data-{number:05}-of-00002")


def saved_model(directory: Path) -> None:
    readme(directory, "tf-keras")
    models.write_onnx(directory / "saved_model.pb", 400)
    write_file(directory / "variables/variables.index", b"\0" * 90)
    opaque(directory / "variables/variables.data-00000-of-00001")


def canine(directory: Path) -> None:
    readme(directory)
    write_json(directory / "config.json", {"model_type": "canine"})
    write_json(directory / "tokenizer_config.json", {"model_max_length": 2048})
    models.write_pytorch_zip(directory / "pytorch_model.bin", SIZE)


def megatron(directory: Path) -> None:
    readme(directory)
    write_file(directory / "latest_checkpointed_iteration.txt", "1")
    for number in range(3):
        path = directory / f"iter_0000001/mp_rank_{number:02}/model_optim_rng.pt"
        models.write_pytorch_zip(path, SIZE)


def deepspeed(directory: Path) -> None:
    qwen(directory)
    folder = directory / "checkpoint-500"
    write_safetensors(folder / "model.safetensors", SMALL)
    config(folder)
    models.write_pytorch_zip(folder / "optimizer.pt", SIZE)
    for number in range(3):
        path = folder / f"global_step500/mp_rank_{number:02}_model_states.pt"
        models.write_pytorch_zip(path, SIZE)


def tokenizer_only(directory: Path) -> None:
    readme(directory)
    models.write_tokenizer(directory)
    write_file(directory / "vocab.json", json.dumps({"a": 0}))


def timm(directory: Path) -> None:
    readme(directory, "timm")
    config(directory, architecture="resnet50")
    write_safetensors(directory / "model.safetensors", SMALL)
    models.write_pytorch_zip(directory / "pytorch_model.bin", SIZE)


def nemo(directory: Path) -> None:
    readme(directory, "nemo")
    tar(directory / "parakeet.nemo", ("./model_config.yaml", "./model_weights.ckpt"))


def torch_of_2016(directory: Path) -> None:
    readme(directory)
    tar(directory / "vgg16.pth", ("sys_info", "pickle", "tensors", "storages"))


def paddle(directory: Path) -> None:
    readme(directory, "PaddleOCR")
    write_file(directory / "inference.pdparams", pickle.dumps({"a": b"\1" * SIZE}, protocol=2))
    opaque(directory / "inference.pdiparams")
    opaque(directory / "inference.pdmodel", b"\x0a\xff")


def rockchip(directory: Path) -> None:
    readme(directory)
    opaque(directory / "qwen.rkllm", b"RKLLM\0\0\0")
    opaque(directory / "yolo.rknn", b"RKNN\0\0\0\0")


def opt_175b(directory: Path) -> None:
    readme(directory)
    for number in range(3):
        models.write_pytorch_zip(directory / f"reshard-model_part-{number}.pt", SIZE)


def keras(directory: Path) -> None:
    readme(directory, "keras")
    zipped(directory / "model.keras", {"config.json": b"{}", "model.weights.h5": bytes(SIZE)})
    hdf5(directory / "model.weights.h5")

"""The families of models that people keep, and what a check can know of each.

What it is when it is whole, whether a byte that is cut off one of its weights shows, and whether its names
tell that a part of it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests import layouts

from hubferry.cache.check import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """One family.

    Attributes:
        make: Lays it out in a directory.
        cut: A weight file.
        proves: Whether a byte that is cut off it shows.
        part: A file or folder without which the model cannot be used; None where no name tells of it.
        named: What the check says is missing without it; None for the part itself.
        whole: What it is when nothing is missing.
        exists: Whether there is a README.md, config.json or model_index.json beside weights.
        spare: Whether weights that are all of a model are here without the part, too.
    """

    make: Callable[[Path], object]
    cut: str
    proves: bool = True
    part: str | None = None
    named: str | None = None
    whole: State = State.WHOLE
    exists: bool = True
    spare: bool = False


UNKNOWN = State.UNKNOWN
SHARD = "model-00002-of-00003.safetensors"
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"

FAMILIES = {
    "qwen": Layout(layouts.qwen, SHARD, part=SHARD),
    "deepseek": Layout(
        layouts.deepseek, "model-00003-of-000003.safetensors", part="model-00002-of-000003.safetensors"
    ),
    "deepseek-without-index": Layout(
        layouts.deepseek_without_index,
        "weights-00003-of-000003.safetensors",
        part="weights-00002-of-000003.safetensors",
    ),
    "kimi": Layout(layouts.kimi, "model-10-of-12.safetensors", part="model-2-of-12.safetensors"),
    "unpadded-without-index": Layout(
        layouts.unpadded_without_index, "ckpt-10-of-12.safetensors", part="ckpt-2-of-12.safetensors"
    ),
    "bloom": Layout(
        layouts.bloom, "pytorch_model_00001-of-00003.bin", part="pytorch_model_00003-of-00003.bin"
    ),
    "underlined": Layout(
        layouts.underlined, "model_part_1_of_3.safetensors", part="model_part_3_of_3.safetensors"
    ),
    "from-zero": Layout(
        layouts.from_zero, "weights_00000-of-00003.safetensors", part="weights_00002-of-00003.safetensors"
    ),
    "mistral": Layout(layouts.mistral, "consolidated.safetensors", part=SHARD),
    "mistral-without-consolidated": Layout(layouts.mistral_without_consolidated, SHARD, part=SHARD),
    "llama": Layout(layouts.llama, "original/consolidated.00.pth", part="original/consolidated.01.pth"),
    "merged-beside-stale-index": Layout(
        layouts.merged_beside_stale_index, "model.safetensors", part="model.safetensors", named=SHARD
    ),
    "safetensors-of-two-formats": Layout(layouts.safetensors_of_two_formats, SHARD, part=SHARD),
    "bert": Layout(layouts.bert, "tf_model.h5"),
    "minilm": Layout(layouts.minilm, "2_Dense/model.safetensors", part="1_Pooling", named="1_Pooling/"),
    "minilm-openvino": Layout(
        layouts.minilm, "openvino/openvino_model.bin", part="openvino/openvino_model.bin"
    ),
    "minilm-dense": Layout(
        layouts.minilm, "onnx/model_qint8_avx512.onnx", part="2_Dense/model.safetensors", named="2_Dense/"
    ),
    "sdxl": Layout(layouts.sdxl, "sd_xl_base_1.0.safetensors", part="vae", named="vae/"),
    "only-fp16": Layout(layouts.only_fp16, UNET, part=UNET, named="unet/"),
    "sharded-fp16": Layout(
        layouts.sharded_fp16,
        "text_encoder/model.fp16-00001-of-00002.safetensors",
        part="text_encoder/model.fp16-00002-of-00002.safetensors",
    ),
    "variant-behind-the-number": Layout(
        layouts.variant_behind_the_number,
        "unet/diffusion_pytorch_model-00001-of-00002.fp16.safetensors",
        part="unet/diffusion_pytorch_model-00002-of-00002.fp16.safetensors",
    ),
    "flux": Layout(layouts.flux, "ae.safetensors", part="tokenizer_2", named="tokenizer_2/"),
    "onnx-pipeline": Layout(layouts.onnx_pipeline, "vae_decoder/model.onnx", part="unet/weights.pb"),
    "custom-pipeline": Layout(
        layouts.custom_pipeline, "vae/diffusion_pytorch_model.bin", part="movq", named="movq/"
    ),
    "single-file-of-a-pipeline": Layout(
        layouts.single_file_of_a_pipeline,
        "v1-5-pruned-emaonly.safetensors",
        whole=UNKNOWN,
        part="v1-5-pruned-emaonly.safetensors",
        named="unet/",
    ),
    "pipeline-without-checker": Layout(
        layouts.pipeline_without_checker,
        "vae/diffusion_pytorch_model.safetensors",
        part="vae/config.json",
        whole=UNKNOWN,
    ),
    "gguf": Layout(layouts.gguf, "mmproj-f16.gguf"),
    "one-gguf": Layout(layouts.one_gguf, "qwen-7b-Q4_K_M.gguf", whole=UNKNOWN, exists=False),
    "gguf-with-json-of-its-origin": Layout(
        layouts.gguf_with_json_of_its_origin,
        "qwen-7b-Q4_K_M.gguf",
        whole=UNKNOWN,
        part="qwen-7b-Q4_K_M.gguf",
        named="model-00001-of-00002.safetensors",
    ),
    "split-gguf": Layout(
        layouts.split_gguf,
        "Q8_0/big-Q8_0-00002-of-00003.gguf",
        part="Q8_0/big-Q8_0-00003-of-00003.gguf",
        spare=True,
    ),
    "gguf-in-parts": Layout(
        layouts.gguf_in_parts,
        "big.Q8_0.gguf.part2of2",
        proves=False,
        part="big.Q8_0.gguf.part1of2",
        whole=UNKNOWN,
    ),
    "gguf-in-letters": Layout(
        layouts.gguf_in_letters,
        "big.Q8_0.gguf-split-c",
        proves=False,
        part="big.Q8_0.gguf-split-b",
        whole=UNKNOWN,
    ),
    "lora": Layout(
        layouts.lora,
        "adapter_model.safetensors",
        part="adapter_model.safetensors",
        whole=UNKNOWN,
        exists=False,
    ),
    "diffusers-lora": Layout(
        layouts.diffusers_lora, "pytorch_lora_weights.safetensors", whole=UNKNOWN, exists=False
    ),
    "textual-inversion": Layout(layouts.textual_inversion, "learned_embeds.bin"),
    "mlx": Layout(layouts.mlx, "weights.npz"),
    "mlx-in-several": Layout(layouts.mlx_in_several, "weights.02.safetensors", part="weights.00.safetensors"),
    "gptq": Layout(layouts.gptq, "gptq_model-4bit-128g.safetensors"),
    "awq": Layout(layouts.awq, "model-00001-of-00002.safetensors", part="model-00002-of-00002.safetensors"),
    "exl2": Layout(
        layouts.exl2, "output-00001-of-00002.safetensors", part="output-00002-of-00002.safetensors"
    ),
    "sklearn-pickle": Layout(layouts.sklearn, "model.pkl", whole=UNKNOWN),
    "sklearn-joblib": Layout(layouts.sklearn, "pipeline.joblib", whole=UNKNOWN),
    "tensorrt-llm": Layout(
        layouts.tensorrt_llm, "rank0.engine", proves=False, part="rank2.engine", whole=UNKNOWN
    ),
    "mnn": Layout(layouts.mnn, "llm.mnn", proves=False, part="llm.mnn.weight", whole=UNKNOWN),
    "executorch": Layout(layouts.execu_torch, "model.pte"),
    "litert-lm": Layout(layouts.lite_rt, "gemma-3n-E2B-it-int4.litertlm"),
    "mediapipe": Layout(layouts.media_pipe, "hand_landmarker.task"),
    "mediapipe-llm": Layout(layouts.media_pipe, "gemma.task", proves=False),
    "dduf": Layout(layouts.dduf, "FLUX.1-dev-Q4.dduf"),
    "core-ml": Layout(
        layouts.core_ml,
        "Model.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
        proves=False,
        part="Model.mlpackage/Data/com.apple.CoreML/model.mlmodel",
        whole=UNKNOWN,
    ),
    "openvino": Layout(layouts.open_vino, "openvino_model.bin", part="openvino_model.bin"),
    "onnx": Layout(layouts.onnx, "onnx/model.onnx_data", part="onnx/model.onnx_data"),
    "yolo": Layout(layouts.yolo, "yolo11n.pt", whole=UNKNOWN, exists=False),
    "kokoro": Layout(layouts.kokoro, "kokoro-v1_0.pth"),
    "faster-whisper": Layout(layouts.whisper_of_ctranslate2, "model.bin", proves=False, whole=UNKNOWN),
    "fasttext": Layout(layouts.fast_text, "model.bin", proves=False, whole=UNKNOWN),
    "spacy": Layout(layouts.spacy, "ner/model", proves=False, whole=UNKNOWN),
    "tensorflow-checkpoint": Layout(
        layouts.tensorflow_checkpoint,
        "bert_model.ckpt.data-00000-of-00002",
        proves=False,
        part="bert_model.ckpt.data-00001-of-00002",
        whole=UNKNOWN,
    ),
    "saved-model": Layout(
        layouts.saved_model,
        "variables/variables.data-00000-of-00001",
        proves=False,
        part="variables/variables.data-00000-of-00001",
    ),
    "canine": Layout(layouts.canine, "pytorch_model.bin"),
    "megatron": Layout(
        layouts.megatron,
        "iter_0000001/mp_rank_02/model_optim_rng.pt",
        part="iter_0000001/mp_rank_01/model_optim_rng.pt",
    ),
    "deepspeed": Layout(
        layouts.deepspeed,
        "checkpoint-500/optimizer.pt",
        part="checkpoint-500/global_step500/mp_rank_00_model_states.pt",
    ),
    "tokenizer-only": Layout(layouts.tokenizer_only, "vocab.json", part=None, whole=UNKNOWN, exists=False),
    "timm": Layout(layouts.timm, "pytorch_model.bin"),
    "nemo": Layout(layouts.nemo, "parakeet.nemo"),
    "torch-of-2016": Layout(layouts.torch_of_2016, "vgg16.pth"),
    "paddle": Layout(layouts.paddle, "inference.pdparams", whole=UNKNOWN),
    "rockchip": Layout(layouts.rockchip, "qwen.rkllm", proves=False, whole=UNKNOWN),
    "opt-175b": Layout(layouts.opt_175b, "reshard-model_part-2.pt", part="reshard-model_part-1.pt"),
    "keras": Layout(layouts.keras, "model.keras"),
}

"""Notice a tokenizer whose vocabulary is not there. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Collection

_VOCABULARY = re.compile(
    r"tokenizer\.json|vocab|merges|tekken|sentencepiece|spiece|dict\.txt|bpe\.codes"
    r"|byte_maps|artists\.json"
    r"|\.(model|spm|tiktoken|bpe|vocab|tokenizer|gguf|litertlm|py)$",
    re.IGNORECASE,
)
"""Names of vocabularies, and of what brings its own: GGUF, LiteRT-LM, code that came with the model."""
_BYTE_LEVEL = re.compile(r"ByT5|Canine|Perceiver|Byte|EvaByte", re.IGNORECASE)
_PAIR_MERGING = re.compile(
    r"(GPT2|CLIP|Roberta|Bart|Qwen2|Whisper|LED|Longformer|Deberta|CodeGen)Tokenizer(Fast)?$"
)


def missing_vocabulary(names: Collection[str], settings: dict[str, Any]) -> str:
    """Return a sentence about what a tokenizer lacks, "" when it lacks nothing.

    Args:
        names: The files beside its `tokenizer_config.json`.
        settings: What that file says.
    """
    kind = str(settings.get("tokenizer_class") or "")
    if _BYTE_LEVEL.search(kind) or "auto_map" in settings:
        return ""
    if not any(_VOCABULARY.search(name) for name in names):
        return _("describes a tokenizer, but its vocabulary is missing")
    bare = "vocab.json" in names and "merges.txt" not in names and "tokenizer.json" not in names
    if bare and _PAIR_MERGING.match(kind):
        return _("describes a tokenizer, but its merges.txt is missing")
    return ""

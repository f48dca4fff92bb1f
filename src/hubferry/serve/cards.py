"""What Hugging Face finds wrong with the metadata of a README.md. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from hubferry import front_matter
from hubferry.licenses import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Iterator

CARD = "README.md"
_BLOCK = re.compile(r"\A(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))")
"""Where the metadata stands: the server's own expression (huggingface_hub.repocard.REGEX_YAML_BLOCK)."""
_TEXTS = ("pipeline_tag", "library_name", "license_name", "license_link", "pretty_name")
_LISTS = ("tags",)
_DATASET_HINT = "If possible, use a dataset id from https://hf.co/datasets."
_TEXTS_OR_LISTS = ("language", "base_model", "datasets", "metrics")
_REPOSITORIES = {"base_model": "Use a model id from https://hf.co/models.", "datasets": _DATASET_HINT}
_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")


@dataclass(frozen=True, slots=True)
class CardReport:
    """What is wrong with a card, in the hub's words.

    Attributes:
        errors: What a commit is refused for.
        warnings: What it is not refused for.
    """

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def inspect_card(content: str) -> CardReport:
    """Return what the hub says about a card."""
    block = _BLOCK.match(content)
    if block is None or not block[2].strip():
        return CardReport(warnings=("empty or missing yaml metadata in repo card",))
    try:
        metadata = _PlainLoader(block[2]).get_single_data()
    except Exception as error:  # noqa: BLE001  # PyYAML lets through what odd scalars make Python raise
        where = " ".join(str(error).split())
        return CardReport((f"Invalid YAML in {CARD}: {where}",))
    if not isinstance(metadata, dict):
        return CardReport(('"value" must be of type object',))
    return CardReport(tuple(_mistakes(metadata)))


class _PlainLoader(front_matter.Loader):
    """Read numbers, texts, lists and mappings; refuse a key that is given twice, as the hub's reader does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002  # PyYAML's signature
        keys = [key.value for key, _value in node.value if key.tag == "tag:yaml.org,2002:str"]
        if len(set(keys)) != len(keys):
            raise yaml.constructor.ConstructorError(None, None, "duplicated mapping key", node.start_mark)
        return super().construct_mapping(node, deep)


def _mistakes(metadata: dict[object, object]) -> Iterator[str]:  # one branch a kind of field
    yield from _license_mistakes(metadata)
    for name in _TEXTS:
        if metadata.get(name) is not None:
            yield from _text_mistakes(name, metadata[name])
    if not isinstance(metadata.get("model-index") or [], list):
        yield '"model-index" must be an array'
    for name in (*_LISTS, *_TEXTS_OR_LISTS):
        value = metadata.get(name)
        if value is None:
            continue
        if isinstance(value, list):
            for position, item in enumerate(value):
                yield from _text_mistakes(f"{name}[{position}]", item)
        elif name in _LISTS:
            yield f'"{name}" must be an array'
        else:
            yield from _text_mistakes(name, value)
    for name, hint in _REPOSITORIES.items():
        yield from _repository_mistakes(name, metadata.get(name), hint)
    yield from _language_mistakes(metadata.get("language"))


def _repository_mistakes(field: str, value: object, hint: str) -> Iterator[str]:
    for name, word in _items(field, value):
        if not _REPOSITORY.fullmatch(word):
            yield f'"{name}" with value "{word}" is not valid. {hint}'


def _items(field: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield the texts of a field that has one or several, each by its place."""
    for position, item in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(item, str) and item:
            yield (f"{field}[{position}]" if isinstance(value, list) else field), item


def _license_mistakes(metadata: dict[object, object]) -> Iterator[str]:
    if "license" not in metadata:
        return
    value = metadata["license"]
    wanted = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name in IDENTIFIERS for name in wanted):
        yield f'"license" must be one of [{", ".join((*IDENTIFIERS, "array"))}]'


def _text_mistakes(name: str, value: object) -> Iterator[str]:
    if not isinstance(value, str):
        yield f'"{name}" must be a string'
    elif not value:
        yield f'"{name}" is not allowed to be empty'


def _language_mistakes(value: object) -> Iterator[str]:
    for name, code in _items("language", value):
        if code != code.lower():
            yield f'"{name}" must only contain lowercase characters'
        elif not _LANGUAGE.fullmatch(code):
            yield (
                f'"{name}" with value "{code}" is not valid. It must be an ISO 639-1, 639-2 or 639-3 code '
                '(two/three letters), or a special value like "code", "multilingual". If you want to use '
                "BCP-47 identifiers, you can specify them in language_bcp47."
            )

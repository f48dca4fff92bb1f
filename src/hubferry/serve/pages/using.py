"""How a repository is had: lines to copy, with the address by which the reader reached this hub. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a repository.

    Attributes:
        tool: What does it.
        lines: What is typed.
    """

    tool: str
    lines: str


def ways(
    address: str, repo_id: str, kind: str, revision: str | None, *, dialect: str, path: str = ""
) -> list[Way]:
    """Return the ways to a repository, or to one of its files, the usual one first.

    Args:
        address: The hub's, as the reader knows it.
        repo_id: The repository.
        kind: `model` or `dataset`.
        revision: A branch, a tag or a commit; None for the default branch.
        dialect: `ms` for one that only ModelScope's clients get here.
        path: One file of it.
    """
    hf, ms = f"HF_ENDPOINT={shlex.quote(address)}", f"MODELSCOPE_ENDPOINT={shlex.quote(address)}"
    quoted, dataset = shlex.quote(repo_id), kind == "dataset"
    at = f" --revision {shlex.quote(revision)}" if revision else ""
    file = f" {shlex.quote(path)}" if path else ""
    found = []
    if dialect != "ms":
        of_type = " --repo-type dataset" if dataset else ""
        found.append(Way("hf", f"{hf} hf download {quoted}{file}{of_type}{at}"))
    named = f"--dataset {quoted}" if dataset else f"--model {quoted}"
    found.append(Way("modelscope", f"{ms} modelscope download {named}{file}{at}"))
    if not path and dialect != "ms":
        found.append(
            Way(
                "datasets" if dataset else "transformers",
                _python(address, repo_id, revision, dataset=dataset),
            )
        )
    hub = "ms" if dialect == "ms" else "hf"
    name = f"{hub}:{'datasets/' if dataset else ''}{repo_id}{f'@{revision}' if revision else ''}"
    if not path:
        found.append(
            Way("hubferry", f"hubferry fetch {shlex.quote(name)} --source-endpoint {shlex.quote(address)}")
        )
    return found


def of_hub(address: str) -> list[Way]:
    """Return what official clients need to know of this hub, and how a folder gets into it."""
    place = shlex.quote(address)
    return [
        Way("huggingface_hub, transformers, datasets", f"export HF_ENDPOINT={place}"),
        Way("modelscope", f"export MODELSCOPE_ENDPOINT={place}"),
        Way("hf", f"HF_ENDPOINT={place} hf upload my-org/my-model ./folder"),
    ]


def curl(address: str, name: str) -> Way:
    """Return how one file is had with nothing but curl."""
    return Way("curl", f"curl -L -C - -o {shlex.quote(name)} {shlex.quote(address)}")


def _python(address: str, repo_id: str, revision: str | None, *, dataset: bool) -> str:
    at = f", revision={revision!r}" if revision else ""
    call = f"load_dataset({repo_id!r}{at})" if dataset else f"AutoModel.from_pretrained({repo_id!r}{at})"
    package, name = ("datasets", "load_dataset") if dataset else ("transformers", "AutoModel")
    return f'import os; os.environ["HF_ENDPOINT"] = {address!r}\nfrom {package} import {name}\n{call}'

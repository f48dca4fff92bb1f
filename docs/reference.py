"""Write api.md from the docstrings of what `hubferry` shows; `--check` only says whether it is current."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import hubferry
from hubferry.wishes import Wishes

PAGE = Path(__file__).with_name("api.md")
_HEAD = """\
# The library

<!-- Made from the docstrings by `make api`; a test holds it current. -->

    import hubferry

    place = hubferry.fetch("hf:org/name", include=["*.safetensors", "*.json"], progress=True).path
    report = hubferry.copy(place, "ms:my-org/name", visibility="private")
    config = hubferry.read_file("hf:org/name/config.json")

`import hubferry` imports nothing else; each name is loaded when it is first used. A text names a repository
or a folder as on the command line; a `pathlib.Path` is always a folder. `hubferry.events` has what a listener
hears.

**Notebooks.** A plain verb may be called where an event loop is running: it then works in a thread of its
own, while the cell waits and hears its events. Interrupting the cell ends the work before the cell ends.
`hubferry.aio` has the same verbs to be awaited, on the loop that is there. `progress=True` draws with tqdm,
which has to be installed; a function gets a `Standing` each time something moved.
"""
_SECTION = re.compile(r"^(Args|Returns|Raises|Attributes):$")


def main() -> int:
    """Write the page, or hold it against what it should be."""
    text = page()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


def page() -> str:
    """Return the whole page."""
    public = {name: getattr(hubferry, name) for name in hubferry.__all__ if name != "aio"}
    verbs = [name for name, one in public.items() if inspect.isfunction(one)]
    errors = [name for name, one in public.items() if name.endswith("Error")]
    values = [name for name in public if name not in {*verbs, *errors}]
    parts = [_HEAD, "## Verbs\n"]
    parts += [_verb(name, public[name]) for name in verbs]
    parts += ["## Keywords\n", _keywords(), "## What they take and return\n"]
    parts += [_value(name, public[name]) for name in values]
    parts += ["## Errors\n", _errors(errors)]
    return "\n".join(parts).rstrip() + "\n"


def _verb(name: str, function: Any) -> str:
    return "\n".join([f"### `{name}`\n", _signature(name, function), "", *_described(function)])


def _signature(name: str, function: Any) -> str:
    """Return the signature, a parameter a line, as code."""
    shown = []
    star = False
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.KEYWORD_ONLY and not star:
            shown.append("*")
            star = True
        prefix = "**" if one.kind is one.VAR_KEYWORD else ""
        text = f"{prefix}{one.name}: {_plain(one.annotation)}"
        if one.default is not one.empty:
            text += f" = {_default(one.default)}"
        shown.append(text)
    inside = "".join(f"        {line},\n" for line in shown)
    returned = _plain(inspect.signature(function).return_annotation)
    return f"    {name}(\n{inside}    ) -> {returned}"


def _default(value: Any) -> str:
    if inspect.isfunction(value):
        return value.__name__
    return f"{type(value).__name__}()" if dataclasses.is_dataclass(value) else repr(value)


def _plain(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return text.replace("Unpack[Wishes]", "Wishes")


def _described(one: Any) -> list[str]:
    """Return a docstring as Markdown: its sections become lists."""
    lines, found, section = [], inspect.getdoc(one) or "", ""
    for line in found.splitlines():
        match = _SECTION.match(line)
        if match:
            section = match[1]
            if section != "Attributes":
                lines += [f"**{section}**", ""]
            continue
        lines.append(_line(line, section))
    return [*lines, ""]


def _line(line: str, section: str) -> str:
    if not section or not line.startswith("    "):
        return line
    match = re.match(r"    (\*{0,2}\w+): ?(.*)$", line)
    if match and section != "Returns":
        return f"- `{match[1]}`: {match[2]}".rstrip()
    return line[4:] if section == "Returns" else f"  {line.strip()}"


def _value(name: str, one: Any) -> str:
    return "\n".join([f"### `{name}`\n", *_described(one)])


def _keywords() -> str:
    text = (
        "Every verb takes the fields of `Options` by keyword, but for `source` and `destination`; "
        "in their place:\n"
    )
    own = [line for line in _described(Wishes) if line.startswith(("- ", "  "))]
    return "\n".join([text, *own, ""])


def _errors(names: list[str]) -> str:
    rows = ["| error | exit code | |", "|---|---|---|"]
    for name in names:
        one = getattr(hubferry, name)
        first = (inspect.getdoc(one) or "").split("\n\n")[0].replace("\n", " ")
        parent = one.__mro__[1].__name__
        rows.append(f"| `{name}` ({parent}) | {one.exit_code} | {first} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())

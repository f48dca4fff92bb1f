"""Run cells in a real kernel and print what they put out; a process of its own: its warnings are not ours."""

from __future__ import annotations

import json
import sys

import nbformat
from nbclient import NotebookClient


def main() -> None:
    cells = json.load(sys.stdin)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=60, kernel_name="python3").execute()
    shown = [
        {
            name: "".join(one.get("text", "") for one in cell.outputs if one.get("name") == name)
            for name in ("stdout", "stderr")
        }
        for cell in book.cells
    ]
    json.dump(shown, sys.stdout)


if __name__ == "__main__":
    main()

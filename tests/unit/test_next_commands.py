"""Every string that names a command of ours names one that there is, with options that it has.

Collected are the strings of the sources (hints, errors, examples of --help), their Chinese translations, and
the code of the pages. What is written as a command is parsed as the command line parses it; in a sentence the
command and the options must exist.
"""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from importlib import import_module
from pathlib import Path

import click
import pytest
from babel.messages.pofile import read_po

from hubferry.cli.main import command_line

ROOT = Path(__file__).parents[2]
CATALOG = ROOT / "src/hubferry/locale/zh_CN/LC_MESSAGES/hubferry.po"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MADE = "commands.md"
"""What the help says, written by `make docs`."""
GAP = "GAP"
"""Stands for what is filled in at run time."""
NAMED = re.compile(r"(?<![\w./:@-])hubferry (?=[a-z])")
ENDS = re.compile(r" [<>] |</|[\n`;|)\"，。；、：（）]|\s#|, |\. |: | — |\s->")
OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")
ELSEWHERE = {"--no-cache-dir", "--help", "--version", "--debug"}
PROSE = {"knows", "needs", "reads"}
"""Words that follow the name where it is the product's."""
CODE = re.compile(r"^```[a-z]*\n(.*?)^```|`([^`\n]+)`|^(?: {4}|\t)([^\n]*)$", re.MULTILINE | re.DOTALL)


@cache
def texts():
    """Return what `collected` yields."""
    return tuple(collected())


def collected():
    """Yield where each string of the sources is, and the string; what is filled in is a gap."""
    for path in sorted([*(ROOT / "src/hubferry").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        where = str(path.relative_to(ROOT))
        documented = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        inside = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
        }
        for node in ast.walk(tree):
            if id(node) in documented | inside:
                continue
            text = written(node)
            if text:
                yield f"{where}:{node.lineno}", text


def written(node):
    """Return the text that a node stands for, None for no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
    if isinstance(node, ast.List) and node.elts and isinstance(node.elts[0], ast.Constant):
        words = [one.value if isinstance(one, ast.Constant) else GAP for one in node.elts]
        if words[0] == "hubferry":
            return shlex.join(str(word) for word in words if word != GAP or len(words) > 1)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "command" and node.args:
        words = [one.value if isinstance(one, ast.Constant) else GAP for one in node.args]
        if all(isinstance(word, str) for word in words) and getattr(node.func.value, "id", "") == "selection":
            return shlex.join(["hubferry", "cache", *words])
    return None


def translations():
    with CATALOG.open("rb") as stream:
        for message in read_po(stream):
            said = message.string if isinstance(message.string, tuple) else (message.string,)
            for text in said:
                yield f"{CATALOG.name}:{message.id!r}", text


def pages():
    """Yield the code of each page: blocks, and what stands between backticks."""
    for path in (page for page in PAGES if page.name != MADE):
        if path.name != "CHANGELOG.md":
            for match in CODE.finditer(path.read_text(encoding="utf-8")):
                yield path.name, next(part for part in match.groups() if part is not None)


def commands_in(text):
    """Yield the words behind each `hubferry ` of a text, up to where the command must have ended."""
    text = re.sub(r"\{[^{}]*\}", GAP, text).replace("\\|", "|")
    for match in NAMED.finditer(text):
        rest = ENDS.split(text[match.end() :], maxsplit=1)[0]
        try:
            words = shlex.split(rest)
        except ValueError:
            words = rest.split()
        yield match.start(), words


@cache
def whole_command_line():
    return command_line()


def resolved(words):
    """Return the command that some words name and the words behind it; None for no command at all."""
    command, context = whole_command_line(), None
    left = list(words)
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context, info_name="hubferry")
        if not left or left[0].startswith("-") or left[0] in (GAP, "...", "…"):
            return command, left
        found = command.get_command(context, left[0].strip(".,'’"))
        if found is None:
            return None, left
        command, left = found, left[1:]
    below = getattr(command, "commands_below", ())  # `serve` is a command with a few below it
    if left and left[0] in below:
        return _below(command.below(left[0]), left[1:])
    return command, left


def _below(command, left):
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        found = command.get_command(click.Context(command), left[0])
        if found is None:
            break
        command, left = found, left[1:]
    return command, left


def options_of(command):
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | ELSEWHERE | {"-h"}


def wrong(where, text):
    """Yield what is wrong with the commands that a text names."""
    for at, words in commands_in(text):
        if words[0].strip(".,") in PROSE:
            continue
        command, left = resolved(words)
        if command is None:
            yield f"{where}: no command {left[0]!r} in {' '.join(words)!r}"
            continue
        for word in left:
            name = word.partition("=")[0]
            if OPTION.fullmatch(name) and name not in options_of(command):
                yield f"{where}: {' '.join(words)!r} has no option {name}"
        alone = at == 0 or re.fullmatch(r"[A-Z_]+=\S+ ", text[:at])
        said = any(not word.startswith("-") for word in left)  # options alone name a way of using it
        if alone and said and not _has_gap(words) and not isinstance(command, click.Group):
            yield from unparsed(where, command, left, words)


def _has_gap(words):
    return any(word in (GAP, "...") or word.startswith("[") for word in words)


def unparsed(where, command, left, words):
    assert not {"--log-file", "-v", "-vv"} & set(left), "reading these words begins a log"
    try:
        command.make_context("x", list(left), parent=None)
    except click.exceptions.Exit:
        pass
    except click.BadParameter as error:
        if "does not exist" not in error.message:  # an example's own files are not here
            yield f"{where}: {' '.join(words)!r}: {error.format_message()}"
    except click.ClickException as error:
        yield f"{where}: {' '.join(words)!r}: {error.format_message()}"


@pytest.mark.parametrize("source", [texts, translations, pages])
def test_every_command_that_is_named_is_one(source):
    assert [one for where, text in source() for one in wrong(where, text)] == []


def harmless():
    """Return the commands, of those that are named, that change nothing, ask nobody and need no model."""
    found = set()
    for _where, text in texts():
        for at, words in commands_in(text):
            named = tuple(words)
            looks = named[:2] in {("cache", "list"), ("cache", "dir"), ("cache", "check")}
            dry = named[:1] == ("cache",) and "--dry-run" in named
            of_a_model = bool({"flux", "gpt2", "gguf", "NAME"} & set(re.split(r"\W+", " ".join(named))))
            if at == 0 and GAP not in named and (looks or dry) and not of_a_model:
                found.add(named)
    return sorted(found)


def test_those_that_change_nothing_run(tmp_path, monkeypatch, capsys):
    for name in ("HOME", "HUBFERRY_CACHE", "HF_HOME", "MODELSCOPE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    named = harmless()
    assert len(named) >= 5
    for words in named:
        result = whole_command_line().main(list(words), prog_name="hubferry", standalone_mode=False)
        assert result in (0, None), (words, capsys.readouterr())


def test_what_is_collected_is_what_there_is():
    """The net has no hole: hints, examples, joined words and pages are all seen."""
    seen = {where.partition(":")[0] for where, text in texts() if list(commands_in(text))}
    for path in ("cli/copy.py", "remember.py", "cache/disk.py", "publish.py", "cli/main.py", "cli/demo.py"):
        assert f"src/hubferry/{path}" in seen
    assert sum(len(list(commands_in(text))) for _where, text in (*texts(), *pages())) > 200


@pytest.mark.parametrize(
    "text",
    [
        "hubferry clone hf:org/name",
        "look at it with hubferry cache inspect",
        "hubferry copy hf:org/name",  # without a destination
        "HUBFERRY_DEBUG=1 hubferry fetch hf:org/name --force",
        "`hubferry cache list --sorted used` says which",
    ],
)
def test_a_command_that_is_none_is_found_out(text):
    assert list(wrong("here", text))


def test_every_option_that_a_sentence_names_is_one_of_some_command():
    known = set(ELSEWHERE)
    waiting = [whole_command_line()]
    while waiting:
        command = waiting.pop()
        known |= options_of(command)
        if isinstance(command, click.Group):
            context = click.Context(command)
            waiting += [command.get_command(context, name) for name in command.list_commands(context)]
    known |= {name for script in ("compat", "compat_cache") for name in options_of_script(script)}
    named = {
        (where, name)
        for where, text in (*hints(), *translations())
        for name in re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]+)", text)
    }
    assert len(named) > 20
    assert sorted((where, name) for where, name in named if name not in known) == []


def options_of_script(name):
    """Return the options that one of the older scripts takes, by its source."""
    source = Path(import_module(f"hubferry.{name}").__file__).read_text(encoding="utf-8")
    return re.findall(r"\"(--[a-z][a-z0-9-]+)\"", source)


def hints():
    """Yield the strings that are sentences: those that are translated."""
    with CATALOG.open("rb") as stream:
        for message in read_po(stream):
            for text in message.id if isinstance(message.id, tuple) else (message.id,):
                yield "sentence", text

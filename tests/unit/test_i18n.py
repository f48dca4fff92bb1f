"""Every sentence has a Chinese one that is whole, current and fits its blanks."""

from __future__ import annotations

import ast
import asyncio
import gettext
import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from hubferry import i18n
from hubferry.cli import output
from hubferry.tasks import Threads

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "hubferry"
CATALOG = SOURCES / "locale" / "zh_CN" / "LC_MESSAGES" / "hubferry.po"
BLANK = re.compile(r"\{[^{}]*\}|%\([a-z_]+\)[sr]|%s")
PRINTING = {"data", "talk", "say", "echo", "secho", "prompt", "confirm"}
RAISED = re.compile(r"\w+Error$")


def extracted(tmp_path):
    """Extract the sentences by the very command of the Makefile."""
    recipe = re.search(
        r"pybabel -q extract (.*?) -o (?:.*?)\n", (ROOT / "Makefile").read_text().replace("\\\n", " ")
    )
    template = tmp_path / "template.pot"
    words = [*recipe[1].split(), "-o", str(template), "src/hubferry", "scripts", "transfer_flux_dev.py"]
    subprocess.run(
        [sys.executable, "-m", "babel.messages.frontend", "-q", "extract", *words], cwd=ROOT, check=True
    )
    with template.open("rb") as file:
        return {message.id for message in read_po(file) if message.id}


def catalog():
    with CATALOG.open("rb") as file:
        return {message.id: message for message in read_po(file, locale="zh_CN") if message.id}


def forms(value):
    return (value,) if isinstance(value, str) else tuple(value)


def test_every_sentence_is_translated_and_no_translation_is_left_over(tmp_path):
    wanted, there = extracted(tmp_path), catalog()
    missing = sorted(forms(one)[0] for one in wanted - set(there))
    assert not missing, f"run `make locale`, then translate: {missing}"
    stale = sorted(forms(one)[0] for one in set(there) - wanted)
    assert not stale, f"run `make locale`: {stale}"


def test_no_translation_is_empty_or_a_guess():
    for name, message in catalog().items():
        assert all(forms(message.string)), name
        assert not message.fuzzy, name


def test_every_translation_has_the_blanks_of_its_sentence():
    for name, message in catalog().items():
        allowed = set().union(*(BLANK.findall(form) for form in forms(name)))
        found = set(BLANK.findall(forms(message.string)[0]))
        assert found <= allowed, name
        if isinstance(name, str):
            assert found == allowed, name


UNEVEN = re.compile(
    r"[一-鿿](\{|[A-Za-z0-9])|(\}|[A-Za-z0-9])[一-鿿]"  # a blank between Chinese and anything else
    r"|[：，；。！？（）“”] | [：，；。！？（）]"  # none beside punctuation that brings its own
    r"|[一-鿿)][,;:!?]|[,;:!?(][一-鿿]|[一-鿿]\("  # and full-width punctuation beside Chinese
)
OF_OLD = re.compile(r"[✅💾📁📤📥🧹]|用法: ?|缺少\{param_type\}")
"""What the scripts have always printed; click's own colon; a word of ours in a sentence of click's."""


def test_lines_that_stand_by_themselves_in_a_help_do_so_in_chinese():
    for name, message in catalog().items():
        for form in forms(message.string):
            assert form.count("\b\n") == forms(name)[0].count("\b\n"), name
            assert "\\b" not in form, name


def test_chinese_is_spaced_and_punctuated_alike_everywhere():
    for message in catalog().values():
        for form in forms(message.string):
            text = form.replace("[y/N] ", "")
            assert OF_OLD.match(form) or not UNEVEN.search(text), form


def test_no_label_and_its_text_have_a_blank_after_a_full_width_colon():
    assert output.blank_after("错误：") == ""
    assert output.blank_after("error:") == " "
    assert output.blank_after("") == ""


def test_the_compiled_catalog_is_that_of_the_sources():
    with CATALOG.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for name, message in catalog().items():
        if isinstance(name, str):
            assert compiled.gettext(name) == message.string
        else:
            assert compiled.ngettext(*name, 2) == forms(message.string)[0]


def modules():
    return [path for path in SOURCES.rglob("*.py") if "serve" not in path.parts and path.name != "words.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(SOURCES).as_posix())
def test_what_a_person_reads_goes_through_gettext(path):
    """Find help texts, printed lines and errors whose words are written in place."""
    bare = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            bare += [f"line {node.lineno}: {text!r}" for text in sentences(node)]
    assert not bare


def sentences(call):
    """Yield the words of a call that a person will read and that nobody translates."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    for keyword in call.keywords:
        if keyword.arg in ("help", "short_help", "epilog", "prompt", "description"):
            yield from words(keyword.value)
    if name in PRINTING or RAISED.match(name):
        for argument in call.args[:1]:
            yield from words(argument)


def words(node):
    """Yield a literal, or the fixed part of an f-string, that has a word of two letters or more."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        texts = [node.value]
    elif isinstance(node, ast.JoinedStr):
        texts = [part.value for part in node.values if isinstance(part, ast.Constant)]
    else:
        return
    for text in texts:
        if re.search(r"[A-Za-z]{2,}", text) and not re.fullmatch(r"\s*(hubferry|python|export)\b.*", text):
            yield text


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8", "HUBFERRY_LANG": "zh"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "HUBFERRY_LANG": "en"}, "en"),
        ({"LANGUAGE": "zh_CN:en", "LANG": "en_US.UTF-8"}, "zh"),
    ],
)
def test_the_language_is_the_one_asked_for_else_that_of_the_locale(monkeypatch, environment, language):
    for name in ("HUBFERRY_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert i18n.language() == language


def test_counted_sentences_are_counted_in_both_languages(monkeypatch):
    monkeypatch.setenv("HUBFERRY_LANG", "en")
    assert i18n.ngettext("{count} file", "{count} files", 1) == "{count} file"
    assert i18n.ngettext("{count} file", "{count} files", 2) == "{count} files"
    monkeypatch.setenv("HUBFERRY_LANG", "zh")
    assert i18n.ngettext("{count} file", "{count} files", 2) == "{count} 个文件"


async def test_what_a_run_does_in_threads_speaks_as_whoever_asked_for_the_run():
    async def spoken(language):
        with i18n.speaking(language):
            loop = asyncio.get_running_loop()
            return await asyncio.gather(*(loop.run_in_executor(threads, i18n.language) for _each in range(4)))

    with Threads(max_workers=2) as threads:
        assert await asyncio.gather(spoken("zh"), spoken("en")) == [["zh"] * 4, ["en"] * 4]

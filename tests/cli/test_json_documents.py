"""Every `--json` document: its keys are those of docs/json.md, and it is the same in every language."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import inside
import pytest
from desks import KIB, ROOT, publish
from servers import running_hub, sdk_environment

import forked
import models
from hubferry.cli.main import command_line
from hubferry.soft_lock import this_process
from hubferry.transfers import desk
from hubferry.transfers.values import InFlight, Transfer

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "json.md"
SECTION = re.compile(r"^(#{2,3}) (.+?)$", re.MULTILINE)
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \|$", re.MULTILINE)
PART = re.compile(r"\]\(#([a-z-]+)\)")
VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "TIME"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "COMMIT"),
    (re.compile(r'("seconds": )[\d.]+'), r"\1SECONDS"),
    (re.compile(r"http://127\.0\.0\.1:\d+|127\.0\.0\.1:\d+"), "HUB"),
    (re.compile(r"\d+(\.\d+)? [KMGT]iB (are )?free"), "FREE"),
    (re.compile(r"\d+ ms\b"), "MILLISECONDS"),
)

MIRRORS = """\
version: 1
sync:
  - {source: hf:org/tagged, target: ms:mine/tagged, tags: true}
  - {source: hf:org/empty, target: "ms:mine/empty"}
  - {source: hf:org/nothing, target: ms:mine/nothing}
  - {source: hf:org/broken, target: ms:mine/broken-mirror}
"""


class Person:
    """Somebody who types commands, in one language, in a home of their own."""

    def __init__(self, place: Path, environment: dict[str, str]) -> None:
        self.place = place
        self._environment = environment
        self.said: dict[str, list[Any]] = {}

    def types(self, section: str, *words: str, code: int = 0, **environment: str) -> Any:
        """Run a command; keep its document under the section that describes it."""
        ended = inside.ferry((*words, "--json"), self._environment | environment, self.place)
        assert ended.code == code, ended.said
        document = json.loads(ended.out)
        self.said.setdefault(section, []).append(self._plain(document))
        return document

    def _plain(self, document: Any) -> Any:
        text = json.dumps(document).replace(str(self.place), "HOME")
        for pattern, word in VARYING:
            text = pattern.sub(word, text)
        return json.loads(text.replace(": SECONDS", ": 0"))


def test_a_document_lists_the_differences_alone_where_only_they_are_asked_for(desk, model):
    folder = desk.home / "folder"
    shutil.copytree(model, folder)
    receipts = ("--receipts", str(desk.home / "receipts"))
    desk.inside("copy", str(folder), "./there", *receipts, check_code=0)
    (folder / "config.json").write_text("{}")
    compared = desk.inside("check", "./folder", "./there", "--differences", "--json", check_code=6).json()
    assert [one["path"] for one in compared["files"]] == ["config.json"]
    assert compared["counts"]["same"] == len(list(model.rglob("*.*"))) - 1
    (receipt,) = (desk.home / "receipts").glob("*/*.json")
    words = ("verify-receipt", str(receipt), "./folder", "--differences", "--json")
    assert [one["path"] for one in desk.inside(*words, check_code=6).json()["files"]] == ["config.json"]


def works_through_everything(person: Person, model: Path) -> None:
    """Run every command that has a document, such that each of its keys occurs."""
    home = person.place
    folder = home / "folder"
    shutil.copytree(model, folder)
    (folder / ".env").write_text("A=1")
    (folder / "empty").mkdir()
    person.types("hubferry copy --dry-run", "copy", "hf:org/model", "ms:mine/model", "--dry-run")
    person.types("hubferry copy", "copy", "hf:org/model", "ms:mine/model")
    person.types("hubferry copy", "copy", str(folder), "ms:mine/model", "--allow", "secrets")
    person.types("hubferry copy --dry-run", "copy", "ms:mine/model", "hf:mine/back", "--dry-run")
    copies_names(person)
    fetched = person.types("hubferry fetch", "fetch", "ms:mine/model")
    person.types("hubferry fetch", "fetch", "hf:org/model", "--include", "*.json", "--offline")
    person.types("hubferry fetch", "fetch", "hf:org/empty")
    person.types("hubferry ls", "ls", "hf:org/model")
    person.types("hubferry ls OWNER", "ls", "hf:org")
    person.types("hubferry info", "info", "hf:org/model")
    person.types("hubferry doctor", "doctor", "hf:org/model", "ms:mine/other")
    person.types("hubferry check", "check", "hf:org/model", "ms:mine/model", code=6)
    person.types("errors", "fetch", "hf:org/nothing", code=3)
    person.types("errors", "copy", "hf:org/broken", "ms:mine/broken", code=9)
    person.types("hubferry cache pin", "cache", "pin", "hf:org/model")
    person.types("hubferry cache pin", "cache", "unpin", "hf:org/model")
    person.types("hubferry cache list", "cache", "list")
    person.types("hubferry cache show", "cache", "show", "hf:org/model")
    Path(fetched["path"], "config.json").unlink()
    person.types("hubferry cache show", "cache", "show", "ms:mine/model")
    person.types("hubferry cache check", "cache", "check", "ms:mine/model", code=6)
    person.types("hubferry cache list", "cache", "list", "ms:mine")
    person.types("hubferry cache verify", "cache", "verify", "ms:mine/model", code=6)
    person.types("hubferry cache repair", "cache", "repair", "ms:mine/model")
    person.types(
        "hubferry cache adopt", "cache", "adopt", str(model), "hf:org/model", "--cache-dir", str(home / "b")
    )
    person.types("hubferry cache prune", "cache", "prune", "--keep-last", "0", "--dry-run")
    person.types("hubferry cache clean", "cache", "clean", "ms:mine/model", "--dry-run")
    person.types("hubferry cache pin", "cache", "pin", "ms:mine/model")
    person.types("hubferry cache clean", "cache", "clean", "--force")
    person.types("hubferry cache dir", "cache", "dir")
    person.types("hubferry cache move", "cache", "move", str(home / "moved"))
    person.types("hubferry doctor", "doctor")
    person.types("hubferry doctor", "doctor", code=5, HF_HUB_OFFLINE="1")
    person.types("hubferry config path", "config", "path")
    person.types("hubferry config check", "config", "check")
    person.types("hubferry config show", "config", "show")
    keeps_mirrors(person, folder)
    carries_volumes(person)
    (home / "wrong.toml").write_text("[hubs.lab]\nkind = 3\nendpont = 1\n")
    (home / "wrong.toml").chmod(0o600)
    wrong = str(home / "wrong.toml")
    person.types("hubferry config check", "config", "check", code=2, HUBFERRY_CONFIG=wrong)
    person.types("errors", "fetch", "hf:org/model", code=2, HUBFERRY_CONFIG=wrong)


def copies_names(person: Person) -> None:
    """Run what is about tags, and propose a change."""
    names = ("copy", "hf:org/tagged", "ms:mine/named", "--tags", "*", "--tag", "v2")
    person.types("hubferry copy --dry-run", *names, "--dry-run")
    person.types("hubferry copy", *names)
    person.types("hubferry copy", "copy", "hf:org/tagged", str(person.place / "copied"), "--tag", "v2")
    person.types("hubferry copy", "copy", "hf:org/model", "there:mine/named", "--create-pr")
    agreed = str(person.place / "plan.jsonl")
    person.types("hubferry copy --dry-run", "copy", "hf:org/model", "ms:mine/agreed", "--plan-out", agreed)
    person.types("hubferry copy --dry-run", "apply", agreed, "--dry-run")
    person.types("hubferry copy", "apply", agreed)


def carries_volumes(person: Person) -> None:
    """Run what is about bundles."""
    stick = str(person.place / "stick")
    person.types("hubferry bundle", "bundle", "hf:org/model", stick, "--size", "1M")
    person.types("hubferry unbundle", "unbundle", stick)
    person.types("hubferry unbundle --dry-run", "unbundle", stick, "ms:mine/carried", "--dry-run")
    person.types("hubferry unbundle", "unbundle", stick, "ms:mine/carried")
    private = ("ms:mine/carried", "--private", "--dry-run")
    person.types("hubferry unbundle --dry-run", "unbundle", stick, *private, code=2)


def keeps_mirrors(person: Person, folder: Path) -> None:
    """Run what is about mirrors."""
    home = person.place
    (home / "mirrors.yaml").write_text(MIRRORS)
    person.types("hubferry sync check", "sync", "check", "mirrors.yaml", code=9)
    receipts = home / "receipts"
    keeping = ("--jobs", "1", "--receipts", str(receipts))
    person.types("hubferry sync run", "sync", "run", "mirrors.yaml", *keeping, code=9)
    person.types("hubferry sync history", "sync", "history", "--run", "1")
    person.types("hubferry sync history", "sync", "history", "mirrors.yaml")
    person.types("hubferry sync history", "sync", "history", "--prune", "--keep", "0", "--force")
    receipt = str(next(receipts.glob("ms_mine_tagged-*/*.json")))
    person.types("hubferry verify-receipt", "verify-receipt", receipt)
    person.types("hubferry verify-receipt", "verify-receipt", receipt, str(folder), code=6)


def rotten(hub, root: Path) -> None:
    """Put a model onto a hub, then change its weights in the hub's own storage."""
    folder = root / "rotten-model"
    folder.mkdir()
    contents = {name: os.urandom(64 * KIB) for name in ("one.safetensors", "two.safetensors")}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    publish(hub, folder, "org/broken")
    for path in (root / "source").rglob("*"):
        if path.is_file() and path.stat().st_size == 64 * KIB:
            path.chmod(0o600)
            path.write_bytes(b"\0" * 64 * KIB)


def tagged(hub) -> None:
    """Put a model with a tag onto a hub."""
    made = hub.store.add("org/tagged", {"README.md": b"# tagged\n", "config.json": b"{}\n"})
    hub.store.find("org/tagged").add_tag("v1", made.id)


def empty(hub, root: Path) -> None:
    """Put weights without a byte onto a hub: they can be fetched, with a warning."""
    folder = root / "empty-model"
    folder.mkdir()
    (folder / "model.safetensors").touch()
    publish(hub, folder, "org/empty")


@pytest.fixture
def said(tmp_path) -> dict[str, dict[str, list[Any]]]:
    """What all commands say in English and in Chinese, to two people who do the same."""
    model = models.transformers_model(tmp_path / "model", shards=1, shard_size=32 * KIB)
    heard = {}
    with running_hub(tmp_path / "source") as source:
        publish(source, model, "org/model")
        rotten(source, tmp_path)
        empty(source, tmp_path)
        tagged(source)
        for language in ("en", "zh"):
            place = tmp_path / language
            place.mkdir()
            with running_hub(tmp_path / f"destination-{language}") as destination:
                kept = sdk_environment(place, hf=source, ms=destination)
                kept |= {
                    "HUBFERRY_RETRIES": "0",
                    "HUBFERRY_RETRY_WAIT": "0",
                    "HUBFERRY_CONFIG": str(place / "c.toml"),
                }
                hubs = {"lab": (source.url, ""), "there": (destination.url, 'token = {env = "HF_TOKEN"}\n')}
                (place / "c.toml").write_text(
                    "".join(
                        f'[hubs.{name}]\nkind = "hf"\nendpoint = "{url}"\n{more}'
                        for name, (url, more) in hubs.items()
                    )
                )
                (place / "c.toml").chmod(0o600)
                person = Person(place, kept | {"HUBFERRY_LANG": language})
                works_through_everything(person, model)
                heard[language] = person.said
    return heard


def keys(value: Any, before: str = "") -> Iterator[str]:
    """Yield every key of a document as the page writes it: `findings[].code`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield before + key
            yield from keys(inner, f"{before}{key}.")
    elif isinstance(value, list):
        for one in value:
            yield from keys(one, before[:-1] + "[].")


def sections() -> dict[str, str]:
    """Return the text below each heading of the page."""
    parts = SECTION.split(PAGE.read_text(encoding="utf-8"))[1:]
    return {title.strip("`"): text for _marks, title, text in zip(*[iter(parts)] * 3, strict=True)}


def documented(text: str, page: dict[str, str]) -> set[str]:
    """Return the keys of a section, with those of the parts that its rows name."""
    found: set[str] = set()
    for key, meaning in ROW.findall(text):
        found.add(key.removesuffix("[]"))
        if part := PART.search(meaning):
            found |= {f"{key}.{inner}" for inner in documented(page[part[1]], page)}
    return found


def fits(key: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", r"[^.\[\]]+"), key) is not None


def test_the_documents_have_the_keys_of_the_page_and_are_the_same_in_chinese(said):
    page = sections()
    for section, documents in said["en"].items():
        heard, written = {key for one in documents for key in keys(one)}, documented(page[section], page)
        unwritten = [key for key in sorted(heard) if not any(fits(key, one) for one in written)]
        assert not unwritten, f"docs/json.md lacks under “{section}”: {unwritten}"
        unheard = [one for one in sorted(written) if not any(fits(key, one) for key in heard)]
        assert not unheard, f"docs/json.md has under “{section}” what no document has: {unheard}"
        assert {one["schema"] for one in documents} == {1}
    for section, documents in said["en"].items():
        assert documents == said["zh"][section], section


def test_modelscope_names_no_commit_in_any_document(said):
    copied, *_ = said["en"]["hubferry copy"]
    fetched, *_ = said["en"]["hubferry fetch"]
    listed = {one["hub"]: one for one in said["en"]["hubferry cache list"][0]["models"]}
    assert copied["source"]["commit"] == listed["hf"]["commit"] == "COMMIT"
    for one in (copied["destination"], fetched, listed["ms"]):
        assert (one["commit"], len(one["listing_digest"])) == (None, 64)


def test_every_example_of_the_page_has_keys_that_the_page_explains():
    page = sections()
    for title, text in page.items():
        for example in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
            written = documented(text, page)
            strange = [key for key in keys(json.loads(example)) if not any(fits(key, one) for one in written)]
            assert not strange, (title, strange)
        assert title == "Parts" or ROW.search(text), f"nothing is explained under “{title}”"


def commands(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        context = click.Context(group)
        for one in group.list_commands(context):
            inner = group.get_command(context, one)
            assert inner is not None
            yield from commands(inner, f"{name} {one}")
    else:
        yield name, group
    if name == "hubferry serve":
        for one in ("user", "gc"):
            yield from commands(group.below(one), f"{name} {one}")


def test_every_command_with_a_document_has_its_section():
    with_document = {
        name
        for name, command in commands(command_line(), "hubferry")
        if any("--json" in parameter.opts for parameter in command.params)
    }
    sections_of_commands = {title for title in sections() if title.startswith("hubferry ")}
    # described with their other halves
    assert with_document - sections_of_commands == {"hubferry apply", "hubferry cache unpin"}
    assert sections_of_commands - with_document == {
        "hubferry copy --dry-run",
        "hubferry unbundle --dry-run",
        "hubferry ls OWNER",
    }


def test_what_moves_has_the_keys_of_the_page(tmp_path, monkeypatch):
    """A running transfer, written as a command writes it: a real one may end before it is read."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    part = InFlight("fetch", "model.safetensors", 1, 2)
    one = Transfer("", "hubferry copy", this_process(), os.getpid(), 1.0, 2.0, "moving", in_flight=(part,))
    place = desk.Desk(desk.place())
    place.say(replace(one, id=place.id))
    told = subprocess.run(
        [sys.executable, "-m", "hubferry", "transfers", "--json"], capture_output=True, check=True, text=True
    )
    place.leave(replace(one, id=place.id, state="done", ended=3.0))
    assert set(keys(json.loads(told.stdout))) == documented(sections()["hubferry transfers"], sections())


def test_the_line_of_a_hub_has_the_keys_of_the_page(tmp_path):
    page = sections()
    words = [sys.executable, "-m", "hubferry", "serve", str(tmp_path / "hub"), "--port", "0", "--json"]
    with forked.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = json.loads(process.stdout.readline())
        process.terminate()
    assert set(keys(line)) == documented(page["hubferry serve"], page)

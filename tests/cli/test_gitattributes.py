"""A hub that adds lines to .gitattributes by itself: no fight, in any run, and copy and check agree."""

from __future__ import annotations

import pytest
from aiohttp import web
from desks import Desk, publish, stored
from servers import running_hub, sdk_environment

from hubferry.serve import Seams
from hubferry.serve.application import LABELS

OURS = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n# ours\n*.json text"
ADDED = "big.weights filter=lfs diff=lfs merge=lfs -text"
COPY = ("copy", "hf:org/model", "hf:mine/model")


class Editor:
    """Adds a line to .gitattributes after a commit that does not have it, as the hub does for LFS files."""

    def __init__(self) -> None:
        self.hub = None
        self.line = ADDED

    @web.middleware
    async def middleware(self, request, handler):
        response = await handler(request)
        if LABELS.get(request.match_info.handler, "") == "hf:commit" and response.status == 200:
            text = self.attributes().decode()
            if self.line not in text:
                self.write(f"{text}\n{self.line}\n".encode())
        return response

    def attributes(self):
        repository = self.hub.store.find("mine/model")
        digest = repository.tree(repository.resolve(None)).files[".gitattributes"].sha256
        return self.hub.store.blobs.path(digest).read_bytes()

    def write(self, content):
        self.hub.store.add("mine/model", {".gitattributes": content})


@pytest.fixture
def editor():
    return Editor()


@pytest.fixture
def desk(tmp_path, editor):
    """Two hubs of Hugging Face's dialect; the second one edits."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / ".gitattributes").write_bytes(OURS)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "big.weights").write_bytes(bytes(1_100_000))
    with (
        running_hub(tmp_path / "source") as source,
        running_hub(tmp_path / "destination", seams=Seams([editor.middleware])) as destination,
    ):
        editor.hub = destination
        publish(source, folder, "org/model")
        home = tmp_path / "home"
        environment = sdk_environment(home, hf=source, ms=destination) | {"LC_ALL": "C.UTF-8"}
        environment |= {"HUBFERRY_RETRIES": "5", "HUBFERRY_RETRY_WAIT": "0.02"}
        yield Desk(home, environment, source, destination)


def sides(desk):
    return (
        "--source-endpoint",
        desk.source.url,
        "--destination-endpoint",
        desk.destination.url,
        "--destination-token",
        desk.destination.token,
    )


def test_a_copy_succeeds_with_a_note_and_the_next_one_has_nothing_to_do(desk, editor):
    first = desk.ferry(*COPY, *sides(desk), check_code=0)
    assert ".gitattributes: the destination has added lines" in first.err
    assert editor.attributes() == OURS + b"\n" + ADDED.encode() + b"\n"
    desk.destination.requests.clear()
    again = desk.ferry(*COPY, *sides(desk), check_code=0)
    assert "nothing to do" in again.out
    assert ".gitattributes" in again.err
    assert desk.destination.requests.commits == 0
    assert desk.destination.requests.count("hf:resolve") == 1  # one small question, and no more


def test_a_check_calls_it_the_same_with_a_word(desk):
    desk.ferry(*COPY, *sides(desk), check_code=0)
    ended = desk.ferry("check", "hf:org/model", "hf:mine/model", *sides(desk), check_code=0)
    assert "= .gitattributes" in ended.out
    assert "the destination has added lines" in ended.err


def test_a_later_change_of_another_file_is_published_and_ours_stays_as_the_hub_has_it(desk, editor):
    desk.ferry(*COPY, *sides(desk), check_code=0)
    desk.source.store.add("org/model", {"config.json": b'{"a": 1}'})
    desk.ferry(*COPY, *sides(desk), "--no-cache", check_code=0)
    assert ADDED.encode() in editor.attributes()
    assert (
        stored(desk.destination, "mine/model")["config.json"]
        == stored(desk.source, "org/model")["config.json"]
    )


@pytest.mark.parametrize(
    "changed",
    [
        OURS + b"\n*.bin -filter\n",
        OURS.replace(b"# ours\n", b"") + f"\n{ADDED}\nmore.{ADDED}\n".encode(),
        OURS.removesuffix(b"*.json text") + f"{ADDED}\nmore.{ADDED}\n".encode(),
        b"*.json text\n" + OURS + b"\n",
        b"# theirs\n" + OURS,
    ],
    ids=["another-attribute", "a-line-less", "the-last-line-less", "a-line-twice", "a-comment"],
)
def test_what_a_person_changed_there_is_another_file(desk, editor, changed):
    desk.ferry(*COPY, *sides(desk), check_code=0)
    editor.write(changed)
    ended = desk.ferry("check", "hf:org/model", "hf:mine/model", *sides(desk), check_code=6)
    assert "* .gitattributes" in ended.out
    desk.ferry(*COPY, *sides(desk), check_code=0)
    assert editor.attributes().startswith(OURS)


def test_it_costs_nothing_where_the_hub_has_not_edited(desk, editor):
    editor.line = "*.json text"  # what is there already
    desk.ferry(*COPY, *sides(desk), check_code=0)
    desk.destination.requests.clear()
    desk.ferry(*COPY, *sides(desk), check_code=0)
    assert desk.destination.requests.count("hf:resolve") == 0

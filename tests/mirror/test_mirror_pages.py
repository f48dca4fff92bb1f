"""What a browser sees of a mirror: what upstream has, what is here, and nothing that is not for it."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import pytest
from mirroring import running_mirror

from hubferry.mirror.application import OpenPolicy
from hubferry.mirror.upstreams import Choice

BROWSER = {"Accept": "text/html", "Accept-Language": "en"}
WEIGHTS = bytes(3_000_000)


def page(mirror, path, **headers):
    """Return the status and the words of a page."""
    wanted = urllib.request.Request(mirror.url + path, headers={**BROWSER, **headers})
    try:
        answer = urllib.request.urlopen(wanted, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read().decode()
    return answer.status, re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text.partition("<main")[2]))


def get(mirror, path):
    with urllib.request.urlopen(mirror.url + path, timeout=20) as answer:
        return answer.read()


@pytest.fixture
def filled(upstream):
    upstream.store.add("org/model", {"README.md": b"# Hello\n", "w.bin": WEIGHTS}, "Add")
    upstream.store.add("org/other", {"README.md": b"# Other\n"})
    upstream.store.create("org/secret", private=True)
    upstream.store.add("org/secret", {"README.md": b"# Hidden words\n"})
    return upstream


def test_a_repository_of_upstream_is_shown_with_what_of_it_is_here(filled, mirror):
    status, words = page(mirror, "/org/model")
    assert status == 200
    assert "Hello" in words
    assert "from Hugging Face" in words
    assert "of 2.9 MiB are on this machine" in words
    assert "not here yet" in page(mirror, "/org/model/tree/main")[1]
    assert get(mirror, "/org/model/resolve/main/w.bin") == WEIGHTS
    mirror.settle()
    mirror.mirror.shelf.index.refresh(force=True)
    assert "2.9 MiB of 2.9 MiB are on this machine" in page(mirror, "/org/model")[1]
    assert "not here yet" not in page(mirror, "/org/model/tree/main")[1]


def test_the_first_page_says_what_the_mirror_did_and_lists_what_it_has(filled, mirror):
    assert "org/model" not in page(mirror, "/")[1]
    for _time in range(2):
        get(mirror, "/org/model/resolve/main/w.bin")
        mirror.settle()
    mirror.mirror.shelf.index.refresh(force=True)
    _status, words = page(mirror, "/")
    assert "org/model" in words
    assert "org/other" not in words
    assert re.search(r"answers from the cache 1 ", words)
    assert re.search(r"fetched from upstream 1 ", words)
    assert "bytes that upstream did not send 2.9 MiB" in words
    assert page(mirror, "/org")[0] == 200


def test_what_is_private_upstream_is_for_whom_upstream_shows_it_alone_and_in_no_list(filled, make_mirror):
    mirror = make_mirror(hf=filled.url, policy=OpenPolicy())
    assert page(mirror, "/org/secret")[0] == 404
    status, words = page(mirror, "/org/secret", Authorization=f"Bearer {filled.token}")
    assert status == 200
    assert "Hidden words" in words
    mirror.settle()
    mirror.mirror.shelf.index.refresh(force=True)
    assert page(mirror, "/org/secret")[0] == 404
    assert "secret" not in page(mirror, "/")[1]
    assert "secret" not in page(mirror, "/", Authorization=f"Bearer {filled.token}")[1]


def test_when_upstream_is_silent_the_page_is_as_it_was_and_says_so(tmp_path, make_mirror):
    from servers import running_hub

    with running_hub(tmp_path / "short") as short:
        short.store.add("org/model", {"README.md": b"# Hello\n"})
        mirror = make_mirror(hf=short.url, ttl=0.0)
        assert page(mirror, "/org/model")[0] == 200
        mirror.settle()
    status, words = page(mirror, "/org/model")
    assert status == 200
    assert "The hub could not be asked whether this is still so." in words
    assert "Hello" in words


def test_what_modelscope_alone_has_is_found_at_its_address(filled, make_mirror):
    mirror = make_mirror(ms=filled.url)
    status, words = page(mirror, "/org/model")
    assert status == 200
    assert "from ModelScope" in words
    assert page(mirror, "/models/org/model/blob/master/README.md")[0] == 200


def test_what_may_not_be_asked_for_is_on_no_page(filled, tmp_path):
    places = {"root": tmp_path / "cache", "store": tmp_path / "own"}
    with running_mirror(hf=filled.url, choice=Choice(deny=("org/model",)), **places) as mirror:
        assert page(mirror, "/org/model")[0] == 403
        assert page(mirror, "/org/other")[0] == 200


def test_the_hubs_own_come_first_whatever_upstream_has(filled, mirror):
    mirror.store.add("org/model", {"README.md": b"# Our own\n"})
    assert "Our own" in page(mirror, "/org/model")[1]

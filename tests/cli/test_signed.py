"""What a repository says of its own files: verified when asked, and told when a copy breaks it."""

from __future__ import annotations

import base64
import json
import os

import pytest
from desks import digests, stored
from servers import running_hub

from hubferry.serve import Strictness

PAIR = ("copy", "hf:org/model", "ms:mine/model")


def sums(found, *, form="{digest}  {path}\n"):
    return "".join(form.format(digest=digest, path=path) for path, digest in sorted(found.items())).encode()


def signature(found):
    """A signature in form, which nobody has made: what it is about can be read, and no more."""
    resources = [{"name": path, "algorithm": "sha256", "digest": one} for path, one in sorted(found.items())]
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": "0" * 64}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"serialization": {"method": "files"}, "resources": resources},
    }
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    envelope = {
        "payload": payload,
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": ""}],
    }
    return json.dumps({"dsseEnvelope": envelope}).encode()


@pytest.fixture
def summed(desk, model):
    desk.source.store.add("org/model", {"SHA256SUMS": sums(digests(model))})
    return digests(model)


def test_a_repository_is_verified_by_its_own_sums_by_copy_fetch_and_check(desk, summed):
    done = desk.inside(*PAIR, "--verify-signature", "sums", "--json", check_code=0)
    assert done.json()["verified_by"] == ["SHA256SUMS"]
    assert f"SHA256SUMS: {len(summed)} files are as it says" in done.err
    assert "source verified by SHA256SUMS" in desk.inside(*PAIR, "--verify-signature", "sums").out
    fetched = desk.inside("fetch", "hf:org/model", "--verify-signature", "sums", "--json", check_code=0)
    assert fetched.json()["verified_by"] == ["SHA256SUMS"]
    desk.inside("check", *PAIR[1:], "--verify-signature", "sums", check_code=0)
    assert desk.inside("fetch", "hf:org/model", "--verify-signature", "sums", "--offline").code == 2


@pytest.mark.parametrize("path", ["config.json", "model-00001-of-00002.safetensors", "gone.bin"])
@pytest.mark.parametrize("words", [PAIR, ("fetch", "hf:org/model"), ("check", *PAIR[1:])], ids=lambda w: w[0])
def test_a_file_that_is_not_what_the_sums_say_stops_everything_before_it_begins(desk, model, words, path):
    desk.source.store.add("org/model", {"SHA256SUMS": sums(digests(model) | {path: "0" * 64})})
    done = desk.inside(*words, "--verify-signature", "sums")
    assert done.code == 6
    assert f"1 file is not what SHA256SUMS says: {path}" in done.err
    assert desk.destination.requests.commits == desk.destination.requests.blobs_received == 0


@pytest.mark.parametrize(
    "form",
    [
        "{digest} *{path}\n",
        "SHA256 ({path}) = {digest}\n",
        "{digest}  ./{path}\r\n",
        "\n# x\n{digest}  {path}\n",
    ],
)
def test_sums_are_read_in_each_form_in_which_tools_write_them(desk, model, form):
    desk.source.store.add("org/model", {"SHA256SUMS": sums(digests(model), form=form)})
    desk.inside(*PAIR, "--verify-signature", "sums", "--dry-run", check_code=0)


@pytest.mark.parametrize(
    "content", [b"not sums\n", b"0" * 63 + b"  config.json\n", b"\xff\xfe\n", b"a  b\n" * 9]
)
def test_what_is_no_list_of_sums_is_no_proof(desk, model, content):
    desk.source.store.add("org/model", {"SHA256SUMS": content})
    done = desk.inside(*PAIR, "--verify-signature", "sums")
    assert (done.code, "cannot be read" in done.err) == (6, True), done.said
    desk.inside(*PAIR, check_code=0)  # nobody asked


def test_without_anything_to_verify_or_to_verify_it_with_nothing_is_copied(desk, model, tmp_path):
    assert "has no SHA256SUMS" in desk.inside(*PAIR, "--verify-signature", "sums").err
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN PUBLIC KEY-----\n")
    assert "has no model.sig" in desk.inside(*PAIR, "--verify-signature", str(key)).err
    desk.source.store.add("org/model", {"model.sig": signature(digests(model))})
    for words, code in ((str(key), 2), (str(tmp_path / "none.pem"), 7)):
        done = desk.inside(*PAIR, "--verify-signature", words)
        if "BEGIN" in done.err or "is not right" in done.err:
            pytest.skip("model-signing is installed here")
        assert done.code == code, done.said
    assert "pip install 'hubferry[sign]'" in desk.inside(*PAIR, "--verify-signature", str(key)).err
    assert desk.destination.requests.commits == 0


@pytest.mark.parametrize("name", ["SHA256SUMS", "model.sig"])
def test_a_copy_that_breaks_what_is_signed_says_so(desk, model, name):
    make = sums if name == "SHA256SUMS" else signature
    desk.source.store.add("org/model", {name: make(digests(model))})
    assert signed(desk) == []
    told = signed(desk, "--exclude", "*.safetensors")
    assert [one["code"] for one in told] == ["signed-left-out"]
    assert "model-00001-of-00002.safetensors" in told[0]["message"]
    assert signed(desk, "--exclude", name, "--exclude", "*.json") == []  # the copy says nothing of its files
    desk.source.store.add("org/model", {name: b"neither of them"})
    assert signed(desk, "--exclude", "*.json") == []


def signed(desk, *words):
    found = desk.inside(*PAIR, *words, "--dry-run", "--json", check_code=0).json()["findings"]
    return [one for one in found if one["code"].startswith("signed-")]


def test_a_card_that_is_changed_on_its_way_breaks_what_is_signed(desk, tmp_path):
    folder = tmp_path / "carded"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: Apache License 2.0\n---\n# x\n")
    (folder / "SHA256SUMS").write_bytes(sums(digests(folder)))
    words = (str(folder), "hf:mine/carded", "--destination-endpoint", desk.destination.url)
    done = desk.inside("copy", *words, "--card", "fix-license", "--json", check_code=0).json()
    assert [one["code"] for one in done["findings"]] == ["signed-changed"]
    assert (done["exact"], done["adapted"]) == (False, ["README.md"])
    refused = desk.inside("copy", *words, "--card", "fix-license", "--exact")
    assert refused.code == 2


def test_what_a_hub_forces_is_said_and_the_rest_is_exact(desk, tmp_path):
    folder = tmp_path / "attributed"
    folder.mkdir()
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    (folder / "weights.data").write_bytes(os.urandom(2 << 20))
    with running_hub(tmp_path / "strict", strict=Strictness.real()) as hub:
        words = ("copy", str(folder), "hf:mine/attributed", "--destination-endpoint", hub.url, "--exact")
        done = desk.inside(*words, "--json", check_code=0).json()
        assert (done["exact"], done["edited"], done["adapted"]) == (False, [".gitattributes"], [])
        assert "changed by the destination" in desk.inside(*words, check_code=0).out
        held = stored(hub, "mine/attributed")
    assert held.pop(".gitattributes") != digests(folder)[".gitattributes"]
    assert held == {"weights.data": digests(folder)["weights.data"]}


def test_a_plain_copy_is_exact_and_reads_nothing_of_what_is_signed(desk, summed):
    done = desk.inside(*PAIR, "--json", check_code=0).json()
    assert (done["exact"], done["edited"], done["verified_by"]) == (True, [], [])
    desk.source.requests.clear()
    desk.inside(*PAIR, check_code=0)
    assert len(desk.source.requests.records) == 2


def test_sums_are_verified_for_files_of_a_folder_and_of_modelscope(desk, model, summed, tmp_path):
    desk.inside("copy", "hf:org/model", str(tmp_path / "folder"), check_code=0)
    desk.inside("copy", str(tmp_path / "folder"), "ms:mine/model", "--verify-signature", "sums", check_code=0)
    desk.inside("fetch", "ms:mine/model", "--verify-signature", "sums", check_code=0)
    (tmp_path / "folder" / "config.json").write_text("{}")
    done = desk.inside("copy", str(tmp_path / "folder"), "ms:mine/other", "--verify-signature", "sums")
    assert done.code == 6

"""What a browser is answered, and that nobody else is answered otherwise than before."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from hubferry.serve import Account, Accounts, Credential, Policy, Public
from hubferry.serve.pages import weights
from hubferry.serve.pages.parts import kind_of, summed_up
from hubferry.serve.pages.place import Place, read_place
from hubferry.serve.pages.using import ways
from hubferry.serve.records import FileRecord
from hubferry.serve.sessions import LIFETIME, Sessions

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en"}
CLOSED = Policy([Credential("hf_token_of_ann", Account("ann"))], anonymous_reads=False)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kwargs):
        return None


def ask(hub, path, **headers):
    """Return the status, the headers and the text of an answer; no redirect is followed."""
    wanted = urllib.request.Request(hub.url + path, headers=headers)
    try:
        answer = urllib.request.build_opener(_Stay).open(wanted, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.headers, answer.read().decode(errors="replace")


def page(hub, path, **headers):
    return ask(hub, path, **{**BROWSER, **headers})


def words(text):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text.partition("<main")[2]))


@pytest.fixture
def filled(hub):
    hub.store.add("org/model", {"README.md": b"# Hello\n", "sub/w.safetensors": b"x" * 100, "a.json": b"{}"})
    hub.store.add("org/data", {"x.csv": b"a,b\n"}, kind="dataset")
    hub.store.create("org/secret", private=True)
    hub.store.add("org/secret", {"hidden.txt": b"hidden"})
    return hub


ADDRESSES = [
    "/",
    "/org",
    "/org/model",
    "/org/model/tree/main",
    "/org/model/blob/main/a.json",
    "/datasets/org/data",
]


@pytest.mark.parametrize(
    "path", [*ADDRESSES, "/org/nothing", "/models", "/api/nothing", "/org/model/settings"]
)
@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/plain, */*", ""])
def test_who_is_no_browser_is_answered_as_if_there_were_no_pages(filled, path, accept):
    status, headers, text = ask(filled, path, Accept=accept)
    assert status == 404
    assert headers["Content-Type"].startswith("application/json")
    assert json.loads(text) == {"error": "No such route"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/models",
        "/api/models/org/model",
        "/api/nothing/at/all",
        "/openapi/v1/models",
        "/api/v1/models/org/model",
    ],
)
def test_an_address_of_a_dialect_is_never_a_page_whoever_asks(filled, path):
    _status, headers, text = page(filled, path)
    assert headers["Content-Type"].startswith("application/json")
    json.loads(text)


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_browser_gets_a_page_with_its_headers_and_head_gets_the_same_without_it(filled, path):
    status, headers, text = page(filled, path)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert text.startswith("<!doctype html>")
    connection = http.client.HTTPConnection(filled.url.removeprefix("http://"), timeout=20)
    connection.request("HEAD", path, headers=BROWSER)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    connection.close()


def test_what_may_not_be_written_by_a_page_may_not_be_written_at_a_pages_address_either(filled):
    for path in ("/", "/org/model", "/-/prefer"):
        connection = http.client.HTTPConnection(filled.url.removeprefix("http://"), timeout=20)
        connection.request("POST", path, b"x=1", {**BROWSER, "Origin": "http://evil.example"})
        assert connection.getresponse().status in (403, 405)
        connection.close()


def test_a_private_repository_is_on_no_page_of_who_may_not_see_it(filled):
    for path in ("/", "/org", "/?search=secret", "/models"):
        assert "org/secret" not in page(filled, path)[2]
    hidden, missing = page(filled, "/org/secret"), page(filled, "/org/nothing")
    assert hidden[0] == missing[0] == 404
    assert words(hidden[2]) == words(missing[2])
    for path in ("/org/secret/tree/main", "/org/secret/blob/main/hidden.txt", "/org/secret/commits/main"):
        assert page(filled, path)[0] == 404
    status, _headers, text = page(
        filled, "/org/secret/blob/main/hidden.txt", Authorization=f"Bearer {filled.token}"
    )
    assert status == 200
    assert "hidden" in words(text)


def test_of_a_gated_repository_strangers_see_what_there_is_and_not_what_it_says(hub):
    hub.store.create("org/gated", gated="manual")
    hub.store.add("org/gated", {"README.md": b"# Only for few\n", "a.txt": b"inside\n"})
    for path in ("/org/gated", "/org/gated/tree/main", "/org/gated/blob/main/a.txt"):
        status, _headers, text = page(hub, path)
        assert status == 200
        assert "has terms" in text
        assert "Only for few" not in text
        assert "inside" not in words(text)
    commit = hub.store.find("org/gated").resolve(None)
    assert "inside" not in words(page(hub, f"/org/gated/commit/{commit}")[2])


def test_a_closed_hub_shows_strangers_how_to_sign_in_and_nothing_else(make_hub):
    hub = make_hub(policy=CLOSED)
    hub.store.add("org/model", {"README.md": b"# Inside\n"})
    for path in (*ADDRESSES, "/org/nothing", "/-/nothing"):
        status, headers, text = page(hub, path)
        assert status == (404 if path == "/-/nothing" else 401), path
        assert "Inside" not in text
        assert "org/model" not in text.replace(f'value="{path}"', "").replace(path, "")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert page(hub, "/org/model", Authorization="Bearer hf_token_of_ann")[0] == 200


def test_on_loopback_a_page_of_another_name_is_refused_as_everything_is(filled):
    status, _headers, text = page(filled, "/", Host="evil.example")
    assert status == 421
    assert "org/model" not in text


def sign_in(hub, token, **headers):
    """Send the form as a browser does; return the status and the cookie."""
    _status, got, text = page(hub, "/-/sign-in?back=/org/model")
    form = re.search(r'name="form_token" value="(\w+)"', text)[1]
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=20)
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": hub.url, **BROWSER, **headers}
    body = f"form_token={form}&back=/org/model&token={token}"
    connection.request("POST", "/-/sign-in", body, sent)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert got["Set-Cookie"] is None
    return answer.status, answer.headers.get("Set-Cookie") or ""


def test_a_session_is_a_name_that_means_nothing_and_only_reads(make_hub):
    hub = make_hub(policy=Policy([Credential("hf_token_of_ann", Account("ann"))], writable=True))
    hub.store.create("ann/secret", private=True)
    status, cookie = sign_in(hub, "hf_token_of_ann")
    assert status == 303
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "hf_token" not in cookie
    kept = cookie.partition(";")[0]
    assert page(hub, "/ann/secret", Cookie=kept)[0] == 200
    assert page(hub, "/ann/secret", Cookie=kept[:-1])[0] == 404
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=20)
    body = json.dumps({"name": "ann/made", "type": "model"})
    connection.request(
        "POST", "/api/repos/create", body, {"Cookie": kept, "Content-Type": "application/json"}
    )
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_nobody_is_signed_in_by_a_page_of_another_origin(make_hub, origin):
    status, cookie = sign_in(make_hub(policy=CLOSED), "hf_token_of_ann", Origin=origin)
    assert status == 403
    assert not cookie


def test_a_wrong_token_begins_no_session(make_hub):
    assert sign_in(make_hub(policy=CLOSED), "hf_another") == (403, "")


def test_who_loses_his_token_loses_his_session_with_it(make_hub, tmp_path):
    accounts = Accounts(tmp_path)
    token = accounts.add("ann")[1]
    hub = make_hub(policy=Policy(accounts=accounts, anonymous_reads=False))
    hub.store.add("org/model", {"a": b"a"})
    kept = sign_in(hub, token)[1].partition(";")[0]
    assert page(hub, "/org/model", Cookie=kept)[0] == 200
    accounts.revoke("ann")
    assert page(hub, "/org/model", Cookie=kept)[0] == 401


def test_a_session_ends_after_its_time_and_the_oldest_go_when_there_are_too_many(monkeypatch):
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    first = sessions.begin("t")
    assert sessions.token(first) == "t"
    assert "t'" not in repr(vars(sessions)["_known"])
    now[0] = LIFETIME + 1
    assert sessions.token(first) is None
    monkeypatch.setattr("hubferry.serve.sessions._MOST", 3)
    names = [sessions.begin(str(number)) for number in range(5)]
    assert [sessions.token(name) for name in names] == [None, None, "2", "3", "4"]


def test_behind_a_proxy_every_link_of_a_page_leads_to_where_the_reader_is(make_hub):
    hub = make_hub(public=Public("https://hub.example/models"))
    hub.store.add("org/model", {"README.md": b"[a](b.md) ![p](p.png)", "b.md": b"# b", "p.png": b"p"})
    text = page(hub, "/org/model", Host="hub.example")[2]
    links = re.findall(r'(?:href|src|action)="([^"#]+)"', text)
    assert links
    assert all(one.startswith("/models/") for one in links)
    assert "HF_ENDPOINT=https://hub.example/models " in text


def test_a_browser_keeps_a_file_under_its_name_and_other_clients_are_answered_as_before(filled):
    filled.store.add("org/model", {"p.html": b"<script>1</script>", "名.bin": b"\0" * 2_000_000})
    for path in ("/org/model/resolve/main/p.html", "/org/model/resolve/main/%E5%90%8D.bin"):
        status, headers, _text = ask(filled, path, **BROWSER)
        if status == 302:
            where = headers["Location"].removeprefix(filled.url)
            status, headers, _text = ask(filled, where, **BROWSER)
        assert status == 200
        assert headers["Content-Disposition"].startswith("attachment; filename=")
        assert headers["Cache-Control"] == "private, no-cache"
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
    assert "%E5%90%8D.bin" in headers["Content-Disposition"]
    _status, headers, _text = ask(filled, "/org/model/resolve/main/%E5%90%8D.bin", Accept="*/*")
    assert "name=" not in headers["Location"]
    assert headers["Content-Disposition"] is None
    assert headers["Cache-Control"] is None


def test_an_address_of_modelscope_and_another_spelling_lead_to_the_page(filled):
    for path, where in (
        ("/models/org/model", "/org/model"),
        ("/models/org/model/tree/main/sub", "/org/model/tree/main/sub"),
        ("/Org/MODEL/blob/main/a.json", "/org/model/blob/main/a.json"),
    ):
        status, headers, _text = page(filled, path)
        assert (status, headers["Location"]) == (307, where)


def test_a_repository_that_was_renamed_is_found_by_its_old_name(filled):
    filled.store.move("org/model", "org/renamed")
    status, headers, _text = page(filled, "/org/model/tree/main")
    assert (status, headers["Location"]) == (307, "/org/renamed/tree/main")


def test_a_list_is_searched_sorted_and_cut_into_parts(hub):
    for number in range(65):
        hub.store.create(f"org/model-{number:02}")
    hub.store.create("org/data", "dataset")
    names = lambda path: re.findall(r'<a href="/(?:datasets/)?org/([\w-]+)"><bdi>', page(hub, path)[2])  # noqa: E731
    assert names("/org?sort=name")[:3] == ["data", "model-00", "model-01"]
    assert names("/models?sort=name&part=3") == [f"model-{number:02}" for number in range(60, 65)]
    assert names("/?search=ORG+6") == [f"model-{number}" for number in (64, 63, 62, 61, 60)] + [
        f"model-{number}6" for number in (5, 4, 3, 2, 1, 0)
    ]
    assert names("/?kind=datasets") == ["data"]
    assert len(names("/?part=999999999999999")) == 30
    assert "model-64" in page(hub, "/")[2]


def test_a_page_is_found_again_by_commit_tag_branch_and_pull_request(filled):
    repository = filled.store.find("org/model")
    commit = repository.resolve(None)
    repository.add_branch("feature/x", commit)
    repository.add_tag("v1", commit)
    for revision in (commit, commit[:8], "v1", "feature%2Fx", "main", "master"):
        status, _headers, text = page(filled, f"/org/model/tree/{revision}")
        assert status == 200, revision
        assert "a.json" in text
    assert 'href="/org/model/tree/feature%2Fx"' in text
    assert page(filled, "/org/model/tree/nothing")[0] == 404
    assert page(filled, "/org/model/tree/main/nothing")[0] == 404


def test_the_front_matter_of_a_card_is_a_table_on_its_page_and_code_in_its_file(hub):
    hub.store.add("org/model", {"README.md": b"---\nlicense: mit\n---\n# Hello\n"})
    text = page(hub, "/org/model")[2]
    assert '<th scope="row">license</th><td><bdi>mit</bdi></td>' in text
    assert "license: mit" not in text
    text = page(hub, "/org/model/blob/main/README.md")[2]
    assert '<pre tabindex="0"><code>license: mit\n</code></pre>' in text
    assert "--revision" not in text


def test_a_commit_says_what_it_changed(filled):
    before = filled.store.find("org/model").resolve(None)
    repository = filled.store.find("org/model")
    filled.store.add("org/model", {"a.json": b'{"x": 1}', "new.txt": b"new line\n"}, "Change <things>")
    commit = repository.resolve(None)
    text = page(filled, f"/org/model/commit/{commit}")[2]
    said = words(text)
    assert "Change &lt;things&gt;" in said
    assert "2 files changed" in said
    assert "new line" in said
    assert before[:10] in said
    assert "removed" not in said


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("/", Place()),
        ("/models", Place(kind="model")),
        ("/datasets/", Place(kind="dataset")),
        ("/org", Place("org", "org", "model")),
        ("/org/name", Place("", "org/name", "model")),
        ("/gpt2/tree/main", Place("", "gpt2", "model", "tree", "main")),
        ("/org/tree/tree/main", Place("", "org/tree", "model", "tree", "main")),
        ("/o/n/blob/refs%2Fpr%2F1/a/b%3Fc", Place("", "o/n", "model", "blob", "refs/pr/1", "a/b?c")),
        ("/datasets/o/n/commits/main", Place("", "o/n", "dataset", "commits", "main")),
        ("/models/o/n", Place("", "o/n", "model", dialect="ms")),
        ("/api/models", None), ("/-/x", None), ("//evil.example", None), ("/o/n/blob/main", None),
        ("/o/n/settings", None), ("/%ff", None), ("/o/n/commit/main/x", None), ("/" + "a/" * 400, None),
    ],
)  # fmt: skip
def test_an_address_names_one_thing_or_nothing(address, place):
    assert read_place(address) == place


def test_bytes_are_told_apart_by_what_they_are_for():
    files = {
        name: FileRecord("", size, "")
        for name, size in (
            ("a.safetensors", 100), ("b.safetensors", 50), ("tokenizer.json", 30), ("vocab.txt", 5), ("x", 7),
            ("README.md", 3), (".gitattributes", 1),
        )
    }  # fmt: skip
    summary = summed_up(files)
    assert summary.size == 196
    assert summary.parts == (("safetensors", 150), ("tokenizer", 35), ("documents", 3), ("other", 8))
    assert kind_of("a/b/model.ONNX") == "ONNX"


def test_the_lines_to_copy_hold_whatever_a_revision_is_called():
    lines = " ".join(one.lines for one in ways("http://h:1", "o/n", "model", "a; rm -rf ~", dialect="hf"))
    assert "--revision 'a; rm -rf ~'" in lines
    assert "http://h:1" in lines


def gguf(pairs, tensors):
    import struct

    text = lambda value: struct.pack("<Q", len(value)) + value.encode()  # noqa: E731
    body = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, kind, value in pairs:
        body += text(key) + struct.pack("<I", kind) + value
    for name, shape, kind in tensors:
        body += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        body += struct.pack("<IQ", kind, 0)
    return body


def test_a_gguf_header_is_read_and_its_long_lists_are_told_in_short():
    import struct

    words_ = b"".join(struct.pack("<Q", 3) + b"abc" for _number in range(1_000))
    content = gguf(
        [
            ("general.name", 8, struct.pack("<Q", 5) + b"quill"),
            ("tokenizer.tokens", 9, struct.pack("<IQ", 8, 1_000) + words_),
            ("scores", 9, struct.pack("<IQ", 6, 1_000) + bytes(4_000)),
            ("general.size", 4, struct.pack("<I", 7)),
        ],
        [("token_embd.weight", (768, 32_000), 12)],
    )
    header = weights.parse_gguf(content)
    assert header.whole
    said = dict(header.metadata)
    assert said["general.name"] == "quill"
    assert said["general.size"] == "7"
    assert said["tokenizer.tokens"].endswith("… (1,000)]")
    assert [(one.name, one.dtype, one.shape) for one in header.tensors] == [
        ("token_embd.weight", "Q4_K", (32_000, 768))
    ]
    assert not weights.parse_gguf(content[:-20]).whole
    assert weights.parse_gguf(b"GGUF" + b"\0" * 40) is None


@pytest.mark.parametrize(
    "header",
    [
        b"[]", b"{", b"\xff", b'{"a":' * 5_000, b'{"a": {"dtype": 1, "shape": []}}',
        b'{"a": 3, "__metadata__": 4}',
        b'{"a": {"dtype": "F32", "shape": [-1]}}', b'{"a": {"dtype": "F32", "shape": [1e9]}}',
        b'{"a": {"dtype": "F32", "shape": [' + b",".join([b"4611686018427387904"] * 3) + b"]}}",
        b'{"a": {"dtype": "F32", "shape": [true]}}',
    ],
)  # fmt: skip
def test_a_header_that_makes_no_sense_names_no_tensor(header):
    found = weights.parse_safetensors(header)
    assert found is None or found.tensors == ()


async def test_of_a_weight_file_nothing_but_its_header_is_read():
    asked = []
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    content = len(header).to_bytes(8, "little") + header + b"\0" * 10_000_000

    async def read(start, count):
        asked.append((start, count))
        return content[start : start + count]

    found = await weights.read_weights("a.safetensors", len(content), read)
    assert found.parameters == 6
    assert asked == [(0, 8), (8, len(header))]
    asked.clear()
    assert await weights.read_weights("a.safetensors", len(content), read, most=10) is None
    assert asked == [(0, 8)]


def test_commands_that_show_no_page_import_nothing_of_the_pages():
    code = (
        "import sys\nfrom hubferry.__main__ import main\n"
        "sys.argv = ['hubferry', 'cache', 'list', '--json']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "found = {'jinja2', 'markdown_it', 'nh3', 'hubferry.pages', 'hubferry.serve'}\n"
        "found &= sys.modules.keys()\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_a_hub_that_answers_no_browser_loads_no_template_engine(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom hubferry.serve import Store, create_application\n"
        f"create_application(Store(Path({str(tmp_path)!r})))\n"
        "found = {'jinja2', 'markdown_it', 'nh3'} & sys.modules.keys()\nassert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

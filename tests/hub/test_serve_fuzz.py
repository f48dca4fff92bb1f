"""Each question that the embedded hub answers, wrong in one or two places: it says no, and never breaks."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import CREDENTIALS, WRITE_TOKEN, running_hub
from tests.tampering import changed, places

from hubferry.serve import Policy, Rates, Signer, Strictness, Throttle, application
from hubferry.serve.modelscope.routes import number_of
from hubferry.serve.parts import StoredPart
from hubferry.serve.pulls import open_pull
from hubferry.serve.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers import TestHub

WEIGHTS = random.Random("serve fuzz 1").randbytes(200_000)
NEW = b"a new blob"
SHA256, NEW_SHA256 = (hashlib.sha256(content).hexdigest() for content in (WEIGHTS, NEW))
API, MS = "/api/models/org/model", "/api/v1/models/org/model"
BLOB = {"oid": SHA256, "size": len(WEIGHTS)}
LFS = "info/lfs/objects/batch"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="Name"\r\n\r\nnew\r\n'
    b'--b\r\nContent-Disposition: form-data; name="Owner"\r\n\r\norg\r\n--b--\r\n'
)


@dataclass(frozen=True)
class Question:
    """One request; `body` is bytes, or a value that is sent as JSON, a list of lines as ndjson."""

    label: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any

    def sent(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        if self.label == "hf:commit" and isinstance(self.body, list):
            return b"\n".join(json.dumps(line).encode() for line in self.body)
        return json.dumps(self.body).encode()


def ask(label: str, method: str, path: str, body: Any = b"", headers: Any = (), **query: str) -> Question:
    kind = {"Content-Type": "application/json"} if not isinstance(body, bytes) else {}
    return Question(label, method, path, query, kind | dict(headers), body)


def item(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


INLINE = base64.b64encode(b"{}").decode()
QUESTIONS = [
    ask("healthz", "GET", "/healthz"),
    ask("hf:whoami", "GET", "/api/whoami-v2"),
    ask("hf:create", "POST", "/api/repos/create", {"name": "new", "organization": "org", "type": "model"}),
    ask("hf:create", "POST", "/api/repos/create", {"name": "new", "private": True, "license": "mit"}),
    ask("hf:delete", "DELETE", "/api/repos/delete", {"name": "org/doomed", "type": "model"}),
    ask("hf:list", "GET", "/api/models", search="o", limit="2", cursor="1", author="org"),
    ask("hf:settings", "PUT", f"{API}/settings", {"private": False, "gated": False, "visibility": "public"}),
    ask("hf:auth-check", "GET", f"{API}/auth-check"),
    ask("hf:auth-check", "GET", f"{API}/auth-check/write"),
    ask("hf:info", "GET", f"{API}/revision/main", blobs="true"),
    ask("hf:info", "GET", API),
    ask("hf:xet-read-token", "GET", f"{API}/xet-read-token/main"),
    ask("hf:xet-write-token", "GET", f"{API}/xet-write-token/main"),
    ask("hf:tree", "GET", f"{API}/tree/main", recursive="true", expand="true", limit="1", cursor="1"),
    ask("hf:tree", "GET", f"{API}/tree/main/sub"),
    ask("hf:paths-info", "POST", f"{API}/paths-info/main", {"paths": ["README.md", "sub"], "expand": True}),
    ask("hf:paths-info", "POST", f"{API}/paths-info/main", b"paths=README.md&expand=True"),
    ask("hf:resolve-cache", "GET", "/api/resolve-cache/models/org/model/main/README.md"),
    ask("hf:resolve", "GET", "/org/model/resolve/main/README.md", b"", {"Range": "bytes=1-3"}),
    ask("hf:resolve", "GET", "/org/model/resolve/main/sub/w.safetensors"),
    ask("hf:refs", "GET", f"{API}/refs"),
    ask("hf:commits", "GET", f"{API}/commits/main", limit="1", cursor="0"),
    ask("hf:branch", "POST", f"{API}/branch/fresh", {"startingPoint": "main"}),
    ask("hf:branch", "DELETE", f"{API}/branch/other"),
    ask("hf:tag", "POST", f"{API}/tag/main", {"tag": "fresh", "message": "m"}),
    ask("hf:tag", "DELETE", f"{API}/tag/old"),
    ask(
        "hf:preupload",
        "POST",
        f"{API}/preupload/main",
        {"files": [{"path": "a", "size": 3, "sample": "eHh4"}]},
    ),
    ask("hf:batch", "POST", f"/org/model.git/{LFS}", {"operation": "upload", "objects": [BLOB]}),
    ask(
        "hf:commit",
        "POST",
        f"{API}/commit/main",
        [
            item("header", summary="s", description="d"),
            item("file", path="a/config.json", content=INLINE, encoding="base64"),
            item("file", path="b.txt", content="text", encoding="utf-8"),
            item("lfsFile", path="c.safetensors", algo="sha256", **BLOB),
            item("deletedFile", path="README.md"),
            item("deletedFolder", path="sub/"),
        ],
        create_pr="0",
    ),
    ask("hf:discussions", "GET", f"{API}/discussions", p="0", type="all", status="open", author="all"),
    ask("hf:discussion", "GET", f"{API}/discussions/1", diff="1"),
    ask("hf:discussion", "POST", f"{API}/discussions", {"title": "t", "pullRequest": True}),
    ask("hf:discussion", "POST", f"{API}/discussions/2/comment", {"comment": "c"}),
    ask("hf:discussion", "POST", f"{API}/discussions/2/title", {"title": "t"}),
    ask("hf:discussion", "POST", f"{API}/discussions/2/status", {"status": "closed", "comment": "c"}),
    ask("hf:merge", "POST", f"{API}/discussions/1/merge", {"comment": "c"}),
    ask("hf:commit", "POST", f"{API}/commit/main", [item("header", summary="s")], create_pr="1"),
    ask("hf:move", "POST", "/api/repos/move", {"fromRepo": "org/doomed", "toRepo": "org/new"}),
    ask("hf:duplicate", "POST", f"{API}/duplicate", {"repository": "org/new", "private": True}),
    ask("hf:likes", "GET", "/api/users/tester/likes"),
    ask("hf:likes", "DELETE", f"{API}/like"),
    ask("hf:lfs-files", "GET", f"{API}/lfs-files", limit="1"),
    ask("hf:lfs-files", "POST", f"{API}/lfs-files/batch",
        {"deletions": {"sha": ["0" * 64], "rewriteHistory": True}}),
    ask("hf:lfs-files", "POST", f"{API}/lfs-files/duplicate", {"target": {"name": "org/doomed"},
        "files": [{"sha256": SHA256, "filename": "a", "xetHash": ""}]}),
    ask("hf:super-squash", "POST", f"{API}/super-squash/other", {"message": "m"}),
    ask("hf:tags", "GET", "/api/models-tags-by-type"),
    ask("hf:validate-yaml", "POST", "/api/validate-yaml", {"content": "a: b", "repoType": "model"}),
    ask("ms:login", "POST", "/api/v1/login", {"AccessToken": WRITE_TOKEN}),
    ask("ms:whoami", "GET", "/openapi/v1/users/me"),
    ask("ms:create", "POST", "/api/v1/models", {"Name": "new", "Path": "org", "Visibility": 5}),
    ask("ms:create", "POST", "/api/v1/datasets", FORM, {"Content-Type": "multipart/form-data; boundary=b"}),
    ask("ms:info", "GET", MS),
    ask("ms:info", "GET", "/openapi/v1/models/org/model"),
    ask("ms:list", "GET", "/openapi/v1/models", search="o", owner="org", page_number="1", page_size="2"),
    ask("ms:region", "GET", "/api/v1/repos/internalAccelerationInfo"),
    ask("ms:files", "GET", f"{MS}/repo/files", Revision="master", Root="sub", Recursive="true"),
    ask("ms:tree", "GET", f"{MS}/repo/tree", Revision="master", PageNumber="1", PageSize="2"),
    ask("ms:download", "GET", f"{MS}/repo", b"", {"Range": "bytes=-2"}, Revision="v1", FilePath="README.md"),
    ask("ms:revisions", "GET", f"{MS}/revisions"),
    ask("ms:tag", "POST", f"{MS}/repo/tag", {"TagName": "fresh", "Ref": "master"}),
    ask("ms:batch", "POST", f"/api/v1/repos/models/org/model/{LFS}", {"objects": [BLOB]}),
    ask(
        "ms:commit",
        "POST",
        "/api/v1/repos/models/org/model/commit/master",
        {
            "commit_message": "m",
            "actions": [
                {"action": "create", "path": "a", "type": "normal", "content": INLINE, "encoding": "base64"},
                {"action": "create", "path": "b.bin", "type": "lfs", "size": len(WEIGHTS), "sha256": SHA256},
                {"action": "delete", "path": "README.md"},
            ],
        },
    ),
    ask("ms:numbered-tree", "GET", f"/api/v1/datasets/{number_of('org/rows')}/repo/tree", Root="/"),
    ask("git:refs", "GET", "/org/model.git/info/refs", service="git-upload-pack"),
    ask("git:refs", "GET", "/org/model/info/refs", service="git-receive-pack"),
    ask("git:fetch", "POST", "/org/model/git-upload-pack", b"0014command=ls-refs\n0000",
        {"Git-Protocol": "version=2"}),
    ask("git:push", "POST", "/org/model.git/git-receive-pack", b"0000"),
    ask("storage:get", "GET", f"/storage/{SHA256}", b"", {"Range": "bytes=5-"}),
    ask("storage:put", "PUT", f"/storage/{NEW_SHA256}", NEW, size=str(len(NEW))),
    ask("storage:part", "PUT", f"/storage/{NEW_SHA256}/part", NEW, upload="", number="1"),
    ask("storage:join", "POST", f"/storage/{NEW_SHA256}/join",
        {"oid": NEW_SHA256, "parts": [{"partNumber": 1, "etag": hashlib.md5(NEW).hexdigest()}]}, upload=""),
]  # fmt: skip
REFUSED = [ask("ms:delete", "DELETE", MS)]
BROWSER = {
    "Accept": "text/html,*/*;q=0.8",
    "Accept-Language": "zh-CN,en;q=0.5",
    "Cookie": "hubferry_theme=dark",
}
PAGES = [
    ask("page", "GET", "/", b"", BROWSER, search="o", sort="name", part="1", kind="models", lang="zh"),
    ask("page", "GET", "/org", b"", BROWSER),
    ask("page", "GET", "/org/model", b"", BROWSER),
    ask("page", "GET", "/org/model/tree/main/sub", b"", BROWSER, files="w", part="1"),
    ask("page", "GET", "/org/model/blob/main/sub/w.safetensors", b"", BROWSER, tensor="a", part="1"),
    ask("page", "GET", "/org/model/blob/v1/README.md", b"", BROWSER, plain="1"),
    ask("page", "GET", "/org/model/commits/other", b"", BROWSER, part="1"),
    ask("page", "GET", "/org/model/commit/main", b"", BROWSER, part="1"),
    ask("page", "GET", "/models/org/model", b"", BROWSER),
    ask("page", "GET", "/-/sign-in", b"", BROWSER, back="/org"),
    ask("page", "GET", "/-/prefer", b"", BROWSER, language="zh", theme="dark", back="/org"),
]

WORDS = [
    "", ".", "..", "../../etc/passwd", "a/../b", "/", "//", "\\", "C:\\x", "~", "\0", "a\nb: c", "\x7f",
    "%2e%2e", "%00", "é", "模型", "😀", "x" * 300, "x/" * 600, "refs/pr/1", "-", "--", "None", "0", "-1",
    "nan", "1e9", "9" * 30,
    "a b", "a@b", ".git/config", "README.md/x", "main", "HEAD", SHA256, SHA256.upper(), "0" * 40, "bytes=9-1",
]  # fmt: skip
STRANGE = st.one_of(
    st.sampled_from([None, True, 0, -1, 2**31, 2**63, 2**64, -(2**70), 1.5, 1e300, [], {}, [[]], {"a": []}]),
    st.sampled_from(WORDS),
    st.text(max_size=12),
    st.integers(),
)
RAW = [
    b"", b"{", b"null", b"[]", b"[" * 20_000, b'{"a":' * 5_000, b"\xff\xfe\x00", b"\xef\xbb\xbf{}", b"1e999",
    b"NaN", b'{"name": "\\ud800"}', b"--b\r\n", b"\n" * 1_000,
    b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n" * 200,
]  # fmt: skip
HEADERS = {
    "Range": ["bytes=", "bytes=5-2", "bytes=0-0,2-3", "bytes=999999999999999999-", "lines=1-2", "bytes=-0"],
    "If-Range": ['"x"', "W/", "Mon, 01 Jan 0000 00:00:00 GMT"],
    "If-None-Match": ["*", 'W/"a", "b"', ","],
    "Content-Type": [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/plain; charset=nope",
        ";",
    ],
    "Content-Encoding": ["gzip", "br", "nonsense"],
    "Authorization": ["", "Bearer", "Basic !!!", "Bearer \xff", f"bearer {WRITE_TOKEN}", "x" * 8_000],
    "Cookie": ["m_session_id=x", "m_session_id", "=;=;", 'a="', "m_session_id=\xe9"],
    "Host": ["", "a b", "[::1", "evil.example:99999", "x" * 300],
    "Expect": ["100-continue", "nonsense"],
    "X-Forwarded-Proto": ["gopher", ",", "https, \xff"],
    "X-Forwarded-Host": ["", "a b", "[", "hub.example, ,", "x" * 300],
    "X-Forwarded-For": ["unknown", "1.2.3.4.5", "::1%lo", "[::1]:80", ",,,", "127.0.0.1, 10.0.0.1"],
}


@st.composite
def spoilt(draw):
    """Draw a question with one or two places in it that are not as they should be."""
    question = draw(st.sampled_from(QUESTIONS + REFUSED + PAGES))
    for _place in range(draw(st.integers(1, 2))):
        kinds = ["path", "query", "header", "body" if question.body != b"" else "query"]
        kind = draw(st.sampled_from([*kinds, "body"] if question.body != b"" else kinds))
        if kind == "path":
            parts = question.path.split("/")
            parts[draw(st.integers(1, len(parts) - 1))] = draw(st.sampled_from(WORDS) | st.text(max_size=9))
            question = replace(question, path="/".join(parts))
        elif kind == "query":
            name = draw(
                st.sampled_from([*question.query, "limit", "cursor", "Revision", "recursive", "commit"])
            )
            word = draw(st.sampled_from(WORDS) | st.text(max_size=9))
            question = replace(question, query=question.query | {name: word})
        elif kind == "header":
            name = draw(st.sampled_from(sorted(HEADERS)))
            question = replace(
                question, headers=question.headers | {name: draw(st.sampled_from(HEADERS[name]))}
            )
        elif isinstance(question.body, bytes) or draw(st.integers(0, 5)) == 0:
            question = replace(question, body=draw(st.sampled_from(RAW) | st.binary(max_size=40)))
        else:
            place = draw(st.sampled_from(list(places(question.body))))
            question = replace(question, body=changed(question.body, place, draw(STRANGE)))
    return question


SIGNER = Signer()
PLENTY = 10**9
STRICT = replace(
    Strictness.real(),
    rates=Rates(PLENTY, PLENTY),
    huggingface_commits=Throttle(PLENTY),
    modelscope_commits=Throttle(PLENTY),
)


@pytest.fixture(scope="module", params=["known-tokens", "any-token", "strict"])
def shared(request, tmp_path_factory) -> Iterator[TestHub]:
    credentials = () if request.param == "any-token" else CREDENTIALS
    strict = STRICT if request.param == "strict" else None
    policy = Policy(credentials, writable=True)
    root = tmp_path_factory.mktemp("around") / "hub"
    with running_hub(root, policy=policy, signer=SIGNER, xet=True, strict=strict) as running:
        running.store.add("org/rows", {"a.csv": b"a"}, kind="dataset")
        yield running
        assert_inside(running)


def furnish(hub: TestHub) -> None:
    """Let there be what the questions are about, whatever the question before has done."""
    for name in ("new", "tester/new", "local/new", "org/new"):
        for kind in ("model", "dataset"):
            try:
                hub.store.delete(name, kind)
            except Refusal:
                continue
    files = {"README.md": b"hello", "sub/w.safetensors": WEIGHTS}
    for name in ("org/model", "org/doomed"):
        try:
            repository = hub.store.find(name)
            whole = repository.tree(repository.resolve(None)).files.keys() == files.keys()
        except Refusal:
            whole = False
        if not whole:
            hub.store.add(name, files)
    repository = hub.store.find("org/model")
    record, last = repository.record, repository.resolve(None)
    repository.change(private=False, gated=None)
    strange = {*repository.tree(last).paths} - {*files, ".gitattributes"}  # "a/b" would be in the way of "a"
    wrong = {*record.tags} != {"old", "v1"} or {"other"} - {*record.branches} or len(record.branches) > 2
    if wrong or strange:
        hub.store.delete("org/model")
        hub.store.add("org/model", files)
        repository = hub.store.find("org/model")
        last = repository.resolve(None)
        repository.add_branch("other", last)
        for tag in ("old", "v1"):
            repository.add_tag(tag, last)
    if [(one.number, one.status) for one in repository.discussions.all()] != [(2, "open"), (1, "open")]:
        (repository.folder / "discussions.json").unlink(missing_ok=True)
        repository.change(pulls={})
        open_pull(repository, "main", "a pull request", "tester", "d", status="open")
        repository.discussions.begin("a discussion", "tester", "d")


def status_of(hub: TestHub, question: Question) -> int:
    """Ask over a connection of its own; an answer that does not come is an error."""
    with an_upload_in_parts(hub) as upload:
        return status_with(hub, question, upload)


@contextlib.contextmanager
def an_upload_in_parts(hub: TestHub) -> Iterator[str]:
    """Let there be an upload whose only part is stored."""
    name, _upload = hub.parts.begin(NEW_SHA256, len(NEW), len(NEW), PLENTY)
    incoming = hub.store.blobs.receive()
    incoming.write(NEW)
    hub.parts.keep(name, 1, StoredPart(hashlib.md5(NEW).hexdigest(), incoming.set_aside()))
    try:
        yield name
    finally:
        hub.parts.forget(name)


def status_with(hub: TestHub, question: Question, upload: str) -> int:
    host, _, port = hub.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    path, query = quote(question.path, safe="/%"), dict(question.query)
    right = next((one for one in QUESTIONS if one.label == question.label), question)
    if question.label.startswith("storage:") and question.path.count("/") == right.path.count("/"):
        purpose, name = question.label.removeprefix("storage:"), question.path.split("/")[2]
        wanted = right.query | ({"upload": upload} if "upload" in right.query else {})
        signed = SIGNER.address(purpose, name, **wanted).rpartition("?")[2]
        claims = dict(pair.split("=") for pair in signed.split("&"))
        asked = {key: value for key, value in query.items() if value != right.query.get(key)}
        target = f"{path}?{urlencode(claims | asked)}"
    else:
        target = f"{path}?{urlencode(query)}" if query else path
    body = question.sent()
    try:
        connection.putrequest(question.method, target, skip_host=True, skip_accept_encoding=True)
        known = {"Host": f"{host}:{port}", "Authorization": f"Bearer {WRITE_TOKEN}"}
        for name, value in (known | question.headers | {"Content-Length": str(len(body))}).items():
            connection.putheader(name, value.encode("latin-1", errors="replace"))
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "question", QUESTIONS + PAGES, ids=lambda question: f"{question.label}-{question.method}"
)
def test_the_questions_that_are_spoilt_here_are_answered_when_they_are_not(shared, question):
    furnish(shared)
    assert status_of(shared, question) < 400


def test_every_question_of_both_dialects_is_among_them():
    own = {
        route.kwargs["name"] for table in application._TABLES for route in table if hasattr(route, "handler")
    }
    assert {question.label for question in QUESTIONS + REFUSED} == own


def fuzz(hub: TestHub, question: Question) -> None:
    furnish(hub)
    status = status_of(hub, question)
    assert status < 500, f"{status} to {question}"


CALM = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@settings(CALM, max_examples=200)
@given(question=spoilt())
def test_a_question_that_is_wrong_in_one_place_is_answered_and_breaks_nothing(shared, question):
    fuzz(shared, question)


@pytest.mark.nightly
@pytest.mark.timeout(3000)
@settings(CALM, max_examples=10_000)
@given(question=spoilt())
def test_ten_thousand_questions_that_are_wrong_in_one_place_break_nothing(shared, question):
    fuzz(shared, question)


def assert_inside(hub: TestHub) -> None:
    """Whatever was asked, all that was written lies in the store, where it belongs."""
    root = hub.store.root
    assert [path.name for path in root.parent.iterdir()] == ["hub"]
    assert {path.name for path in root.iterdir()} == {"blobs", "incoming", "repositories", "xet"}
    assert not list((root / "incoming").iterdir())
    stored = [path for path in (root / "blobs").rglob("*") if path.is_file()]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in stored)
    assert {path.name for path in (root / "repositories").iterdir()} == {"model", "dataset"}
    for path in (root / "repositories").glob("*/*"):
        names = {inner.name for inner in path.iterdir()} - {"discussions.json", "trees", "git"}
        assert names == {"repository.json", "commits"}


@pytest.mark.parametrize("word", ["..", "../../etc/passwd", "/", "C:\\x", "\0", "%2e%2e"])
def test_no_name_in_any_question_leads_out_of_the_store(shared, word):
    for question in QUESTIONS + PAGES:
        furnish(shared)
        for way in places(question.body) if not isinstance(question.body, bytes) else ():
            assert status_of(shared, replace(question, body=changed(question.body, way, word))) < 500
        for name in question.query:
            assert status_of(shared, replace(question, query=question.query | {name: word})) < 500
    assert_inside(shared)

"""Git itself, as it is installed, against the embedded hub."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import HfApi
from servers import READ_TOKEN, WRITE_TOKEN, running_hub

from hubferry.serve import Reason, Refusal, ServerLimits, Store, Strictness
from hubferry.serve.git import pointer
from hubferry.serve.smart_git import command, copy, routes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="this machine has no git")
FILES = {"README.md": b"# a model\n", "folder/vocab.txt": "ä\n".encode(), "w.bin": b"\0" * 5_000}


class Git:
    """Git with nobody's settings."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": "ann@lab",
            "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": "ann@lab",
        }

    def __call__(self, *words: str, at: Path | None = None, fails: bool = False) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=at or self._home,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert bool(done.returncode) is fails, done.stderr
        return (done.stderr if fails else done.stdout).strip()

    def commit(self, folder: Path, files: dict[str, bytes], message: str = "More") -> str:
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        self("add", "-A", at=folder)
        self("commit", "-m", message, at=folder)
        return self("rev-parse", "HEAD", at=folder)


@pytest.fixture
def git(tmp_path) -> Git:
    return Git(tmp_path)


@pytest.fixture
def hub(tmp_path):
    with running_hub(tmp_path / "hub") as running:
        running.store.add("org/model", FILES, "First\n\nin two lines")
        yield running


def url(hub, name: str = "org/model.git", token: str | None = WRITE_TOKEN) -> str:
    return hub.url.replace("://", f"://oauth2:{token}@" if token else "://") + f"/{name}"


def files(hub, revision: str = "main", name: str = "org/model") -> dict[str, bytes]:
    repository = hub.store.find(name)
    tree = repository.tree(repository.resolve(revision))
    return {path: hub.store.blobs.read(tree.require(path).sha256) for path in tree}


def clone(git: Git, hub, folder: Path, *words: str, **named) -> Path:
    git("clone", "--quiet", *words, url(hub, **named), str(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "branch"),
    [("org/model.git", "master"), ("org/model", "main"), ("datasets/org/model.git", "main")],
)
def test_a_clone_has_the_files_and_the_history(git, hub, tmp_path, name, branch):
    if name.startswith("datasets/"):
        hub.store.add("org/model", FILES, "First", kind="dataset")
    folder = clone(git, hub, tmp_path / "clone", "--branch", branch, name=name, token=None)
    lfs = pointer(
        hub.store.find("org/model").file(hub.store.find("org/model").resolve(None), "w.bin").sha256, 5000
    )
    assert (folder / "README.md").read_bytes() == FILES["README.md"]
    assert (folder / "folder" / "vocab.txt").read_bytes() == FILES["folder/vocab.txt"]
    assert (folder / "w.bin").read_bytes() == lfs
    assert git("log", "--format=%s", at=folder).splitlines() == ["First", "initial commit"]
    tree = git("rev-parse", "HEAD^{tree}", at=folder)
    kind = "dataset" if name.startswith("datasets/") else "model"
    repository = hub.store.find("org/model", kind)
    assert tree == repository.tree(repository.resolve(None)).folders[""]
    git("fsck", "--strict", at=folder)


def test_what_has_come_since_is_fetched_and_names_are_pruned(git, hub, tmp_path):
    folder = clone(git, hub, tmp_path / "clone")
    first = hub.store.find("org/model").resolve(None)
    hub.store.find("org/model").add_tag("v1", first)
    hub.store.find("org/model").add_branch("next", first)
    hub.store.add("org/model", {"folder": b"a file now\n", 'say "it"/ü \\.txt': b"x"})
    git("pull", "--quiet", "--tags", at=folder)
    assert (folder / 'say "it"' / "ü \\.txt").read_bytes() == b"x"
    assert git("tag", at=folder) == "v1"
    assert "origin/next" in git("branch", "-r", at=folder)
    hub.store.find("org/model").remove_branch("next")
    git("fetch", "--quiet", "--prune", at=folder)
    assert "origin/next" not in git("branch", "-r", at=folder)


def test_pushed_commits_are_commits_of_the_hub_under_the_same_name(git, hub, tmp_path):
    folder = clone(git, hub, tmp_path / "clone", "--branch", "master")
    git.commit(folder, {"a.txt": b"a"}, "One\n\nwith more to say")
    (folder / "README.md").unlink()
    new = git.commit(folder, {"b/c.txt": b"c"}, "Two")
    git("push", "--quiet", "origin", "master", at=folder)
    expected = {path: content for path, content in FILES.items() if path != "README.md"}
    assert files(hub) == {**expected, "a.txt": b"a", "b/c.txt": b"c"}
    repository = hub.store.find("org/model")
    said = [
        (head.title, head.description, head.author)
        for head in repository.history.walk(repository.resolve(None))
    ]
    assert said[:2] == [("Two", "", "Ann"), ("One", "with more to say", "Ann")]
    other = clone(git, hub, tmp_path / "other", token=None)
    assert git("rev-parse", "HEAD", at=other) == new
    api = HfApi(endpoint=hub.url, token=WRITE_TOKEN)
    api.upload_file(path_or_fileobj=b"d", path_in_repo="d.txt", repo_id="org/model")
    git("pull", "--quiet", at=folder)
    assert (folder / "d.txt").read_bytes() == b"d"


def test_what_was_merged_with_what_others_did_is_pushed_as_one_commit(git, hub, tmp_path):
    folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
    hub.store.add("org/model", {"theirs.txt": b"theirs"})
    git.commit(folder, {"a.txt": b"a"}, "One")
    git.commit(folder, {"b.txt": b"b"}, "Two")
    git("pull", "--quiet", "--no-rebase", "--no-edit", at=folder)
    git("push", "--quiet", "origin", "main", at=folder)
    assert files(hub) == {**FILES, "theirs.txt": b"theirs", "a.txt": b"a", "b.txt": b"b"}
    other = clone(git, hub, tmp_path / "other")
    assert git("rev-parse", "HEAD", at=other) == git("rev-parse", "HEAD", at=folder)
    git.commit(folder, {"c.txt": b"c"}, "Three")
    git("push", "--quiet", "origin", "main", at=folder)
    assert files(hub)["c.txt"] == b"c"


def test_many_files_are_pushed_with_few_processes(git, hub, tmp_path, monkeypatch):
    folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
    many = {f"many/{number}.txt": str(number).encode() for number in range(300)}
    git.commit(folder, many)
    run, runs = command.Git.run, []

    def counted(self, *words, **more):
        runs.append(words)
        return run(self, *words, **more)

    monkeypatch.setattr(command.Git, "run", counted)
    git("push", "--quiet", "origin", "main", at=folder)
    assert files(hub) == FILES | many
    assert len(runs) < 30


def test_branches_and_tags_are_pushed_and_removed(git, hub, tmp_path):
    folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
    git.commit(folder, {"a.txt": b"a"})
    git("push", "--quiet", "origin", "main", "main:next", at=folder)
    git("tag", "-a", "v1", "-m", "Version 1", at=folder)
    git("tag", "light", at=folder)
    git("push", "--quiet", "--tags", at=folder)
    assert files(hub, "next") == files(hub, "v1") == files(hub, "light") == files(hub)
    other = clone(git, hub, tmp_path / "other")
    assert git("cat-file", "-t", "v1", at=other) == "tag"
    git("push", "--quiet", "origin", "--delete", "next", "light", at=folder)
    record = hub.store.find("org/model").record
    assert (set(record.branches), set(record.tags)) == ({"main"}, {"v1"})


def test_history_is_not_rewritten_and_what_is_behind_has_to_fetch_first(git, hub, tmp_path):
    folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
    hub.store.add("org/model", {"new.txt": b"new"})
    git.commit(folder, {"a.txt": b"a"})
    before = files(hub)
    for words in ((), ("--force",)):
        git("push", *words, "origin", "main", at=folder, fails=True)
        assert files(hub) == before
    git("commit", "--amend", "-m", "Other", at=folder)
    git("checkout", "--quiet", "--orphan", "lonely", at=folder)
    git("commit", "--quiet", "-m", "lonely", at=folder)
    assert "does not build on" in git("push", "origin", "lonely", at=folder, fails=True)
    assert set(hub.store.find("org/model").record.branches) == {"main"}


@pytest.mark.parametrize("what", ["a link", "an object that was never sent", "a bad card"])
def test_what_the_hub_does_not_keep_is_refused_with_a_reason_and_nothing_of_it_stays(git, tmp_path, what):
    with running_hub(tmp_path / "hub", strict=Strictness.real()) as hub:
        hub.store.add("org/model", FILES)
        folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
        if what == "a link":
            (folder / "link").symlink_to("README.md")
            git.commit(folder, {})
        elif what == "a bad card":
            git.commit(folder, {"README.md": b"---\nlicense: My License\n---\n"})
        else:
            git.commit(folder, {"x.bin": pointer("ab" * 32, 17)})
        before = files(hub)
        said = git("push", "origin", "main", "main:next", at=folder, fails=True)
        assert {"a link": "link is no file", "a bad card": "license"}.get(what, "no blob") in said
        assert files(hub) == before
        assert set(hub.store.find("org/model").record.branches) == {"main"}


@pytest.mark.parametrize("name", ["..", ".GIT", "a\tb"])
def test_paths_that_lead_elsewhere_are_not_pushed(git, hub, tmp_path, name):
    folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
    blob = git("rev-parse", "HEAD:README.md", at=folder)
    (tmp_path / "tree").write_bytes(f"100644 {name}\0".encode() + bytes.fromhex(blob))
    tree = git("hash-object", "-w", "-t", "tree", "--literally", str(tmp_path / "tree"), at=folder)
    commit = git("commit-tree", tree, "-p", "HEAD", "-m", "elsewhere", at=folder)
    git("push", "origin", f"{commit}:refs/heads/main", at=folder, fails=True)
    assert files(hub) == FILES


def test_what_grows_when_it_is_unpacked_is_not_unpacked(git, tmp_path):
    with running_hub(tmp_path / "hub", limits=ServerLimits(commit_line_bytes=1 << 20)) as hub:
        hub.store.add("org/model", FILES)
        folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
        git.commit(folder, {"zeros.txt": bytes(20 << 20)})
        assert "push it by LFS" in git("push", "origin", "main", at=folder, fails=True)
        assert files(hub) == FILES
        bomb = gzip.compress(bytes(80 << 20))
        request = urllib.request.Request(
            f"{hub.url}/org/model.git/git-upload-pack", data=bomb, headers={"Content-Encoding": "gzip"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        refused.value.close()
        assert refused.value.code == 413


def test_a_pointer_to_a_blob_that_was_sent_is_that_blob(git, hub, tmp_path):
    content = b"\1" * 3_000
    sha256 = hub.store.blobs.put(content)
    folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
    git.commit(folder, {"x.bin": pointer(sha256, len(content))})
    git("push", "--quiet", "origin", "main", at=folder)
    assert files(hub)["x.bin"] == content
    assert hub.store.find("org/model").file(hub.store.find("org/model").resolve(None), "x.bin").lfs


@pytest.mark.parametrize("gone", ["HEAD", "objects", "refs/heads/main"])
def test_a_copy_that_somebody_has_been_at_is_made_again(git, hub, tmp_path, gone):
    clone(git, hub, tmp_path / "clone")
    place = hub.store.find("org/model").folder / "git" / gone
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    hub.store.add("org/model", {"more.txt": b"more"})
    assert (clone(git, hub, tmp_path / "again") / "more.txt").read_bytes() == b"more"


def test_a_copy_that_comes_in_many_steps_stays_in_few_files(git, hub, tmp_path, monkeypatch):
    monkeypatch.setattr(copy, "_MOST_PACKS", 3)
    folder = clone(git, hub, tmp_path / "clone")
    place = hub.store.find("org/model").folder / "git" / "objects"
    for number in range(8):
        hub.store.add("org/model", {f"{number}.txt": b"%d" % number})
        git("pull", "--quiet", at=folder)
        assert len(list(place.glob("pack/*.pack"))) <= 3
    assert not list(place.glob("[0-9a-f][0-9a-f]/*"))
    again = clone(git, hub, tmp_path / "again")
    assert (again / "7.txt").read_bytes() == b"7"
    assert git("rev-parse", "HEAD", at=again) == git("rev-parse", "HEAD", at=folder)


def test_a_copy_that_cannot_be_packed_is_cloned_as_it_is(git, hub, tmp_path, monkeypatch):
    monkeypatch.setattr(copy, "_MOST_PACKS", 0)
    run = command.Git.run

    def fail_to_pack(one, *words, **given):
        if words[0] == "gc":
            raise command.GitError("no room")
        return run(one, *words, **given)

    monkeypatch.setattr(command.Git, "run", fail_to_pack)
    assert clone(git, hub, tmp_path / "clone")


def test_what_a_killed_hub_left_of_pushes_is_gone_when_the_next_begins(git, hub, tmp_path):
    clone(git, hub, tmp_path / "clone")
    place = hub.store.find("org/model").folder / "git"
    (place / "incoming-x" / "pack").mkdir(parents=True)
    (place / "incoming-x" / "pack" / "tmp_pack_1").write_bytes(bytes(1000))
    (place / "objects" / "pack" / "tmp_pack_2").write_bytes(bytes(1000))
    with Store(hub.store.root).hold():
        left = {path.name for path in place.rglob("*")}
    assert not {name for name in left if name.startswith(("incoming-", "tmp_"))}
    assert clone(git, hub, tmp_path / "again")


def test_a_failure_in_the_middle_of_a_push_leaves_the_commits_before_it(git, hub, tmp_path):
    folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
    git.commit(folder, {"a.txt": b"a"}, "Good")
    (folder / "link").symlink_to("a.txt")
    git.commit(folder, {}, "Bad")
    git("push", "origin", "main", at=folder, fails=True)
    assert files(hub) == FILES | {"a.txt": b"a"}
    git("reset", "--quiet", "--hard", "HEAD~", at=folder)
    git.commit(folder, {"b.txt": b"b"}, "Better")
    git("push", "--quiet", "origin", "main", at=folder)
    assert files(hub) == FILES | {"a.txt": b"a", "b.txt": b"b"}


def test_who_may_not_read_or_write_does_not_by_git_either(git, hub, tmp_path):
    folder = clone(git, hub, tmp_path / "clone", "--branch", "main", token=READ_TOKEN)
    git.commit(folder, {"a.txt": b"a"})
    before = files(hub)
    assert "403" in git("push", "origin", "main", at=folder, fails=True)
    git("push", url(hub, token=None), "main", at=folder, fails=True)
    git("push", url(hub, token="hf_wrong"), "main", at=folder, fails=True)
    assert files(hub) == before
    hub.store.find("org/model").change(private=True)
    for token in (None, "hf_wrong"):
        git("clone", url(hub, token=token), str(tmp_path / "none"), fails=True)
    clone(git, hub, tmp_path / "private")
    hub.store.find("org/model").change(private=False, gated="manual")
    git("clone", url(hub, token=None), str(tmp_path / "none"), fails=True)


def test_forgotten_blobs_and_moved_repositories_are_so_for_git_as_well(git, hub, tmp_path):
    clone(git, hub, tmp_path / "clone")
    hub.store.move("org/model", "org/new")
    clone(git, hub, tmp_path / "moved", name="org/new.git")
    clone(git, hub, tmp_path / "by-the-old-name")
    api = HfApi(endpoint=hub.url, token=WRITE_TOKEN)
    api.permanently_delete_lfs_files("org/new", list(api.list_lfs_files("org/new")))
    folder = clone(git, hub, tmp_path / "forgotten", name="org/new.git")
    assert not (folder / "w.bin").exists()
    assert "w.bin" not in git("log", "--all", "--name-only", "--format=", at=folder)


def test_blobs_of_a_repository_are_got_as_git_lfs_asks_and_no_others(hub):
    hub.store.add("org/other", {"other.bin": b"\2" * 4_000})
    sizes = {hashlib.sha256(content).hexdigest(): len(content) for content in (FILES["w.bin"], b"\2" * 4_000)}
    wish = {"operation": "download", "objects": [{"oid": oid, "size": size} for oid, size in sizes.items()]}

    def ask(token: str | None) -> tuple[int, list[dict]]:
        request = urllib.request.Request(
            f"{hub.url}/org/model.git/info/lfs/objects/batch",
            data=json.dumps(wish).encode(),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)["objects"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, []

    status, (own, others) = ask(None)
    assert status == 200
    with urllib.request.urlopen(own["actions"]["download"]["href"], timeout=30) as answer:
        assert answer.read() == FILES["w.bin"]
    assert others["error"]["code"] == 404
    hub.store.find("org/model").change(gated="manual")
    assert ask(None)[0] == ask(READ_TOKEN)[0] - 2 == 401
    hub.store.find("org/model").change(gated=None, private=True)
    assert ask(None)[0] == 401


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="this machine has no git-lfs")
def test_git_lfs_brings_blobs_and_takes_them(git, hub, tmp_path):
    git("lfs", "install")
    hub.store.add("org/model", {".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    folder = clone(git, hub, tmp_path / "clone", "--branch", "main")
    assert (folder / "w.bin").read_bytes() == FILES["w.bin"]
    git.commit(folder, {"x.bin": b"\3" * 70_000})
    git("push", "--quiet", "origin", "main", at=folder)
    assert files(hub)["x.bin"] == b"\3" * 70_000


def test_who_waits_for_git_keeps_nobody_else_waiting(hub, monkeypatch):
    begun, ended = threading.Semaphore(0), threading.Event()

    def wait(*_words):
        begun.release()
        ended.wait(30)
        raise Refusal(Reason.BROKEN, "slow")

    monkeypatch.setattr(routes, "bring_up_to_date", wait)
    address = f"{hub.url}/org/model/info/refs?service=git-upload-pack"

    def ask() -> None:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address, timeout=40)
        refused.value.close()

    waiting = [threading.Thread(target=ask) for _ in range(40)]
    for one in waiting:
        one.start()
    try:
        for _ in range(8):
            assert begun.acquire(timeout=20)
        assert HfApi(endpoint=hub.url).list_repo_files("org/model") != []
    finally:
        ended.set()
        for one in waiting:
            one.join(20)


@pytest.mark.parametrize("body", [b"", b"0000", b"zzzz", b"ffff", b"0010deadbeef0000", b"0004" * 3])
def test_what_is_no_push_is_refused(hub, body):
    request = urllib.request.Request(
        f"{hub.url}/org/model.git/git-receive-pack",
        data=body,
        headers={"Authorization": f"Bearer {WRITE_TOKEN}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    assert status in (200, 400)
    assert files(hub) == FILES

"""Several accounts: who may show which token, what it may do, and what a running hub learns of a change."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import threading

import httpx2
import pytest

from hubferry.cli.main import command_line
from hubferry.errors import IntegrityError, LockedError, UsageError
from hubferry.serve import Accounts, Policy, Store, Strictness


def ask(hub, path, token=None, method="GET", **options):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.request(method, hub.url + path, headers=headers, trust_env=False, **options)


@pytest.fixture
def accounts(tmp_path):
    return Accounts(tmp_path / "accounts")


@pytest.fixture
def people(accounts, make_hub):
    """A hub with a writer of a lab, a reader of it, a stranger, and an administrator."""
    tokens = {
        name: accounts.add(name, role=role, organisations=orgs, full_name=name.title())[1]
        for name, role, orgs in (
            ("ann", "write", ("lab",)),
            ("bob", "read", ("lab",)),
            ("eve", "write", ()),
            ("root", "admin", ()),
        )
    }
    hub = make_hub(policy=Policy(writable=True, accounts=accounts), strict=Strictness(rights=True))
    hub.store.create("lab/secret", private=True)
    hub.store.create("lab/open")
    hub.store.create("lab/gated", gated="manual")
    return hub, tokens


def test_both_dialects_say_whose_token_it_is(people):
    hub, tokens = people
    ours = ask(hub, "/api/whoami-v2", tokens["bob"]).json()
    assert (ours["name"], ours["fullname"]) == ("bob", "Bob")
    assert [(org["name"], org["roleInOrg"]) for org in ours["orgs"]] == [("lab", "read")]
    assert ours["auth"]["accessToken"]["role"] == "read"
    theirs = ask(hub, "/openapi/v1/users/me", tokens["ann"]).json()["data"]
    assert (theirs["username"], theirs["nickname"], theirs["role"]) == ("ann", "Ann", "write")
    assert theirs["organizations"] == [{"name": "lab"}]


@pytest.mark.parametrize(
    ("name", "sees", "writes", "creates"),
    [
        ("ann", 200, 200, 200),
        ("bob", 200, 403, 403),
        ("eve", 404, 403, 403),
        ("root", 200, 200, 200),
        (None, 401, 401, 401),
    ],
)
def test_a_role_says_what_may_be_seen_and_changed(people, name, sees, writes, creates):
    hub, tokens = people
    token = tokens.get(name)
    assert ask(hub, "/api/models/lab/secret", token).status_code == sees
    gated = ask(hub, "/api/models/lab/gated/auth-check", token).status_code
    assert gated == (403 if name == "eve" else sees)
    assert ask(hub, "/api/models/lab/open/auth-check/write", token).status_code == writes
    made = ask(hub, "/api/repos/create", token, "POST", json={"name": "new", "organization": "lab"})
    assert made.status_code == creates


def test_a_hub_that_runs_learns_of_new_and_revoked_tokens(people, accounts):
    hub, tokens = people
    assert ask(hub, "/api/whoami-v2", tokens["ann"]).status_code == 200
    record, second = accounts.add("ann")
    assert ask(hub, "/api/whoami-v2", second).json()["name"] == "ann"
    assert accounts.revoke("ann", record.tokens[-1].id)
    assert ask(hub, "/api/whoami-v2", second).status_code == 401
    assert ask(hub, "/api/whoami-v2", tokens["ann"]).status_code == 200
    assert accounts.revoke("ann")
    assert ask(hub, "/api/whoami-v2", tokens["ann"]).status_code == 401
    assert not accounts.revoke("ann")


def test_a_file_that_breaks_changes_nothing_and_one_that_goes_opens_nothing(people, accounts):
    hub, tokens = people
    path = accounts._accounts.path
    assert ask(hub, "/api/whoami-v2", tokens["ann"]).status_code == 200
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    assert ask(hub, "/api/whoami-v2", tokens["ann"]).status_code == 200
    assert ask(hub, "/api/whoami-v2", "x" * 40).status_code == 401
    path.write_bytes(b'{"version": 1, "accounts": []}')
    assert ask(hub, "/api/whoami-v2", tokens["ann"]).status_code == 401
    assert ask(hub, "/api/whoami-v2", "anything").status_code == 401


def test_no_token_is_in_the_file_and_nobody_else_may_read_it(accounts, tmp_path):
    before = os.umask(0)
    try:
        record, token = accounts.add("ann")
        accounts.keep_upstream_token("ann", "hf", "hf_upstream")
    finally:
        os.umask(before)
    assert token not in accounts._accounts.path.read_text()
    assert record.tokens[0].sha256 in accounts._accounts.path.read_text()
    for path in (tmp_path / "accounts").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_upstream_tokens_are_an_accounts_own_and_go_with_it(accounts):
    ann, bob = accounts.add("ann")[0].account, accounts.add("bob")[0].account
    accounts.keep_upstream_token("ann", "hf", "hf_of_ann")
    accounts.keep_upstream_token("bob", "ms", "ms_of_bob")
    assert (accounts.upstream_token(ann, "hf"), accounts.upstream_token(ann, "ms")) == ("hf_of_ann", None)
    assert accounts.upstream_token(bob, "hf") is None
    accounts.keep_upstream_token("ann", "hf", "hf_newer")
    assert accounts.upstream_token(ann, "hf") == "hf_newer"
    accounts.revoke("ann")
    accounts.add("ann")
    assert accounts.upstream_token(ann, "hf") is None


def test_changes_at_the_same_time_are_all_kept(accounts):
    threads = [threading.Thread(target=accounts.add, args=(f"user{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {record.name for record in accounts.all()} == {f"user{n}" for n in range(12)}


@pytest.mark.parametrize("token", ["short", "with a blank in the middle of it", "ü" * 30, ""])
def test_a_token_that_can_be_guessed_or_sent_badly_is_refused(accounts, token):
    with pytest.raises(ValueError):  # noqa: PT011  # the command says why
        accounts.add("ann", token=token)
    assert not accounts.exist()


def test_two_accounts_never_have_one_token(accounts):
    accounts.add("ann", token="t" * 40)
    with pytest.raises(ValueError):  # noqa: PT011
        accounts.add("bob", token="t" * 40)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command below `hubferry serve`; return what it printed, or None when it was refused."""

    def command(*words, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            command_line().main(["serve", *words], prog_name="hubferry", standalone_mode=False)
        except UsageError:
            return None
        return capsys.readouterr()

    return command


def test_the_command_prints_a_token_once_and_takes_others_from_stdin(tmp_path, run):
    store = ("--store", str(tmp_path / "hub"))
    token = run("user", "add", "ann", "--organisation", "lab", *store).out.strip()
    assert token.startswith("hbf_")
    assert Accounts(tmp_path / "hub").identify(token).name == "ann"
    given = "g" * 40
    told = [
        run("user", "add", "ann", "--token-stdin", *store, stdin=given + "\n"),
        run("user", "token", "ann", "hf", *store, stdin="hf_secret_of_ann\n"),
        run("user", "list", *store),
        run("user", "list", "--json", *store),
    ]
    said = "".join(one.out + one.err for one in told)
    assert not [secret for secret in (token, given, "hf_secret_of_ann") if secret in said]
    (account,) = json.loads(told[-1].out)["accounts"]
    assert (account["name"], account["organisations"], len(account["tokens"])) == ("ann", ["lab"], 2)
    assert run("user", "token", "nobody", "hf", *store, stdin="x\n") is None
    assert run("user", "add", "../x", *store) is None
    assert run("user", "add", "bob", "--token-stdin", *store) is None
    assert run("user", "revoke", "ann", *store) is not None
    assert run("user", "revoke", "ann", *store) is None


def test_what_is_no_certificate_or_half_of_one_starts_no_hub(tmp_path, run):
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(b"none")
    for words in (("--tls-key", str(wrong)), ("--tls-cert", str(wrong))):
        assert run(str(tmp_path / "hub"), "--port", "0", *words) is None


def test_blobs_that_no_commit_names_go_and_no_others(tmp_path, run):
    store = Store(tmp_path / "hub")
    first = store.add("org/model", {"a.bin": b"old", "b.txt": b"b"})
    store.add("org/model", {"a.bin": b"new"})
    store.add("org/gone", {"c.bin": b"gone"})
    store.delete("org/gone")
    left = store.blobs.put(b"left by an upload")
    store.blobs.sync([left])
    assert "0 blobs" in run("gc", str(tmp_path / "hub"), "--delete").err  # all of them came just now
    dry = json.loads(run("gc", str(tmp_path / "hub"), "--older-than", "0", "--json").out)
    assert {blob["size"] for blob in dry["blobs"]} == {len(b"left by an upload"), len(b"gone")}
    assert store.blobs.path(left).exists()
    run("gc", str(tmp_path / "hub"), "--older-than", "0", "--delete")
    again = Store(tmp_path / "hub")
    assert again.blobs.size(left) is None
    for commit in (first.id, again.find("org/model").resolve(None)):
        for file in again.find("org/model").tree(commit).files.values():
            assert again.blobs.read(file.sha256)


def test_nothing_goes_while_the_hub_runs_or_a_commit_cannot_be_read(tmp_path, run):
    store = Store(tmp_path / "hub")
    record = store.add("org/model", {"a.bin": b"old"})
    with store.hold(), pytest.raises(LockedError):
        run("gc", str(tmp_path / "hub"), "--older-than", "0", "--delete")
    (store.find("org/model").folder / "commits" / f"{record.id}.json").write_bytes(b"{")
    with pytest.raises(IntegrityError):
        run("gc", str(tmp_path / "hub"), "--older-than", "0", "--delete")
    assert list(store.blobs.stored())

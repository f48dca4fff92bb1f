"""Hubs that the configuration file names: `lab:org/name` works wherever `hf:org/name` does."""

from __future__ import annotations

from pathlib import Path

import pytest
from desks import KIB, digests, publish, stored
from servers import running_hub

import models
from hubferry.serve.public import Public, public_url

TOKEN = "hf_test_write"


@pytest.fixture
def lab(tmp_path):
    with running_hub(tmp_path / "lab") as hub:
        yield hub


@pytest.fixture
def other(tmp_path):
    """A model of the same name on the third hub, with other content."""
    return models.transformers_model(tmp_path / "other", shards=1, shard_size=48 * KIB)


@pytest.fixture
def lan(tmp_path):
    """A hub that is called hub.lan; it stands behind a proxy on this machine, which it is itself."""
    folder = models.transformers_model(tmp_path / "lan-model", shards=1, shard_size=16 * KIB)
    with running_hub(tmp_path / "lan", public=Public(public_url("http://hub.lan"))) as hub:
        publish(hub, folder, "org/model")
        yield hub


def write(desk, text):
    path = desk.home / ".config" / "hubferry" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def table(lab, name="lab", kind="hf", token='{ env = "LAB_TOKEN" }', more=""):
    return f'[hubs.{name}]\nkind = "{kind}"\nendpoint = "{lab.url}/"\ntoken = {token}\n{more}\n'


def test_a_named_hub_is_a_source_and_a_destination_like_any_other(desk, model, lab, other):
    write(desk, table(lab))
    publish(lab, other, "org/model")
    lab.store.find("org/model").change(private=True)
    words = {"environment": {"LAB_TOKEN": TOKEN}, "check_code": 0}
    fetched = desk.inside("fetch", "lab:org/model", **words)
    assert digests_at(fetched.out) == digests(other)
    desk.inside("copy", "hf:org/model", "lab:mine/model", **words)
    assert stored(lab, "mine/model") == digests(model)
    desk.inside("copy", "lab:org/model@main", "ms:mine/other", "--public", **words)
    assert desk.published("mine/other") == digests(other)
    desk.inside("check", "lab:org/model", "ms:mine/other", **words)


def digests_at(out):
    return digests(Path(out.strip()))


def test_two_hubs_models_of_one_name_lie_side_by_side(desk, model, lab, other):
    write(desk, table(lab) + table(lab, "zoo"))
    publish(lab, other, "org/model")
    words = {"environment": {"LAB_TOKEN": TOKEN}, "check_code": 0}
    ours = desk.inside("fetch", "-q", "lab:org/model", **words).out.strip()
    theirs = desk.inside("fetch", "-q", "hf:org/model", **words).out.strip()
    assert ours != theirs
    assert (digests_at(ours), digests_at(theirs)) == (digests(other), digests(model))
    assert theirs.endswith("/org_model")  # the plain name is for the hub that everybody knows
    assert (
        desk.inside("fetch", "-q", "zoo:org/model", **words).out.strip() == ours
    )  # another name, the same hub
    listed = desk.inside("cache", "list", "--hub", "lab", "--json", **words).json()
    assert [one["path"] for one in listed["models"]] == [ours]
    slip = desk.inside("cache", "list", "--hub", "lba", environment={"LAB_TOKEN": TOKEN})
    assert (slip.code, "Did you mean lab?" in slip.err) == (2, True)
    desk.inside("cache", "verify", "lab:org/model", **words)
    assert desk.inside("fetch", "-q", "lab:org/model", "--offline", **words).out.strip() == ours


def test_the_scripts_know_the_same_hubs(desk, model, lab, other):
    write(desk, table(lab) + table(lab, "labms", "ms"))
    publish(lab, other, "org/model")
    script = "scripts/hf_to_modelscope_transfer.py"
    words = ("--hf-model", "lab:org/model", "--ms-model", "labms:mine/script")
    desk.script(script, *words, environment={"LAB_TOKEN": TOKEN}, check_code=0)
    assert stored(lab, "mine/script") == digests(other)
    plain = desk.script(script, "--hf-model", "org/model", "--ms-model", "mine/model", check_code=0)
    assert desk.published() == digests(model), plain.said


def test_a_token_comes_from_a_command_and_is_in_no_output(desk, model, lab, other):
    shown = desk.home / "token"
    shown.write_text(TOKEN)
    write(desk, table(lab, token=f'{{ command = ["cat", "{shown}"] }}'))
    publish(lab, other, "org/model")
    lab.store.find("org/model").change(private=True)
    said = ""
    for words in (
        ("fetch", "lab:org/model"),
        ("copy", "lab:org/model", "ms:mine/new", "--private", "--json"),
        ("config", "show"),
        ("config", "show", "--json"),
        ("doctor",),
        ("cache", "show", "lab:org/model", "--json"),
    ):
        said += desk.inside(
            *words, check_code=0, unset=("HF_TOKEN", "MODELSCOPE_API_TOKEN") if words[0] == "config" else ()
        ).said
    assert TOKEN not in said
    assert "signed in as tester" in said
    assert "asked of the command cat when it is needed" in said
    written = [path.read_bytes() for path in (desk.home / "cache").rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in content for content in written)


def test_a_command_that_fails_says_why_and_ends_the_run_with_the_code_of_a_login(desk, lab):
    write(desk, table(lab, token='{ command = ["sh", "-c", "echo the store is locked >&2; exit 3"] }'))
    done = desk.inside("fetch", "lab:org/model")
    assert done.code == 4
    assert "the command sh gives no token for lab: it ended with 3" in done.err
    assert "the store is locked" in done.err


def test_options_of_the_file_hold_unless_the_command_line_says_otherwise(desk, model):
    write(desk, '[defaults]\nvisibility = "private"\nmax_delete = "0"\nkeep_going = true\njobs = 2\n')
    desk.inside("copy", "hf:org/model", "ms:mine/model", check_code=0)
    assert desk.destination.store.find("mine/model").record.private
    desk.inside("copy", "hf:org/model", "ms:mine/public", "--public", "--no-keep-going", check_code=0)
    assert not desk.destination.store.find("mine/public").record.private
    desk.inside("copy", "hf:org/model", "ms:mine/like", "--visibility", "source", check_code=0)
    assert not desk.destination.store.find("mine/like").record.private
    extra = desk.home / "extra"
    extra.write_text("x")
    desk.destination.store.add("mine/model", {"extra.txt": extra})
    done = desk.inside("copy", "hf:org/model", "ms:mine/model", "--delete")
    assert done.code == 2
    assert "--max-delete allows 0" in done.err
    desk.inside("copy", "hf:org/model", "ms:mine/model", "--delete", "--max-delete", "1", check_code=0)


def test_the_cache_of_the_file_is_the_one_of_every_command(desk, model):
    write(desk, '[defaults]\ncache_dir = "~/models"\n')
    done = desk.inside("fetch", "-q", "hf:org/model", unset=("HUBFERRY_CACHE",), check_code=0)
    assert done.out.strip() == str(desk.home / "models" / "org_model")
    assert desk.inside("cache", "dir", unset=("HUBFERRY_CACHE",)).out.strip() == str(desk.home / "models")
    assert desk.inside("cache", "dir").out.strip() == str(desk.home / "cache")  # the variable comes first


def test_a_mistake_in_the_file_stops_what_needs_it_and_is_found_by_check_and_doctor(desk, model):
    path = write(desk, '[defaults]\nbwlimit = "20 parsecs"\n[hubs.lab]\nkind = "hf"\n')
    for words in (("config", "check"), ("fetch", "hf:org/model"), ("doctor",)):
        done = desk.inside(*words)
        assert done.code == 2
        assert f"{path}:3: [hubs.lab] does not say where it is: endpoint" in done.said
    assert desk.inside("config", "path").out.strip() == str(path)
    assert desk.inside("fetch", "--help").code == 0
    desk.inside("fetch", "hf:org/model", environment={"HUBFERRY_CONFIG": "none"}, check_code=0)
    write(desk, '[defaults]\nbwlimit = "20 parsecs"\n')
    for words in (("config", "check"), ("fetch", "hf:org/model")):
        done = desk.inside(*words)
        assert done.code == 2
        assert f"{path}:2: bwlimit: '20 parsecs' is not a rate" in done.err


def test_plain_http_in_ones_own_network_is_allowed_by_name(desk, lan):
    network = {"HTTP_PROXY": lan.url, "HF_ENDPOINT": "http://hub.lan"}
    trusted = network | {"HUBFERRY_INSECURE": "hub.lan"}
    refused = desk.inside("fetch", "hf:org/model", environment=network)
    assert refused.code == 2
    assert "HUBFERRY_INSECURE=hub.lan" in refused.err
    desk.inside("fetch", "hf:org/model", environment=trusted, check_code=0)
    assert desk.inside("doctor", environment=network).code == 2
    doctor = desk.inside("doctor", environment=trusted)
    assert "= Hugging Face: http://hub.lan answers; signed in as tester" in doctor.out
    words = ("scripts/simple_hf_to_ms.py", "org/model", "mine/model", "--verify-only")
    assert desk.script(*words, environment=network).code == 2
    desk.script(*words, environment=trusted, check_code=0)
    write(
        desk,
        '[hubs.lab]\nkind = "hf"\nendpoint = "http://hub.lan"\ninsecure = true\n'
        'token = { env = "HF_TOKEN" }\n',
    )
    desk.inside(
        "fetch",
        "lab:org/model",
        environment={"HTTP_PROXY": lan.url},
        unset=("HF_ENDPOINT",),
        check_code=0,
    )


def test_a_default_visibility_is_no_wish_for_what_is_there(desk, model):
    write(desk, '[defaults]\nvisibility = "private"\n')
    environment = {"HUBFERRY_CONFIG": "none"}
    desk.inside("copy", "hf:org/model", "ms:mine/model", environment=environment, check_code=0)
    desk.inside("copy", "hf:org/model", "ms:mine/model", check_code=0)
    assert not desk.destination.store.find("mine/model").record.private
    desk.inside("copy", "hf:org/model", str(desk.home / "folder"), check_code=0)
    planned = desk.inside("copy", "hf:org/model", "ms:mine/new", "--dry-run", check_code=0)
    assert "will be created as private" in planned.out


def test_a_named_hub_is_looked_at_like_any_other_and_offline_kept_apart(desk, model, lab, other):
    write(desk, table(lab))
    publish(lab, other, "org/model")
    lab.store.find("org/model").change(private=True)
    words = {"environment": {"LAB_TOKEN": TOKEN}, "check_code": 0}
    assert desk.inside("ls", "lab:org", **words).out.split()[-1] == "lab:org/model"
    assert "config.json" in desk.inside("ls", "lab:org/model", **words).out
    shown = desk.inside("cat", "lab:org/model/config.json", **words).out
    assert shown == (other / "config.json").read_text(encoding="utf-8")
    assert "visibility   private" in desk.inside("info", "lab:org/model", **words).out
    desk.inside("fetch", "hf:org/model", **words)
    assert desk.inside("ls", "lab:org", "--offline", **words | {"check_code": 3}).out == ""
    desk.inside("fetch", "lab:org/model", **words)
    assert desk.inside("ls", "lab:org", "--offline", **words).out.split()[-1] == "lab:org/model"
    assert desk.inside("ls", "hf:org", "--offline", **words).out.split()[-1] == "hf:org/model"

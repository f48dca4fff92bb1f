"""The configuration file: read strictly, believed only from hands that may write it, never quoted."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from hubferry import config
from hubferry.config import reading
from hubferry.config.lines import line_of, positions
from hubferry.errors import UsageError
from hubferry.events import ignore
from hubferry.hubs import credentials
from hubferry.i18n import language, speaking
from hubferry.model import RepoRef
from hubferry.options import Access, Options
from hubferry.session import MOST_CONNECTIONS, Session
from hubferry.typed import as_typed, reference, repository

LAB = """
[hubs.lab]
kind = "hf"
endpoint = "HTTP://Hub.lan:80/"
token = { env = "LAB_TOKEN" }
insecure = true
concurrency = 4
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Write a configuration file, which is then the one in use."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv("HUBFERRY_CONFIG", str(path))
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MODELSCOPE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("HUBFERRY_LANG", "en")

    def write(text, mode=0o600):
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        path.chmod(mode)
        return path

    return write


class Forgetful(dict):
    """A memory that another thread clears as soon as something is put into it."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.clear()


def test_what_is_known_of_the_file_may_be_forgotten_while_it_is_asked_for(file, monkeypatch):
    file(LAB)
    monkeypatch.setattr(reading, "_known", Forgetful())
    assert "lab" in config.current().hubs


def test_readers_of_two_languages_have_the_file_read_once_for_each(file, monkeypatch):
    read = []
    fresh = reading._fresh
    monkeypatch.setattr(reading, "_known", {})
    monkeypatch.setattr(reading, "_fresh", lambda *words: read.append(language()) or fresh(*words))
    file("[hubs.lab]\nkind = 5\n")
    said = []
    for _each in range(3):
        for one in ("zh", "en"):
            with speaking(one):
                said.append(config.mistakes()[0].message)
    assert read == ["zh", "en"]
    assert said == said[:2] * 3
    assert len(set(said)) == 2


def wrong(text, file):
    """Return what is wrong with a file: the line, and the words behind it."""
    path = file(text)
    found = []
    for error in config.mistakes():
        where, _colon, words = error.message.removeprefix(str(path)).lstrip(":").partition(": ")
        found.append((int(where), words, error.hint))
    return found


def test_a_hub_has_what_its_table_says(file):
    file(LAB)
    hub = config.current().hubs["lab"]
    assert (hub.kind, hub.endpoint, hub.insecure, hub.concurrency) == ("hf", "http://hub.lan", True, 4)
    assert hub.token == config.TokenSource("env", ("LAB_TOKEN",))


def test_no_file_is_an_empty_one_and_a_file_that_is_named_has_to_be_there(tmp_path, monkeypatch):
    for nothing in ("", "none", "NONE"):
        monkeypatch.setenv("HUBFERRY_CONFIG", nothing)
        assert config.current() == config.Configuration()
    monkeypatch.setenv("HUBFERRY_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(UsageError, match="no such file"):
        config.current()
    monkeypatch.delenv("HUBFERRY_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config.current() == config.Configuration()
    assert config.place().path == tmp_path / "hubferry" / "config.toml"


@pytest.mark.parametrize(
    ("text", "line", "words", "hint"),
    [
        ("[hub.lab]\n", 1, "there is no table [hub]", "did you mean: hubs"),
        (LAB + "endpont = 1\n", 8, "[hubs.lab] has no key “endpont”", "did you mean: endpoint"),
        (LAB.replace('"LAB_TOKEN"', "3"), 5, "env is the name of a variable", None),
        (LAB.replace("env", "evn"), 5, "[hubs.lab.token] has no key “evn”", "did you mean: env"),
        (LAB.replace("true", '"yes"'), 6, "insecure is true or false", None),
        (LAB.replace("= 4", "= 0"), 7, "concurrency is a number from 1 to 1024", None),
        (LAB.replace("= 4", "= true"), 7, "concurrency is a whole number", None),
        (LAB + "commits_per_hour = 0\n", 8, "commits_per_hour is a number from 1 to 100000", None),
        (LAB.replace('"hf"', '"hg"'), 3, 'kind is one of: "hf", "ms"', None),
        ('[hubs.hf]\nkind = "ms"\n', 2, 'kind is one of: "hf"', None),
        (LAB.replace("HTTP://", ""), 4, "endpoint is a web address", None),
        (LAB.replace("HTTP://", "http://me:secret@"), 4, "endpoint is a web address", None),
        ('[hubs.lab]\nkind = "hf"\n', 1, "[hubs.lab] does not say where it is: endpoint", None),
        ("[defaults]\njobs = '4'\n", 2, "jobs is a whole number", None),
        ("[defaults]\ncache_dir = 'models'\n", 2, "cache_dir is a whole path", None),
        ("[defaults]\nexclude = ['*.bin']\n", 2, "exclude is said with each copy", None),
        ("[defaults]\nbw_limit = '20M'\n", 2, "[defaults] has no key “bw_limit”", "did you mean: bwlimit"),
    ],
    ids=lambda value: value.strip()[-24:] if isinstance(value, str) else None,
)
def test_a_mistake_is_named_with_its_line_and_the_nearest_key(file, text, line, words, hint):
    found = wrong(text, file)
    assert [(one[0], one[2]) for one in found][:1] == [(line, hint)], found
    assert found[0][1].startswith(words)
    assert "secret" not in str(found)


def test_every_mistake_is_named_in_the_order_of_the_lines(file):
    text = LAB.replace('"hf"', "1").replace("= 4", "= 0") + "[defaults]\njobs = 0.5\n[other]\n"
    assert [line for line, _words, _hint in wrong(text, file)] == [3, 7, 9, 10]
    with pytest.raises(UsageError) as caught:
        config.current()
    assert len(caught.value.others) == 3


@pytest.mark.parametrize("name", ["X", "h", "Lab", "file", "https", "huggingface", "a.b", "-a"])
def test_a_word_that_means_something_else_before_a_colon_is_no_hubs_name(file, name):
    found = wrong(LAB.replace("[hubs.lab]", f'[hubs."{name}"]'), file)
    assert "cannot be a hub's name" in found[0][1]


@pytest.mark.parametrize("text", ["[hubs", "a = 1\na = 2", "\ufeff\x00", "a = " + "[" * 5000])
def test_what_is_no_toml_is_an_error_and_no_traceback(file, text):
    path = file(text)
    with pytest.raises(UsageError, match="no TOML file"):
        config.current()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="no TOML file"):
        config.current()


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_a_file_that_others_can_write_is_not_relied_upon(file):
    for mode in (0o620, 0o602, 0o666):
        path = file(LAB, mode)
        with pytest.raises(UsageError, match="can be written by others") as caught:
            config.current()
        assert caught.value.hint == f"chmod go-w {path}"
    file(LAB, 0o644)
    assert "lab" in config.current().hubs


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_a_token_in_clear_is_refused_where_others_can_read_it(file):
    clear = LAB.replace('{ env = "LAB_TOKEN" }', '"canary-in-clear"')
    for mode in (0o640, 0o604):
        path = file(clear, mode)
        with pytest.raises(UsageError, match="token in clear") as caught:
            config.current()
        assert caught.value.hint == f"chmod 600 {path}"
    file(clear, 0o600)
    assert "canary" not in repr(config.current())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_account_is_not_relied_upon(file):
    path = file(LAB)
    os.chown(path, 65534, 65534)
    with pytest.raises(UsageError, match="belongs to another account"):
        config.current()


def test_a_named_hub_is_read_before_a_colon_and_in_an_address(file):
    file(LAB)
    for text in ("lab:org/name", "LAB:org/name", "lab://org/name", "http://hub.lan/org/name"):
        assert repository(text, "ms") == RepoRef("hf", "org/name", endpoint="http://hub.lan", named="lab")
    ref = repository("lab:datasets/org/name@v1", "ms")
    assert (ref.repo_type, ref.revision, str(ref)) == ("dataset", "v1", "lab:datasets/org/name@v1")
    assert repository(str(ref), "hf") == ref
    assert reference("hf:org/name", Access(), "ms").named is None


def test_a_slip_in_a_hubs_name_gets_the_nearest(file):
    file(LAB)
    for text, hint in (("lba:org/name", "lab:org/name"), ("hff:org/name", "hf:org/name")):
        with pytest.raises(UsageError, match="No hub is called") as caught:
            repository(text, "hf")
        assert hint in caught.value.hint
    with pytest.raises(UsageError, match="No hub is called") as caught:
        repository("quite-else:org/name", "hf")
    assert caught.value.hint == "hubferry config show"
    with pytest.raises(UsageError) as caught:
        repository("lab:org/na me", "hf")
    assert "lab:org/na-me" in caught.value.hint


def test_an_option_comes_before_the_variable_and_that_before_the_file(file, monkeypatch):
    file('[hubs.hf]\nendpoint = "https://mirror.lan"\n[hubs.ms]\nendpoint = "https://ms.lan/"\n')
    assert credentials.huggingface_endpoint() == "https://mirror.lan"
    assert credentials.modelscope_endpoint() == "https://ms.lan"
    monkeypatch.setenv("HF_ENDPOINT", "https://other.lan")
    assert credentials.huggingface_endpoint() == "https://other.lan"
    file(LAB)
    assert repository("lab:org/name", "hf", "http://elsewhere.lan/").endpoint == "http://elsewhere.lan"


def test_a_named_hub_is_called_as_the_file_calls_it_now(file):
    file(LAB)
    old = RepoRef("hf", "org/name", endpoint="http://hub.lan", named="what-it-was-called")
    assert as_typed(old).named == "lab"
    gone = RepoRef("ms", "org/name", endpoint="http://hub.lan", named="what-it-was-called")
    assert as_typed(gone) == gone


def test_lines_are_found_for_tables_keys_and_dotted_keys():
    found = positions("# a\n[hubs.lab]\nkind = 1\n['x y'.z]\n\"k\".l = 2\n[[more]]\n")
    assert (found[("hubs",)], found[("hubs", "lab")], found[("hubs", "lab", "kind")]) == (2, 2, 3)
    assert (found[("x y", "z")], found[("x y", "z", "k", "l")], found[("more",)]) == (4, 5, 6)
    assert line_of(found, ("hubs", "lab", "absent")) == 2
    assert line_of(found, ("absent",)) is None


def test_a_file_is_read_again_when_it_changes_and_not_before(file, monkeypatch):
    path = file(LAB)
    assert "lab" in config.current().hubs
    before = path.stat()
    path.write_text(LAB.replace("lab", "zoo"), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert "zoo" in config.current().hubs
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda _self: pytest.fail("it was read again"))
    assert "zoo" in config.current().hubs


def test_start_up_does_not_pay_for_a_file_that_is_not_there(tmp_path):
    code = "import sys; from hubferry import config; config.current(); print('tomllib' in sys.modules)"
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environment.pop("HUBFERRY_CONFIG", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("source", "jobs", "most", "slots"),
    [("lab", None, 4, 4), ("lab", 2, 2, 2), ("lab", 32, 4, 4), ("hf", None, MOST_CONNECTIONS, 4)],
)
def test_a_hub_gets_no_more_connections_than_the_file_allows(file, tmp_path, source, jobs, most, slots):
    file(LAB)
    options = Options(jobs=jobs, cache_root=tmp_path)
    session = Session(f"{source}:org/name", "lab:mine/name", options, ignore)
    assert session.connections.large.most == most
    assert session.slots == slots

"""Every error that a user can do something about: its exit code, and what it says to do."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest
from desks import lying_about_sizes
from servers import READ_TOKEN

import forked
from hubferry.cli.main import guard
from hubferry.errors import DiskFullError

PAIR = ("hf:org/model", "ms:mine/model")
MIB = 1024 * 1024


def error_of(done):
    """Return the error and its hint as they were printed; nothing may be on stdout."""
    lines = done.err.splitlines()
    error = next(line for line in lines if line.startswith("error: "))
    hint = next((line for line in lines if line.startswith("hint: ")), "")
    assert "Traceback" not in done.err
    assert done.out == ""
    return error, hint


def test_without_a_token_nothing_is_published_and_the_hint_says_where_to_get_one(desk, model):
    done = desk.ferry("copy", *PAIR, unset=("MODELSCOPE_API_TOKEN",))
    assert done.code == 4
    _error, hint = error_of(done)
    assert "MODELSCOPE_API_TOKEN" in hint
    assert "myaccesstoken" in hint
    assert desk.source.requests.bytes_sent < 64 * 1024  # it was found before the weights moved


def test_a_wrong_destination_token_is_named(desk, model):
    done = desk.ferry("copy", *PAIR, environment={"MODELSCOPE_API_TOKEN": "ms-wrong-token"})
    assert done.code == 4
    assert "MODELSCOPE_API_TOKEN" in error_of(done)[1]
    assert "ms-wrong-token" not in done.said


def test_a_wrong_source_token_is_named(desk, model):
    done = desk.ferry("copy", *PAIR, environment={"HF_TOKEN": "hf_wrongwrongwrong"})
    assert done.code == 4
    assert "HF_TOKEN" in error_of(done)[1]
    assert "hf_wrongwrongwrong" not in done.said


def test_a_repository_that_is_not_there_is_not_found(desk):
    done = desk.ferry("copy", "hf:org/absent", PAIR[1])
    assert done.code == 3
    error, hint = error_of(done)
    assert "org/absent" in error
    assert hint


def test_a_mistyped_source_says_nothing_about_the_destination_that_was_asked_meanwhile(desk):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = desk.ferry(
            "copy", "hf:org/absent", PAIR[1], "-v", environment={"MODELSCOPE_ENDPOINT": endpoint}
        )
    assert done.code == 3
    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["error", "hint"], done.err


def test_a_revision_that_is_not_there_is_not_found(desk, model):
    done = desk.ferry("copy", "hf:org/model@v9", PAIR[1])
    assert done.code == 3
    assert "v9" in error_of(done)[0]


def test_a_gated_repository_says_where_its_terms_are(desk, model):
    desk.source.store.find("org/model").change(gated="manual", granted=("somebody",))
    done = desk.ferry("copy", *PAIR)
    assert done.code == 4
    error, hint = error_of(done)
    assert "gated" in error
    assert f"{desk.source.url}/org/model" in hint
    assert "HF_TOKEN" in hint


def test_a_token_that_may_only_read_does_not_publish(desk, model):
    done = desk.ferry("copy", *PAIR, environment={"MODELSCOPE_API_TOKEN": READ_TOKEN})
    assert done.code == 4
    assert error_of(done)[1]


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("hf:no good", "ms:a/b"),
        ("hf:a/b", "ms:lonely"),
        ("hf:a/b/c", "ms:a/b"),
        ("ftp://x/y", "ms:a/b"),
        ("", "ms:a/b"),
    ],
)
def test_a_bad_name_is_refused_with_a_right_form(desk, source, destination):
    done = desk.ferry("copy", source, destination)
    assert done.code == 2
    assert "hf:" in error_of(done)[1] or "ms:" in error_of(done)[1]


def test_an_unknown_option_shows_the_way_to_the_help(desk):
    for option, near in (("--qqq", ""), ("--fast", " Did you mean '--exact'?")):
        done = desk.ferry("copy", *PAIR, option)
        assert done.code == 2
        assert error_of(done) == (f"error: No such option '{option}'.{near}", "hint: hubferry copy --help")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("copi", *PAIR), "copy hf:org/model ms:mine/model"),
        (("push", "./a folder", "ms:a/b"), "copy './a folder' ms:a/b"),
        (("list",), "cache list"),
        (("cache", "lst", "flux"), "cache list flux"),
        (("sync", "wach"), "sync watch"),
        (("help",), "--help"),
        (("frobnicate",), "--help"),
    ],
)
def test_a_command_that_is_none_is_answered_with_the_line_that_was_meant(desk, words, meant):
    done = desk.inside(*words)
    assert done.code == 2
    wrong = words[0] if words[0] not in ("cache", "sync") else words[1]
    assert error_of(done) == (f"error: No such command '{wrong}'.", f"hint: hubferry {meant}")


def test_what_click_says_is_punctuated_as_chinese(desk):
    done = desk.inside("copy", "hf:a/b", environment={"HUBFERRY_LANG": "zh"})
    assert done.err.splitlines()[0] == "错误：缺少参数 'DESTINATION'。"


def test_a_folder_that_is_not_there_is_answered_with_the_nearest_that_is(desk):
    (desk.home / "my-model").mkdir(parents=True)
    for words in (("copy", "./my-modl", "./there"), ("ls", "./my-modl")):
        done = desk.inside(*words)
        assert done.code == 3
        assert error_of(done)[1] == f"hint: Did you mean {desk.home / 'my-model'}?"


def test_an_address_that_is_taken_is_said_in_few_words(desk):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (desk.home / "m.yaml").write_text(
            'version: 1\nsync: [{source: hf:a/b, target: ms:a/b, schedule: "0 3 * * *"}]\n'
        )
        port = address.partition(":")[2]
        for words in (
            ("serve", "./hub", "--port", port),
            ("ui", "--no-browser", "--port", port),
            ("sync", "watch", "m.yaml", "--listen", address),
        ):
            done = desk.ferry(*words)
            assert done.code == 2
            assert error_of(done)[0].endswith(f"{address}: Address already in use")


def test_what_is_no_certificate_is_said_to_be_none_before_anything_is_served(desk):
    (desk.home / "cert.pem").write_text("no certificate")
    for command in ("serve", "ui"):
        done = desk.ferry(command, "--port", "0", "--tls-cert", "cert.pem")
        assert done.code == 2
        error, hint = error_of(done)
        assert error == (
            "error: cert.pem cannot be used as a certificate: "
            "it is none in PEM, or its key is another one's or not there"
        )
        assert "--tls-key" in hint


def test_no_network_can_be_tried_again(desk, model):
    done = desk.ferry("copy", *PAIR, environment={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert done.code == 5
    error, hint = error_of(done)
    assert "127.0.0.1:9" in error
    assert "hubferry doctor" in hint


def test_a_full_disk_is_found_before_the_first_byte(desk, model):
    """The store says that the file is larger than any disk; no such bytes exist."""
    huge = 1 << 50
    before = desk.source.requests.bytes_sent
    with lying_about_sizes(desk.source, "model-00001-of-00002.safetensors", huge):
        done = desk.ferry("fetch", "hf:org/model")
    assert done.code == 7, done.said
    assert error_of(done)[1]
    assert desk.source.requests.bytes_sent - before < 32 * 1024


def test_a_file_over_the_destinations_limit_is_refused_before_anything_moves(desk, model):
    path = "model-00001-of-00002.safetensors"
    with lying_about_sizes(desk.source, path, 600 << 30):
        done = desk.ferry(
            "copy", "hf:org/model", "hf:mine/model", "--destination-endpoint", desk.destination.url
        )
    assert done.code == 2, done.said
    error, hint = error_of(done)
    assert path in error
    assert "--exclude" in hint
    assert desk.destination.requests.commits == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_interrupted_says_how_to_continue(slow_desk, number):
    process = forked.Popen(
        [sys.executable, "-m", "hubferry", "copy", *PAIR],
        env=slow_desk.environment,
        cwd=slow_desk.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen = ""
    while "plan:" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == -number, seen + err
    assert "Traceback" not in err
    assert "error: interrupted" in err
    assert "hint: hubferry copy hf:org/model ms:mine/model" in err
    assert out == ""
    assert slow_desk.destination.requests.commits == 0


def test_errors_are_json_when_the_answer_would_be(desk):
    done = desk.ferry("copy", "hf:org/absent", PAIR[1], "--json")
    assert done.code == 3
    error = done.json()["error"]
    assert error["exit_code"] == 3
    assert error["kind"] == "NotFoundError"
    assert error["side"] == "source"
    assert "org/absent" in error["message"]
    assert error["hint"]
    done = desk.ferry("copy", "--json", "--what")
    assert done.json()["error"]["exit_code"] == 2


def spoil(hub, path):
    """Turn one bit of a file around in a hub's store."""
    repository = hub.store.find("org/model")
    digest = repository.tree(repository.resolve(None)).files[path].sha256
    place = hub.store.blobs.path(digest)
    data = bytearray(place.read_bytes())
    data[-1] ^= 1
    place.chmod(0o644)
    place.write_bytes(data)


def test_a_wrong_byte_is_refused_and_nothing_is_published(desk, model):
    path = "model-00002-of-00002.safetensors"
    spoil(desk.source, path)
    done = desk.ferry("copy", *PAIR)
    assert done.code == 6, done.said
    assert path in error_of(done)[0]
    assert desk.destination.requests.commits == 0


def test_keep_going_publishes_the_good_files_and_lists_the_bad_ones(desk, model):
    path = "model-00002-of-00002.safetensors"
    spoil(desk.source, path)
    done = desk.ferry("copy", *PAIR, "--keep-going")
    assert done.code == 9, done.said
    assert path in done.err
    assert set(desk.published()) == {
        one.relative_to(model).as_posix() for one in model.rglob("*") if one.is_file() and one.name != path
    }
    failures = desk.ferry("copy", *PAIR, "--keep-going", "--json").json()["error"]["failures"]
    assert [(one["path"], one["exit_code"]) for one in failures] == [(path, 6)]


def test_an_unexpected_error_is_one_line_and_a_traceback_only_when_asked_for(desk, model, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import hubferry.api\ndef copy(*_a, **_k): raise RuntimeError('sky fell')\nhubferry.api.copy = copy\n"
    )
    environment = {"PYTHONPATH": str(broken)}
    done = desk.ferry("copy", *PAIR, environment=environment)
    assert done.code == 1
    assert error_of(done) == (
        "error: unexpected RuntimeError: sky fell",
        "hint: HUBFERRY_DEBUG=1 hubferry copy hf:org/model ms:mine/model",
    )
    for words, more in ((("--debug", "copy"), {}), (("copy",), {"HUBFERRY_DEBUG": "1"})):
        done = desk.ferry(*words, *PAIR, environment=environment | more)
        assert done.code == 1
        assert "Traceback" in done.err


def test_an_address_of_the_server_in_use_is_understood(desk, model):
    done = desk.ferry("fetch", f"{desk.source.url}/org/model/tree/main", "--include", "config.json")
    assert done.code == 0, done.said


@pytest.mark.parametrize("chosen", [True, False], ids=["its-root", "a-place-of-its-own"])
def test_a_full_disk_says_what_the_other_models_take(tmp_path, monkeypatch, capsys, chosen):
    root = tmp_path / "root"
    monkeypatch.setenv("HUBFERRY_CACHE", str(root if chosen else tmp_path / "elsewhere"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("mine", "other"):
        (root / name).mkdir(parents=True)
        (root / name / "model.safetensors").write_bytes(bytes(3 * MIB))
        (root / name / "config.json").write_text("{}")

    def work():
        raise DiskFullError("no room", side="cache", path=str(root / "mine"), hint="prune")

    assert guard(work, command=["hubferry", "fetch"]) == 7
    said = capsys.readouterr().err
    assert "no room" in said
    assert "1 model" in said
    assert "free 3.0 MiB" in said

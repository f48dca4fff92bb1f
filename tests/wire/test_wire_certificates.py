"""Whose certificates are believed, by which variable, and what is said of one that is not accepted."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import sys

import pytest
from asking import asking, everything, failing, secure, tls
from lines import HEAD, answering, fetched, get, pool, talking
from proxying import Socks

import forked
from hubferry.errors import CertificateError, HubferryError, NetworkError
from hubferry.hubs.http.client import Request
from hubferry.i18n import set_language
from hubferry.wire import authorities
from hubferry.wire import failures as wire
from hubferry.wire.place import Place
from hubferry.wire.proxies import Proxy

OK = HEAD + b"ok"
BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


async def answers(server):
    async with asking(secure(server)) as ours:
        return (await ours.ask(Request("GET", ours.endpoint + "/", {}))).body == b"ok"


@pytest.mark.parametrize("variable", [*BUNDLES, "SSL_CERT_DIR"])
async def test_each_variable_names_whose_certificates_are_believed(
    certificates, authority, monkeypatch, variable
):
    directory = variable == "SSL_CERT_DIR"
    async with talking(answering(OK), ssl=tls(certificates / "good.pem")) as hub:
        error = await failing(secure(hub))
        assert isinstance(error, CertificateError)
        assert not error.retryable
        assert "certificate" in error.message
        assert "an authority that is not known here" in error.message
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            assert name in error.hint
        monkeypatch.setenv(variable, str(certificates if directory else authority))
        assert await answers(hub)


@pytest.mark.parametrize("variable", BUNDLES)
async def test_a_directory_serves_as_well_as_a_file(certificates, monkeypatch, variable):
    monkeypatch.setenv(variable, str(certificates))
    async with talking(answering(OK), ssl=tls(certificates / "good.pem")) as hub:
        assert await answers(hub)


async def test_a_directory_serves_whose_files_have_not_the_names_that_openssl_looks_for(
    certificates, authority, monkeypatch, tmp_path
):
    shutil.copy(authority, tmp_path / "company.crt")
    written(tmp_path / "else.crt", b"no certificate")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    async with talking(answering(OK), ssl=tls(certificates / "good.pem")) as hub:
        assert await answers(hub)


async def test_a_list_of_directories_may_have_some_that_are_not_there(
    certificates, certificate, monkeypatch, tmp_path
):
    shutil.copy(certificate, tmp_path / "ours.pem")
    places = [tmp_path / "nowhere", tmp_path, certificates]
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(map(str, places)))
    for place in (certificate, certificates / "good.pem"):
        async with talking(answering(OK), ssl=tls(place)) as hub:
            assert await answers(hub)


async def test_all_that_several_variables_name_is_believed(certificates, certificate, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(authority))
    for place in (certificate, certificates / "good.pem"):
        async with talking(answering(OK), ssl=tls(place)) as hub:
            assert await answers(hub)


async def test_a_bundle_that_does_not_know_the_authority_is_named(certificates, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    async with talking(answering(OK), ssl=tls(certificates / "good.pem")) as hub:
        error = await failing(secure(hub))
    assert f"(REQUESTS_CA_BUNDLE={certificate})" in error.message


BAD_PLACES = {
    "not there": lambda folder: folder / "nowhere.pem",
    "empty": lambda folder: written(folder / "empty.pem", b""),
    "something else": lambda folder: written(folder / "else.pem", b"# no certificate\n"),
    "half of one": lambda folder: written(folder / "half.pem", b"-----BEGIN CERTIFICATE-----\nMIIB"),
    "an empty directory": lambda folder: folder,
    "a directory of something else": lambda folder: written(folder / "ours.pem", b"x").parent,
}


def written(place, content):
    place.write_bytes(content)
    return place


@pytest.mark.parametrize("variable", [*BUNDLES, "SSL_CERT_DIR"])
@pytest.mark.parametrize("kind", BAD_PLACES)
async def test_what_a_variable_names_and_cannot_be_used_is_said_with_it_before_anything_is_opened(
    certificates, monkeypatch, tmp_path, kind, variable
):
    place = BAD_PLACES[kind](tmp_path)
    monkeypatch.setenv(variable, str(place))
    async with talking(answering(OK), ssl=tls(certificates / "good.pem")) as hub:
        error = await failing(secure(hub))
        assert hub.connections == 0
    assert isinstance(error, CertificateError)
    assert not error.retryable
    assert f"certificates that {variable}={place} names" in error.message
    assert ("No such file" in error.message) is (kind == "not there")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another")
def test_a_bundle_that_may_not_be_read_is_said_so(authority, tmp_path):
    place = tmp_path / "closed.pem"
    shutil.copy(authority, place)
    place.chmod(0o600)
    program = (
        "import os\n"
        "from hubferry.wire import authorities, failures\n"
        "os.setgroups([]), os.setgid(65534), os.setuid(65534)\n"
        "try:\n    authorities.client_context()\n"
        "except failures.AuthoritiesError as error:\n    print(error.variable, error.reason)"
    )
    done = forked.run(
        [sys.executable, "-c", program],
        env={**os.environ, "CURL_CA_BUNDLE": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "CURL_CA_BUNDLE Permission denied\n"


async def test_a_plain_hub_is_asked_whatever_the_variables_name(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere"))
    async with talking(answering(OK)) as hub, pool() as ours:
        assert await fetched(ours, hub.place) == (200, b"ok")


WRONG = {
    "expired.pem": ("it has expired", "clock"),
    "elsewhere.pem": ("it is another host's", "under this name"),
    "../loopback.pem": ("it is signed by nobody but itself", "SSL_CERT_FILE"),
}


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("file", WRONG)
async def test_what_is_wrong_with_a_certificate_is_said_and_what_to_do(certificates, file):
    reason, hint = WRONG[file]
    async with talking(answering(OK), ssl=tls(certificates / file)) as hub:
        error = await failing(secure(hub))
        assert error.message == f"127.0.0.1:{hub.port}: its certificate is not accepted: {reason}"
        assert hint in error.hint
        assert isinstance(error, NetworkError)
        assert (error.retryable, error.exit_code) == (False, 5)
        other = await failing(secure(hub, "localhost"))
        assert reason in other.message


@pytest.mark.usefixtures("trusted")
async def test_a_body_is_not_sent_to_a_host_whose_certificate_is_not_accepted(certificates):
    taken = []

    async def body():
        taken.append(True)
        yield memoryview(b"body")

    async with talking(answering(OK), ssl=tls(certificates / "elsewhere.pem")) as hub:
        socks = Socks(hub.port)
        async with talking(socks.talk) as proxy, pool() as ours:
            for way in (None, Proxy("socks5h", "127.0.0.1", proxy.port)):
                request = get(method="PUT", body=body(), headers={"Content-Length": "4"})
                with pytest.raises(wire.CertificateError) as wrong:
                    await fetched(ours, Place("https", "127.0.0.1", hub.port, way), request)
                assert wrong.value.proxy is None
        assert len(socks.asked) == 1
    assert taken == []


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_is_spoken_of_in_chinese_too(certificates):
    set_language("zh")
    try:
        async with talking(answering(OK), ssl=tls(certificates / "expired.pem")) as hub:
            error = await failing(secure(hub))
    finally:
        set_language(None)
    assert error.message.endswith("证书验证失败：证书已过期")


@pytest.mark.usefixtures("trusted")
async def test_the_host_that_sends_us_to_a_wrong_certificate_is_named_too(certificates, monkeypatch):
    async with talking(answering(OK), ssl=tls(certificates / "expired.pem")) as storage:
        signed = secure(storage) + "/blob?X-Signature=secret-word"
        said = f"HTTP/1.1 302 Found\r\nLocation: {signed}\r\nContent-Length: 0\r\n\r\n".encode()
        async with talking(answering(said), ssl=tls(certificates / "good.pem")) as hub:
            error = await failing(secure(hub, "localhost"))
    assert error.message.startswith(
        f"127.0.0.1:{storage.port}, where localhost:{hub.port} sends us: its cert"
    )
    assert "secret-word" not in everything(error)


@pytest.mark.usefixtures("trusted")
async def test_a_token_of_an_encrypted_hub_never_leaves_by_plain_http(certificates):
    async with talking(answering(OK)) as plain:
        said = f"HTTP/1.1 302 Found\r\nLocation: {plain.url}/b\r\nContent-Length: 0\r\n\r\n".encode()
        async with talking(answering(said), ssl=tls(certificates / "good.pem")) as hub:
            for endpoint in (secure(hub), secure(hub, "localhost")):
                async with asking(endpoint, "token") as ours:
                    with pytest.raises(HubferryError) as refused:
                        await ours.ask(Request("GET", endpoint + "/", {}))
                assert f"to an unencrypted address at 127.0.0.1:{plain.port}" in refused.value.message
        assert plain.connections == 0


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_newer_versions_of_tls_are_spoken(certificates, version):
    context = tls(certificates / "good.pem")
    context.minimum_version = context.maximum_version = version
    async with talking(answering(OK), ssl=context) as hub:
        assert await answers(hub)


def test_no_older_version_of_tls_is_spoken_and_no_certificate_is_left_unverified(authority, monkeypatch):
    for variable in (None, *BUNDLES):
        if variable:
            monkeypatch.setenv(variable, str(authority))
        context = authorities.client_context()
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_a_bundle_stands_for_the_systems_store_and_a_variable_of_openssl_for_its_half(authority, monkeypatch):
    def known():
        return authorities.client_context().cert_store_stats()["x509_ca"]

    of_the_system = ssl.create_default_context().cert_store_stats()["x509_ca"]
    assert known() >= of_the_system
    for variable in BUNDLES[1:]:
        monkeypatch.setenv(variable, str(authority))
        assert known() == 1
        monkeypatch.delenv(variable)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    assert known() == ssl.create_default_context().cert_store_stats()["x509_ca"] == 1


async def test_a_python_without_a_store_of_its_own_takes_the_systems_or_certifis(
    certificates, authority, monkeypatch, tmp_path
):
    empty = ssl.DefaultVerifyPaths(None, None, "", str(tmp_path / "no.pem"), "", str(tmp_path / "no"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: empty)
    monkeypatch.setattr(ssl, "create_default_context", lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    monkeypatch.setattr(authorities, "_USUAL_FILES", (str(tmp_path / "no.pem"), str(authority)))
    async with talking(answering(OK), ssl=tls(certificates / "good.pem")) as hub:
        assert await answers(hub)
        monkeypatch.setattr(authorities, "_USUAL_FILES", ())
        certifi = pytest.importorskip("certifi")
        monkeypatch.setattr(certifi, "where", lambda: str(authority))
        assert authorities.system_store() == str(authority)
        assert await answers(hub)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("head", "begun"),
    [
        (b"Content-Length: 9\r\n", b"hello"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
        (b"", b"hello"),
    ],
    ids=["length", "chunks", "end"],
)
async def test_an_encrypted_body_that_ends_without_a_farewell_is_short(certificates, head, begun):
    async def talk(line):
        await line.asked()
        await line.say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + begun)
        below = socket.socket(fileno=os.dup(line.writer.get_extra_info("socket").fileno()))
        with below:
            below.shutdown(socket.SHUT_RDWR)  # below the encryption, where nothing is said of it

    async with talking(talk, ssl=tls(certificates / "good.pem")) as hub, pool() as ours:
        with pytest.raises(wire.BrokenOffError):
            await fetched(ours, Place("https", "127.0.0.1", hub.port))


@pytest.mark.usefixtures("trusted")
async def test_an_encrypted_body_that_ends_with_a_farewell_is_whole(certificates):
    async def talk(line):
        await line.asked()
        await line.say(b"HTTP/1.1 200 OK\r\n\r\n", b"hello")

    async with talking(talk, ssl=tls(certificates / "good.pem")) as hub, pool() as ours:
        assert await fetched(ours, Place("https", "127.0.0.1", hub.port)) == (200, b"hello")

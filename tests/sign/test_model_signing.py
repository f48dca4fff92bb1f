"""model.sig, made and verified by OpenSSF model signing itself: with a key, and with certificates."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil

import pytest
from desks import Desk, publish
from servers import running_hub, sdk_environment

import models

pytest.importorskip("model_signing", reason="model-signing is not installed: make test-sign")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from model_signing import signing

PAIR = ("copy", "hf:org/model", "ms:mine/model")
DAY = dt.timedelta(days=1)


@pytest.fixture
def model(tmp_path):
    return models.transformers_model(tmp_path / "model", shards=2, shard_size=32 * 1024)


@pytest.fixture
def desk(tmp_path):
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(running_hub(tmp_path / "source"))
        destination = stack.enter_context(running_hub(tmp_path / "destination"))
        environment = sdk_environment(tmp_path / "home", hf=source, ms=destination)
        environment |= {"HUBFERRY_RETRIES": "0", "HUBFERRY_RETRY_WAIT": "0.01"}
        yield Desk(tmp_path / "home", environment, source, destination)


def key_pair(folder, name):
    """Write a key of its own; return the private and the public half."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.key", folder / f"{name}.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public, key


@pytest.fixture
def keys(tmp_path):
    return key_pair(tmp_path, "ours")


@pytest.fixture
def signed(desk, model, keys):
    """A model with its signature, on the source hub."""
    signing.Config().use_elliptic_key_signer(private_key=keys[0]).sign(model, model / "model.sig")
    publish(desk.source, model, "org/model")
    return model


def verify(desk, key, *words):
    return desk.inside(*(words or PAIR), "--verify-signature", str(key))


def test_a_signature_by_the_right_key_lets_the_copy_begin(desk, signed, keys):
    done = verify(desk, keys[1])
    assert done.code == 0, done.said
    assert "source verified by model.sig" in done.out
    for words in (("fetch", "hf:org/model"), ("check", *PAIR[1:])):
        again = verify(desk, keys[1], *words)
        assert again.code == 0, again.said
        assert "model.sig: " in again.err


def test_another_key_or_a_changed_file_or_statement_lets_nothing_begin(desk, signed, keys, tmp_path):
    _private, other, _key = key_pair(tmp_path, "other")
    done = verify(desk, other)
    assert (done.code, "is not right by other.pem" in done.err) == (6, True), done.said
    desk.source.store.add("org/model", {"config.json": b"{}"})
    done = verify(desk, keys[1])
    assert (done.code, "1 file is not what model.sig says: config.json" in done.err) == (6, True), done.said
    shutil.copyfile(signed / "config.json", tmp_path / "config.json")
    bundle = json.loads((signed / "model.sig").read_bytes())
    for change in ("payload", "signature"):
        envelope = json.loads(json.dumps(bundle))
        if change == "payload":  # the statement fits what is there, and nobody has signed it
            forged = forged_statement(signed, b"{}")
            envelope["dsseEnvelope"]["payload"] = forged
        else:
            envelope["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
            desk.source.store.add("org/model", {"config.json": signed / "config.json"})
        desk.source.store.add("org/model", {"model.sig": json.dumps(envelope).encode()})
        done = verify(desk, keys[1])
        assert (done.code, "the signature of model.sig is not right" in done.err) == (6, True), done.said
    assert desk.destination.requests.commits == desk.destination.requests.blobs_received == 0


def forged_statement(model, content):
    import base64
    import hashlib

    statement = json.loads(
        base64.b64decode(json.loads((model / "model.sig").read_bytes())["dsseEnvelope"]["payload"])
    )
    for one in statement["predicate"]["resources"]:
        if one["name"] == "config.json":
            one["digest"] = hashlib.sha256(content).hexdigest()
    return base64.b64encode(json.dumps(statement).encode()).decode()


def certified(folder):
    """Write a root certificate and a signing one by it; return the key, the certificate and the root."""
    root_private, _public, root_key = key_pair(folder, "root")
    private, _public, key = key_pair(folder, "leaf")
    del root_private
    now = dt.datetime.now(dt.timezone.utc)

    def certificate(name, issuer, public, by, *, authority):
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=authority, crl_sign=authority, encipher_only=None,
            decipher_only=None,
        )  # fmt: skip
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
        )
        if not authority:
            made = made.add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
        place = folder / f"{name}.crt"
        place.write_bytes(made.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return place

    root = certificate("root", "root", root_key.public_key(), root_key, authority=True)
    leaf = certificate("leaf", "root", key.public_key(), root_key, authority=False)
    return private, leaf, root


def test_certificates_verify_as_a_key_does_and_others_do_not(desk, model, tmp_path):
    private, leaf, root = certified(tmp_path)
    signing.Config().use_certificate_signer(
        private_key=private, signing_certificate=leaf, certificate_chain=[root]
    ).sign(model, model / "model.sig")
    publish(desk.source, model, "org/model")
    done = verify(desk, root)
    assert done.code == 0, done.said
    (tmp_path / "elsewhere").mkdir()
    other = certified(tmp_path / "elsewhere")[2]
    assert verify(desk, other, "fetch", "hf:org/model").code == 6


def test_a_signature_over_parts_of_files_is_refused_in_words(desk, model, keys):
    from model_signing import hashing

    signing.Config().use_elliptic_key_signer(private_key=keys[0]).set_hashing_config(
        hashing.Config().use_shard_serialization()
    ).sign(model, model / "model.sig")
    publish(desk.source, model, "org/model")
    done = verify(desk, keys[1])
    assert (done.code, "about digests that no hub lists" in done.err) == (6, True), done.said

"""Who may vouch for a host's certificate: whom the environment names, else whom the system trusts.

SSL_CERT_FILE and SSL_CERT_DIR are OpenSSL's: each stands for one half of the system's store;
REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE for all of it. Where several are set, all that they name is believed.
"""

from __future__ import annotations

import os
import re
import ssl
from contextlib import suppress
from pathlib import Path

from hubferry.places import is_directory
from hubferry.wire.failures import AuthoritiesError

_OF_OPENSSL = ("SSL_CERT_FILE", "SSL_CERT_DIR")
VARIABLES = (*_OF_OPENSSL, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_USUAL_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, the BSDs
)
"""For a Python that was built elsewhere, and whose OpenSSL looks where there is nothing."""
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
"""Names by which OpenSSL finds certificates in a directory; `openssl rehash` makes them."""


def named() -> list[tuple[str, str]]:
    """Return each variable that is set, with the path that it names."""
    return [(name, os.environ[name]) for name in VARIABLES if os.environ.get(name)]


def client_context() -> ssl.SSLContext:
    """Return what a connection is encrypted with: TLS 1.2 at least, the host's certificate verified.

    Raises:
        AuthoritiesError: What a variable names cannot be read, or has no certificate in it.
    """
    variables = named()
    if variables:
        # Not as strict in form as Python is since 3.13: companies' own authorities are often old.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    else:
        context = ssl.create_default_context()
    for place, variable in {place: variable for variable, place in reversed(variables)}.items():
        _load(context, variable, place)  # once, where several name the same
    if any(variable in _OF_OPENSSL for variable, _place in variables):
        context.load_default_certs()
    if not variables:
        _complete(context)
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.set_alpn_protocols(["http/1.1"])
    return context


def system_store() -> str | None:
    """Return where the system's own certificates are; None where it has none that are found."""
    paths = ssl.get_default_verify_paths()
    places = (paths.openssl_cafile, paths.openssl_capath, *_USUAL_FILES)
    found = next((place for place in places if _is_file(place) or _has_hashed(place)), None)
    return found or _of_certifi()


def _load(context: ssl.SSLContext, variable: str, place: str) -> None:
    directories = [one for one in place.split(os.pathsep) if is_directory(Path(one))]
    if directories:
        if not any(map(_has_hashed, directories)):
            raise AuthoritiesError(variable, place, None)
        for directory in directories:
            context.load_verify_locations(capath=directory)
        return
    try:
        context.load_verify_locations(cafile=place)
    except ssl.SSLError:
        raise AuthoritiesError(variable, place, None) from None
    except OSError as error:
        raise AuthoritiesError(variable, place, error.strerror or "?") from None


def _has_hashed(directory: str) -> bool:
    with suppress(OSError):
        return any(_HASHED.fullmatch(file.name) for file in Path(directory).iterdir())
    return False


def _is_file(place: str) -> bool:
    return os.path.isfile(place)  # noqa: PTH113 - Path.is_file raises where it may not look


def _complete(context: ssl.SSLContext) -> None:
    """Add the system's certificates where Python did not find them itself."""
    if context.cert_store_stats()["x509_ca"]:
        return
    store = system_store()
    if store is not None:
        context.load_verify_locations(**{"capath" if is_directory(Path(store)) else "cafile": store})


def _of_certifi() -> str | None:
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()

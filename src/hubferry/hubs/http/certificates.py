"""Say what is wrong with a certificate, and which variable to set."""

from __future__ import annotations

from hubferry.i18n import _
from hubferry.wire.failures import AuthoritiesError, CertificateError

_NOT_YET, _EXPIRED, _REVOKED = 9, 10, 23
_SELF_SIGNED = 18
_NOBODY_KNOWN = frozenset({2, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})
"""By OpenSSL's X509_V_ERR: a name, an address."""


def message(error: CertificateError | AuthoritiesError, where: str) -> str:
    """Return the sentence for a certificate, or a list of them, that is not good."""
    if isinstance(error, AuthoritiesError):
        reason = error.reason or _("no certificate is in it that is found")
        return _("The certificates that {variable}={place} names cannot be used: {reason}").format(
            variable=error.variable, place=error.place, reason=reason
        )
    return _("{host}: its certificate is not accepted: {reason}").format(host=where, reason=_reason(error))


def hint(error: CertificateError | AuthoritiesError) -> str:
    """Return what to do about it."""
    if isinstance(error, AuthoritiesError):
        return _("A file in PEM format is wanted, or a directory that `openssl rehash` has prepared.")
    if error.code in (_NOT_YET, _EXPIRED):
        return _("Look at this machine's clock; if it is right, the host needs a new certificate.")
    if error.code in _OTHER_NAME:
        return _("Somebody else answers under this name, or the address should be written as the host's own.")
    return _(
        "If a company or a hub of your own has its own authority, name its file in SSL_CERT_FILE or "
        "REQUESTS_CA_BUNDLE."
    )


def _reason(error: CertificateError) -> str:
    if error.code == _SELF_SIGNED:
        return _("it is signed by nobody but itself")
    if error.code in _NOBODY_KNOWN:
        return _("it is signed by an authority that is not known here ({store})").format(store=_store())
    known = {
        _EXPIRED: _("it has expired"),
        _NOT_YET: _("it is not valid yet"),
        _REVOKED: _("it was revoked"),
        **dict.fromkeys(_OTHER_NAME, _("it is another host's")),
    }
    return known.get(error.code) or error.reason or "?"


def _store() -> str:
    """Say who is believed."""
    from hubferry.wire.authorities import named

    return ", ".join(f"{variable}={place}" for variable, place in named()) or _("the system's store")

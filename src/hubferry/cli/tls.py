"""Speaking https with a certificate that somebody has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


def tls_context(tls: tuple[Path, Path | None] | None) -> ssl.SSLContext | None:
    """Return what speaks https with a certificate and its key; None for plain http.

    Raises:
        UsageError: They cannot be used.
    """
    if tls is None:
        return None
    from hubferry.serve.certificates import Renewable

    certificate, key = tls
    try:
        return Renewable(certificate, key).context()
    except OSError as error:
        raise UsageError(
            _("{path} cannot be used as a certificate: {reason}").format(path=certificate, reason=error),
            hint="--tls-cert cert.pem --tls-key key.pem",
        ) from error

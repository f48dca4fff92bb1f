"""What goes wrong when an encrypted connection begins, and whether one ended as it should."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hubferry.wire.failures import CertificateError, EncryptionError, NestedEncryptionError, UnreachableError

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Iterator


@contextmanager
def beginning() -> Iterator[None]:
    """Name what goes wrong while an encrypted connection begins in a `with` block.

    Raises:
        EncryptionError: It could not be made.
        UnreachableError: It broke off.
    """
    import ssl

    try:
        yield
    except ssl.SSLError as error:
        raise _not_encrypted(error) from None
    except TypeError as error:
        # asyncio, of a transport that is encrypted already: 3.10 knows no TLS in TLS, 3.11 fails at ending it
        cause = error.__context__
        known = _not_encrypted(cause) if isinstance(cause, ssl.SSLError) else NestedEncryptionError()
        raise known from None
    except OSError as error:
        raise UnreachableError(error.errno, error.strerror) from None


def ended_properly(transport: asyncio.BaseTransport | None) -> bool:
    """Return whether the end that was just seen was meant: over TLS anybody on the way can make one."""
    encryption: ssl.SSLObject | None = None if transport is None else transport.get_extra_info("ssl_object")
    if encryption is None:
        return True
    import ssl

    try:
        return not encryption.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except (ssl.SSLError, ValueError):
        return False


def _not_encrypted(error: ssl.SSLError) -> EncryptionError:
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateError(error.verify_code, error.verify_message)
    return EncryptionError(error.reason)

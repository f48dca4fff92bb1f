"""Verify model.sig by the package that signs: every question of cryptography is model-signing's."""

from __future__ import annotations

import io
import tempfile
from contextlib import redirect_stdout
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hubferry.errors import DiskError, IntegrityError, UsageError
from hubferry.i18n import _
from hubferry.places import expanded
from hubferry.signed.covered import SIGNATURE, Covered

if TYPE_CHECKING:
    from collections.abc import Mapping

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_LARGEST = 1 << 20


def verify(said: Covered, digests: Mapping[str, str], key: str) -> None:
    """Return where the signature is right by `key`, and its files are those of `digests`. Blocks.

    Raises:
        UsageError: model-signing is not installed, or the file has neither a public key nor certificates.
        IntegrityError: The signature is not right.
        DiskError: The file cannot be read.
    """
    place = expanded(key)
    chain = _is_chain(place)
    try:
        from model_signing import verifying
    except ImportError as error:
        message = _("{name} cannot be verified: model-signing is not installed").format(name=SIGNATURE)
        raise UsageError(message, hint="pip install 'hubferry[sign]'") from error
    config = verifying.Config().set_ignore_unsigned_files(True).set_hashing_config(_listed(digests))
    try:
        with tempfile.TemporaryDirectory(prefix="hubferry-sign-") as folder, redirect_stdout(io.StringIO()):
            written = Path(folder) / SIGNATURE
            written.write_bytes(said.content)
            by_key = config.use_elliptic_key_verifier
            by_chain = config.use_certificate_verifier
            verifier = by_chain(certificate_chain=[place]) if chain else by_key(public_key=place)
            verifier.verify(Path(folder), written)
    except Exception as error:  # it raises whatever its own dependencies do
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        message = _("the signature of {name} is not right by {key}: {reason}")
        words = {"name": SIGNATURE, "key": place.name, "reason": reason}
        raise IntegrityError(message.format(**words), side="source", path=SIGNATURE) from error


def _is_chain(place: Path) -> bool:
    """Return whether a file has certificates, and not a key."""
    try:
        with place.open("rb") as file:
            return _CERTIFICATE in file.read(_LARGEST)
    except OSError as error:
        message = _("{path} cannot be read: {reason}").format(path=place, reason=error.strerror)
        raise DiskError(message, path=str(place)) from error


def _listed(digests: Mapping[str, str]) -> Any:
    """Return what stands in for hashing files: the digests that are listed, which every byte has to fit."""
    from model_signing import hashing, manifest
    from model_signing._hashing.hashing import Digest

    class Listed(hashing.Config):  # type: ignore[misc, unused-ignore]  # it has no types where it is missing
        def hash(self, model_path: Any, *, files_to_hash: Any = None) -> Any:
            names = [
                PurePosixPath(Path(one).relative_to(model_path).as_posix()) for one in files_to_hash or ()
            ]
            items = [
                manifest.FileManifestItem(path=name, digest=Digest("sha256", bytes.fromhex(found)))
                for name in names
                if (found := digests.get(str(name)))
            ]
            kind = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
            return manifest.Manifest("", items, manifest.SerializationType.from_args(kind))

        def add_ignored_paths(self, **_words: Any) -> None:
            """Ignore nothing: only what is signed is looked at."""

    return Listed()

"""Read SHA256SUMS and model.sig as data: which files, with which digests. Pure; nothing is proven by that.

Formats: coreutils' digest.c (also `--tag`, as BSD writes it); model-signing 1.1.1, _signing/signing.py (a
sigstore bundle whose DSSE payload is an in-toto statement; `predicate.resources` are the files).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hubferry.errors import IntegrityError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping

SUMS = "SHA256SUMS"
SIGNATURE = "model.sig"
NAMES = frozenset({SUMS, SIGNATURE})
LARGEST = 32 << 20
"""Bytes of either at most: 100,000 files take about 20 MB."""

_SUM = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)")
_TAGGED = re.compile(r"(\\?)SHA256 \((.+)\) = ([0-9a-fA-F]{64})")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}


@dataclass(frozen=True, slots=True)
class Covered:
    """What one of them says.

    Attributes:
        name: Of the file that says it.
        digests: The sha256 of each file, by path.
        content: The file itself.
    """

    name: str
    digests: Mapping[str, str]
    content: bytes = field(repr=False)


def sums(content: bytes) -> Covered:
    """Read SHA256SUMS; paths are data.

    Raises:
        IntegrityError: A line is none, or two say something else of one file.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", "surrogateescape").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        path, digest = _line(line.removesuffix("\r"), number)
        if found.setdefault(path, digest) != digest:
            message = _("{name} says two things of {path}").format(name=SUMS, path=path)
            raise IntegrityError(message, side="source", path=SUMS)
    return Covered(SUMS, found, content)


def _line(line: str, number: int) -> tuple[str, str]:
    if match := _SUM.fullmatch(line):
        escaped, digest, path = match.groups()
    elif match := _TAGGED.fullmatch(line):
        escaped, path, digest = match.groups()
    else:
        message = _("line {number} of {name} cannot be read").format(number=number, name=SUMS)
        raise IntegrityError(message, side="source", path=SUMS)
    if escaped:
        path = re.sub(r"\\[\\nr]", lambda found: _ESCAPES[found[0]], path)
    return path.removeprefix("./"), digest.lower()


def signature(content: bytes) -> Covered:
    """Read which files a signature is about; whether it is right is another question.

    Raises:
        IntegrityError: It is none, or about parts of files or other digests than hubs have.
    """
    try:
        envelope = json.loads(content)["dsseEnvelope"]
        statement = json.loads(base64.b64decode(envelope["payload"], validate=True))
        entries = _entries(statement)
    except (KeyError, TypeError, ValueError, RecursionError, binascii.Error) as error:
        message = _("{name} is no signature of model-signing").format(name=SIGNATURE)
        raise IntegrityError(message, side="source", path=SIGNATURE) from error
    return Covered(SIGNATURE, entries, content)


def _entries(statement: Any) -> dict[str, str]:
    """Return the files of a statement, of the first format or of the one before it."""
    if "predicate" not in statement or "resources" not in statement["predicate"]:
        named = [(one["name"], one["digest"]["sha256"]) for one in statement["subject"]]
    else:
        resources = statement["predicate"]["resources"]
        other = {str(one["algorithm"])[:40] for one in resources} - {"sha256"}
        if other:
            message = _("{name} is about digests that no hub lists: {kind}")
            message = message.format(name=SIGNATURE, kind=ascii(min(other))[1:-1])
            raise IntegrityError(message, side="source", path=SIGNATURE)
        named = [(one["name"], one["digest"]) for one in resources]
    if not all(isinstance(name, str) and _DIGEST.fullmatch(digest) for name, digest in named):
        raise ValueError
    return dict(named)

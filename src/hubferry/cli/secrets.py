"""Keep tokens and signed addresses out of everything that is printed, and out of the process list."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from functools import cache

from hubferry.errors import HubferryError

HIDDEN = "***"
_TOKEN_VARIABLES = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "MODELSCOPE_API_TOKEN",
    "HUBFERRY_TOKEN",
    "HUBFERRY_READ_TOKEN",
    "HUBFERRY_SOURCE_TOKEN",
    "HUBFERRY_DESTINATION_TOKEN",
)
_SHORTEST_SECRET = 4  # replacing shorter values would garble ordinary words
_TOKEN_SHAPES = re.compile(
    r"\bhf_[A-Za-z0-9]{8,}|\bms-[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,}|(?i:(?<=bearer )[^\s'\",;]+)"
)
_SIGNED_QUERY = re.compile(
    r"(https?://[^\s'\"<>?]+)\?[^\s'\"<>]*"
    r"(?i:signature|credential|token|key-pair-id|accesskeyid|auth_key|policy|expires)=[^\s'\"<>]*"
)
_USER_IN_ADDRESS = re.compile(r"(https?://)[^\s/@'\"]+@")


def redact(text: str) -> str:
    """Return `text` without any known token, anything shaped like one, or the query of a signed address."""
    for secret in _known():
        text = text.replace(secret, HIDDEN)
    text = _SIGNED_QUERY.sub(rf"\1?{HIDDEN}", text)
    text = _USER_IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    return _TOKEN_SHAPES.sub(HIDDEN, text)


def _known() -> list[str]:
    """Return the tokens of the environment, and the stored ones once somebody has read them."""
    known = [secret for name in _TOKEN_VARIABLES for secret in os.environ.get(name, "").split(",")]
    if "hubferry.hubs.credentials" in sys.modules:
        known += _stored()
    if "hubferry.config.tokens" in sys.modules:
        from hubferry.config import tokens

        known += tokens.obtained()
    return [secret.strip() for secret in known if len(secret.strip()) >= _SHORTEST_SECRET]


@cache
def _stored() -> tuple[str, ...]:
    from hubferry.hubs import credentials

    found: list[str | None] = [credentials.stored_huggingface_token()]
    with suppress(HubferryError):  # where the endpoint is not to be known no token of a login is read
        found.append(credentials.stored_modelscope_token())
    return tuple(filter(None, found))


_BOTH_SIDES = ("HUBFERRY_SOURCE_TOKEN", "HUBFERRY_DESTINATION_TOKEN")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "--token": _BOTH_SIDES,
    "--source-token": ("HUBFERRY_SOURCE_TOKEN",),
    "--destination-token": ("HUBFERRY_DESTINATION_TOKEN",),
    "--hf-token": ("HF_TOKEN",),
    "--read-token": ("HUBFERRY_READ_TOKEN",),
}


_WITHOUT_TOKENS = frozenset({"config", "demo", "sync", "transfers", "ui"})


def may_have_tokens(arguments: list[str]) -> bool:
    """Return whether a command line of hubferry is one of a command that takes tokens; others refuse them."""
    return next((word for word in arguments if not word.startswith("-")), "") not in _WITHOUT_TOKENS


def take_tokens(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Split a command line into what anyone may read, and the tokens, as environment variables.

    The more exact option wins over `--token`. `serve` keeps its own variable: its token is what it demands.
    """
    words, tokens = list(arguments), dict[str, str]()
    exact: dict[str, str] = {}
    rest: list[str] = []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *words]
            break
        if name not in _OPTIONS or not (equals or words):
            rest.append(word)
            continue
        value = value if equals else words.pop(0)
        serving = name == "--token" and "serve" in arguments[:2]
        variables = ("HUBFERRY_TOKEN",) if serving else _OPTIONS[name]
        (tokens if name == "--token" else exact).update(dict.fromkeys(variables, value))
    return rest, tokens | exact


def hand_over(arguments: list[str], tokens: dict[str, str]) -> None:
    """Start this program again, its tokens in the environment, where `ps` does not show them.

    Does not return where the platform can replace a process. Elsewhere the environment is all that is set.
    """
    os.environ.update(tokens)
    if os.name != "posix":
        return
    before = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *before, *arguments])  # noqa: S606  # ourselves, no shell wanted

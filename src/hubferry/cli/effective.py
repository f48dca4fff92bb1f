"""What holds now of everything that a configuration file may say, and where each of it comes from.

No token is read out, and no command is run: what is known is whether there would be one, and from where.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hubferry import config, places
from hubferry.config.tables import DEFAULTS
from hubferry.hubs import credentials
from hubferry.hubs.http import insecure as insecurely
from hubferry.hubs.http.addresses import origin as origin_of

if TYPE_CHECKING:
    from hubferry.config import Configuration, HubSettings
    from hubferry.model import HubName

Origin = Literal["environment", "file", "built-in", "login", "command", "token-file"]
TokenState = Literal["set", "unset", "command", "elsewhere"]
_ENDPOINTS = {"hf": ("HF_ENDPOINT",), "ms": ("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN")}
_TOKENS = {"hf": ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"), "ms": ("MODELSCOPE_API_TOKEN",)}
_VARIABLES = {"cache_dir": "HUBFERRY_CACHE", "offline": "HF_HUB_OFFLINE"}
_USUAL: tuple[HubName, ...] = ("hf", "ms")


@dataclass(frozen=True, slots=True)
class Value:
    """A setting as it holds.

    Attributes:
        value: None where nothing says anything.
        origin: Where it comes from.
        name: Of the variable, or of the line in the file; None where there is no more to say.
    """

    value: str | int | bool | None
    origin: Origin
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """Whether a hub is asked with a token.

    Attributes:
        state: There is one; there is none; a command is going to be asked for it; or the file's belongs to
            another endpoint than the one in use.
        origin: Where it comes from, or would.
        name: Of the variable, the file or the command; None where there is no more to say.
    """

    state: TokenState
    origin: Origin | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub as it is reached."""

    name: str
    kind: HubName
    endpoint: Value
    token: Token
    insecure: Value
    concurrency: Value
    commits_per_hour: Value


def hubs() -> list[Hub]:
    """Return the two hubs that everybody knows, then those of the file."""
    file = config.current()
    usual = [_hub(name, name, file.hubs.get(name)) for name in _USUAL]
    return usual + [_hub(hub.name, hub.kind, hub) for hub in file.named]


def _hub(name: str, kind: HubName, said: HubSettings | None) -> Hub:
    endpoint = _endpoint(name, kind, said)
    settings = credentials.settings_at(name, str(endpoint.value))
    at = None if said is None else _line(said.line)
    return Hub(
        name,
        kind,
        endpoint,
        _token(name, said, applies=settings is not None, endpoint=str(endpoint.value)),
        _insecure(str(endpoint.value), settings, at),
        _limit(None if settings is None else settings.concurrency, at),
        _limit(None if settings is None else settings.commits_per_hour, at),
    )


def _limit(said: int | None, at: str | None) -> Value:
    return Value(None, "built-in") if said is None else Value(said, "file", at)


def _endpoint(name: str, kind: HubName, said: HubSettings | None) -> Value:
    for variable in _ENDPOINTS.get(name, ()):
        if os.environ.get(variable):
            usual = credentials.modelscope_endpoint if kind == "ms" else credentials.huggingface_endpoint
            return Value(usual(), "environment", variable)
    if said is not None and said.endpoint is not None:
        return Value(said.endpoint, "file", _line(said.line))
    return Value(credentials.MODELSCOPE if kind == "ms" else credentials.HUGGINGFACE, "built-in")


def _insecure(endpoint: str, settings: HubSettings | None, at: str | None) -> Value:
    if settings is not None and settings.insecure:
        return Value(True, "file", at)
    where = origin_of(endpoint)
    by_name = where is not None and where[0] == "http" and insecurely.is_named(where[1], where[2])
    return Value(True, "environment", insecurely.VARIABLE) if by_name else Value(False, "built-in")


def _token(name: str, said: HubSettings | None, *, applies: bool, endpoint: str) -> Token:
    for variable in _TOKENS.get(name, ()):
        if os.environ.get(variable, "").strip():
            return Token("set", "environment", variable)
    source = None if said is None else said.token
    if source is not None and applies:
        kind = source.kind
        if kind == "command":
            return Token("command", "command", source.shown)
        if kind == "clear":
            return Token("set", "file")
        there = bool(os.environ.get(source.shown, "").strip()) if kind == "env" else _is_file(source.shown)
        return Token(
            "set" if there else "unset", "environment" if kind == "env" else "token-file", source.shown
        )
    return _stored(name, endpoint) or Token("unset" if source is None else "elsewhere")


def _stored(name: str, endpoint: str) -> Token | None:
    if name == "hf" and credentials.stored_huggingface_token():
        return Token("set", "login", str(credentials.huggingface_token_file()))
    if name == "ms" and credentials.stored_modelscope_token(endpoint=endpoint):
        return Token("set", "login", str(credentials.modelscope_cookie_file()))
    return None


def _is_file(path: str) -> bool:
    known = places.expanded_if_known(path)
    return known is not None and known.is_file()


def defaults() -> dict[str, Value]:
    """Return what each option is that the file may set, unless the command line says otherwise."""
    file = config.current()
    return {name: _default(name, file) for name in DEFAULTS}


def _default(name: str, file: Configuration) -> Value:
    variable = _VARIABLES.get(name)
    if variable is not None and os.environ.get(variable, "").strip():
        return Value(os.environ[variable], "environment", variable)
    said = file.defaults.get(name)
    return Value(None, "built-in") if said is None else Value(said.value, "file", _line(said.line))


def _line(line: int | None) -> str | None:
    path = config.place().path
    return None if path is None else str(path) if line is None else f"{path}:{line}"

"""What `hubferry doctor` looks at: one finding a thing, none of them with a secret in it."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Literal
from urllib.request import getproxies

from hubferry import __version__
from hubferry.cli import output
from hubferry.errors import AccessError, DiskError, HubferryError, NetworkError
from hubferry.hubs import credentials
from hubferry.i18n import _
from hubferry.places import nearest_directory
from hubferry.remember import offline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hubferry.hubs.account import Login
    from hubferry.model import HubName

State = Literal["good", "note", "bad"]
_PACKAGES = ("huggingface_hub", "hf_xet", "httptools", "python-socks", "aiohttp", "uvloop", "click")
_LITTLE_SPACE = 10 * 1024**3
"""Free bytes below which most models no longer fit."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: What was looked at.
        state: `good`, `note` (worth knowing) or `bad` (would stop a copy).
        text: What was found.
        hint: What to type or set.
        exit_code: Of the error that a copy would end with; 0 unless bad.
        code: A stable, untranslated word for it.
    """

    subject: str
    state: State
    text: str
    hint: str | None = None
    exit_code: int = 0
    code: str = ""


def machine(cache_root: Path | None = None) -> list[Finding]:
    """Look at this machine alone: versions, the cache's disk, what forbids the network."""
    return [_versions(), _disk(cache_root), *_offline_setting(), _certificates()]


def examine(cache_root: Path | None = None, *, ask_hubs: bool) -> list[Finding]:
    """Look at this machine and, if asked to, at both hubs."""
    from hubferry.cli import examine_config

    found = examine_config.configuration()
    if any(one.state == "bad" for one in found):  # nothing else can be known
        return [_versions(), *found]
    found += [*machine(cache_root), *_proxies()]
    found += [_huggingface_token(), _modelscope_token(), *examine_config.tokens()]
    if ask_hubs and not offline():
        found += [_huggingface(), _modelscope(), *examine_config.hubs()]
    return found


def _versions() -> Finding:
    words = [f"hubferry {__version__}", f"Python {platform.python_version()}", platform.platform()]
    for package in _PACKAGES:
        try:
            words.append(f"{package} {installed(package)}")
        except PackageNotFoundError:
            words.append(_("{package} missing").format(package=package))
    return Finding(_("versions"), "good", ", ".join(words), code="versions")


def _disk(root: Path | None = None) -> Finding:
    from hubferry.cache.roots import default_root

    subject, code = _("cache"), "cache"
    try:
        root = root or default_root()
    except HubferryError as error:
        return Finding(subject, "bad", error.message, error.hint, error.exit_code, code)
    place = nearest_directory(root)
    free = output.size(shutil.disk_usage(place).free)
    text = _("{path}: {free} free").format(path=root, free=free)
    if not os.access(place, os.W_OK | os.X_OK):
        hint = "HUBFERRY_CACHE=/another/disk hubferry doctor"
        text = _("{path}: no permission to write").format(path=place)
        return Finding(subject, "bad", text, hint, DiskError.exit_code, code)
    if shutil.disk_usage(place).free < _LITTLE_SPACE:
        return Finding(subject, "note", text, "hubferry cache list; hubferry cache clean NAME", code=code)
    return Finding(subject, "good", text, code=code)


def _offline_setting() -> list[Finding]:
    if not offline():
        return []
    text = _("HF_HUB_OFFLINE is set: no hub is asked, and nothing can be copied")
    return [Finding(_("network"), "bad", text, "unset HF_HUB_OFFLINE", NetworkError.exit_code, "offline")]


def _proxies() -> list[Finding]:
    """Look at the proxies that are named, each without its login."""
    from hubferry.wire import proxies
    from hubferry.wire.failures import ProxyKindError

    found, settings, code = [], getproxies(), "proxy"
    for scheme in ("https", "http", "all"):
        if not settings.get(scheme):
            continue
        variable = proxies.variable_for(scheme)
        try:
            proxy = proxies.read(settings[scheme], variable)
        except ProxyKindError:
            text = _("{variable} names no proxy that can be used").format(variable=variable or scheme)
            exit_code = NetworkError.exit_code
            found.append(Finding(_("proxy"), "bad", text, exit_code=exit_code, code=code))
            continue
        text = _("{scheme} goes through {address}").format(scheme=scheme, address=proxy)
        text = f"{text} ({variable})" if variable else text
        found.append(Finding(_("proxy"), "note", text, code=code))
    if found and settings.get("no"):
        text = _("asked directly: {hosts}").format(hosts=settings["no"])
        found.append(Finding(_("proxy"), "note", text, code="no-proxy"))
    return found


def _certificates() -> Finding:
    """Look at who may vouch for a hub's certificate, and at the variable that says so."""
    from hubferry.hubs.http import certificates
    from hubferry.wire import authorities
    from hubferry.wire.failures import AuthoritiesError

    subject, code = _("certificates"), "certificates"
    try:
        authorities.client_context()
    except AuthoritiesError as error:
        said = certificates.message(error, "")
        return Finding(subject, "bad", said, certificates.hint(error), NetworkError.exit_code, code)
    named = authorities.named()
    if named:
        return Finding(
            subject, "note", ", ".join(f"{variable}={place}" for variable, place in named), code=code
        )
    store = authorities.system_store()
    if store is None and os.name == "posix":
        hint = "export SSL_CERT_FILE=/path/to/authorities.pem"
        return Finding(subject, "bad", _("this system has none"), hint, NetworkError.exit_code, code)
    return Finding(subject, "good", store or _("the system's store"), code=code)


def _huggingface_token() -> Finding:
    subject, code = _("Hugging Face token"), "hf-token"
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if os.environ.get(variable):
            return Finding(subject, "good", _("found in {place}").format(place=variable), code=code)
    if (said := _token_of_the_file("hf", subject, code)) is not None:
        return said
    if credentials.stored_huggingface_token():
        place = credentials.huggingface_token_file()
        return Finding(subject, "good", _("found in {place}").format(place=place), code=code)
    text = _("none; public models can be fetched, private and gated ones cannot")
    hint = "export HF_TOKEN=hf_...   # https://huggingface.co/settings/tokens"
    return Finding(subject, "note", text, hint, code=code)


def _modelscope_token() -> Finding:
    subject, code = _("ModelScope token"), "ms-token"
    if os.environ.get("MODELSCOPE_API_TOKEN"):
        return Finding(subject, "good", _("found in {place}").format(place="MODELSCOPE_API_TOKEN"), code=code)
    if (said := _token_of_the_file("ms", subject, code)) is not None:
        return said
    if credentials.stored_modelscope_token():
        place = credentials.modelscope_cookie_file()
        return Finding(subject, "good", _("found in {place}").format(place=place), code=code)
    return Finding(
        subject,
        "bad",
        _("none; nothing can be published on ModelScope"),
        "export MODELSCOPE_API_TOKEN=ms-...   # https://modelscope.cn/my/myaccesstoken",
        AccessError.exit_code,
        code,
    )


def _token_of_the_file(name: str, subject: str, code: str) -> Finding | None:
    from hubferry.cli import examine_config

    return examine_config.token(name, subject, code)


def _huggingface() -> Finding:
    from hubferry.hubs.account import Login, huggingface_account

    endpoint, find = credentials.huggingface_endpoint(), credentials.huggingface_token
    return account("Hugging Face", endpoint, huggingface_account, Login(side="source"), find, kind="hf")


def _modelscope() -> Finding:
    from hubferry.hubs.account import Login, modelscope_account

    endpoint, find = credentials.modelscope_endpoint(), credentials.modelscope_token
    return account("ModelScope", endpoint, modelscope_account, Login(), find, kind="ms")


def account(
    subject: str,
    endpoint: str,
    ask: Callable[[Login], str],
    login: Login,
    find: Callable[[], str | None],
    *,
    kind: HubName,
    code: str = "",
) -> Finding:
    """Ask a hub who we are; without a token it is enough that it answers."""
    from hubferry.hubs.account import HUGGINGFACE_NAME, MODELSCOPE_NAME, reachable

    code = code or kind
    try:
        if find() is None:
            reachable(endpoint, MODELSCOPE_NAME if kind == "ms" else HUGGINGFACE_NAME, side=login.side)
            return Finding(subject, "good", _("{endpoint} answers").format(endpoint=endpoint), code=code)
        name = ask(login)
    except HubferryError as error:
        return Finding(subject, "bad", error.message, error.hint, error.exit_code, code)
    text = _("{endpoint} answers; signed in as {name}").format(endpoint=endpoint, name=name)
    return Finding(subject, "good", text, code=code)

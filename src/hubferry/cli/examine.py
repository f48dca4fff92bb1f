"""What `hubferry doctor` looks at: one finding a thing, none of them with a secret in it."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING
from urllib.request import getproxies

from hubferry import __version__
from hubferry.cli import examine_config, output
from hubferry.cli.finding import Finding
from hubferry.errors import AccessError, DiskError, HubferryError
from hubferry.hubs import credentials
from hubferry.i18n import _
from hubferry.places import nearest_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.hubs.account import Login

_PACKAGES = ("huggingface_hub", "hf_xet", "httptools", "aiohttp", "uvloop", "click", "rich")
_LITTLE_SPACE = 10 * 1024**3
"""Free bytes below which most models no longer fit."""


def examine(*, ask_hubs: bool) -> list[Finding]:
    """Look at this machine and, if asked to, at both hubs."""
    found = [_versions(), *examine_config.configuration()]
    if any(one.state == "bad" for one in found):  # nothing else can be known
        return found
    found += [_disk(), *_network_settings(), _huggingface_token(), _modelscope_token()]
    found += examine_config.tokens()
    if ask_hubs and not _offline():
        found += [_huggingface(), _modelscope(), *examine_config.hubs()]
    return found


def _versions() -> Finding:
    words = [f"hubferry {__version__}", f"Python {platform.python_version()}", platform.platform()]
    for package in _PACKAGES:
        try:
            words.append(f"{package} {installed(package)}")
        except PackageNotFoundError:
            words.append(_("{package} missing").format(package=package))
    return Finding("versions", "good", ", ".join(words))


def _disk() -> Finding:
    from hubferry.cache.roots import default_root

    subject = "cache"
    try:
        root = default_root()
    except HubferryError as error:
        return Finding(subject, "bad", error.message, error.hint, error.exit_code)
    place = nearest_directory(root)
    free = output.size(shutil.disk_usage(place).free)
    text = _("{path}: {free} free").format(path=root, free=free)
    if not os.access(place, os.W_OK | os.X_OK):
        hint = "HUBFERRY_CACHE=/another/disk hubferry doctor"
        text = _("{path}: no permission to write").format(path=place)
        return Finding(subject, "bad", text, hint, DiskError.exit_code)
    if shutil.disk_usage(place).free < _LITTLE_SPACE:
        return Finding(subject, "note", text, "hubferry cache list; hubferry cache clean NAME")
    return Finding(subject, "good", text)


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def _network_settings() -> list[Finding]:
    found = []
    if _offline():
        text = _("HF_HUB_OFFLINE is set: no hub is asked, and nothing can be copied")
        found.append(Finding("network", "bad", text, "unset HF_HUB_OFFLINE", 5))
    proxies = getproxies()
    for scheme in ("https", "http", "all"):
        if scheme in proxies:
            text = _("{scheme} goes through {address}").format(scheme=scheme, address=proxies[scheme])
            found.append(Finding("proxy", "note", text))
    return found


def _huggingface_token() -> Finding:
    subject = "huggingface-token"
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if os.environ.get(variable):
            return Finding(subject, "good", _("found in {place}").format(place=variable))
    if (said := examine_config.token("hf", subject)) is not None:
        return said
    if credentials.stored_huggingface_token():
        return Finding(
            subject, "good", _("found in {place}").format(place=credentials.huggingface_token_file())
        )
    text = _("none; public models can be fetched, private and gated ones cannot")
    return Finding(subject, "note", text, "export HF_TOKEN=hf_...   # https://huggingface.co/settings/tokens")


def _modelscope_token() -> Finding:
    subject = "modelscope-token"
    if os.environ.get("MODELSCOPE_API_TOKEN"):
        return Finding(subject, "good", _("found in {place}").format(place="MODELSCOPE_API_TOKEN"))
    if (said := examine_config.token("ms", subject)) is not None:
        return said
    if credentials.stored_modelscope_token():
        place = credentials.modelscope_cookie_file()
        return Finding(subject, "good", _("found in {place}").format(place=place))
    return Finding(
        subject,
        "bad",
        _("none; nothing can be published on ModelScope"),
        "export MODELSCOPE_API_TOKEN=ms-...   # https://modelscope.cn/my/myaccesstoken",
        AccessError.exit_code,
    )


def _huggingface() -> Finding:
    from hubferry.hubs.account import Login, huggingface_account

    endpoint, find = credentials.huggingface_endpoint(), credentials.huggingface_token
    return account("huggingface", endpoint, huggingface_account, Login(side="source"), find)


def _modelscope() -> Finding:
    from hubferry.hubs.account import Login, modelscope_account

    endpoint, find = credentials.modelscope_endpoint(), credentials.modelscope_token
    return account("modelscope", endpoint, modelscope_account, Login(), find)


def account(
    subject: str,
    endpoint: str,
    ask: Callable[[Login], str],
    login: Login,
    find: Callable[[], str | None],
) -> Finding:
    """Ask a hub who we are; without a token it is enough that it answers."""
    from hubferry.hubs.account import reachable

    try:
        if find() is None:
            reachable(endpoint, side=login.side)
            return Finding(subject, "good", _("{endpoint} answers").format(endpoint=endpoint))
        name = ask(login)
    except HubferryError as error:
        return Finding(subject, "bad", error.message, error.hint, error.exit_code)
    return Finding(
        subject, "good", _("{endpoint} answers; signed in as {name}").format(endpoint=endpoint, name=name)
    )

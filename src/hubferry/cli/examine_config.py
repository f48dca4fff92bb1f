"""What `hubferry doctor` says of the configuration file and of the hubs that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry import config
from hubferry.cli.examine import Finding, account
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.cli.effective import Hub


def configuration() -> list[Finding]:
    """Return what is wrong with the file, or that it is there; nothing where there is none."""
    subject, code, wrong = _("configuration file"), "configuration", config.mistakes()
    if wrong:
        return [Finding(subject, "bad", one.message, one.hint, one.exit_code, code) for one in wrong]
    path = config.current().path
    return [] if path is None else [Finding(subject, "good", str(path), code=code)]


def token(name: str, subject: str, code: str) -> Finding | None:
    """Return what the file says of a hub's token, None where it says nothing that holds."""
    from hubferry.cli import effective

    hub = next(one for one in effective.hubs() if one.name == name)
    said = hub.token.origin in ("file", "token-file", "command", "environment")
    return _token(hub, subject, code) if said else None


def tokens() -> list[Finding]:
    """Return the same for the hubs that only the file knows."""
    from hubferry.cli import effective

    named = [hub for hub in effective.hubs() if hub.name != hub.kind]
    return [_token(hub, _("{hub} token").format(hub=hub.name), f"{hub.name}-token") for hub in named]


def _token(hub: Hub, subject: str, code: str) -> Finding:
    from hubferry.cli.config import token_words

    lacks = hub.token.state in ("unset", "elsewhere")
    return Finding(subject, "note" if lacks else "good", token_words(hub.token), code=code)


def hubs() -> list[Finding]:
    """Ask each hub that only the file knows who we are; without a token it is enough that it answers."""
    return [_asked(hub) for hub in config.current().named]


def _asked(hub: config.HubSettings) -> Finding:
    from hubferry.config import tokens as finding
    from hubferry.hubs.account import Login, huggingface_account, modelscope_account

    ask = modelscope_account if hub.kind == "ms" else huggingface_account
    login = Login(endpoint=hub.endpoint, named=hub.name, side="source")
    return account(
        hub.name, str(hub.endpoint), ask, login, lambda: finding.obtain(hub), kind=hub.kind, code=hub.name
    )

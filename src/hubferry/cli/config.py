"""`hubferry config`: what the configuration file says, whether it is right, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hubferry.cli import output
from hubferry.cli.command import Command
from hubferry.errors import UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.cli.effective import Hub, Origin, Token, Value


def _as_json() -> click.Option:
    return click.Option(
        ["--json", "as_json"], is_flag=True, help=_("Print one JSON document instead of text.")
    )


def _path(*, as_json: bool) -> None:
    from hubferry import config

    place = config.place()
    if as_json:
        output.document(_place_document())
    elif place.path is None:
        output.talk(_("there is no configuration file: {variable} says so").format(variable=config.VARIABLE))
    else:
        output.data(str(place.path))


def _place_document() -> dict[str, object]:
    from hubferry import config

    place = config.place()
    return {
        "path": None if place.path is None else str(place.path),
        "path_from": place.origin,
        "exists": place.path is not None and place.path.is_file(),
    }


def _check(*, as_json: bool) -> int:
    from hubferry import config

    wrong = _mistakes()
    place = config.place()
    if as_json:
        found = [{"where": one.path, "message": one.message, "hint": one.hint} for one in wrong]
        output.document(_place_document() | {"right": not wrong, "mistakes": found})
    for one in wrong:
        output.talk(one.message, label=_("error:"), colour="red")
        if one.hint:
            output.talk(one.hint, label=_("hint:"), colour="cyan")
    if wrong:
        return UsageError.exit_code
    if not as_json:
        there = place.path is not None and place.path.is_file()
        sentence = _("{path}: nothing is wrong with it") if there else _("there is no configuration file")
        output.data(sentence.format(path=place.path))
    return 0


def _mistakes() -> list[UsageError]:
    """Return what is wrong with the file, with the values of its defaults that no option would take."""
    from hubferry import config
    from hubferry.cli import defaults
    from hubferry.cli.cache.repair import repair_command
    from hubferry.cli.copy import copy
    from hubferry.cli.fetch import fetch

    wrong = config.mistakes()
    if wrong:
        return wrong
    given = config.current().defaults
    found = [one for command in (copy, fetch, repair_command) for one in defaults.mistakes(command, given)]
    return list({one.message: one for one in found}.values())


def _show(*, as_json: bool) -> None:
    from hubferry.cli import effective

    hubs, defaults = effective.hubs(), effective.defaults()
    if as_json:
        words = {name: _value_document(value) for name, value in defaults.items()}
        output.document(_place_document() | {"hubs": [_hub_document(hub) for hub in hubs], "defaults": words})
        return
    place = _place_document()
    state = place["path"] if place["exists"] else _("none")
    output.data(_("configuration file: {path}").format(path=state))
    for hub in hubs:
        output.data("")
        for line in _hub_lines(hub):
            output.data(line)
    said = {name: value for name, value in defaults.items() if value.origin != "built-in"}
    if said:
        output.data("")
        output.data(_("options, unless the command line says otherwise"))
        for name, value in said.items():
            option = f"--{name.replace('_', '-')} {_shown(value)}"
            output.data(f"  {option}  {origin_words(value.origin, value.name)}")


def _hub_lines(hub: Hub) -> list[str]:
    speaks = {"hf": "Hugging Face", "ms": "ModelScope"}[hub.kind]
    lines = [
        f"{hub.name}:  " + _("speaks as {hub}").format(hub=speaks),
        _setting("endpoint", hub.endpoint),
        f"  token  {token_words(hub.token)}",
    ]
    if hub.insecure.value:
        lines.append(_setting("insecure", hub.insecure))
    for name, limit in (("concurrency", hub.concurrency), ("commits_per_hour", hub.commits_per_hour)):
        if limit.value is not None:
            lines.append(_setting(name, limit))
    return lines


def _setting(name: str, value: Value) -> str:
    return f"  {name}  {_shown(value)}  {origin_words(value.origin, value.name)}"


def _shown(value: Value) -> str:
    return str(value.value).lower() if isinstance(value.value, bool) else str(value.value)


def token_words(token: Token) -> str:
    """Return whether there is a token and where it comes from, never the token."""
    if token.state == "command":
        return _("asked of the command {name} when it is needed").format(name=token.name)
    if token.state == "elsewhere":
        return _("none: that of the file is for another endpoint")
    if token.state == "unset":
        return _("none") if token.name is None else _("none: {name} has none").format(name=token.name)
    return _("set") + " " + origin_words(token.origin or "file", token.name)


def origin_words(origin: Origin, name: str | None) -> str:
    """Return where a value comes from, in parentheses."""
    if origin == "environment":
        return _("(from env {name})").format(name=name)
    if origin == "login":
        return _("(from the login in {name})").format(name=name)
    if origin == "built-in":
        return _("(built in)")
    return _("(from the file)") if name is None else _("(from {name})").format(name=name)


def _value_document(value: Value) -> dict[str, object]:
    return {"value": value.value, "from": value.origin, "name": value.name}


def _hub_document(hub: Hub) -> dict[str, object]:
    token = hub.token
    return {
        "name": hub.name,
        "kind": hub.kind,
        "endpoint": _value_document(hub.endpoint),
        "token": {"state": token.state, "from": token.origin, "name": token.name},
        "insecure": _value_document(hub.insecure),
        "concurrency": _value_document(hub.concurrency),
        "commits_per_hour": _value_document(hub.commits_per_hour),
    }


class _ConfigCommands(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        Command.write_examples(formatter, ("hubferry config show", "hubferry config check"))


def _command(name: str, text: str, work: object) -> Command:
    return Command(name, params=[_as_json()], callback=work, help=text)


config = _ConfigCommands(
    "config",
    help=_("Look at the configuration file: hubs by name, and what options are unless you say otherwise."),
    context_settings={"help_option_names": ["-h", "--help"]},
    commands=[
        _command(
            "show", _("Show what holds and where each of it comes from; tokens are never shown."), _show
        ),
        _command("check", _("Look for mistakes in the file. Exit code 2 when there is one."), _check),
        _command("path", _("Print where the file is, or would be."), _path),
    ],
)

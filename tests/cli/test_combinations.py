"""No option is taken that does nothing: one that needs another, or excludes it, says so, with what to type.

Gone over is every option of every command, so that a new one has to be thought about.
"""

from __future__ import annotations

import shlex

import click
import pytest

from hubferry.cli.combining import excludes_of, needs_of
from hubferry.cli.main import command_line
from hubferry.errors import UsageError

BY_THEMSELVES = """
    --revision --include --exclude --allow --card --verify-signature --delete --license --message --dry-run
    --keep-going --jobs --bwlimit --cache-dir --offline --json --quiet --progress --verbose --log-file --token
    --source-token --destination-token --source-endpoint --destination-endpoint --insecure --receipts
    --differences --bytes --force --schema --only --fail-fast --connections --runner --listen --repository
    --failed --since --limit --size --fat32 --only-volumes --name --to --sort --hub --no-pager --sample
    --max-size --older-than --keep-last --partial --keep-unpublished --all --from --link --port --host
    --tls-cert --open-browser --sync --read-only --writable --read-token --xet --strict --public-url
    --trust-proxy --upstream --cache --role --organisation --full-name --token-stdin --store --token-id
    --forget --model --no-cache --public --private --pinned
"""
"""Options that no other one gives its meaning, or takes it, in whatever command.

With --dry-run or --verify-only a whole line is tried before it is carried out: what says only how to publish
is not refused beside them. --json shows all that there is, so that --long, --recursive and --all add nothing.
"""
WHILE_RUNNING = {
    ("copy", "--same-tag"): "excluded by --tag",
    ("ls", "--recursive"): "of no owner: only the hub knows which one that is",
    ("ls", "--long"): "likewise",
    ("serve", "--open"): "a mirror's",
    ("serve", "--allow"): "likewise",
    ("serve", "--deny"): "likewise",
    ("serve", "--quota"): "likewise",
}
"""Options that are refused where it is known whether they do something, which their own tests show."""
WORDS = {
    "SOURCE": "hf:org/name", "DESTINATION": "ms:my-org/name", "FILE": "file.json", "DIR": "./there",
    "DIR... [TARGET]": "./there", "NAME": "flux", "WHERE": "./there", "[SOURCE]...": "hf:org/name",
}  # fmt: skip
VALUES = {
    "N|N%": "10%", "RATE": "20M", "SIZE": "50G", "AGE": "7d", "PERCENT": "5%", "integer range": "3",
    "float range": "2.5", "integer": "3",
}  # fmt: skip


def commands():
    """Return every command with how it is typed."""
    found, waiting = [], [((), command_line())]
    while waiting:
        path, command = waiting.pop()
        if isinstance(command, click.Group):
            context = click.Context(command)
            below = {name: command.get_command(context, name) for name in command.list_commands(context)}
        else:
            found.append((path, command))
            below = {name: command.below(name) for name in getattr(command, "commands_below", ())}
        waiting += [((*path, name), one) for name, one in below.items()]
    return found


def options_of(command):
    return [one for one in command.params if isinstance(one, click.Option) and one.name != "help"]


def long_name(option):
    return max(option.opts, key=len)


def typed(parameter, place):
    """Return how a parameter is typed, with some value."""
    if isinstance(parameter, click.Argument):
        return [WORDS[parameter.human_readable_name]]
    name = max(parameter.opts, key=len)
    if parameter.is_flag:
        return [name]
    if isinstance(parameter.type, click.Choice):
        return [name, parameter.type.choices[-1]]
    if isinstance(parameter.type, click.Path):
        return [name, str(place)]
    return [name, VALUES.get(parameter.type.name, "word")]


def line(command, place, *more):
    """Return the words of a command with what it cannot do without."""
    needed = [one for one in command.params if isinstance(one, click.Argument) and one.required]
    return [*(word for one in needed for word in typed(one, place)), *more]


def refused(path, command, words):
    """Return the error of a line, and the line that it offers instead."""
    with pytest.raises(UsageError) as raised:
        command.make_context(" ".join(("hubferry", *path)), list(words))
    offered = shlex.split(raised.value.hint)
    assert offered[: len(path) + 1] == ["hubferry", *path]
    return raised.value.message, offered[len(path) + 1 :]


def is_taken(command, words, place):
    """Read a line that was offered; files that an example names are not here."""
    here = [str(place) if word.endswith(".pem") else word for word in words]
    command.make_context("x", here)


def by_name(command, text):
    """Return the words of what a rule names."""
    name, _blank, word = text.partition(" ")
    for one in command.params:
        if name in (*one.opts, getattr(one, "human_readable_name", "")):
            return one, [name, word] if word and isinstance(one.type, click.Choice) else None
    raise LookupError(text)


def rules(of):
    return [
        pytest.param(path, command, option, other, id=f"{'-'.join(path)}{long_name(option)} {other}")
        for path, command in commands()
        for option in options_of(command)
        for other in of(option)
    ]


def test_every_option_acts_by_itself_or_says_what_it_needs_and_what_it_excludes():
    unknown = [
        (" ".join(path), long_name(option))
        for path, command in commands()
        for option in options_of(command)
        if not (needs_of(option) or excludes_of(option) or long_name(option) in BY_THEMSELVES.split())
        and (" ".join(path), long_name(option)) not in WHILE_RUNNING
    ]
    assert unknown == []


@pytest.mark.parametrize(("path", "command", "option", "other"), rules(needs_of))
def test_an_option_that_does_nothing_alone_is_refused_with_the_line_to_type(
    path, command, option, other, tmp_path, monkeypatch
):
    for name in ("HUBFERRY_TOKEN", "HUBFERRY_READ_TOKEN", "HUBFERRY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "file"
    file.write_bytes(b"")
    words = typed(option, file)
    message, offered = refused(path, command, line(command, file, *words))
    assert message.startswith(f"{words[0]} does nothing without ")
    assert other.split()[0] in message
    is_taken(command, offered, file)
    assert set(words) <= set(offered)


@pytest.mark.parametrize(("path", "command", "option", "other"), rules(excludes_of))
def test_options_that_exclude_each_other_are_refused_with_the_line_to_type(
    path, command, option, other, tmp_path
):
    file = tmp_path / "file"
    file.write_bytes(b"")
    parameter, words = by_name(command, other)
    beside = words or typed(parameter, file)
    needed = [word for one in needs_of(option) for word in one.removeprefix("SOURCE ").split()]
    wanted = line(command, file, *typed(option, file), *beside, *needed)
    message, offered = refused(path, command, wanted)
    assert message == f"{typed(option, file)[0]} and {other} exclude each other"
    assert set(beside) <= set(offered)
    assert typed(option, file)[0] not in offered
    is_taken(command, offered, file)


def test_what_the_configuration_file_says_for_every_copy_is_no_mistake_of_one(desk, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[defaults]\nmax_delete = "10%"\nvisibility = "private"\nno_cache = true\n')
    file.chmod(0o600)
    for more in ((), ("--public",), ("--verify-only",)):
        done = desk.inside(
            "copy", "hf:org/absent", "ms:mine/model", *more, environment={"HUBFERRY_CONFIG": str(file)}
        )
        assert done.code == 3, done.said


def test_what_is_said_of_a_target_is_refused_where_volumes_go_into_the_cache(desk):
    (desk.home / "volumes").mkdir(parents=True, exist_ok=True)
    for words in (("--private",), ("-m", "text"), ("--destination-endpoint", "http://x")):
        done = desk.inside("unbundle", "./volumes", *words)
        assert done.code == 2
        assert "does nothing without --to" in done.err
        assert f"hint: hubferry unbundle ./volumes {shlex.join(words)} --to 'ms:my-org/{{name}}'" in done.err


def test_a_folder_without_a_volume_is_no_second_place_of_volumes_but_a_target(desk):
    for name in ("volumes", "there"):
        (desk.home / name).mkdir(parents=True, exist_ok=True)
    (desk.home / "volumes/name-0001.tar").write_bytes(b"")
    done = desk.inside("unbundle", "./volumes", "./there")
    assert done.code == 2
    assert "there has no volume in it\nhint: hubferry unbundle ./volumes --to ./there\n" in done.err


def test_what_is_about_files_is_refused_of_an_owner(desk, model):
    for option in ("--recursive", "--long"):
        done = desk.inside("ls", "hf:org", option)
        assert (done.code, done.out) == (2, "")
        assert f"{option} is about the files of a repository, and hf:org is an owner" in done.err
        assert "hint: hubferry ls hf:org\n" in done.err


def test_a_token_is_refused_by_a_command_that_would_not_use_it(desk):
    for command in (("sync", "check"), ("transfers",), ("config", "show"), ("ui",)):
        done = desk.inside(*command, "--token", "hf_canaryCANARYcanary")
        assert done.code == 2
        assert "No such option '--token'" in done.err
        assert "canary" not in done.said


def test_nothing_is_forgotten_by_a_line_that_only_seems_to_say_which(desk):
    done = desk.inside("sync", "history", "--prune", "1d", "--failed", "--force")
    assert done.code == 2
    assert "--prune and --failed exclude each other" in done.err

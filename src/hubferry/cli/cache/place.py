"""`hubferry cache dir` and `move`: where the cache is, and where it should be."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubferry.cache.roots import all_roots, default_root
from hubferry.cli import output
from hubferry.cli.cache import selection
from hubferry.cli.command import Command
from hubferry.i18n import _

if TYPE_CHECKING:
    from hubferry.cache.moving import Moved


@click.command(
    "dir",
    cls=Command,
    help=_("Print the directory that new models go to; with --all every directory that is searched."),
    examples=('cd "$(hubferry cache dir)"', "hubferry cache dir --all"),
)
@click.option("--all", "everything", is_flag=True, help=_("Every directory that is searched, one a line."))
@selection.as_json()
def dir_command(*, everything: bool, as_json: bool) -> None:
    """Run the command."""
    if as_json:
        output.document({"root": str(default_root()), "roots": [str(root) for root in all_roots()]})
        return
    for root in all_roots() if everything else (default_root(),):
        output.data(str(root))


@click.command(
    "move",
    cls=Command,
    help=_(
        "Move the cache to DIR, which must be new or empty. On one filesystem that is a rename; across two "
        "every file is hashed while it is copied, and removed here only when the copy is proven."
    ),
    examples=(
        "hubferry cache move /data/models",
        "hubferry cache move /data/models --from ~/flux_model_cache",
    ),
)
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--from",
    "origin",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help=_("Move this one instead of the cache that new models go to."),
)
@click.option("--link", is_flag=True, help=_("Leave a symbolic link, so that older tools find the models."))
@selection.as_json()
def move_command(directory: Path, origin: Path | None, *, link: bool, as_json: bool) -> None:
    """Run the command."""
    from hubferry.cache.moving import move

    source = default_root() if origin is None else origin.absolute()
    moved = move(source, directory.absolute(), link=link, on_model=_say)
    if as_json:
        output.document({"from": str(source), "root": str(moved.root), "unshared_bytes": moved.unshared})
    _talk(moved, source, is_default=origin is None and not link)


def _say(name: str) -> None:
    output.talk(_("moved {model}").format(model=output.visible(name)))


def _talk(moved: Moved, source: Path, *, is_default: bool) -> None:
    sentence = _("the cache is at {path} now") if is_default else _("{source} is at {path} now")
    output.talk(sentence.format(source=source, path=moved.root))
    if moved.unshared:
        note = _("{size} were shared with other caches and take their own space there")
        output.talk(note.format(size=output.size(moved.unshared)))
    if is_default:
        output.talk(f"export HUBFERRY_CACHE={shlex.quote(str(moved.root))}", label=_("hint:"), colour="cyan")

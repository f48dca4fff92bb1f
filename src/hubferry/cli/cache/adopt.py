"""`hubferry cache adopt`: take in a folder by hand."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubferry.cli import output
from hubferry.cli.cache import selection
from hubferry.cli.command import Command
from hubferry.errors import IntegrityError, UsageError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from hubferry.cache.intake import TakenIn
    from hubferry.model import RepoRef


@click.command(
    "adopt",
    cls=Command,
    help=_(
        "Take the files of the folder PATH into the cache as those of REPOSITORY, such as hf:org/name, which "
        "a folder of Hugging Face's own cache says itself. Files are hashed and shared by link where the "
        "disk allows; the folder is not altered. Exit code 6 when a file is not what its own record says."
    ),
    examples=(
        "hubferry cache adopt ~/models/flux hf:black-forest-labs/FLUX.1-dev",
        "hubferry cache adopt ~/.cache/huggingface/hub/models--gpt2",
    ),
)
@click.argument("folder", metavar="PATH", type=click.Path(path_type=Path))
@click.argument("repository", required=False)
@selection.cache_dir()
@selection.as_json()
def adopt_command(folder: Path, repository: str | None, cache_dir: Path | None, *, as_json: bool) -> int:
    """Run the command."""
    from hubferry.cache.intake import take_in
    from hubferry.cache.store import Cache

    folder = folder.absolute()
    if folder.is_file():
        raise UsageError(_("{path} is a file, not a directory").format(path=folder))
    taken = take_in(folder, _ref(folder, repository), Cache(cache_dir), on_copy=_say_copy)
    if as_json:
        output.document(_document(taken))
    else:
        output.data(str(taken.path))
    return _conclude(taken)


def _ref(folder: Path, repository: str | None) -> RepoRef:
    from hubferry.cache.intake import repository_of
    from hubferry.typed import repository as parsed

    name = repository or repository_of(folder)
    if name is None:
        raise UsageError(
            _("{path} does not say whose files these are").format(path=folder),
            hint=f"hubferry cache adopt {shlex.quote(str(folder))} hf:org/name",
        )
    ref = parsed(name, "hf")
    if ref.hub == "dir":
        raise UsageError(_("{name} is a folder, not a repository").format(name=name))
    return ref


def _say_copy(origin: Path) -> None:
    output.talk(_("copied, since it cannot be shared: {path}").format(path=output.visible(str(origin))))


def _conclude(taken: TakenIn) -> int:
    sentence = ngettext("took in {count} file, {size}", "took in {count} files, {size}", taken.files)
    output.talk(sentence.format(count=taken.files, size=output.size(taken.size)))
    if taken.commit:
        output.talk(_("they are of commit {commit}").format(commit=taken.commit[:12]))
    for path in taken.refused:
        message = _("{path} is not what its own record says, and is left out")
        output.talk(message.format(path=output.visible(path)), label=_("error:"), colour="red")
    return IntegrityError.exit_code if taken.refused else 0


def _document(taken: TakenIn) -> dict[str, object]:
    return {
        "path": str(taken.path),
        "files": taken.files,
        "size": taken.size,
        "commit": taken.commit,
        "refused": list(taken.refused),
    }

"""`hubferry ls`: what a repository, a folder or an owner has, before anything is copied."""

from __future__ import annotations

import shlex
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from hubferry import inside
from hubferry.cli import look_words, options, output
from hubferry.cli.cache.words import aligned, day
from hubferry.cli.command import Command
from hubferry.errors import NotFoundError, UsageError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubferry.catalog import Owned
    from hubferry.look import Listed
    from hubferry.model import RepoFile
    from hubferry.options import Options


@click.command(
    cls=Command,
    help=_(
        "List the files of SOURCE with their sizes: hf:org/name, ms:org/name, a pasted web address, or a "
        "folder; @ names a branch, tag or commit. An owner alone, hf:org or hf:datasets/org, lists its "
        "repositories.\n\n"
        "PATH is a file, a folder, or a glob on the whole path, in which * crosses /. Without a glob one "
        "folder is listed, and folders in it are summed up; --recursive lists all below it."
    ),
    examples=(
        "hubferry ls hf:org/name",
        "hubferry ls hf:org/name@v1.0 --recursive --long",
        "hubferry ls hf:org/name '*.safetensors'",
        "hubferry ls ms:org/name onnx/",
        "hubferry ls hf:datasets/org",
        "hubferry ls hf:org/name --offline --json",
    ),
)
@click.argument("source")
@click.argument("path", required=False)
@click.option("--recursive", "-R", is_flag=True, help=_("List everything below, folder by folder."))
@click.option("--long", "-l", "long_", is_flag=True, help=_("Show digests, and what is in the cache."))
@options.selection()
@options.offline()
@options.place()
@options.one_access()
@options.talking()
def ls(source: str, path: str | None, **words: Any) -> int | None:
    """Run the command."""
    name, behind = inside.split(source)
    if behind is not None and path is not None:
        raise UsageError(_("{source} names a path already; leave PATH out").format(source=source))
    path = behind if path is None else path
    asked = options.build(**words)
    chosen = path or words["revision"] or words["include"] or words["exclude"]
    if not chosen and inside.owner_of(name) is not None and _list_owned(name, asked, words):
        return None
    _list_files(options.source_words(name, words), path, asked, words)
    return None


def _list_owned(owner: str, asked: Options, words: dict[str, Any]) -> bool:
    """List an owner's repositories; return whether there are any: `hf:gpt2` is a repository without owner."""
    from hubferry import api

    owned = api.list_repositories(
        owner, asked, look_words.listener(quiet=words["quiet"], style=words["progress"])
    )
    if not owned.repositories and owned.owner.hub == "hf":
        return False
    for name, given in (("--recursive", words["recursive"]), ("--long", words["long_"])):
        if given:
            message = _("{option} is about the files of a repository, and {owner} is an owner")
            hint = shlex.join(["hubferry", "ls", str(owned.owner)])
            raise UsageError(message.format(option=name, owner=owned.owner), hint=hint)
    if words["as_json"]:
        output.document(look_words.owned_document(owned))
        return True
    for line in _owned_lines(owned):
        output.data(line)
    if not (words["quiet"] or words["progress"] == "json"):
        output.talk(look_words.owned_sum(owned))
    return True


def _owned_lines(owned: Owned) -> list[str]:
    rows = [
        (
            look_words.visibility(one),
            "-" if one.changed is None else day(one.changed),
            str(one.ref),
        )
        for one in owned.repositories
    ]
    return aligned(rows)


def _list_files(source: str, path: str | None, asked: Options, words: dict[str, Any]) -> None:
    from hubferry import api

    hash_files = words["long_"] or words["as_json"]
    try:
        listed = api.list_files(
            source,
            asked,
            look_words.listener(quiet=words["quiet"], style=words["progress"]),
            hash_files=hash_files,
        )
    except NotFoundError as error:
        if inside.owner_of(source) is not None:
            error.hint = _("an owner without repositories lists nothing; check the name")
        raise
    files = _chosen(listed, path)
    if words["as_json"]:
        output.document(look_words.listed_document(listed, files))
        return
    for line in _file_lines(listed, files, path, words):
        output.data(line)
    if not (words["quiet"] or words["progress"] == "json"):
        output.talk(look_words.listed_sum(listed, files))


def _chosen(listed: Listed, path: str | None) -> list[RepoFile]:
    """Return the files that PATH means.

    Raises:
        NotFoundError: None of them.
    """
    if not path or path in (".", "/"):
        return list(listed.files)
    if _is_glob(path):
        found = [file for file in listed.files if fnmatchcase(file.path, path)]
    else:
        folder = f"{path.strip('/')}/"
        found = [file for file in listed.files if file.path == path or file.path.startswith(folder)]
    if not found:
        message = _("{ref} has nothing at {path}").format(ref=listed.repository.ref, path=path)
        hint = shlex.join(["hubferry", "ls", str(listed.repository.ref), "--recursive"])
        raise NotFoundError(message, side="source", path=path, hint=hint)
    return found


def _is_glob(path: str) -> bool:
    return any(letter in path for letter in "*?[")


def _file_lines(
    listed: Listed, files: Sequence[RepoFile], path: str | None, words: dict[str, Any]
) -> list[str]:
    """Return a row a file; without --recursive and without a glob also a row for each folder in this one."""
    flat = words["recursive"] or (path is not None and _is_glob(path))
    alone = len(files) == 1 and files[0].path == path
    top = "" if flat or alone or not path or path in (".", "/") else f"{path.strip('/')}/"
    rows: list[tuple[str, ...]] = []
    folders: dict[str, list[RepoFile]] = {}
    for file in files:
        first, slash, _rest = file.path.removeprefix(top).partition("/")
        if slash and not flat and not alone:
            folders.setdefault(f"{top}{first}/", []).append(file)
        else:
            rows.append(_row(file, listed, long=words["long_"]))
    for folder, inner in folders.items():
        count = ngettext("{count} file", "{count} files", len(inner)).format(count=len(inner))
        size = output.size(sum(file.size or 0 for file in inner))
        blank = ("", "") if words["long_"] else ()
        rows.append((size, *blank, f"{output.visible(folder)}  ({count})"))
    return aligned(rows, right=(0,))


def _row(file: RepoFile, listed: Listed, *, long: bool) -> tuple[str, ...]:
    size = "?" if file.size is None else output.size(file.size)
    if not long:
        return size, output.visible(file.path)
    digest = file.sha256 or (f"git:{file.git_sha1}" if file.git_sha1 else "-")
    cached = _("cached") if file.path in listed.cached else "-"
    return size, digest, cached, output.visible(file.path)

"""What a person typed becomes a `RepoRef`, with a look at the disk: a folder may have that name."""

from __future__ import annotations

import glob
import os
import shlex
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from hubferry import config, refs
from hubferry.errors import UsageError
from hubferry.hubs.credentials import huggingface_endpoint, modelscope_endpoint
from hubferry.i18n import _
from hubferry.options import Access

if TYPE_CHECKING:
    from hubferry.model import HubName, RepoRef


def reference(text: str, access: Access, default_hub: HubName, *, new: bool = False) -> RepoRef:
    """Read what a person typed, which may be an address of the very server that is in use.

    Args:
        text: See `refs.parse`.
        access: How that side is reached.
        default_hub: The hub of a bare name.
        new: Whether it may name what is yet to be made: a folder in one that is here is a reading as well.

    Raises:
        UsageError: Nothing right; a file; or a bare name that a folder has too, and nobody guesses.
    """
    word = text.strip()
    if refs.is_bare(word):
        if is_file(word):
            raise _file_here(word, default_hub, new=new)
        if _is_here(word, new=new):
            raise refs.ambiguous(word, default_hub)
    ref = repository(text, default_hub, access.endpoint)
    if ref.hub == "dir":
        _refuse_impossible(ref)
        if not new and is_file(ref.repo_id):
            raise _file_here(ref.repo_id, None)
    return ref


def is_file(text: str) -> bool:
    """Return whether what was typed is the name of a file that is here."""
    return os.path.isfile(os.path.expanduser(text))  # noqa: PTH111, PTH113 - no error, whatever was typed


def _file_here(word: str, hub: HubName | None, *, new: bool = False) -> UsageError:
    """Refuse a file, and show how to take it from its folder; a bare word may be a repository of `hub`."""
    message = _("“{text}” is a file here, neither a folder nor a repository.").format(text=word)
    name = "" if hub is None else refs.as_repository(word, hub)
    if new:
        return UsageError(message, hint=_("{name} for the repository").format(name=name))
    folder = os.path.dirname(word) or "."  # noqa: PTH120 - `./a` is to stay what it is
    folder = folder if refs.is_folder(folder) else f"./{folder}"
    file = glob.escape(os.path.basename(word))  # noqa: PTH119 - likewise
    alone = f"{shlex.quote(folder)} --include {shlex.quote(file)}"
    hint = _("{words} for that file alone, {name} for the repository")
    if hub is None:
        hint = _("{words} for that file alone")
    return UsageError(message, hint=hint.format(words=alone, name=name))


def at_revision(source: str, revision: str, endpoint: str | None = None) -> tuple[str, str | None]:
    """Return a source at a revision that was named apart from it, and where it is asked for.

    Args:
        source: As it was typed.
        revision: A branch, tag or commit.
        endpoint: Where that side is; a mirror in the source's own address becomes it where there is none.

    Raises:
        UsageError: The source names another revision already, or is a folder.
    """
    ref = reference(source, Access(endpoint=endpoint), "hf")
    if ref.hub == "dir":
        raise UsageError(
            _("--revision names a commit of a hub; {source} is a folder").format(source=source),
            hint=_("leave --revision out"),
        )
    if ref.revision not in (None, revision):
        raise UsageError(
            _("{source} names another revision than --revision does; leave one of them out").format(
                source=source
            )
        )
    return str(replace(ref, revision=revision)), endpoint or ref.endpoint


def repository(text: str, default_hub: HubName | None, endpoint: str | None = None) -> RepoRef:
    """Read what a person typed without a look at the disk: a bare name is a hub's.

    Args:
        text: See `refs.parse`.
        default_hub: The hub of a bare name.
        endpoint: Where that side is, by an option; it comes before what the configuration file says.

    Raises:
        UsageError: Nothing right; or the configuration file has a mistake.
    """
    ref = refs.parse(
        text,
        default_hub=default_hub,
        hf_endpoint=endpoint or huggingface_endpoint(),
        ms_endpoint=endpoint or modelscope_endpoint(),
        hubs=sites(),
    )
    return replace(ref, endpoint=config.normal_endpoint(endpoint)) if ref.named and endpoint else ref


def as_typed(ref: RepoRef) -> RepoRef:
    """Return a named hub's repository as the configuration file calls that hub now.

    The records of the cache say what it was called when they were written, perhaps by somebody else.
    """
    hub = config.current().called(ref.hub, ref.endpoint) if ref.named and ref.endpoint else None
    return ref if hub is None else replace(ref, named=hub.name)


def sites() -> dict[str, refs.Site]:
    """Return the hubs that the configuration file names, by name."""
    return {hub.name: refs.Site(hub.kind, hub.endpoint, hub.name) for hub in config.current().named}


def _is_here(word: str, *, new: bool) -> bool:
    parts = Path(word).parts
    return os.path.isdir(word) or (new and len(parts) > 1 and os.path.isdir(parts[0]))  # noqa: PTH112 - no error


def _refuse_impossible(ref: RepoRef) -> None:
    """Refuse a folder that this system has no name for."""
    path = ref.repo_id
    try:
        Path(path).expanduser()
    except RuntimeError as error:
        message = _("{path} begins with the home of an account that is not known here").format(path=path)
        raise UsageError(
            message, hint=_("write the whole path, or ./{path} for a folder here").format(path=path)
        ) from error
    if "\0" in path:
        raise UsageError(_("{path} cannot be a folder").format(path=ascii(path)))
    if os.name != "nt" and PureWindowsPath(path).drive:
        message = _("{path} is a folder as Windows writes it, and this is another system").format(path=path)
        raise UsageError(message, hint=_("write /folder, ~/folder or ./folder"))

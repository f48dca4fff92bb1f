"""`hubferry bundle`: write repositories into volumes, to be carried to where no network is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import options, output
from hubferry.cli.announced import Subject
from hubferry.cli.combining import combined
from hubferry.cli.command import Command
from hubferry.cli.progress import follow
from hubferry.cli.value_types import PlaceType, SizeType
from hubferry.commits import commit_of, listing_digest_of
from hubferry.errors import UsageError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from hubferry.bundles.making import Bundled, Wish

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,71}")
_RUN = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_LEAST = 1 << 20


class NumbersType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """Read `3,7` or `1-3,7`."""

    name = "N,N-N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[int]:
        """Return the numbers, or fail with a sentence."""
        if isinstance(value, frozenset):
            return value
        found: set[int] = set()
        for word in str(value).split(","):
            match = _RUN.fullmatch(word.strip())
            if match is None or not 0 < int(match[1]) <= int(match[2] or match[1]):
                self.fail(_("{value!r} are no numbers such as 3,7 or 1-3").format(value=value), param, ctx)
            found |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
        return frozenset(found)


@click.command(
    cls=Command,
    help=_(
        "Write each SOURCE into volumes in DIR: tar archives of a size that fits the medium, each with an "
        "index of the whole, and check.py, which says with Python alone what is whole, missing or broken.\n\n"
        "A volume has its name only when all of it is right. The same command goes on after it was broken "
        "off; the same repositories at the same commits always become the same bytes."
    ),
    examples=(
        "hubferry bundle hf:org/name /media/stick",
        "hubferry bundle hf:org/name hf:org/other --size 100G /media/disk",
        "hubferry bundle hf:org/name --fat32 --include '*.safetensors' --include '*.json' ./out",
        "hubferry bundle --like org_name.json --only-volumes 3,7 /media/stick",
    ),
)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.argument("directory", metavar="DIR", type=PlaceType())
@options.group(
    _("What to write"),
    options.paths(),
    click.option("--size", metavar="SIZE", type=SizeType(_LEAST),
                 help=_("Most bytes of a volume, as 4G; 50G unless given.")),
    click.option("--fat32", is_flag=True, help=_("Volumes of 4 GiB less a byte, the most that FAT32 takes.")),
    click.option("--only-volumes", metavar="N,N-N", type=NumbersType(),
                 help=_("Write these volumes only, as 3,7 or 1-3: for several sticks, or a lost one.")),
    combined(
        click.option("--like", metavar="FILE", type=click.Path(path_type=Path),
                     help=_("Make a bundle once more, by its index or any of its volumes.")),
        excludes=("--size", "--fat32", "--name", "--include", "--exclude"),
    ),
    click.option("--name", metavar="NAME", help=_("What the names of the volumes begin with.")),
)  # fmt: skip
@options.group(_("How"), options.transfer(), options.offline(), options.one_access())
@options.group(_("What to say"), options.talking())
def bundle(sources: tuple[str, ...], directory: Path, **words: Any) -> int:
    """Run the command."""
    wish = _wish(sources, directory, words)
    from hubferry.bundles.making import make
    from hubferry.cli.memory import keep_freed_memory
    from hubferry.running import run

    keep_freed_memory()
    what = Subject("hubferry bundle", " ".join(sources) or str(words["like"]), str(directory))
    with follow(quiet=words["quiet"], style=words["progress"], subject=what) as listen:
        done = run(lambda told: make(wish, options.build(**words), told), listen)
    if words["as_json"]:
        output.document(_document(done))
    elif not words["quiet"]:
        for line in _lines(done):
            output.data(line)
    return 0


def _wish(sources: tuple[str, ...], directory: Path, words: dict[str, Any]) -> Wish:
    from hubferry.bundles.layout import FAT32
    from hubferry.bundles.making import Wish

    name, size = words["name"], words["size"]
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(_("{name!r} is no name for files: letters, digits, _ . -").format(name=name))
    if words["fat32"] and size is not None and size > FAT32:
        raise UsageError(_("--fat32 takes volumes of 4 GiB at most"), hint=_("leave --size out"))
    wish = Wish(sources, directory, name=name, only=words["only_volumes"] or frozenset(), like=words["like"])
    size = size or (FAT32 if words["fat32"] else None)
    return wish if size is None else replace(wish, volume_size=size)


def _lines(done: Bundled) -> list[str]:
    lines = []
    for volume in done.volumes:
        said = _("{path}: {size}, was there") if volume.kept else _("{path}: {size}")
        lines.append(said.format(path=volume.path, size=output.size(volume.size)))
    count, of = len(done.volumes), len(done.index.volumes)
    sentence = ngettext("{count} volume of {of} is whole", "{count} volumes of {of} are whole", count)
    lines.append(sentence.format(count=count, of=of))
    return lines


def _document(done: Bundled) -> dict[str, object]:
    return {
        "name": done.index.name,
        "directory": str(done.directory),
        "volume_size": done.index.volume_size,
        "volumes_in_all": len(done.index.volumes),
        "volumes": [
            {"number": one.number, "path": str(one.path), "size": one.size, "written": not one.kept}
            for one in done.volumes
        ],
        "models": [
            {
                "source": str(model.ref),
                "commit": commit_of(model.hub, model.commit),
                "listing_digest": listing_digest_of(model.hub, model.commit),
            }
            for model in done.index.models
        ],
        "fetched": done.fetched,
    }

"""`hubferry cache verify`: read files and hash them."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import click

from hubferry.cli import output
from hubferry.cli.cache import selection
from hubferry.cli.combining import combined
from hubferry.cli.command import Command
from hubferry.errors import IntegrityError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hubferry.cache.listing import CachedModel
    from hubferry.cache.verify import Verification

_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")


class _ShareType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    name = "PERCENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = _SHARE.fullmatch(str(value).strip())
        if match is None or not 0 < float(match[1]) <= 100:  # noqa: PLR2004  # per cent
            self.fail(_("{value!r} is not a share such as 5%").format(value=value), param, ctx)
        return float(match[1]) / 100


@click.command(
    "verify",
    cls=Command,
    help=_(
        "Read what changed since it was verified, hash it, and compare it with what the hub listed. NAME (or "
        "a part of one, or a path) says which models; without it all are looked at. Exit code 6 when a file "
        "is wrong or missing."
    ),
    examples=(
        "hubferry cache verify",
        "hubferry cache verify flux --full",
        "hubferry cache verify --all --sample 5%",
    ),
)
@click.argument("name", required=False)
@combined(
    click.option("--all", "everything", is_flag=True, help=_("Every model; the same as naming none.")),
    excludes=("NAME",),
)
@combined(
    click.option("--full", is_flag=True, help=_("Read every file, changed or not.")), excludes=("--sample",)
)
@click.option(
    "--sample",
    type=_ShareType(),
    default=None,
    help=_("Read this part of the bytes as well, each time the next part."),
)
@click.option("--jobs", metavar="N", type=click.IntRange(min=1), help=_("Files read at once."))
@selection.cache_dir()
@selection.as_json()
def verify_command(name: str | None, cache_dir: Path | None, **words: Any) -> int:
    """Run the command."""
    from hubferry.cache.foreign import is_ours
    from hubferry.cache.verify import Scope, verify
    from hubferry.cli.cache.reading import follow_reading

    models = selection.models(name, cache_dir)
    scope = Scope(full=words["full"], share=words["sample"] or 0.0)
    begun = time.monotonic()
    with follow_reading() as listen:
        found = [
            verify(model.path, scope=scope, jobs=words["jobs"], listen=listen, record=is_ours(model))
            for model in models
        ]
    if words["as_json"]:
        output.document({"models": [_document(one) for one in found]})
    else:
        for model, one in zip(models, found, strict=True):
            for line in _lines(model, one):
                output.data(line)
    return _conclude(found, seconds=time.monotonic() - begun)


def _lines(model: CachedModel, found: Verification) -> list[str]:
    title = output.visible(model.title)
    if not found.known:
        return [
            _("{model}: nothing is recorded to compare it with").format(model=title),
            f"  -> hubferry cache check {model.name}",
        ]
    bad = found.broken
    if not bad:
        sentence = ngettext(
            "{model}: sound, {count} file", "{model}: sound, {count} files", len(found.results)
        )
        read = _(" ({size} read)").format(size=output.size(found.hashed))
        return [sentence.format(model=title, count=len(found.results)) + read]
    sentence = ngettext(
        "{model}: {count} file is wrong or missing", "{model}: {count} files are wrong or missing", len(bad)
    )
    lines = [sentence.format(model=title, count=len(bad))]
    lines += [f"  {output.visible(one.path)} {one.what}" for one in bad]
    return [*lines, f"  -> hubferry cache repair {model.name}"]


def _conclude(found: Sequence[Verification], *, seconds: float) -> int:
    hashed = sum(one.hashed for one in found)
    rate = output.size(round(hashed / seconds)) if seconds else "-"
    read = _("read {size} in {time} ({rate}/s)")
    output.talk(read.format(size=output.size(hashed), time=output.duration(seconds), rate=rate))
    bad = sum(len(one.broken) for one in found)
    if not bad:
        return 0
    sentence = ngettext("{count} file is wrong or missing", "{count} files are wrong or missing", bad)
    output.talk(sentence.format(count=bad), label=_("error:"), colour="red")
    return IntegrityError.exit_code


def _document(found: Verification) -> dict[str, object]:
    return {
        "path": str(found.directory),
        "known": found.known,
        "sound": found.known and not found.broken,
        "hashed": found.hashed,
        "files": [
            {"path": one.path, "outcome": one.outcome.value, "size": one.size, "what": one.what}
            for one in found.results
        ],
    }

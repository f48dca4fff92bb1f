"""Options that several commands share, and how their words become `hubferry.options.Options`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubferry.cli.combining import combined, marked
from hubferry.cli.value_types import CapType, PlaceType, Rates, RateType
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.options import Access, Options

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")

STYLES = ("auto", "bar", "plain", "json", "none")
"""Of showing progress."""


def together(*decorators: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """Make one decorator of several; their options appear in this order."""
    return marked(decorators, lambda _parameter: None)


def group(title: str, *decorators: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """Add options under a heading of their own in the help."""
    return marked(decorators, lambda parameter: setattr(parameter, "group", title))


def source_access() -> Callable[[Decorated], Decorated]:
    """Add how to reach the source."""
    return together(
        click.option("--source-token", metavar="TOKEN", envvar="HUBFERRY_SOURCE_TOKEN",
                     help=_("Token for the source; better set HF_TOKEN or MODELSCOPE_API_TOKEN.")),
        click.option("--source-endpoint", metavar="URL",
                     help=_("Address of the source's hub, or of a mirror.")),
    )  # fmt: skip


def destination_access() -> Callable[[Decorated], Decorated]:
    """Add how to reach the destination."""
    return together(
        click.option("--destination-token", metavar="TOKEN", envvar="HUBFERRY_DESTINATION_TOKEN",
                     help=_("Token for the destination.")),
        click.option("--destination-endpoint", metavar="URL", help=_("Address of the destination's hub.")),
    )  # fmt: skip


def both_access() -> Callable[[Decorated], Decorated]:
    """Add how to reach both sides."""
    return together(
        click.option("--token", metavar="TOKEN", help=_("Token for both sides.")),
        source_access(),
        destination_access(),
        _insecure(),
    )


def one_access() -> Callable[[Decorated], Decorated]:
    """Add how to reach the only side there is."""
    return together(
        click.option("--token", metavar="TOKEN", help=_("Token for the source.")),
        source_access(),
        _insecure(),
    )


def _insecure() -> Callable[[Any], Any]:
    return click.option(
        "--insecure", is_flag=True, help=_("Allow a token over plain http to another machine.")
    )


def selection() -> Callable[[Decorated], Decorated]:
    """Add which revision and which files."""
    return together(
        click.option("--revision", metavar="NAME",
                     help=_("Branch, tag or commit of the source; its default branch unless given.")),
        paths(),
    )  # fmt: skip


def paths() -> Callable[[Decorated], Decorated]:
    """Add which files."""
    return together(
        click.option("--include", metavar="GLOB", multiple=True,
                     help=_("Take only paths that match; may be repeated.")),
        click.option("--exclude", metavar="GLOB", multiple=True,
                     help=_("Leave out paths that match; may be repeated, and wins over --include.")),
    )  # fmt: skip


def names() -> Callable[[Decorated], Decorated]:
    """Add which tags and branches are made and copied, and that a change is proposed."""
    return combined(
        combined(
            click.option("--tag", metavar="NAME", help=_("Give what is published this tag.")),
            excludes=("--same-tag",),
        ),
        click.option("--same-tag", is_flag=True,
                     help=_("Give what is published the tag that SOURCE is named by.")),
        click.option("--tags", metavar="GLOB", multiple=True,
                     help=_("Copy these tags too, each as a commit and a tag; '!GLOB' leaves out; "
                            "may be repeated.")),
        click.option("--branches", metavar="GLOB", multiple=True,
                     help=_("Copy these branches too; likewise.")),
        click.option("--create-pr", is_flag=True,
                     help=_("Publish as a pull request, at Hugging Face.")),
        excludes=("--verify-only",),
    )  # fmt: skip


def signatures() -> Callable[[Decorated], Decorated]:
    """Add by what the source's own word about its files is verified."""
    return click.option(
        "--verify-signature",
        metavar="sums|FILE",
        help=_(
            "Verify the source by its own SHA256SUMS (sums), or by its model.sig and the public key or "
            "certificates in FILE."
        ),
    )


def deleting() -> Callable[[Decorated], Decorated]:
    """Add what may be deleted at the destination."""
    return together(
        click.option("--delete", is_flag=True,
                     help=_("Delete at the destination, of what was selected, what the source lacks.")),
        combined(
            click.option("--max-delete", metavar="N|N%", type=CapType(),
                         help=_("Delete no more files than this, or than this share of the destination's.")),
            needs=("--delete",),
        ),
    )  # fmt: skip


def visibility(private: str, public: str) -> Callable[[Decorated], Decorated]:
    """Add who may read the destination; what the two words do is said in the help."""
    return together(
        combined(click.option("--private", "visibility", flag_value="private", help=private),
                 excludes=("--public",)),
        click.option("--public", "visibility", flag_value="public", help=public),
    )  # fmt: skip


def no_cache() -> Callable[[Decorated], Decorated]:
    """Add that nothing stays in the cache."""
    return click.option("--no-cache/--cache", "no_cache", default=False, show_default=False,
                        help=_("Keep no payload on disk once it was sent."))  # fmt: skip


def as_json() -> Callable[[Decorated], Decorated]:
    """Add that a program reads the answer."""
    return click.option("--json", "as_json", is_flag=True, help=_("Print one JSON document instead of text."))


def quiet() -> Callable[[Decorated], Decorated]:
    """Add that only the answer and errors are printed."""
    return click.option("--quiet", "-q", is_flag=True, help=_("Say nothing but errors."))


def allowing() -> Callable[[Decorated], Decorated]:
    """Add what may be copied although it looks like a mistake."""
    from hubferry.entries import ALLOWABLE

    return click.option(
        "--allow",
        metavar="|".join(sorted(ALLOWABLE)),
        type=click.Choice(sorted(ALLOWABLE)),
        multiple=True,
        help=_("Copy such entries all the same; may be repeated."),
    )


def offline() -> Callable[[Decorated], Decorated]:
    """Add that no hub may be asked."""
    return click.option(
        "--offline/--no-offline",
        default=False,
        show_default=False,
        help=_("Ask no hub; answer from the cache alone."),
    )


def place() -> Callable[[Decorated], Decorated]:
    """Add where the cache is that is looked into."""
    return click.option("--cache-dir", metavar="DIR", type=PlaceType(), help=_("Look into this cache."))


def transfer() -> Callable[[Decorated], Decorated]:
    """Add how bytes move and where they are kept."""
    return together(
        click.option("--jobs", metavar="N", type=click.IntRange(min=1),
                     help=_("Most connections at once in each direction; adapts unless given.")),
        click.option("--bwlimit", metavar="RATE", type=RateType(), default=Rates(), show_default=False,
                     help=_("Most bytes a second: 20M each way, or 50M:10M for fetching and sending.")),
        click.option("--cache-dir", metavar="DIR", type=PlaceType(),
                     help=_("Keep models here, whatever other caches have; those give their files by link.")),
    )  # fmt: skip


def talking() -> Callable[[Decorated], Decorated]:
    """Add how much is said, and in which form."""
    return together(
        as_json(),
        quiet(),
        click.option("--progress", type=click.Choice(STYLES), default="auto", envvar="HUBFERRY_PROGRESS",
                     show_default=False,
                     help=_("How to show progress; auto is a bar on a terminal, else plain lines.")),
        click.option("--verbose", "-v", count=True, expose_value=False, callback=_begin_to_log,
                     help=_("Tell retries and decisions; -vv every request, too.")),
        click.option("--log-file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
                     expose_value=False, callback=_log_to_file,
                     help=_("Write requests, retries and decisions to the end of FILE.")),
    )  # fmt: skip


def _begin_to_log(_context: click.Context, _parameter: click.Parameter, verbosity: int) -> None:
    if verbosity:
        from hubferry.cli import logs

        logs.to_stderr(verbosity)


def _log_to_file(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        from hubferry.cli import logs

        logs.to_file(path)


def access(token: str | None, endpoint: str | None, *, insecure: bool) -> Access:
    """Return how to reach one side."""
    from hubferry.options import Access

    return Access(token=token or None, endpoint=endpoint, insecure=insecure)


def build(**words: Any) -> Options:
    """Turn the words of a command line into what the library takes; absent words keep its defaults."""
    from hubferry.options import Options

    common, insecure = words.get("token"), bool(words.get("insecure"))
    rates: Rates = words.get("bwlimit") or Rates()
    return Options(
        include=tuple(words.get("include", ())),
        exclude=tuple(words.get("exclude", ())),
        delete=words.get("delete", False),
        visibility=words.get("visibility"),
        new_visibility="private" if words.get("new_visibility") == "private" else None,
        license=words.get("license"),
        message=words.get("message"),
        jobs=words.get("jobs"),
        fetch_rate=rates.fetch,
        send_rate=rates.send,
        cache=not words.get("no_cache", False),
        cache_root=words.get("cache_dir"),
        keep_going=words.get("keep_going", False),
        max_delete=words.get("max_delete"),
        allow=frozenset(words.get("allow", ())),
        card="fix-license" if words.get("card") == "fix-license" else "exact",
        offline=words.get("offline", False),
        tag=words.get("tag"),
        same_tag=words.get("same_tag", False),
        tags=tuple(words.get("tags", ())),
        branches=tuple(words.get("branches", ())),
        create_pr=words.get("create_pr", False),
        verify_signature=words.get("verify_signature"),
        source=access(words.get("source_token") or common, words.get("source_endpoint"), insecure=insecure),
        destination=access(
            words.get("destination_token") or common, words.get("destination_endpoint"), insecure=insecure
        ),
    )


def source_words(source: str, words: dict[str, Any]) -> str:
    """Return the source at the revision of `--revision`; a mirror in its address becomes its endpoint.

    Raises:
        UsageError: The source names another revision already, or is a folder.
    """
    revision = words.get("revision")
    if revision is None:
        return source
    if not revision.strip():
        from hubferry.errors import UsageError

        raise UsageError(_("--revision needs a name"), hint=_("leave --revision out"))
    from hubferry.typed import at_revision

    text, words["source_endpoint"] = at_revision(source, revision, words.get("source_endpoint"))
    return text

"""`hubferry cache check`: is it whole? And if not, what is wrong with which file, and what to type."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from hubferry.cache.check import State
from hubferry.cache.words import state_name
from hubferry.cli import output
from hubferry.cli.cache import selection, words
from hubferry.cli.command import Command
from hubferry.errors import IntegrityError
from hubferry.i18n import _, ngettext

if TYPE_CHECKING:
    from pathlib import Path

    from hubferry.cache.listing import CachedModel

_NOT_WHOLE = (State.PARTIAL, State.MIXED, State.BROKEN, State.ABSENT)


@click.command(
    "check",
    cls=Command,
    help=_(
        "Say whether models are whole: all of them, those that NAME means (a part of a name will do), or the "
        "directory at a path, whoever made it. Names, sizes and headers are enough to find a missing shard "
        "or a file that is one byte short; no content is hashed. Exit code 6 when one is not whole."
    ),
    examples=(
        "hubferry cache check",
        "hubferry cache check flux",
        "hubferry cache check ~/.cache/huggingface/hub/models--gpt2 --json",
    ),
)
@click.argument("name", required=False)
@selection.cache_dir()
@selection.as_json()
def check_command(name: str | None, cache_dir: Path | None, *, as_json: bool) -> int:
    """Run the command."""
    models = selection.models(name, cache_dir)
    if as_json:
        output.document({"models": [_document(model) for model in models]})
    else:
        for model in models:
            for line in _lines(model):
                output.data(line)
    return _conclude([model.state for model in models])


def _lines(model: CachedModel) -> list[str]:
    title, state = output.visible(model.title), model.judged
    if model.link_to is not None:
        title += " " + _("(link to {path})").format(path=output.visible(model.link_to))
    files = ngettext("{count} file", "{count} files", state.files).format(count=state.files)
    said = _(", ").join((state_name(state.verdict), files, output.size(state.size)))
    said += _(", as it was verified") if state.verified else ""
    lines = [_("{subject}: {text}").format(subject=title, text=said)]
    lines += [f"  {output.visible(problem.path)} {problem.what}" for problem in state.problems]
    if state.changed:
        sentence = ngettext(
            "{count} file changed since it was verified, and was not read",
            "{count} files changed since they were verified, and were not read",
            len(state.changed),
        )
        lines.append(f"  {sentence.format(count=len(state.changed))}")
    lines += [f"  {output.visible(path)} {_('is of another commit')}" for path in state.stale]
    if state.verdict is State.UNKNOWN:
        lines.append("  " + _("nothing speaks against it, and nothing proves that it is all there"))
    hints = dict.fromkeys(problem.hint for problem in state.problems if problem.hint)
    if state.verdict in (State.UNKNOWN, State.MIXED) and state.ref is not None:
        hints[f"hubferry fetch {replace(state.ref, revision=state.revision)}"] = None
    if state.changed and not hints:
        hints[f"hubferry cache verify {model.name}"] = None
    return lines + [f"  -> {hint}" for hint in hints]


def _conclude(states: list[State]) -> int:
    bad = [state for state in states if state in _NOT_WHOLE]
    if not bad:
        return 0
    sentence = ngettext(
        "{bad} of {count} model is not whole", "{bad} of {count} models are not whole", len(states)
    )
    output.talk(sentence.format(bad=len(bad), count=len(states)), label=_("error:"), colour="red")
    return IntegrityError.exit_code


def _document(model: CachedModel) -> dict[str, object]:
    state = model.judged
    return {
        "name": model.name,
        "path": str(state.directory),
        "state": state.verdict.value,
        "verified": state.verified,
        "size": state.size,
        "files": state.files,
        "changed": list(state.changed),
        "stale": list(state.stale),
        "problems": [words.problem_document(problem) for problem in state.problems],
    }

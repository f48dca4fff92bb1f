"""The entry: which commands there are, and the only place that turns an error into an exit code."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from hubferry import __version__
from hubferry.cli import interrupted, output, room, secrets, signals, starting
from hubferry.cli.command import Commands
from hubferry.errors import (
    DiskError,
    DiskFullError,
    HubferryError,
    IntegrityError,
    InterruptedRunError,
    NetworkError,
    PartialError,
    UsageError,
)
from hubferry.i18n import _, language, set_language

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DISK_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_READER_GONE = 128 + 13  # what a shell reports for a process that died of SIGPIPE


def _commands() -> dict[str, str]:
    return {
        "copy": _("Copy a repository to another hub, and prove it."),
        "apply": _("Carry out a plan that `copy --plan-out` has written, or nothing of it."),
        "fetch": _("Bring a repository into the cache and print its path."),
        "check": _("Compare two repositories file by file, moving nothing."),
        "ls": _("List the files of a repository, or the repositories of an owner."),
        "cat": _("Print one file of a repository."),
        "info": _("Say what is known about a repository: commit, size, licence, terms, what is cached."),
        "sync": _("Keep mirrors by a file that says what mirrors what."),
        "verify-receipt": _("Say whether what a copy left at its target is still there, by its receipt."),
        "bundle": _("Write repositories into volumes that can be carried to where no network is."),
        "unbundle": _("Take repositories out of volumes: into the cache, to a hub or to a folder."),
        "cache": _("Look into the cache, verify it, clean it."),
        "ui": _("Show this machine in a browser: the cache, what moves, copies, mirrors, receipts."),
        "transfers": _("List what moves on this machine now, and what did lately."),
        "config": _("Look at the configuration file: hubs by name, and what options are by default."),
        "serve": _("Run a hub for this machine or network."),
        "doctor": _("Find what would stop a copy: tokens, endpoints, disk, versions."),
        "demo": _("Watch a whole copy between two hubs on this machine: no account, no internet."),
    }


_ELSEWHERE = {
    "push": "copy", "upload": "copy", "transfer": "copy", "pull": "fetch", "download": "fetch",
    "get": "fetch", "clone": "fetch", "diff": "check", "compare": "check", "mirror": "sync",
    "list": "cache list", "verify": "cache verify", "prune": "cache prune", "clean": "cache clean",
    "rm": "cache clean", "help": "--help",
}  # fmt: skip
"""What other programs call a command, and how it is called here."""


class _PastClickError(Exception):
    """Carry past click what it has answers of its own to, which are not ours."""


@contextmanager
def _past_click() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, BrokenPipeError) as error:
        raise _PastClickError from error


def _place(name: str) -> tuple[str, str]:
    word = name.replace("-", "_")
    return f"hubferry.cli.{word}", word


class _Everything(Commands):
    """All commands; what click has answers of its own to is carried past it."""

    def make_context(self, *words: Any, **more: Any) -> click.Context:
        """Read the command line, and print the help if that is asked for."""
        with _past_click():
            return super().make_context(*words, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _past_click():
            return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the environment variables."""
        from hubferry.cli.environment import variables

        super().format_epilog(ctx, formatter)
        with formatter.section(_("Environment variables")):
            formatter.write_dl(list(variables()))


def _version(ctx: click.Context, _parameter: click.Parameter, value: object) -> None:
    if value:
        output.data(f"hubferry {__version__}")
        ctx.exit()


def command_line() -> Commands:
    """Return the whole command line, in the language of the moment."""
    return _Everything(
        "hubferry",
        described=_commands,
        place=_place,
        elsewhere=_ELSEWHERE,
        examples=(
            "hubferry demo",
            "hubferry copy hf:org/name ms:my-org/name",
            "hubferry check hf:org/name ms:my-org/name",
            "hubferry cache list",
        ),
        help=_("Copy models between hubs through a persistent, verified cache."),
        no_args_is_help=True,
        params=[
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_version,
                help=_("Show the version."),
            ),
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                help=_("Show where an unexpected error came from."),
            ),
        ],
    )


def main() -> int:
    """Run the command line and return its exit code."""
    if "--json" in sys.argv[1:]:
        set_language("en")  # a document is the same in every language, its sentences included
    output.prepare()
    arguments, tokens = sys.argv[1:], dict[str, str]()
    if secrets.may_have_tokens(arguments):
        arguments, tokens = secrets.take_tokens(arguments)
    if tokens:
        output.talk(warning_of_tokens(), label=_("warning:"), colour="yellow")
        secrets.hand_over(arguments, tokens)
    debug = _take_debug(arguments)

    def run() -> int | None:
        try:
            result: Any = command_line().main(arguments, prog_name="hubferry", standalone_mode=False)
        except _PastClickError as carried:
            raise carried.__cause__ or carried from None
        return result if isinstance(result, int) else 0

    return guard(run, command=["hubferry", *arguments], debug=debug)


def warning_of_tokens() -> str:
    """Return the sentence for a token that was given as an argument."""
    return _("a token on the command line can be seen by others and stays in the shell's history; "
             "set it in the environment instead (HF_TOKEN, MODELSCOPE_API_TOKEN)")  # fmt: skip


def _take_debug(arguments: list[str]) -> bool:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--debug" in arguments[:end]:
        arguments[:end] = [word for word in arguments[:end] if word != "--debug"]
        return True
    return False


def guard(work: Callable[[], int | None], *, command: list[str], debug: bool = False) -> int:
    """Do `work` and return its exit code, or that of its error after saying what failed and what to type.

    Args:
        work: Returns the exit code, None for 0.
        command: What the person typed, for the hint that says how to continue.
        debug: Whether to show a traceback; HUBFERRY_DEBUG asks for one, too.
    """
    with signals.heard():
        try:
            return _done(work)
        except BrokenPipeError:
            # Python flushes stdout once more at exit; that must not complain a second time.
            sys.stdout = output.nowhere()
            return _READER_GONE
        except click.exceptions.Exit as end:
            return end.exit_code
        except click.exceptions.NoArgsIsHelpError as nothing:
            output.talk(nothing.format_message())
            return UsageError.exit_code
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # whatever it is, it gets a sentence and a code
            if isinstance(error, KeyboardInterrupt):
                signals.stopped()
                output.begin_line()
            _give_up_what_cannot_be_written()
            if debug or os.environ.get("HUBFERRY_DEBUG"):
                import traceback

                output.talk(traceback.format_exc())
            return _explain(_as_ours(error, command), json="--json" in command)


def _done(work: Callable[[], int | None]) -> int:
    """Do `work`, and write what it has printed, also when it ends in the middle as argparse does."""
    try:
        code = work() or 0
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return code


def _give_up_what_cannot_be_written() -> None:
    """Let Python not try again at exit, when it would replace our exit code with its own."""
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = output.nowhere()


def _as_ours(error: BaseException, command: list[str]) -> HubferryError:
    typed = shlex.join(command)
    if isinstance(error, HubferryError):
        for one in (error, *error.others):
            if isinstance(one, DiskFullError):
                one.hint = room.hint(one, command)
        error.hint = error.hint or _next_words(error, command)
        return error
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return InterruptedRunError(interrupted.sentence(command), hint=typed)
    if isinstance(error, click.ClickException):
        context = error.ctx if isinstance(error, click.UsageError) else None
        message = _punctuated(error.format_message())
        return UsageError(message, hint=f"{context.command_path if context else command[0]} --help")
    if isinstance(error, ModuleNotFoundError) and starting.is_missing(error):
        return HubferryError(starting.missing(error))
    if isinstance(error, OSError) and error.errno in _DISK_ERRNOS:
        return DiskError(str(error))
    return HubferryError(
        _("unexpected {kind}: {reason}").format(kind=type(error).__name__, reason=error),
        hint=f"HUBFERRY_DEBUG=1 {typed}",
    )


def _punctuated(message: str) -> str:
    """Return what click says, whose blank between sentences and full stop are of English."""
    if language() != "zh":
        return message
    return message.replace("。 ", "。").removesuffix(".") + ("。" if message.endswith(".") else "")


def _next_words(error: HubferryError, command: list[str]) -> str | None:
    """Return what to type after an error that does not say so itself; None where nothing would help."""
    typed = shlex.join(command)
    if isinstance(error, PartialError) and "copy" in command[:2] and "--keep-going" not in command:
        return f"{typed} --keep-going"
    if isinstance(error, (NetworkError, InterruptedRunError, IntegrityError, PartialError)):
        return typed  # the same command continues, and asks anew for what was wrong
    return "hubferry doctor" if type(error) is HubferryError else None


def _explain(error: HubferryError, *, json: bool) -> int:
    from hubferry.cli import present

    if output.errors_as_lines:
        from hubferry.cli import progress_json

        progress_json.write({"event": "error", **present.error_document(error)})
    else:
        _tell(error)
    if json:
        output.document({"error": present.error_document(error)})
    return error.exit_code


def _tell(error: HubferryError) -> None:
    for one in (error, *error.others):
        output.talk(one.sentence, label=_("error:"), colour="red")
        for failure in one.failures if isinstance(one, PartialError) else ():
            output.talk(f"  {output.visible(failure.path or '-')}: {failure.message}")
        if isinstance(one, DiskFullError):
            room.tell_what_pruning_frees(one)
        if one.hint:
            output.talk(one.hint, label=_("hint:"), colour="cyan")

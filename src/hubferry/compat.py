"""What the scripts share: their caches, their sentences, one transfer from Hugging Face to ModelScope.

The scripts are older than hubferry and speak Chinese unless HUBFERRY_LANG says otherwise. Their caches stay
where they always were; what the hubs list decides what is fetched and sent.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import places
from hubferry.cli import logs, main, output, secrets, signals
from hubferry.cli.announced import Announcer, Subject
from hubferry.cli.memory import keep_freed_memory
from hubferry.cli.progress import hearer_of, style_of_environment
from hubferry.cli.tally import Tally, content_of
from hubferry.commits import commit_of
from hubferry.errors import HubferryError, NetworkError, NotFoundError
from hubferry.events import FileDone, FileStarted, Planned, Progress
from hubferry.i18n import _, ngettext, set_language
from hubferry.options import Options
from hubferry.typed import repository

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from typing_extensions import Self

    from hubferry.cache.check import ModelState
    from hubferry.events import Event
    from hubferry.model import RepoRef
    from hubferry.results import Report

_GIB = 1024**3
_MOST_PROBLEMS = 5
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def run(work: Callable[[], int | None]) -> int:
    """Do `work` and return the exit code that the process should end with; the process of a signal dies here.

    It speaks Chinese unless HUBFERRY_LANG says otherwise, on whatever the output is.
    """
    if not os.environ.get("HUBFERRY_LANG"):
        set_language("zh")
    output.prepare()
    return signals.finish(main.guard(work, command=["python", *sys.argv]))


def arguments(parser: ArgumentParser) -> Namespace:
    """Parse a transfer's command line, with the options that every transfer has."""
    parser.add_argument("--verify-only", action="store_true", help=_("download and verify, send nothing"))
    parser.add_argument("--public", action="store_true", help=_("let a private or gated model become public"))
    return parser.parse_args()


def set_log_level(level: str) -> None:
    """Tell requests, retries, decisions, and where an unexpected error came from, if `level` is DEBUG."""
    if level == "DEBUG":
        os.environ["HUBFERRY_DEBUG"] = "1"
        logs.to_stderr(2)


def hide_token(token: str | None) -> None:
    """Take a Hugging Face token that was given as an argument out of the process list; may start anew."""
    if not token:
        return
    output.talk(main.warning_of_tokens(), label=_("warning:"), colour="yellow")
    rest, tokens = secrets.take_tokens(sys.argv[1:])
    if not tokens:  # it came without an option's name
        del rest[len(rest) - 1 - rest[::-1].index(token)]
    secrets.hand_over(rest, {"HF_TOKEN": token})


def say(sentence: str) -> None:
    """Print a line where these scripts always printed: on stdout, at once, above what is drawn anew."""
    with output.aside():
        output.data(sentence)
        sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a script keeps a model: in `root` under the repository's name, or in this very `directory`."""

    root: Path | None = None
    directory: Path | None = None

    def of(self, ref: RepoRef | None) -> Path:
        """Return the model's directory, whichever way its name was spelled; nothing is created."""
        from hubferry.cache.names import plain_names, suffixed_name
        from hubferry.cache.roots import default_root, usable
        from hubferry.cache.store import Cache

        if self.directory is not None or ref is None:
            directory = self.directory or Path()
            return usable(directory) or default_root() / directory.name
        root = (usable(self.root) if self.root is not None else None) or default_root()
        found = Cache(root, roots=(root,)).find(ref)
        if found is not None:
            return found.path
        plain = root / plain_names(ref)[0]
        return root / suffixed_name(ref) if plain.exists() else plain


FLUX = Place(directory=Path("~/flux_model_cache/flux-dev"))
MODEL_TRANSFER = Place()  # the default root
SIMPLE = Place(Path("~/.cache/simple_model_transfer"))


def check_directory(directory: Path) -> bool:
    """Say what is in `directory`; return whether a whole model is there. Asks no hub."""
    say(_("🔍 Checking whether the model is there already..."))
    say(_("📁 Directory: {path}").format(path=places.from_home(directory)))
    from hubferry.cache.check import State, check_model, check_model_exists
    from hubferry.cache.recorded import unfinished_bytes

    state = check_model(directory)
    if check_model_exists(directory):
        say(_("✅ The model is there and whole: {size:.2f} GB").format(size=state.size / _GIB))
        return True
    arriving = unfinished_bytes(directory)
    if state.interrupted or (arriving and state.verdict in (State.PARTIAL, State.UNKNOWN)):
        sentence = _("⏬ An earlier download has not finished: {size} are here, and it goes on from there")
        say(sentence.format(size=output.size(state.size + arriving)))
    elif state.files and state.verdict is not State.ABSENT:
        _say_problems(state)
    return False


def _say_problems(state: ModelState) -> None:
    say(_("⚠️  The model is there, but not whole; what is good is kept"))
    for problem in state.problems[:_MOST_PROBLEMS]:
        say(f"   {output.visible(problem.path)} {problem.what}")
    more = len(state.problems) - _MOST_PROBLEMS
    if more > 0:
        say(ngettext("   and {count} more", "   and {count} more", more).format(count=more))


@dataclass(frozen=True, slots=True)
class Transfer:
    """One model from Hugging Face to ModelScope.

    Attributes:
        hf_model: `owner/name`, or a name without an owner such as `gpt2`.
        ms_model: `owner/name`; the token's account is the owner of a bare name; None is the source's name.
        place: Where the cache is.
        message: The commit's message, None for one that names the source's commit.
        warning: A sentence to print before a long download.
        verify_only: Fetch and verify, send nothing.
        public: Let what is private or gated become public.
        quiet: Show no progress.
    """

    hf_model: str
    ms_model: str | None = None
    place: Place = MODEL_TRANSFER
    message: str | None = None
    warning: str | None = None
    verify_only: bool = False
    quiet: bool = False
    public: bool = False

    @property
    def source(self) -> RepoRef:
        """The repository to copy."""
        return repository(self.hf_model, "hf")

    @property
    def directory(self) -> Path:
        """Where its files are kept."""
        return self.place.of(self.source)

    def check_model_exists(self) -> bool:
        """Say what the cache holds; return whether the model is there, whole."""
        return check_directory(self.directory)

    def run(self) -> int:
        """Bring the model into the cache if it is not there, then to ModelScope; return the exit code."""
        source, there = self.source, self.check_model_exists()
        if there:
            say(_("✅ The model is there already, nothing to download!"))
        destination = None if self.verify_only else self._destination()
        if not there:
            say(_("📥 Downloading {name} from Hugging Face...").format(name=source.name))
            if self.warning:
                say(self.warning)
        keep_freed_memory()
        options = Options(
            directory=self.directory,
            message=self.message,
            whole_cache=True,
            visibility="public" if self.public else None,
        )
        with Talker(quiet=self.quiet, downloaded=there, uploading=destination) as talker:
            if destination is None:
                return self._verify(options, talker, there=there)
            say_published(self._copy(options, talker, destination, there=there))
        return 0

    def _destination(self) -> str:
        """Return where to send it; the account is asked for when no owner was named."""
        name = self.ms_model or self.source.name
        if "/" in name or ":" in name:
            ref = repository(name, "ms")
            return str(ref) if ref.endpoint is None else name
        from hubferry.hubs.account import modelscope_account

        return str(repository(f"{modelscope_account()}/{name}", "ms"))

    def _verify(self, options: Options, talker: Talker, *, there: bool) -> int:
        from hubferry import api

        try:
            fetched = api.fetch(str(self.source), options, talker.hear)
        except HubferryError as error:
            if not (there and _unasked(error)):
                raise
            say(_("✅ Whole by its own files; the hub was not asked: {reason}").format(reason=error.message))
            return 0
        sentence = _("✅ Verified: {count} files, {size}, commit {commit}")
        if commit_of(self.source.hub, fetched.commit) is None:
            sentence = _("✅ Verified: {count} files, {size}")
        size = output.size(fetched.size)
        say(sentence.format(count=fetched.files, size=size, commit=fetched.commit[:12]))
        return 0

    def _copy(self, options: Options, talker: Talker, destination: str, *, there: bool) -> Report:
        """Copy; when the source cannot be asked, send what was verified before."""
        from hubferry import api
        from hubferry.cache.check import check_model

        try:
            return api.copy(str(self.source), destination, options, talker.hear)
        except HubferryError as error:
            if not (there and _unasked(error) and check_model(self.directory).verified):
                raise
            say(_("⚠️  The source cannot be asked ({reason}); sending what was verified before").format(
                reason=error.message))  # fmt: skip
        return api.copy(
            str(self.directory.absolute()), destination, replace(options, directory=None), talker.hear
        )


def _unasked(error: HubferryError) -> bool:
    """Return whether the hub could not be asked at all, rather than having refused."""
    from hubferry.remember import offline

    unproven = offline() and isinstance(error, NotFoundError) and error.side == "cache"
    return unproven or (isinstance(error, NetworkError) and error.side == "source")


def say_published(report: Report) -> None:
    """Say what is now on ModelScope, and that it was looked at there."""
    name = report.plan.destination.ref.repo_id
    if report.commits:
        say(_("✅ Upload finished: {name}").format(name=name))
    else:
        say(_("✅ ModelScope has all of it already, nothing to upload: {name}").format(name=name))
    sentence = _("✅ Verified on ModelScope: {count} files, {size}, identical")
    say(sentence.format(count=report.files, size=output.size(report.size)))


class Talker:
    """Say on stdout when the download is over and the upload goes on; show progress on stderr."""

    def __init__(self, *, quiet: bool, downloaded: bool, uploading: str | None) -> None:
        tally = Tally()
        self._hearer = hearer_of(style_of_environment(), tally, quiet=quiet)
        self._announcer = Announcer(Subject(Path(sys.argv[0]).name, arrives=uploading is not None), tally)
        self._downloaded = downloaded
        self._uploading = uploading
        self._contents: dict[str, str] = {}
        self._missing: set[str] = set()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Take the progress off the terminal."""
        self._announcer.end(error)
        self._hearer.stop()

    def hear(self, event: Event) -> None:
        """Take one event of the core."""
        signals.watch()
        logs.tell(event)
        self._hearer.hear(event)
        if not isinstance(event, (Progress, FileStarted, FileDone)):
            self._announcer.hear(event)
        if isinstance(event, Planned):
            # Content that occurs twice arrives once, under either of its names.
            steps = [step for step in event.plan.steps if step.fetches]
            self._contents = {step.file.path: content_of(step) for step in steps}
            self._missing = set(self._contents.values())
            if not self._missing:
                self._finish_download()
        elif isinstance(event, FileDone) and event.direction == "fetch":
            self._missing.discard(self._contents.get(event.path, event.path))
            if not self._missing:
                self._finish_download()

    def _finish_download(self) -> None:
        if not self._downloaded:
            self._downloaded = True
            say(_("✅ Download finished!"))
        if self._uploading:
            say(_("📤 Uploading to ModelScope: {name}").format(name=self._uploading.removeprefix("ms:")))
            self._uploading = None

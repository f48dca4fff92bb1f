"""What is left of a run: its line in the history, and a receipt for each copy where one is wanted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError
from hubferry.i18n import _
from hubferry.sync import receipts
from hubferry.sync.history.store import History, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hubferry.sync.history.values import Ending, Kind, Memory
    from hubferry.sync.outcome import Outcome
    from hubferry.sync.spec import Job, SyncFile


class Record:
    """Keep outcomes, and recall those of earlier runs; every method may be called by any thread."""

    def __init__(self, history: History, run: int, write: Callable[[Outcome], None]) -> None:
        """Write to this run of an open history; `write` leaves a receipt where one is wanted."""
        self._history = history
        self._run = run
        self._write = write
        self.good = True
        """Whether everything that was kept is proven, and has the receipt that is wanted."""
        self.lacking: HubferryError | None = None
        """Why the first of the receipts that could not be written could not."""

    def keep(self, outcome: Outcome) -> None:
        """Remember what became of a repository, and leave its receipt."""
        self.good = self.good and outcome.good
        self._history.record(self._run, outcome)
        if not outcome.good:
            return
        try:
            self._write(outcome)
        except HubferryError as error:
            self.good = False
            self.lacking = self.lacking or error

    def recall(self, jobs: Sequence[Job]) -> Mapping[Job, Memory]:
        """Return what is known of jobs from earlier runs."""
        known = ((job, self._history.last(job.source, job.target)) for job in jobs)
        return {job: memory for job, memory in known if memory is not None}


@contextmanager
def recorded(
    file: SyncFile, kind: Kind, tell: Callable[[str], None], clean: Callable[[str], str] = unchanged
) -> Iterator[Record]:
    """Remember a run from its begin to its end.

    Args:
        file: What is run.
        kind: What runs it.
        tell: Hears why something cannot be remembered, and other sentences for a person.
        clean: Takes secrets out of what errors say.
    """

    def write(outcome: Outcome) -> None:
        if file.receipts is not None:
            receipts.write(file.receipts, outcome, clean=clean)

    how: Ending = "stopped"
    with History.open(clean=clean) as history:
        run = history.begin(file.path, kind)
        for sentence in history.told:
            tell(sentence)
        if history.trouble is not None:
            tell(history.trouble.sentence)
        record = Record(history, run, write)
        try:
            yield record
            how = "finished" if record.good else "failed"
        except Exception:
            how = "failed"
            raise
        finally:
            history.end(run, how)
            if record.lacking is not None:
                tell(_("a receipt could not be written: {reason}").format(reason=record.lacking.sentence))

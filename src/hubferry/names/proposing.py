"""Publish as a pull request: the copy is an ordinary one, to the branch that the pull request is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hubferry import admission, survey, transfer
from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.names.sides import access_at
from hubferry.retry import attempt
from hubferry.session import Session
from hubferry.typed import reference

if TYPE_CHECKING:
    from hubferry.beside import PullRequest
    from hubferry.events import Listener
    from hubferry.hubs.ports import PullRequests
    from hubferry.model import Plan
    from hubferry.options import Options
    from hubferry.results import Report

_MAIN = (None, "main")


async def copy(source: str, destination: str, options: Options, listen: Listener) -> Report:
    """Copy one repository as a pull request; where nothing would change, none is opened.

    One of this account's that is open and has the same title is gone on with: what a run that was killed has
    begun, the next one ends.
    """
    refuse_elsewhere(source, destination, options)
    plan = await transfer.plan(source, destination, options, _quiet(listen))
    admission.refuse(plan, options)
    if plan.nothing_to_do:
        return await transfer.copy(source, destination, options, listen)
    title = options.message or f"Copy {survey.pinned(plan.source)} with hubferry"
    async with Session(source, destination, options, listen) as session:
        pulls, ref = session.pull_requests(), session.destination_ref
        assert pulls is not None  # noqa: S101 - that was refused
        options = replace(options, destination=access_at(options.destination, ref), message=title)
        work = _Work(session, pulls, title)
        try:
            pull = await work.opened(plan)
            there = str(replace(ref, revision=pull.revision))
            report = await transfer.copy(source, there, options, listen)
            if pull.draft:
                await work.publish(pull)
        finally:
            await pulls.close()
    return replace(report, pull_request=replace(pull, draft=False))


def refuse_elsewhere(source: str, destination: str, options: Options) -> None:
    """Refuse a pull request where there is none, or against another branch than the main one.

    Raises:
        UsageError: The destination is not at Hugging Face, or names a branch.
    """
    target = reference(destination, options.destination, "ms", new=True)
    ref = survey.destination_ref(target, reference(source, options.source, "hf"))
    if ref.hub != "hf":
        message = _("--create-pr: {ref} is not at Hugging Face, and only there are pull requests")
        raise UsageError(message.format(ref=ref), side="destination", hint=_("leave --create-pr out"))
    if ref.revision not in _MAIN:
        message = _("--create-pr: a pull request is about the main branch, and not about {revision}")
        raise UsageError(message.format(revision=ref.revision), side="destination")


class _Work:
    """Ask about pull requests, again where that may help."""

    def __init__(self, session: Session, pulls: PullRequests, title: str) -> None:
        self._pulls = pulls
        self._title = title
        self._ref = replace(session.destination_ref, revision=None)
        self._account = session.patience()
        self._listen = session.listen

    async def opened(self, plan: Plan) -> PullRequest:
        """Return the pull request that is open, else a new one: a lost answer is looked for first."""
        text = _description(plan)

        async def once() -> PullRequest:
            found = await self._pulls.find(self._ref, self._title)
            return found or await self._pulls.open(self._ref, self._title, text)

        doing = _("opening a pull request at {name}").format(name=self._ref)
        return await attempt(once, doing, self._account, self._listen)

    async def publish(self, pull: PullRequest) -> None:
        """Show it as open."""
        doing = _("opening a pull request at {name}").format(name=self._ref)
        await attempt(lambda: self._pulls.publish(self._ref, pull.number), doing, self._account, self._listen)


def _description(plan: Plan) -> str:
    """Say what is proposed; for people of any language, in English as commits are."""
    return f"Every file of {survey.pinned(plan.source)} as it is there, copied and verified by hubferry."


def _quiet(listen: Listener) -> Listener:
    """Pass on what is waited for, and not what the copy itself says once more."""
    from hubferry.events import BudgetSpent, Retrying

    return lambda event: listen(event) if isinstance(event, (Retrying, BudgetSpent)) else None

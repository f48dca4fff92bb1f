"""A copy in the page: asked for, planned, shown, started, watched, stopped, started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubferry import plan_words
from hubferry.errors import NotFoundError, UsageError
from hubferry.findings import Kind, refusals
from hubferry.i18n import _
from hubferry.pages import reader_of
from hubferry.ui import wish
from hubferry.ui.site import form_of, go, off_loop, show, site_of

if TYPE_CHECKING:
    from aiohttp import web

    from hubferry.model import Plan
    from hubferry.ui.plans import Planned

_MOST_STEPS = 300


async def show_form(request: web.Request) -> web.Response:
    """Show the form, with the words that the address brings."""
    given = {name: request.query.get(name, "")[:4096] for name in wish.NAMES}
    return await show(request, "copy.html", given=given, mistake=None, hint=None)


async def make_plan(request: web.Request) -> web.Response:
    """Begin to plan what a form asks for; a form that cannot be meant is shown again, with what is wrong."""
    form = await form_of(request)
    try:
        asked = wish.read(form)
    except UsageError as error:
        given = {name: form.get(name, "")[:4096] for name in wish.NAMES}
        return await show(
            request, "copy.html", status=422, given=given, mistake=error.sentence, hint=error.hint
        )
    return go(request, f"/copy/plans/{site_of(request).plans.begin(asked).id}")


async def show_plan(request: web.Request) -> web.Response:
    """Show a plan, or that it is being made."""
    planned = site_of(request).plans.find(request.match_info["plan"])
    if planned is None:
        raise NotFoundError(_("this plan is not known any more; ask for it again"), hint=None)
    plan = planned.plan
    return await show(
        request,
        "plan.html",
        planned=planned,
        plan=plan,
        sum_of_it=None if plan is None else plan_words.plan_sum(plan),
        circumstances=[] if plan is None else _circumstances(plan),
        refused=[] if plan is None else [one.error for one in refusals(plan.findings)],
        steps=[] if plan is None else plan.steps[:_MOST_STEPS],
        more=0 if plan is None else max(0, len(plan.steps) - _MOST_STEPS),
        word=plan_words.action_word,
        sides=[] if plan is None else _sides(plan),
    )


def _sides(plan: Plan) -> list[tuple[str, str]]:
    return [
        (_("From"), plan_words.revision_words(plan.source)),
        (_("Destination"), plan_words.revision_words(plan.destination)),
    ]


def _circumstances(plan: Plan) -> list[tuple[str, str]]:
    """Return what goes with a plan: a tone, and a sentence."""
    made = [("plain", plan_words.creation_words(plan.new))] if plan.new is not None else []
    found = [
        ("warn" if one.kind is Kind.WARNING else "plain", one.sentence)
        for one in plan.findings
        if one.error is None
    ]
    return [*made, *found, *(("plain", words) for words in plan_words.only_there_words(plan))]


async def start_run(request: web.Request) -> web.Response:
    """Start the copy whose plan was shown."""
    form = await form_of(request)
    site = site_of(request)
    planned: Planned | None = site.plans.find(form.get("plan", ""))
    if planned is None:
        raise NotFoundError(_("this plan is not known any more; ask for it again"), hint=None)
    if not planned.may_start:
        raise UsageError(_("this plan would be refused, and is not started"))
    return await _start(request, planned.wish)


async def show_run(request: web.Request) -> web.Response:
    """Show how a copy goes."""
    site = site_of(request)
    seen = await off_loop(request, lambda: site.runs.find(request.match_info["run"], site.board()))
    return await show(request, "run.html", seen=seen, model=seen.run.repairs)


async def stop_run(request: web.Request) -> web.Response:
    """Stop a copy in good order."""
    await form_of(request)
    site, name = site_of(request), request.match_info["run"]
    await off_loop(request, lambda: site.runs.stop(name, site.board()))
    return go(request, f"/copy/runs/{name}")


async def resume_run(request: web.Request) -> web.Response:
    """Start a copy that has ended once more: it goes on where it stopped."""
    await form_of(request)
    site = site_of(request)
    seen = await off_loop(request, lambda: site.runs.find(request.match_info["run"], site.board()))
    if seen.runs or seen.run.wish is None:
        return go(request, f"/copy/runs/{seen.run.id}")
    return await _start(request, seen.run.wish)


async def _start(request: web.Request, asked: wish.Wish) -> web.Response:
    site = site_of(request)
    run = await off_loop(request, lambda: site.runs.start(asked, reader_of(request).language))
    return go(request, f"/copy/runs/{run.id}")

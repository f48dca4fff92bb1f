"""What can be done to the cache in a page: pin, verify, repair, remove. Each takes a form of ours."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubferry.cache import clean as cleaning
from hubferry.cache.foreign import refuse_foreign
from hubferry.cache.listing import freed
from hubferry.cache.pinning import set_pinned
from hubferry.cache.retention import Policy
from hubferry.cache.words import reason_name
from hubferry.errors import PinnedError, UsageError
from hubferry.i18n import _, language
from hubferry.ui import cache_view
from hubferry.ui.cache_pages import wanted_of
from hubferry.ui.site import form_of, go, off_loop, show, site_of
from hubferry.units import read_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from hubferry.cache.listing import CachedModel
    from hubferry.ui.cache_view import Row
    from hubferry.ui.settings import Settings

_DAY = 86400
_MOST_DAYS = 36500
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Going:
    """A model that pruning would remove, and why."""

    model: CachedModel
    reason: str

    @property
    def name(self) -> str:
        """What tells it from every other model."""
        return _name(self.model)


async def pin(request: web.Request) -> web.Response:
    """Pin a model, or take its pin away."""
    form = await form_of(request)
    pinned = form.get("pinned") == "yes"

    def work() -> None:
        set_pinned(_row(site_of(request).settings, request).model, pinned=pinned)

    await off_loop(request, work)
    return _back(request, "pinned" if pinned else "unpinned")


async def verify(request: web.Request) -> web.Response:
    """Begin to read and hash all of a model."""
    await form_of(request)
    site = site_of(request)
    row = await off_loop(request, _row, site.settings, request)
    model = await off_loop(request, cache_view.described, row)
    site.checks.begin(model)
    return _back(request, "")


async def repair(request: web.Request) -> web.Response:
    """Begin to mend a model, in a process of its own."""
    await form_of(request)
    site = site_of(request)

    def work() -> str:
        model = _row(site.settings, request).model
        refuse_foreign(model)
        if model.ref is None:
            message = _("{model}: nothing is recorded, so nothing tells what is wrong")
            raise UsageError(message.format(model=model.title), hint=f"hubferry cache check {model.name}")
        return site.runs.repair(str(model.path), model.title, language()).id

    return go(request, f"/copy/runs/{await off_loop(request, work)}")


async def preview_clean(request: web.Request) -> web.Response:
    """Show what removing a model would free; nothing is removed by looking."""
    settings = site_of(request).settings

    def work() -> tuple[Row, str | None, tuple[CachedModel, ...]]:
        cache = cache_view.look(settings)
        row = cache_view.find(cache, *wanted_of(request))
        return row, cache_view.hindrance(row.model), cache.listing.sharing(row.model, 10)

    row, hindrance, sharing = await off_loop(request, work)
    identity = "-".join(map(str, row.model.identity))
    return await show(request, "clean.html", row=row, hindrance=hindrance, sharing=sharing, identity=identity)


async def clean(request: web.Request) -> web.Response:
    """Remove the model whose preview was shown, and no other that came to have its name."""
    form = await form_of(request)
    settings = site_of(request).settings

    def work() -> tuple[str, int]:
        model = _row(settings, request).model
        if form.get("identity") != "-".join(map(str, model.identity)):
            message = _("{name} is not what was listed any more, and is left alone").format(name=model.title)
            raise UsageError(message, side="cache", hint="hubferry cache list")
        frees = model.frees
        cleaning.remove(model, pinned=model.pinned and form.get("pinned") == "yes")
        return model.title, frees

    title, frees = await off_loop(request, work)
    return go(request, "/cache", said=f"removed-{frees}", about=title)


async def preview_prune(request: web.Request) -> web.Response:
    """Show what the limits in the address would remove."""
    settings = site_of(request).settings
    words = {name: request.query.get(name, "")[:20] for name in ("size", "days", "keep")}
    partial = request.query.get("partial", "")
    mistake = None
    going: list[Going] = []
    asked = bool(partial or any(words.values()))
    try:
        going = await off_loop(request, _prunable, settings, {**words, "partial": partial}) if asked else []
    except UsageError as error:
        mistake = error.sentence
    frees = freed(one.model for one in going)
    return await show(
        request,
        "prune.html",
        words=words,
        partial=bool(partial),
        asked=asked,
        going=going,
        frees=frees,
        mistake=mistake,
    )


async def prune(request: web.Request) -> web.Response:
    """Remove what the preview showed, as far as the limits would remove it still."""
    form = await form_of(request)
    shown = set(form.get("shown", "").split())
    site = site_of(request)

    def work() -> tuple[int, int]:
        going = [one.model for one in _prunable(site.settings, form) if _name(one.model) in shown]
        gone: list[CachedModel] = []
        for model in going:
            try:
                cleaning.remove(model)
            except PinnedError:  # since it was shown
                continue
            gone.append(model)
        return len(gone), freed(gone)

    count, frees = await off_loop(request, work)
    return go(request, "/cache", said=f"pruned-{count}-{frees}")


def _prunable(settings: Settings, words: Mapping[str, str]) -> list[Going]:
    listing = cache_view.look(settings).listing
    return [
        Going(model, reason_name(reason))
        for model, reason in cleaning.plan_prune(listing, _policy(words), now=time.time())
    ]


def _policy(words: Mapping[str, str]) -> Policy:
    """Return what the fields of the form limit.

    Raises:
        UsageError: One of them is no such amount.
    """
    most = None
    if words.get("size"):
        most = read_size(words["size"])
        if most is None:
            raise UsageError(_("{value!r} is not a size such as 500G").format(value=words["size"]))
    for name in ("days", "keep"):
        if words.get(name) and not _NUMBER.fullmatch(words[name]):
            raise UsageError(_("{value!r} is no whole number").format(value=words[name]))
    days = int(words["days"]) if words.get("days") else None
    return Policy(
        max_size=most,
        older_than=None if days is None else float(min(days, _MOST_DAYS) * _DAY),
        keep_last=int(words["keep"]) if words.get("keep") else None,
        partial=bool(words.get("partial")),
    )


def _name(model: CachedModel) -> str:
    """Return what tells a listed model from every other, also from one that takes its place."""
    return "-".join((*map(str, model.identity), cache_view.root_name(model.path)))


def _row(settings: Settings, request: web.Request) -> Row:
    return cache_view.find(cache_view.look(settings), *wanted_of(request))


def _back(request: web.Request, said: str) -> web.Response:
    name, root = wanted_of(request)
    return go(request, f"/cache/{name}", root=root, said=said)

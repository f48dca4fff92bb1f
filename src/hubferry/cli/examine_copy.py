"""What `hubferry doctor SOURCE DESTINATION` says: one finding for each thing that this very copy needs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hubferry import plan_words
from hubferry.cli import output
from hubferry.cli.examine import Finding, machine
from hubferry.errors import AccessError, DiskFullError, HubferryError
from hubferry.findings import Kind
from hubferry.hubs.http.addresses import without_query
from hubferry.i18n import _
from hubferry.wire.failures import ProxyKindError
from hubferry.wire.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubferry.findings import Finding as PlanFinding
    from hubferry.model import Plan
    from hubferry.options import Options
    from hubferry.prospects import Room, SideProspects

_SIGNED_IN_HINTS = {
    "hf": "export HF_TOKEN=hf_...   # https://huggingface.co/settings/tokens",
    "ms": "export MODELSCOPE_API_TOKEN=ms-...   # https://modelscope.cn/my/myaccesstoken",
}


def examine_copy(source: str, destination: str, asked: Options) -> list[Finding]:
    """Ask both sides, make the plan, and say of each thing whether it would stop the copy."""
    from hubferry import api

    prospects = api.look_ahead(source, destination, asked)
    found = [*machine(asked.cache_root)]
    found += _of_side(prospects.source, at_source=True)
    found += _of_side(prospects.destination, at_source=False)
    if prospects.error is not None:
        found += [_refused(one) for one in (prospects.error, *prospects.error.others)]
    if prospects.plan is not None:
        found += _of_plan(prospects.plan, prospects.destination)
        found += [_room(room) for room in prospects.rooms]
    return found


def _of_side(side: SideProspects, *, at_source: bool) -> Iterator[Finding]:
    name = _("source") if at_source else _("destination")
    word = "source" if at_source else "destination"
    if side.ref.hub == "dir":
        if side.error is not None:
            yield _bad(word, name, side.error)
        elif at_source:
            yield Finding(name, "good", _("{path} is a folder here").format(path=side.ref), code=word)
        return
    yield from _proxy(side, name, word)
    if side.seconds is not None:
        text = _("{endpoint} answers in {milliseconds} ms")
        milliseconds = max(1, round(side.seconds * 1000))
        text = text.format(endpoint=without_query(side.endpoint), milliseconds=milliseconds)
        yield Finding(name, "good", text, code=f"{word}-reach")
    if side.error is not None:
        yield _bad(_code_of(side, word), name, side.error)
    if side.seconds is not None and not isinstance(side.error, AccessError):
        yield _login(side, name, word, at_source=at_source)
    if side.repository is not None:
        yield from _repository(side, name)


def _code_of(side: SideProspects, word: str) -> str:
    """Return the word for what went wrong at a side: it was not reached, not signed in to, or not found."""
    if side.seconds is None:
        return f"{word}-reach"
    if side.terms is not None:
        return "terms"
    return f"{word}-login" if isinstance(side.error, AccessError) else f"{word}-repository"


def _proxy(side: SideProspects, name: str, word: str) -> Iterator[Finding]:
    parts = urlsplit(side.endpoint)
    with suppress(ProxyKindError):  # asking through it says what is wrong with it
        proxy = proxy_for(parts.scheme, parts.netloc) if parts.hostname else None
        if proxy is not None:
            text = _("{endpoint} is asked through {proxy}")
            text = text.format(endpoint=without_query(side.endpoint), proxy=proxy)
            yield Finding(name, "note", text, code=f"{word}-proxy")


def _login(side: SideProspects, name: str, word: str, *, at_source: bool) -> Finding:
    code = f"{word}-login"
    if side.account is None:
        if at_source:
            return Finding(name, "note", _("not signed in: only what is public can be read"), code=code)
        text, hint = _("not signed in, and nobody writes there unsigned"), _SIGNED_IN_HINTS.get(side.ref.hub)
        return Finding(name, "bad", text, hint, AccessError.exit_code, code)
    parts = [_("signed in as {name}").format(name=side.account.name)]
    if side.account.role:
        parts.append(_("the token may: {role}").format(role=side.account.role))
    owner = side.ref.repo_id.partition("/")[0]
    if owner in side.account.roles:
        role = side.account.roles[owner] or "?"
        parts.append(_("role in {owner}: {role}").format(owner=owner, role=role))
    return Finding(name, "good", _("; ").join(parts), code=code)


def _repository(side: SideProspects, name: str) -> Iterator[Finding]:
    one = side.repository
    if one is None or side.error is not None:
        return
    from hubferry.cli import look_words

    parts = [look_words.pinned(one), look_words.visibility(one)]
    yield Finding(name, "good", _(", ").join(parts), code="source-repository")
    if one.gated:
        yield Finding(name, "good", _("its terms are accepted by this account"), code="terms")


def _of_plan(plan: Plan, there: SideProspects) -> Iterator[Finding]:
    """Say what would be done, what forbids it, and whether the right to write was asked for."""
    yield Finding(_("this copy"), "good", plan_words.plan_sum(plan), code="plan")
    if plan.new is not None:
        yield Finding(_("this copy"), "note", plan_words.creation_words(plan.new), code="create")
    for one in plan.findings:
        yield _of_finding(one)
    if there.ref.hub == "dir" or any(one.code in _ABOUT_RIGHTS for one in plan.findings):
        return
    yield _right_to_write(plan)


_ABOUT_RIGHTS = frozenset({"may-not-write", "other-namespace"})


def _right_to_write(plan: Plan) -> Finding:
    subject, ref = _("right to write"), plan.destination.ref
    if plan.nothing_to_do:
        return Finding(subject, "good", _("not needed: nothing changes"), code="write")
    if ref.hub == "ms" and plan.destination.exists:
        text = _("nothing speaks against it; ModelScope says it only when it is written to")
        return Finding(subject, "note", text, code="write")
    text = _("{ref} may be written to: asked, nothing was written").format(ref=ref)
    return Finding(subject, "good", text, code="write")


def _of_finding(one: PlanFinding) -> Finding:
    if one.error is not None:
        return _bad(one.code, _("this copy"), one.error)
    text = one.sentence if one.kind is Kind.LEFT_OUT else one.message
    return Finding(_("this copy"), "note", text, code=one.code)


def _room(room: Room) -> Finding:
    subject = _("space")
    words = {"path": room.path, "free": output.size(room.free), "needed": output.size(room.needed)}
    text = _("{path}: {needed} have to come, {free} are free").format(**words)
    if not room.lacking:
        return Finding(subject, "good", text, code="space")
    hint = "hubferry cache prune --older-than 30d --dry-run   # HUBFERRY_CACHE=/another/disk"
    return Finding(subject, "bad", text, hint, DiskFullError.exit_code, "space")


def _refused(error: HubferryError) -> Finding:
    """Say why there is no plan: the question which blobs are there is refused to who may not write."""
    if isinstance(error, AccessError) and error.side == "destination":
        return _bad("may-not-write", _("right to write"), error)
    return _bad("plan", _("this copy"), error)


def _bad(code: str, subject: str, error: HubferryError) -> Finding:
    return Finding(subject, "bad", error.message, error.hint, error.exit_code, code)

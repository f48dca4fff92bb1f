"""When `watch` runs an entry, as a mirror file says it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from hubferry.i18n import _
from hubferry.sync.nodes import Scalar, Table
from hubferry.sync.spec import Schedule

if TYPE_CHECKING:
    from hubferry.sync.nodes import Node
    from hubferry.sync.values import Values

KEYS = ("cron", "every", "at_start")
NEVER = "never"
_FIELDS = 5
_LONGEST = 100
_SHORTEST = 60.0


def read(node: Node, key: str, values: Values) -> Schedule | None:
    """Return a schedule; None for `never`, and where it is wrong."""
    if isinstance(node, Scalar):
        if node.text == NEVER:
            return None
        cron = _cron(node, key, values)
        return None if cron is None else Schedule(cron)
    if not isinstance(node, Table):
        message = _('{key} is a cron expression such as "0 3 * * *", {{cron, every, at_start}}, or never')
        values.mistakes.add(node.position, message.format(key=key))
        return None
    values.only(node, KEYS, key)
    cron_node, every_node, start_node = (node.get(word) for word in KEYS)
    cron = None if cron_node is None else _cron(cron_node, "cron", values)
    every = None if every_node is None else values.age(every_node, "every")
    if every is not None and every_node is not None and every < _SHORTEST:
        values.mistakes.add(every_node.position, _("every is a minute at least"))
    at_start = bool(start_node is not None and values.flag(start_node, "at_start"))
    if not node.pairs:
        message = _("{key} says nothing: cron, every or at_start").format(key=key)
        values.mistakes.add(node.position, message)
    return Schedule(cron, every, at_start)


def _cron(node: Node, key: str, values: Values) -> str | None:
    """Return a cron expression of five fields that comes up at some time."""
    from cronsim import CronSim, CronSimError

    text = " ".join(node.text.split()) if isinstance(node, Scalar) else ""
    reason = None
    if len(text.split()) != _FIELDS or len(text) > _LONGEST:
        reason = _("five fields: minute, hour, day of the month, month, day of the week")
    else:
        try:
            next(CronSim(text, datetime.now(timezone.utc)))
        except CronSimError as error:
            reason = _reasons().get(str(error), str(error))
        except (StopIteration, AssertionError, ValueError, OverflowError):
            reason = _("it never comes up")
    if reason is None:
        return text
    message = _("{key} is no cron expression: {reason}").format(key=key, reason=reason)
    values.mistakes.add(node.position, message, 'schedule: "0 3 * * *"')
    return None


def _reasons() -> dict[str, str]:
    return {
        "Bad minute": _("the first field, the minute, is wrong"),
        "Bad hour": _("the second field, the hour, is wrong"),
        "Bad day-of-month": _("the third field, the day of the month, is wrong"),
        "Bad month": _("the fourth field, the month, is wrong"),
        "Bad day-of-week": _("the fifth field, the day of the week, is wrong"),
    }

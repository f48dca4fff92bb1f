"""What the disk of a destination folder refuses, as errors that name the file; work that is not cut short."""

from __future__ import annotations

import asyncio
import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from hubferry.errors import DiskError, DiskFullError
from hubferry.i18n import _
from hubferry.tasks import to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@contextmanager
def naming(path: str, sentence: str | None = None) -> Iterator[None]:
    """Turn an OSError into a DiskError about `path`; a `sentence` has `{path}` and `{reason}`."""
    try:
        yield
    except OSError as error:
        words = {"path": path, "reason": error.strerror or str(error)}
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = _("{path} cannot be written: the disk is full").format(**words)
            hint = _("make room there; what has arrived is kept, and the same command goes on from it")
            raise DiskFullError(message, side="destination", path=path, hint=hint) from error
        message = (sentence or _("{path} cannot be written: {reason}")).format(**words)
        raise DiskError(message, side="destination", path=path) from error


async def in_thread(
    action: Callable[Arguments, Result], *arguments: Arguments.args, **keywords: Arguments.kwargs
) -> Result:
    """Run in a thread, to its end even when cancelled: nothing is written after a run has ended."""
    return await to_the_end(asyncio.to_thread(action, *arguments, **keywords))

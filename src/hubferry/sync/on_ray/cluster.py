"""Join a Ray cluster, quietly, and leave it again."""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hubferry.errors import NetworkError, UsageError
from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator

_KNOCK_SECONDS = 5.0
_JOIN_SECONDS = 20.0
"""After which nobody is there who speaks Ray; a cluster that is there is joined in one or two."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told that Ray is used here
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def joined(address: str | None) -> Iterator[None]:
    """Be a driver of the cluster at `address` in this block.

    Args:
        address: `host:port`; None for RAY_ADDRESS, a cluster that runs on this machine, or a new one here.

    Raises:
        UsageError: Ray is not installed.
        NetworkError: No cluster answers there.
    """
    if find_spec("ray") is None:
        raise UsageError(_("Ray is not installed."), hint="pip install 'hubferry[ray]'")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    where = address or os.environ.get("RAY_ADDRESS") or None
    if where:
        _knock(where)
    import ray

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    _say_nothing()
    _join(ray, where)
    try:
        yield
    finally:
        ray.shutdown()


def _say_nothing() -> None:
    """Let Ray print nothing about nodes that die: it does, to stdout, whatever `log_to_driver` says."""
    with suppress(ImportError):
        from ray._private import worker

        if hasattr(worker, "print_to_stdstream"):
            worker.print_to_stdstream = lambda *_words, **_more: None


def _knock(address: str) -> None:
    """Ask whether anybody listens there: Ray itself tries for minutes."""
    host, _colon, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdecimal():
        return  # `auto`, `local`: Ray's own words
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _nobody(address) from error


def _join(ray: Any, address: str | None) -> None:
    """Join, in a thread: it may take minutes to find that nobody is there, and it would take over SIGTERM."""
    failed: list[BaseException] = []

    def join() -> None:
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                configure_logging=False,
                **({} if address else {"include_dashboard": False}),
            )
        except BaseException as error:  # noqa: BLE001 - also SystemExit, which Ray raises where it gives up
            failed.append(error)

    thread = threading.Thread(target=join, name="hubferry-ray", daemon=True)
    with _without_stderr():
        thread.start()
        thread.join(_JOIN_SECONDS if address else None)
    if thread.is_alive() or failed:
        with suppress(Exception):
            if failed:
                ray.shutdown()
        raise _nobody(address or "auto") from (failed[0] if failed else None)


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Let nothing be written to stderr: Ray's core says there that it was told to be quiet."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    try:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - no path of ours
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _nobody(address: str) -> NetworkError:
    error = NetworkError(
        _("No Ray cluster answers at {address}.").format(address=address),
        hint=_("“ray status” there says where it is: --ray-address HOST:6379"),
    )
    error.kind = "refused"
    return error

"""Copy models between hubs through a persistent, verified cache.

The verbs (`copy`, `fetch`, `plan`, `write_plan`, `apply_plan`, `check`, `verify`, `verify_receipt`, and for
looking `list_files`, `list_repositories`, `read_file`, `info`), what they take and return, and every error.
`hubferry.aio` has the verbs to be awaited, `hubferry.events` all that is told meanwhile. Names are imported
when they are first used: importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from hubferry import aio
    from hubferry.api import (
        apply_plan,
        check,
        copy,
        fetch,
        info,
        list_files,
        list_repositories,
        plan,
        read_file,
        verify,
        verify_receipt,
        write_plan,
    )
    from hubferry.cache.check import check_model, check_model_exists
    from hubferry.cache.verify import Verification
    from hubferry.catalog import Owned, Repository
    from hubferry.errors import (
        AccessError,
        BusyError,
        CardError,
        CertificateError,
        ConflictError,
        DiskError,
        DiskFullError,
        FileDeniedError,
        FileLackingError,
        GatedError,
        HubferryError,
        IntegrityError,
        InterruptedRunError,
        LockedError,
        MovedTagError,
        NetworkError,
        NotFoundError,
        NothingSelectedError,
        PartialError,
        PinnedError,
        PolicyError,
        ProxyError,
        QuotaError,
        StalePlanError,
        TimedOutError,
        TooLargeError,
        TooManyError,
        UnlistableError,
        UsageError,
        WrongFileError,
    )
    from hubferry.look import Known, Listed
    from hubferry.model import Plan, RepoFile
    from hubferry.options import Access, Options
    from hubferry.progress import Standing
    from hubferry.receipts.checking import ReceiptCheck
    from hubferry.results import Comparison, Fetched, Report

__all__ = [
    "Access",
    "AccessError",
    "BusyError",
    "CardError",
    "CertificateError",
    "Comparison",
    "ConflictError",
    "DiskError",
    "DiskFullError",
    "Fetched",
    "FileDeniedError",
    "FileLackingError",
    "GatedError",
    "HubferryError",
    "IntegrityError",
    "InterruptedRunError",
    "Known",
    "Listed",
    "LockedError",
    "MovedTagError",
    "NetworkError",
    "NotFoundError",
    "NothingSelectedError",
    "Options",
    "Owned",
    "PartialError",
    "PinnedError",
    "Plan",
    "PolicyError",
    "ProxyError",
    "QuotaError",
    "ReceiptCheck",
    "RepoFile",
    "Report",
    "Repository",
    "StalePlanError",
    "Standing",
    "TimedOutError",
    "TooLargeError",
    "TooManyError",
    "UnlistableError",
    "UsageError",
    "Verification",
    "WrongFileError",
    "aio",
    "apply_plan",
    "check",
    "check_model",
    "check_model_exists",
    "copy",
    "fetch",
    "info",
    "list_files",
    "list_repositories",
    "plan",
    "read_file",
    "verify",
    "verify_receipt",
    "write_plan",
]

_HOMES = {
    "Access": "hubferry.options",
    "Comparison": "hubferry.results",
    "Fetched": "hubferry.results",
    "Known": "hubferry.look",
    "Listed": "hubferry.look",
    "Options": "hubferry.options",
    "Owned": "hubferry.catalog",
    "Plan": "hubferry.model",
    "ReceiptCheck": "hubferry.receipts.checking",
    "RepoFile": "hubferry.model",
    "Report": "hubferry.results",
    "Repository": "hubferry.catalog",
    "Standing": "hubferry.progress",
    "Verification": "hubferry.cache.verify",
    "check_model": "hubferry.cache.check",
    "check_model_exists": "hubferry.cache.check",
}
"""Where the names are that are neither errors nor verbs."""


def __getattr__(name: str) -> object:
    """Import a public name from its home."""
    from importlib import import_module

    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    if name == "aio":
        return import_module("hubferry.aio")
    otherwise = "hubferry.errors" if name.endswith("Error") else "hubferry.api"
    return getattr(import_module(_HOMES.get(name, otherwise)), name)


def __dir__() -> list[str]:
    """Name what is public, and nothing else."""
    return sorted(__all__)

"""A hub for one machine or network that speaks the Hugging Face and the ModelScope dialect."""

from hubferry.serve.access import Account, Credential, Policy
from hubferry.serve.accounts import Accounts
from hubferry.serve.application import create_application
from hubferry.serve.committing import refusing
from hubferry.serve.hub import AccessRecord, Seams, ServerLimits
from hubferry.serve.public import Public, proxy_network, public_url
from hubferry.serve.records import Delete, Put
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.signing import Signer
from hubferry.serve.store import Store
from hubferry.serve.strictness import Quota, Rates, Strictness, Throttle
from hubferry.serve.xet import XetFile, XetStorage

__all__ = [
    "AccessRecord",
    "Account",
    "Accounts",
    "Credential",
    "Delete",
    "Policy",
    "Public",
    "Put",
    "Quota",
    "Rates",
    "Reason",
    "Refusal",
    "Seams",
    "ServerLimits",
    "Signer",
    "Store",
    "Strictness",
    "Throttle",
    "XetFile",
    "XetStorage",
    "create_application",
    "proxy_network",
    "public_url",
    "refusing",
]

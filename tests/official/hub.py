"""What official suites are run against: over TLS, with their accounts, strict but for what is counted.

    python -m tests.official.hub STORE CERTIFICATE KEY PUBLIC_URL ACCOUNTS [TESTS]

It prints its port. ACCOUNTS is a file of JSON: a list of accounts, each with a `token`. PUBLIC_URL may be
empty: then it is the one by which it is asked. TESTS are modelscope's:
what they expect on the hub is put there.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from dataclasses import replace
from pathlib import Path

from tests.official.modelscope.seeds import plant

from hubferry.hubs.xet.folder import read_xet_file
from hubferry.serve import (
    Account,
    Credential,
    Policy,
    Public,
    Store,
    Strictness,
    XetStorage,
    create_application,
)
from hubferry.serve.server import start


def credentials(path: Path) -> list[Credential]:
    found = []
    for one in json.loads(path.read_text()):
        account = Account(
            one["name"],
            full_name=one.get("full_name", ""),
            namespaces=frozenset([one["name"], *one.get("organisations", ())]),
            organisations=tuple(one.get("organisations", ())),
        )
        found.append(Credential(one["token"], account))
    return found


async def run(folder: Path, certificate: str, key: str, url: str, accounts: Path, tests: Path | None) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    # a suite makes more questions and commits in a minute than an account may
    strict = replace(Strictness.real(), rates=None, huggingface_commits=None, modelscope_commits=None)
    strict = replace(strict, commit_bytes=None)  # a test of theirs has the real hub take 150 MB
    store = Store(folder, durable=False)
    if tests is not None:
        plant(store, tests)
    application = create_application(
        store,
        Policy(credentials(accounts), writable=True),
        strict=strict,
        public=Public(url or None),
        initial_files=True,
        xet=XetStorage(folder, read_xet_file),
    )
    running = await start(application, tls=tls)
    print(running.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    more = Path(arguments[5]) if len(arguments) > 5 else None
    asyncio.run(run(Path(arguments[0]), *arguments[1:4], Path(arguments[4]), more))

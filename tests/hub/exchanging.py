"""One request as it stands, over a connection of its own: for what no HTTP library would send."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from servers import TestHub

SECONDS = 30


async def exchanged(
    hub: TestHub, head: str, *fields: str, body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Send one request as it stands; return status, header and body."""
    port = URL(hub.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    known = [f"Authorization: Bearer {hub.token}", f"Content-Length: {len(body)}", "Connection: close"]
    writer.write("\r\n".join([head, *known, *fields, "", ""]).encode("latin-1") + body)
    answer = await asyncio.wait_for(reader.read(), SECONDS)
    writer.close()
    top, _, content = answer.partition(b"\r\n\r\n")
    lines = top.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines[1:])
    return int(lines[0].split()[1]), {name.lower(): value for name, _, value in pairs}, content

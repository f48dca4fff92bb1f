"""Git over HTTP: what there is, what is fetched, what is pushed (git's `gitprotocol-http`)."""

from __future__ import annotations

import asyncio
import re
import subprocess
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO, TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from hubferry.serve.hub import account_of, hub_of, repository_of, writable_repository_of
from hubferry.serve.huggingface.routes import NAME
from hubferry.serve.refusal import Reason, Refusal
from hubferry.serve.smart_git.copy import bring_up_to_date
from hubferry.serve.smart_git.lines import FLUSH, line, read_push, report
from hubferry.serve.smart_git.push import take_in
from hubferry.serve.uploads import read_chunks

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubferry.serve.hub import Hub
    from hubferry.serve.repository import Repository
    from hubferry.serve.smart_git.lines import Push

routes = web.RouteTableDef()
_SERVICES = ("git-upload-pack", "git-receive-pack")
_PROTOCOL = re.compile(r"[a-z0-9=:.-]{1,64}")
_BLOCK = 64 << 10
_THREADS = ThreadPoolExecutor(8, thread_name_prefix="git")
Result = TypeVar("Result")
_LARGEST_WISH = 64 << 20
_NO_STORE = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}
_PLACES = ("/{kind:datasets}/" + NAME, "/" + NAME)


async def _in_thread(work: Callable[..., Result], *words: Any, **named: Any) -> Result:
    """Wait for git in a thread; those of everybody else are not held up by it."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(work, *words, **named))


def _at(path: str) -> list[str]:
    return [f"{place}{dot}{path}" for place in _PLACES for dot in (".git", "")]


async def what_there_is(request: web.Request) -> web.Response:
    """Tell the names and what they lead to, to who fetches or pushes."""
    service = request.query.get("service", "")
    if service not in _SERVICES:
        raise Refusal(Reason.INVALID, "Git's old way over HTTP is not spoken here")
    pushing = service == _SERVICES[1]
    repository = writable_repository_of(request)[0] if pushing else _readable(request)
    said = await _in_thread(_advertised, hub_of(request), repository, service, _protocol(request))
    head = line(f"# service={service}\n".encode()) + FLUSH
    return _answer(service, "advertisement", head + said)


def _readable(request: web.Request) -> Repository:
    repository = repository_of(request)
    hub_of(request).policy.require_content(account_of(request), repository.record)
    return repository


def _advertised(hub: Hub, repository: Repository, service: str, protocol: str) -> bytes:
    git = bring_up_to_date(repository, hub.store.blobs)
    word = service.removeprefix("git-")
    line_ = ("--stateless-rpc", "--advertise-refs", str(git.folder))
    with git.start(word, *line_, given=subprocess.DEVNULL, protocol=protocol) as process:
        output, _errors = process.communicate()
    return output


def _answer(service: str, kind: str, body: bytes) -> web.Response:
    return web.Response(body=body, headers=_NO_STORE, content_type=f"application/x-{service}-{kind}")


def _protocol(request: web.Request) -> str:
    said = request.headers.get("Git-Protocol", "")
    return said if _PROTOCOL.fullmatch(said) else ""


async def fetch(request: web.Request) -> web.StreamResponse:
    """Send the objects that a client lacks."""
    repository = _readable(request)
    hub = hub_of(request)
    git = await _in_thread(bring_up_to_date, repository, hub.store.blobs)
    with tempfile.TemporaryFile() as wish:
        await _receive(request, wish, _LARGEST_WISH)
        process = await _in_thread(
            git.start,
            "upload-pack",
            "--stateless-rpc",
            str(git.folder),
            given=wish,
            protocol=_protocol(request),
        )
        response = web.StreamResponse(headers=_NO_STORE)
        response.content_type = "application/x-git-upload-pack-result"
        try:
            await response.prepare(request)
            await _pass_on(process, response, hub.limits.idle_seconds)
        finally:
            await _in_thread(_end, process)
        return response


async def _pass_on(process: subprocess.Popen[bytes], response: web.StreamResponse, patience: float) -> None:
    output = process.stdout
    while output is not None and (block := await _in_thread(output.read, _BLOCK)):
        try:
            await asyncio.wait_for(response.write(block), patience)
        except asyncio.TimeoutError as error:
            raise ConnectionResetError("the client has taken nothing for too long") from error
    await response.write_eof()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with process:
        pass


async def push(request: web.Request) -> web.Response:
    """Take commits, and lead names to them."""
    hub = hub_of(request)
    repository, account = writable_repository_of(request)
    with tempfile.TemporaryFile() as body:
        await _receive(request, body, hub.strict.commit_bytes or hub.limits.commit_bytes)
        wish: Push = await _in_thread(read_push, body)
        refused = await _in_thread(take_in, hub, repository, account, wish, body) if wish.commands else []
    return _answer(_SERVICES[1], "result", report(wish, refused))


async def _receive(request: web.Request, file: IO[bytes], most: int) -> None:
    """Write a request's body to a file, and go to its beginning."""
    packed = request.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
    unpacking = zlib.decompressobj(wbits=31) if packed else None
    size = 0
    async for chunk in read_chunks(request, hub_of(request)):
        try:
            content = unpacking.decompress(chunk, most - size + 1) if unpacking is not None else chunk
        except zlib.error as error:
            raise Refusal(Reason.INVALID, "The request is not packed as it says") from error
        size += len(content)
        if size > most:
            raise Refusal(Reason.TOO_LARGE, f"The request is larger than {most} bytes")
        await _in_thread(file.write, content)
    file.seek(0)


for _path in _at("/info/refs"):
    routes.get(_path, name="git:refs")(what_there_is)
for _path in _at("/git-upload-pack"):
    routes.post(_path, name="git:fetch")(fetch)
for _path in _at("/git-receive-pack"):
    routes.post(_path, name="git:push")(push)

"""Give content that occurs more than once in a repository its other names, many small files at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubferry.errors import HubferryError
from hubferry.stream.schedule import SMALL

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from hubferry.cache.store import ModelDirectory
    from hubferry.model import Digests, RepoFile


class Twins:
    """Takes in files that are here under another name: together, whatever waits when the disk is free."""

    def __init__(self, model: ModelDirectory, executor: Executor) -> None:
        """Take what is needed: a directory that is held, and threads for the disk."""
        self._model = model
        self._executor = executor
        self._waiting: list[tuple[RepoFile, Path, asyncio.Future[Digests | None]]] = []
        self._at_work = False

    async def take_in(self, file: RepoFile, origin: Path) -> Digests | None:
        """Give the content of `origin` the name of `file` too; None where it is not what `file` lists.

        Raises:
            HubferryError: As `ModelDirectory.adopt`.
        """
        loop = asyncio.get_running_loop()
        if (file.size or 0) > SMALL:
            return await loop.run_in_executor(self._executor, self._model.adopt, file, origin)
        future: asyncio.Future[Digests | None] = loop.create_future()
        self._waiting.append((file, origin, future))
        if not self._at_work:
            await self._work()
        return await future

    async def _work(self) -> None:
        """Take in what waits, and what comes meanwhile, until nothing does."""
        self._at_work = True
        try:
            while self._waiting:
                await asyncio.sleep(0)  # whoever is ready in this very turn comes along
                batch, self._waiting = self._waiting, []
                await self._together(batch)
        finally:
            self._at_work = False

    async def _together(self, batch: list[tuple[RepoFile, Path, asyncio.Future[Digests | None]]]) -> None:
        wanted = [(file, origin) for file, origin, _future in batch]
        loop = asyncio.get_running_loop()
        try:
            taken = await loop.run_in_executor(self._executor, self._model.adopt_many, wanted)
        except HubferryError as error:
            for _file, _origin, future in batch:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # whoever was cancelled meanwhile does not ask
            return
        for file, _origin, future in batch:
            if not future.done():
                future.set_result(taken.get(file.path))

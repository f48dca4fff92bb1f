"""A reader of pages without a browser: follows links, sends forms as a page would, and keeps cookies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlsplit

from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

KEY = "the-key-of-this-start"


@dataclass(frozen=True)
class Page:
    """What came back."""

    status: int
    text: str
    headers: dict[str, str]
    where: str = ""

    @property
    def words(self) -> str:
        """What a person reads of it."""
        found = _Words()
        found.feed(self.text)
        return re.sub(r"\s+", " ", " ".join(found.words))

    def forms(self) -> list[dict[str, str]]:
        """The forms, each with the fields that are filled in, and where it goes as ``action``."""
        found = []
        for action, inside in re.findall(
            r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', self.text, re.DOTALL
        ):
            fields = {"action": unescape(action)}
            for field in re.findall(r"<input[^>]*>", inside):
                name = re.search(r'name="([^"]*)"', field)
                value = re.search(r'value="([^"]*)"', field)
                if name and ('type="checkbox"' not in field or " checked" in field):
                    fields[name[1]] = unescape(value[1]) if value else ""
            found.append(fields)
        return found

    def form(self, end: str) -> dict[str, str]:
        """The form whose address ends so."""
        return next(one for one in self.forms() if urlsplit(one["action"]).path.endswith(end))


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


class Pages:
    """Pages that are open, in a browser that came with the key unless it is told not to."""

    def __init__(self, application, beside: Pages | None = None) -> None:
        """Open pages, in the same browser as others if those are given: its cookies go to every port."""
        self.application = application
        self._jar = CookieJar(unsafe=True) if beside is None else beside._jar
        self._client = TestClient(TestServer(application), cookie_jar=self._jar)

    async def __aenter__(self):
        await self._client.start_server()
        return self

    async def __aexit__(self, *_error):
        await self._client.close()

    @property
    def origin(self) -> str:
        return str(self._client.make_url("/")).rstrip("/")

    async def enter(self) -> Page:
        """Come with the key, as whoever opens the printed address."""
        return await self.get(f"/?key={KEY}")

    async def get(self, path: str, **headers: str) -> Page:
        return await self.ask("GET", path, headers=headers)

    async def send(self, form: dict[str, str], origin: str | None = None, **fields: str) -> Page:
        """Send a form as its page would; `origin` is another page's."""
        words = {**form, **fields}
        action = words.pop("action")
        headers = {"Origin": self.origin if origin is None else origin} if origin != "" else {}
        return await self.ask("POST", action, data=words, headers=headers)

    async def ask(self, method: str, path: str, **words) -> Page:
        async with self._client.request(method, path, **words) as answer:
            return Page(answer.status, await answer.text(), dict(answer.headers), str(answer.url.relative()))

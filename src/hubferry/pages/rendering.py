"""Templates made into pages, for a reader's language, off the event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from hubferry import __version__, i18n
from hubferry.pages import quantities
from hubferry.pages.application import TITLE, link
from hubferry.pages.forms import hidden_token
from hubferry.pages.headers import COMMON
from hubferry.pages.reader import THEMES, reader_of
from hubferry.pages.static import static_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

_KIT = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, as `parts.bar` draws it.

    Attributes:
        label: What it is, translated.
        value: How much of the whole.
        shown: The same as a person reads it.
    """

    label: str
    value: float
    shown: str


class Templates:
    """The templates of one package, on top of those of the kit."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet: commands that show no page import no template engine."""
        self._folder = folder
        self._environment: Environment | None = None

    async def render(
        self,
        request: web.Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> web.Response:
        """Answer with a page in the reader's language.

        Args:
            request: Whom to answer.
            template: A file of the package's folder.
            status: The answer's.
            headers: More than all pages have.
            **values: What the template names.
        """
        text = await asyncio.to_thread(self.text, request, template, values)
        return web.Response(
            text=text, status=status, content_type="text/html", headers={**COMMON, **(headers or {})}
        )

    def text(self, request: web.Request, template: str, values: Mapping[str, object]) -> str:
        """Return a page's text. Blocks; call it off the event loop."""
        reader = reader_of(request)
        with i18n.speaking(reader.language):
            return self._engine().get_template(template).render(_context(request), **values)

    def prepare(self) -> None:
        """Compile every template ahead, so that the first reader does not wait for it. Blocks."""
        engine = self._engine()
        for path in sorted(self._folder.glob("*.html")):
            engine.get_template(path.name)

    def _engine(self) -> Environment:
        if self._environment is None:
            self._environment = _environment(self._folder)
        return self._environment


def _environment(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader([folder, _KIT]),
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        _=i18n._, ngettext=i18n.ngettext, ago=quantities.ago, static=static_address, version=__version__
    )
    from hubferry import units

    made.filters.update(
        size=units.size,
        count=quantities.count,
        about=quantities.about,
        seconds=quantities.seconds,
        short=quantities.short,
        name=quantities.name,
        visible=quantities.visible,
        visible_lines=quantities.visible_lines,
    )
    return made


def _context(request: web.Request) -> dict[str, Any]:
    reader = reader_of(request)
    here = request.path_qs
    other = "en" if reader.language == "zh" else "zh"
    after = THEMES[(THEMES.index(reader.theme) + 1) % len(THEMES)]
    return {
        "link": lambda path, **query: link(request, path, **query),
        "form_token": lambda: hidden_token(request),
        "reader": reader,
        "site": request.app.get(TITLE, "hubferry"),
        "switch_language": link(request, "/-/prefer", language=other, back=here),
        "switch_theme": link(request, "/-/prefer", theme=after, back=here),
        "next_theme": after,
    }

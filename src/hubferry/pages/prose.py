"""Markdown that somebody else wrote as markup that does nothing but say it.

Markdown becomes HTML, `nh3` leaves of that what says something, and addresses are led to where they mean:
relative ones into the repository, outside ones marked. Nothing outside is loaded: a picture from elsewhere
becomes a link.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from markupsafe import Markup

from hubferry.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LARGEST = 128 << 10
"""Letters of a text that are shown; more of them would be no reading."""
ANCHOR = "card-"
"""What the names of places in a text begin with, so that none is that of a part of the page."""
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "center", "cite", "code", "dd", "del", "details", "dfn",
    "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strong", "sub",
    "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var",
}  # fmt: skip
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_ALIGNED = ("p", "div", "td", "th", "img", "table", *_HEADINGS)
_ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "id"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "details": {"open"},
}
for _tag in _ALIGNED:
    _ATTRIBUTES[_tag] = _ATTRIBUTES.get(_tag, set()) | {"align"}
for _tag in _HEADINGS:
    _ATTRIBUTES[_tag] |= {"id"}
_SCHEMES = {"http", "https", "mailto"}
_NUMBER = re.compile(r"\d{1,4}%?")
_SPACE = re.compile(r"\s+")
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
_PIECE = re.compile(r'<(?P<end>/?)(?P<tag>img|a|table|pre)(?P<attributes>(?:\s+[\w-]+="[^"]*")*)\s*/?>')
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_NESTING = 20
_DEEPEST = 200
"""Elements inside of each other in HTML of a card; the time to clean deeper ones grows with the square."""
_MARK = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_CLOSED_BY_THEMSELVES = {
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option",
    "p", "param", "source", "td", "th", "tr", "track", "wbr",
}  # fmt: skip


def prose(text: str, page: str, raw: str | None) -> Markup:
    """Return a text as markup.

    Args:
        text: Markdown; what is longer than `LARGEST` is left out.
        page: The folder in which a relative link lies, as an address of ours that ends with a slash.
        raw: The same for pictures; None makes links to their pages of them.
    """
    return Markup(_rendered(text[:LARGEST], page, raw, _("A table")))  # noqa: S704  # nh3 has been over it


@lru_cache(maxsize=64)
def _rendered(text: str, page: str, raw: str | None, table: str) -> str:
    import nh3

    html = _html(text, raw=True)
    clean = nh3.clean(
        html if not _is_deep(html) else _html(text, raw=False),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_filtering(page, raw or page),
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener noreferrer",
        clean_content_tags={
            "script",
            "style",
            "iframe",
            "object",
            "template",
            "noscript",
            "title",
            "svg",
            "math",
        },
    )
    return _finished(clean, table, pictures=raw is not None)


def _is_deep(html: str) -> bool:
    depth = 0
    for closing, name in _MARK.findall(html):
        if name.lower() not in _CLOSED_BY_THEMSELVES:
            depth = max(0, depth - 1) if closing else depth + 1
            if depth > _DEEPEST:
                return True
    return False


def _html(text: str, *, raw: bool) -> str:
    """Return Markdown as HTML, with what HTML it has as it is if that is wanted `raw`, else as text."""
    engine = _engine(raw=raw)
    tokens = engine.parse(text)
    used: dict[str, int] = {}
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(tokens[at + 1], used))
        elif token.type in ("th_open", "td_open"):
            style = str(token.attrs.pop("style", ""))
            if style:
                token.attrSet("align", style.rpartition(":")[2])
    html: str = engine.renderer.render(tokens, engine.options, {})
    return html


def _engine(*, raw: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": raw, "maxNesting": _NESTING}).enable(["table", "strikethrough"])


def _anchor(inline: Token, used: dict[str, int]) -> str:
    """Return a heading's name as GitHub makes it."""
    words = "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))
    name = _NOT_IN_ANCHOR.sub("", words.strip().lower()).replace(" ", "-") or "section"
    used[name] = used.get(name, -1) + 1
    return f"{ANCHOR}{name}" + (f"-{used[name]}" if used[name] else "")


def _filtering(page: str, raw: str) -> Callable[[str, str, str], str | None]:
    def keep(tag: str, name: str, value: str) -> str | None:
        if name == "href":
            return _led(value, page)
        if name == "src":
            return _led(value, raw)
        if name == "id":
            return value if value.startswith(ANCHOR) else ANCHOR + _SPACE.sub("-", value)
        if name in ("width", "height", "start", "colspan", "rowspan"):
            return value if _NUMBER.fullmatch(value) else None
        if name == "align":
            return value if value.lower() in ("left", "right", "center") else None
        del tag
        return value

    return keep


def _led(address: str, folder: str) -> str | None:
    """Return where an address of a text leads; None for nowhere."""
    address = address.strip()
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme or parts.netloc:
        return address if parts.scheme.lower() in _SCHEMES else None
    if address.startswith("#"):
        return f"#{ANCHOR}{address[1:]}" if not address.startswith(f"#{ANCHOR}") else address
    if not parts.path or address.startswith(("/", "\\")):
        return None
    joined = urljoin(folder, quote(parts.path, safe="/%:@+,~!$&'()*="))
    return joined + (f"#{parts.fragment}" if parts.fragment else "") if joined.startswith(folder) else None


def _finished(html: str, table: str, *, pictures: bool) -> str:
    """Put links in the place of pictures from elsewhere, and tables into boxes that scroll by themselves."""
    linked = 0

    def finish(found: re.Match[str]) -> str:
        nonlocal linked
        attributes = {name: unescape(value) for name, value in _ATTRIBUTE.findall(found["attributes"])}
        if found["tag"] == "table":
            return (
                f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table)}"><table>'
                if not found["end"]
                else "</table></div>"
            )
        if found["tag"] == "pre":
            return found[0] if found["end"] else '<pre tabindex="0">'  # one may be wider than its box
        if found["tag"] == "a":
            linked += -1 if found["end"] else 1
            return found[0]
        return _picture(attributes, linked=linked > 0, shown=pictures)

    return _PIECE.sub(finish, html)


def _picture(attributes: dict[str, Any], *, linked: bool, shown: bool) -> str:
    address, words = attributes.get("src", ""), attributes.get("alt", "")
    if shown and address and not urlsplit(address).scheme and not urlsplit(address).netloc:
        sized = "".join(
            f' {name}="{escape(attributes[name])}"'
            for name in ("width", "height", "align")
            if name in attributes
        )
        return f'<img src="{escape(address)}" alt="{escape(words)}" loading="lazy"{sized}>'
    name = escape(words or urlsplit(address).netloc or "…")
    if linked or not address:
        return f'<span class="outside">{name}</span>'
    return f'<a class="outside" href="{escape(address)}" rel="nofollow noopener noreferrer">{name}</a>'

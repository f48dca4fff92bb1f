"""The kit of all pages: languages, themes, headers, escaping, forms, what lives, plots."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from jinja2 import UndefinedError

from hubferry import i18n
from hubferry.pages import (
    CrossOriginError,
    Event,
    Point,
    Series,
    Share,
    Templates,
    add_routes,
    bar_plot,
    events,
    line_plot,
    quantities,
    read_form,
)
from hubferry.pages.prose import prose

PAGE = """{% extends "base.html" %}
{% import "parts.html" as parts with context %}
{% block title %}{{ title }}{% endblock %}
{% block content %}{{ _("Copy") }}|{{ title|name }}|{{ parts.copy("x y", "a") }}
{{ parts.crumbs([("a", "/a"), ("b", none)]) }}{{ parts.pager(2, 3, page_address) }}
{{ parts.badge("b", "good") }}{{ parts.bar(shares, "bytes") }}{{ ago(0) }}
<form method="post" action="/form">{{ form_token() }}</form>{% endblock %}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "broken.html").write_text("{{ nothing_of_that_name }}")
    return tmp_path


def application(folder, **options):
    templates, app = Templates(folder), web.Application()

    async def show(request):
        title = request.query.get("title", "a title")
        shares = [Share("weights", 3, "3 B"), Share("other", 1, "1 B")]
        return await templates.render(
            request, "page.html", title=title, shares=shares, page_address=lambda page: f"?page={page}"
        )

    async def take(request):
        try:
            return web.json_response(await read_form(request))
        except CrossOriginError:
            raise web.HTTPForbidden from None

    app.router.add_get("/", show)
    app.router.add_post("/form", take)
    add_routes(app, title="kit", **options)
    return app


@pytest.fixture
async def site(folder):
    jar = aiohttp.CookieJar(unsafe=True)  # the server has an address and no name
    async with (
        TestServer(application(folder)) as server,
        aiohttp.ClientSession(server.make_url("/"), cookie_jar=jar) as session,
    ):
        yield session


async def text(session, path="/", **headers):
    async with session.get(path, headers=headers) as answer:
        assert answer.status == 200
        return await answer.text()


@pytest.mark.parametrize(
    ("path", "headers", "language"),
    [
        ("/", {}, "en"),
        ("/", {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}, "zh-CN"),
        ("/", {"Accept-Language": "en;q=0.5, zh-TW;q=0.7"}, "zh-CN"),
        ("/", {"Accept-Language": "de, en;q=0.1, *"}, "en"),
        ("/", {"Accept-Language": "zh;q=0, en"}, "en"),
        ("/?lang=zh", {"Cookie": "hubferry_language=en"}, "zh-CN"),
        ("/", {"Cookie": "hubferry_language=zh", "Accept-Language": "en"}, "zh-CN"),
        ("/?lang=xx", {"Cookie": "hubferry_language=yy"}, "en"),
    ],
)
async def test_a_page_speaks_as_the_address_then_the_switch_then_the_browser_wishes(
    site, monkeypatch, path, headers, language
):
    monkeypatch.setenv("HUBFERRY_LANG", "en")
    page = await text(site, path, **headers)
    assert f'<html lang="{language}"' in page
    assert ("复制|" in page) is (language == "zh-CN")


async def test_readers_of_two_languages_are_answered_side_by_side(site):
    wishes = ["en", "zh"] * 10
    pages = await asyncio.gather(*(text(site, f"/?lang={wish}") for wish in wishes))
    assert ["复制|" in page for page in pages] == [wish == "zh" for wish in wishes]


async def test_a_language_that_is_spoken_wins_over_the_one_that_was_set_and_only_there():
    i18n.set_language("zh")
    try:
        with i18n.speaking("en"):
            assert i18n.language() == "en"
            assert await asyncio.to_thread(i18n.language) == "en"
        assert i18n.language() == "zh"
    finally:
        i18n.set_language(None)


async def test_every_page_forbids_what_is_not_the_applications_own(site):
    async with site.get("/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        page = await answer.text()
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! src=)", page)
    assert not re.search(r"(?:src|href|action)=\"(?:\w+:)?//", page)


async def test_names_are_data_and_hide_nothing(site):
    page = await text(site, "/?title=%3Cscript%3E%E2%80%AEgpj.exe%00")
    assert "<script>" not in page
    assert (
        '<bdi>&lt;script&gt;<span class="unseen">U+202E</span>gpj.exe<span class="unseen">U+0000</span></bdi>'
        in page
    )


async def test_the_switch_keeps_the_wish_in_a_cookie_and_goes_back_to_where_the_reader_was(site):
    page = await text(site, "/?lang=zh&title=a%26b")
    address = re.search(r'class="switch" href="([^"]+)"', page)[1].replace("&amp;", "&")
    async with site.get(address, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"] == "/?title=a%26b"
        assert answer.cookies["hubferry_language"].value == "en"
    async with site.get("/-/prefer?theme=dark", allow_redirects=False) as answer:
        assert answer.cookies["hubferry_theme"].value == "dark"
    assert 'data-theme="dark"' in await text(site)
    async with site.get("/-/prefer?theme=%22x&language=fr", allow_redirects=False) as answer:
        assert not answer.cookies


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "/\\evil.example", "https://evil.example", "\\/x", "/\r\nX: y", "/\t/x"],
)
async def test_the_switch_leads_to_no_other_place(site, back):
    async with site.get("/-/prefer", params={"back": back}, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/"
        assert "X" not in answer.headers


async def test_static_files_stay_for_ever_at_an_address_of_their_content(site):
    page = await text(site)
    for address in re.findall(r'(?:src|href)="(/-/static/[^"]+)"', page):
        async with site.get(address) as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            assert len(await answer.read()) < 32_000
    for wrong in ("/-/static/0000000000000000/pages.css", address.rpartition("/")[0] + "/..%2F__init__.py"):
        async with site.get(wrong) as answer:
            assert answer.status == 404


async def test_below_a_folder_of_a_proxy_every_address_is_below_it(folder):
    app = application(folder, prefix="/models")
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        page = await text(session)
        own = [one for one in re.findall(r'(?:src|href)="(/[^"]*)"', page) if one != "/a"]
        assert own
        assert all(one.startswith("/models/") for one in own)


async def test_what_a_template_does_not_get_is_an_error_and_no_blank(folder, site):
    request = aiohttp.test_utils.make_mocked_request("GET", "/", app=application(folder))
    with pytest.raises(UndefinedError):
        Templates(folder).text(request, "broken.html", {})


async def sent(session, origin, token, content_type=None):
    headers = {"Origin": origin} if origin else {}
    data = aiohttp.FormData({"form_token": token, "a": "1"})
    if content_type:
        data, headers["Content-Type"] = b"form_token=" + token.encode(), content_type
    async with session.post("/form", data=data, headers=headers) as answer:
        return answer.status


async def test_a_form_counts_only_from_a_page_of_the_same_application(site):
    page = await text(site)
    token = re.search(r'name="form_token" value="(\w+)"', page)[1]
    own = str(site._base_url.origin())
    assert await sent(site, own, token) == 200
    assert await sent(site, own, "0" * 64) == 403
    assert await sent(site, None, token) == 403
    assert await sent(site, "null", token) == 403
    assert await sent(site, "http://evil.example", token) == 403
    assert await sent(site, own, token, "text/plain") == 403
    assert await sent(site, own, "x" * 70_000) == 413


class Told:
    """A source of events that a test fills."""

    def __init__(self):
        self.queue, self.ids, self.closed, self.beat = asyncio.Queue(), [], asyncio.Event(), 60.0

    async def __call__(self, last):
        self.ids.append(last)
        try:
            while (event := await self.queue.get()) is not None:
                yield event
        finally:
            self.closed.set()


@pytest.fixture
async def stream():
    told, app = Told(), web.Application()

    async def answer(request):
        return await events(request, told, beat=told.beat)

    app.router.add_get("/events", answer)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield told, session


async def test_a_stream_says_what_changed_and_goes_on_from_the_last_event(stream):
    told, session = stream
    await told.queue.put(Event('["a"]', id="7"))
    await told.queue.put(None)
    async with session.get("/events", headers={"Last-Event-ID": "6"}) as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.text() == 'retry: 10000\n\nid: 7\nevent: changed\ndata: ["a"]\n\n'
    assert told.ids == ["6"]


async def test_a_stream_shows_signs_of_life_and_ends_its_source_when_the_reader_leaves(stream):
    told, session = stream
    told.beat = 0.01
    async with session.get("/events") as answer:
        assert await answer.content.readuntil(b"\n\n") == b"retry: 10000\n\n"
        assert await answer.content.readuntil(b"\n\n") == b":\n\n"
        answer.close()
    await asyncio.wait_for(told.closed.wait(), 10)


def test_a_plot_says_in_a_table_what_it_draws():
    series = [Series("<a>", [Point(f"day {n}", n * 7) for n in range(30)]), Series("b", [Point("day 0", 5)])]
    for plot in (line_plot("T", series, "{} B".format, "D"), bar_plot("T", series, "{} B".format)):
        assert plot.count('<th scope="row">') == 30
        assert '<td class="number">203 B</td>' in plot
        assert "&lt;a&gt;" in plot
        assert "<a>" not in plot
        assert "style=" not in plot
        assert "<title>T</title>" in plot
        numbers = [float(one) for one in re.findall(r'\b(?:x|y|cx|cy|height)="(-?[\d.]+)"', plot)]
        assert all(0 <= number <= 640 for number in numbers)
    assert "<svg" not in line_plot("T", [])


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1234, "1.23 K"),
        (7_615_616_512, "7.62 B"),
        (494e9, "494 B"),
        (999_700, "1.00 M"),
    ],
)
def test_large_numbers_are_said_in_three_digits(number, shown):
    assert quantities.about(number) == shown


def test_moments_are_said_as_people_do():
    said = {
        60: "1 minute ago",
        3600 * 5: "5 hours ago",
        86400 * 40: "1 month ago",
        86400 * 800: "2 years ago",
    }
    with i18n.speaking("en"):
        for passed, words in said.items():
            assert words in quantities.ago(1e9, 1e9 + passed)
        assert 'datetime="1970-01-01T00:00:00Z"' in quantities.ago(-5, 0)
        assert "9999" in quantities.ago(1e300, 0)


def test_no_template_engine_is_imported_before_the_first_page():
    code = (
        "import sys, hubferry.pages\n"
        "heavy = {'jinja2', 'markdown_it', 'nh3'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def shown(text):
    return str(prose(text, "/o/n/blob/c/", "/o/n/resolve/c/"))


def test_links_of_a_text_lead_into_the_repository_or_openly_out_and_nowhere_else():
    page = shown(
        "[a](b/c.md#d) [up](../x) [top](/x) [s](javascript:x) [o](https://a.example) [self](#here)\n\n# Here"
    )
    assert 'href="/o/n/blob/c/b/c.md#d"' in page
    assert 'href="https://a.example" rel="nofollow noopener noreferrer"' in page
    assert 'href="#card-here"' in page
    assert '<h1 id="card-here">' in page
    assert len(re.findall("href=", page)) == 3


def test_pictures_from_elsewhere_are_links_and_never_two_links_in_one():
    page = shown(
        "![in](a.png) ![spy](https://e.example/p.png) [![badge](https://e.example/b)](https://c.example)"
    )
    assert '<img src="/o/n/resolve/c/a.png" alt="in" loading="lazy">' in page
    assert '<a class="outside" href="https://e.example/p.png"' in page
    assert 'noreferrer"><span class="outside">badge</span></a>' in page
    assert len(re.findall("<img", page)) == 1


def test_html_that_is_nested_too_deep_is_shown_as_text():
    assert shown("<div>" * 100 + "x").count("<div>") == 100
    assert shown("<div>" * 300 + "x").startswith("<p>&lt;div&gt;&lt;div&gt;")


def test_of_a_text_beyond_reason_the_beginning_is_shown():
    assert len(shown("x" * 1_000_000)) < 140_000

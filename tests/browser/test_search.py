"""The search in Chromium: words, pictures, filters, one picture and back, the keyboard, and no script at all."""

import base64
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, Route, expect

from infra.local_system import LocalSystem
from tests.browser.accessibility import listen, violations, wait_until_said
from tests.browser.firefox import not_by_bidi
from tests.browser.visits import Visitor, visitor
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller

OWL = SAMPLES / "photos" / "owl.jpg"
# A file, as a script of the page has it.
AS_FILE = """bytes => new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], "o.jpg", { type: "image/jpeg" })"""

PASTE = "data => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, cancelable: true }))"


@pytest.fixture(scope="module")
def member(stack: LocalSystem) -> Visitor:
    """A user of the demo account, which has the samples."""
    account = Caller(stack.api_url, stack.token).result("GET", "/api/account/")["account"]["uuid"]
    return visitor(stack, account)


def tiles(page: Page) -> Locator:
    return page.locator("#results .tile > a")


def names(page: Page) -> list[str]:
    """The names of the pictures that are shown, in their order."""
    return [each.get_attribute("alt") or "" for each in page.locator("#results .tile img").all()]


def test_words_find_pictures_and_each_step_has_an_address(browser: Browser, member: Visitor) -> None:
    with member.visit(browser) as page:
        page.locator("#words").fill("a bird")
        page.keyboard.press("Enter")
        expect(tiles(page).first).to_be_visible()
        assert names(page)[0] == "owl.jpg"
        page.wait_for_url("**/?query=a+bird")
        listen(page)
        page.locator("#words").fill("-people feathers")
        page.keyboard.press("Enter")
        expect(page.locator("#terms .chip.not")).to_contain_text("people")
        assert member.path(page) == "/?query=a+bird&query=feathers&without=people"
        wait_until_said(page, "picture")
        expect(page.locator("#words")).to_be_focused()
        page.keyboard.press("Backspace")
        expect(page.locator("#terms .chip")).to_have_count(2)
        page.get_by_role("switch", name="Relevant only").click()
        expect(page.locator("#tally")).to_contain_text("50 pictures")
        wait_until_said(page, "50 pictures")
        page.wait_for_url("**/*cutoff=off")
        page.locator('label[title="Portrait"]').click()
        page.wait_for_url("**/*orientation=portrait*")
        sizes = [
            (each.get_attribute("width"), each.get_attribute("height"))
            for each in page.locator("#results .tile img").all()
        ]
        assert sizes and all(int(width or 0) < int(height or 0) for width, height in sizes)
        page.go_back()
        page.wait_for_url(lambda url: "orientation" not in url)
        assert "cutoff=off" in member.path(page)


def test_a_picture_opens_large_and_closes_to_the_same_place(browser: Browser, member: Visitor) -> None:
    with member.visit(browser, "/?query=an+animal&cutoff=off") as page:
        expect(tiles(page).first).to_be_visible()
        third = tiles(page).nth(20)
        third.scroll_into_view_if_needed()
        place = page.evaluate("scrollY")
        shown = names(page)
        third.click()
        expect(page.locator("#picture-name")).to_have_text(shown[20])
        expect(page.locator("#picture-name")).to_be_focused()
        assert page.locator(".why li").count() == 1
        page.keyboard.press("ArrowRight")
        expect(page.locator("#picture-name")).to_have_text(shown[21])
        late: list[Route] = []
        page.route("**/pictures/*", lambda route: late.append(route), times=1)
        page.keyboard.press("ArrowRight")
        while not late:  # else the request after it would be the one that is held back
            page.wait_for_timeout(10)
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#picture-name")).to_have_text(shown[20])
        with suppress(Error):  # the browser wants the answer no more
            late[0].fulfill(body="<h1 id='picture-name'>too late</h1>", content_type="text/html")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#picture-name")).to_have_text(shown[21])
        page.locator("#similar-strip").scroll_into_view_if_needed()
        expect(page.locator("#similar-strip .tile a").first).to_be_attached()
        page.keyboard.press("Escape")
        expect(tiles(page).nth(21)).to_be_focused()
        assert member.path(page) == "/?query=an+animal&cutoff=off"
        assert page.evaluate("scrollY") == pytest.approx(place, abs=400)
        page.go_forward()
        expect(page.locator("#picture-name")).to_have_text(shown[21])
        page.go_back()
        expect(tiles(page).first).to_be_attached()
        assert names(page) == shown


def test_the_keyboard_reaches_selects_and_refines(browser: Browser, member: Visitor) -> None:
    with member.visit(browser, "/?query=an+animal&cutoff=off") as page:
        expect(tiles(page).first).to_be_visible()
        page.locator("#results-title").focus()
        page.keyboard.press("/")
        expect(page.locator("#words")).to_be_focused()
        tiles(page).first.focus()
        page.keyboard.press("ArrowRight")
        expect(tiles(page).nth(1)).to_be_focused()
        page.keyboard.press("ArrowDown")
        below = page.evaluate("document.activeElement.getBoundingClientRect().top")
        assert below > tiles(page).nth(1).bounding_box()["y"]
        page.keyboard.press("Home")
        page.keyboard.press("Space")
        expect(page.locator("#selected")).to_have_text("1 selected")
        page.keyboard.press("Shift+ArrowRight")
        expect(page.locator("#selected")).to_have_text("2 selected")
        assert page.evaluate("[...document.querySelectorAll('#grid a')].filter(a => a.tabIndex === 0).length") == 1
        page.keyboard.press("Escape")
        expect(page.locator("#picked")).to_be_hidden()
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("Escape")
        first = names(page)[0]
        tiles(page).first.focus()
        page.keyboard.press("m")
        expect(page.locator("#terms .chip")).to_have_count(2)
        expect(page.locator("#terms")).to_contain_text(first)
        page.wait_for_url("**/*like=*")
        tiles(page).first.focus()
        page.keyboard.press("l")
        expect(page.locator("#terms .chip.not")).to_have_count(1)


@pytest.mark.parametrize(
    "way", ["choose", "drop", pytest.param("paste", marks=not_by_bidi("a script pastes no file there"))]
)
def test_a_picture_is_searched_by(browser: Browser, member: Visitor, way: str) -> None:
    with member.visit(browser, "/" if way == "choose" else "/?query=a+dog") as page:
        if way == "choose":
            page.locator(".composer [data-picture]").set_input_files(OWL)
        else:
            file = page.evaluate_handle(AS_FILE, base64.b64encode(OWL.read_bytes()).decode())
            transfer = page.evaluate_handle(
                "file => { const t = new DataTransfer(); t.items.add(file); return t }", file
            )
            if way == "drop":
                page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
                expect(page.locator(".composer")).to_have_class("composer over")
                page.dispatch_event("body", "drop", {"dataTransfer": transfer})
            else:
                page.evaluate(PASTE, transfer)
        page.wait_for_url("**/*upload=*")
        expect(page.locator("#terms img")).to_be_visible()
        assert page.locator("#terms img").evaluate("async img => (await img.decode(), img.naturalWidth)") > 0
        assert names(page)[0] == "owl.jpg"


@not_by_bidi("the network cannot be taken away")
def test_who_is_offline_is_told_and_keeps_what_was_there(browser: Browser, member: Visitor) -> None:
    with member.visit(browser, "/?query=an+animal&cutoff=off") as page:
        expect(tiles(page).first).to_be_visible()
        shown = names(page)
        listen(page)
        page.context.set_offline(True)
        wait_until_said(page, "You are offline. What you see stays")
        page.locator("#words").fill("a bird")
        page.keyboard.press("Enter")
        wait_until_said(page, "The connection was lost")
        assert names(page) == shown
        page.context.set_offline(False)
        expect(page.locator("#offline")).to_be_hidden()
        page.keyboard.press("Enter")
        expect(page.locator("#terms .chip")).to_have_count(2)


@pytest.mark.parametrize("failure", ["503", "lost"])
def test_a_search_that_nothing_answers_leaves_the_pictures_that_were_there(
    browser: Browser, member: Visitor, failure: str
) -> None:
    def fail(route: Route) -> None:
        page.wait_for_timeout(400)  # until the skeletons have come
        if failure == "lost":
            route.abort("connectionreset")
        else:
            route.fulfill(status=503, content_type="application/json", body='{"message": "Service Unavailable"}')

    with member.visit(browser, "/?query=an+animal&cutoff=off") as page:
        expect(tiles(page).first).to_be_visible()
        shown = names(page)
        page.route("**/live/?*", fail)
        page.locator("#words").fill("a bird")
        page.keyboard.press("Enter")
        expect(page.locator("#toasts .toast")).to_have_count(1)
        assert names(page) == shown
        expect(page.locator("#grid .skeleton")).to_have_count(0)
        expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
        assert "Service Unavailable" not in page.locator("body").inner_text()
        page.unroute_all()
        page.keyboard.press("Enter")
        expect(page.locator("#terms .chip")).to_have_count(2)


@not_by_bidi("the style sheet is not told that there is no script")
def test_without_a_script_one_searches_narrows_looks_and_comes_back(browser: Browser, member: Visitor) -> None:
    with member.visit(browser, java_script_enabled=False) as page:
        expect(page.locator(".drop")).to_be_hidden()
        page.locator("#words").fill("an animal -people")
        page.get_by_role("button", name="Search", exact=True).click()
        assert member.path(page) == "/?words=an+animal+-people"
        page.get_by_role("switch", name="Relevant only").uncheck()
        page.get_by_role("button", name="Apply").last.click()
        assert "cutoff=off" in member.path(page)
        assert len(names(page)) > 20
        page.locator(".pick input").first.check(force=True)
        expect(page.locator("#picked")).to_be_visible()
        tiles(page).nth(1).click()
        expect(page.locator("#picture-name")).to_be_visible()
        page.get_by_role("link", name="Next picture").click()
        page.locator("[data-back]").click()
        assert member.path(page) == "/?query=an+animal&without=people&cutoff=off"


def test_nothing_keeps_anybody_out(browser: Browser, member: Visitor, stack: LocalSystem) -> None:
    """No violation of WCAG 2.2 AA that axe-core finds, in both themes, and nothing beyond the edge at 320 px."""
    narrow: dict[str, Any] = {"viewport": {"width": 320, "height": 700}}
    results = "/?query=an+animal&without=people&cutoff=off"
    with member.visit(browser, results, **narrow) as page:
        found = narrow_violations(page)
        picture = member.below(tiles(page).first.get_attribute("href") or "")
        picked = page.locator(".pick input").first.get_attribute("value")
        for path in ("/", picture, f"/selection?picked={picked}"):
            page.goto(member.site + path)
            found += narrow_violations(page)
    with visitor(stack).visit(browser, **narrow) as page:
        found += narrow_violations(page)
    assert found == []


def narrow_violations(page: Page) -> list[tuple[str, str, str, list[str]]]:
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, page.url
    return list(violations(page))

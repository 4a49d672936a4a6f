"""Signing in by Cognito's own pages, and out, in a browser."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from infra.local_system import LocalSystem
from tests.browser.accessibility import THEMES, show_theme, violations
from tests.browser.visits import sign_in, visit


def test_the_demo_user_signs_in_by_the_pages_of_cognito_to_the_demo_account_alone_and_out_again(
    browser: Browser, stack: LocalSystem
) -> None:
    with visit(browser, stack.api_url, "/?query=an+owl") as page:
        sign_in(page, stack)
        expect(page).to_have_url(f"{stack.dashboard_url}?query=an+owl")
        expect(page.locator("#results .tile img").first).to_have_attribute("alt", "owl.jpg")
        page.goto(f"{stack.dashboard_url}account")
        expect(page.locator("h1 + p")).to_have_text("demo")
        expect(page.get_by_role("heading", name="Your accounts")).to_have_count(0)  # an empty one of their own
        page.get_by_label("your account").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{stack.dashboard_url}sign-out")
        expect(page.get_by_role("status")).to_contain_text("You are signed out.")
        page.goto(stack.dashboard_url)
        expect(page).to_have_url(f"{stack.dashboard_url}sign-in?next=%2F")


def test_without_scripts_a_user_signs_in_and_out_too(browser: Browser, stack: LocalSystem) -> None:
    with visit(browser, stack.api_url, java_script_enabled=False) as page:
        page.locator("a.btn.main").click()
        page.locator("#username").fill(stack.demo_user)
        page.locator("button").click()
        page.locator("#password").fill(stack.demo_password)
        page.locator("button").click()
        page.locator("summary.avatar").click()
        page.locator("form[action$='/sign-out'] button").click()
        page.wait_for_url("**/sign-out")


PLACES = {"door": "/sign-in", "failed": "/sign-in/callback?state=of-nobody"}


@pytest.mark.parametrize("width", [1440, 320])
def test_nothing_keeps_anybody_out_at_the_door(browser: Browser, stack: LocalSystem, width: int) -> None:
    found = []
    for name, path in PLACES.items():
        with visit(browser, stack.api_url, path, viewport={"width": width, "height": 900}) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for picture in page.locator(".grid img").all():
                picture.scroll_into_view_if_needed()
                assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
            found += violations(page)
            if folder := os.environ.get("SIMILARIX_SCREENSHOTS"):
                page.evaluate("scrollTo(0, 0)")
                for theme in THEMES:
                    show_theme(page, theme)
                    page.screenshot(path=Path(folder) / f"sign-in-{name}-{width}-{theme}.png")
    assert found == []

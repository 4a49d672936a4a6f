"""Signing in by Cognito's own pages, and out, in Chromium."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from infra.local_system import LocalSystem
from tests.browser.accessibility import THEMES, show_theme, violations
from tests.browser.conftest import OpenPage


def test_a_user_signs_in_by_the_pages_of_cognito_and_out_again(open_page: OpenPage, stack: LocalSystem) -> None:
    page = open_page()
    page.goto(f"{stack.dashboard_url}?query=an+owl")
    page.get_by_role("link", name="Sign in or sign up").click()
    page.get_by_label("Username").fill(stack.demo_user)
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Password").fill(stack.demo_password)
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_url(f"{stack.dashboard_url}?query=an+owl")
    page.get_by_label("your account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{stack.dashboard_url}sign-out")
    expect(page.get_by_role("status")).to_contain_text("You are signed out.")
    page.goto(stack.dashboard_url)
    expect(page).to_have_url(f"{stack.dashboard_url}sign-in?next=%2F")


def test_without_scripts_a_user_signs_in_and_out_too(open_page: OpenPage, stack: LocalSystem) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(stack.dashboard_url)
    page.locator("a.btn.main").click()
    page.locator("#username").fill(stack.demo_user)
    page.locator("button").click()
    page.locator("#password").fill(stack.demo_password)
    page.locator("button").click()
    page.locator("summary.avatar").click()
    page.locator("form[action$='/sign-out'] button").click()
    page.wait_for_url("**/sign-out")


def test_a_session_that_was_begun_shows_the_search(signed_in_page: Page, stack: LocalSystem) -> None:
    expect(signed_in_page).to_have_url(stack.dashboard_url)
    expect(signed_in_page.get_by_label("your account")).to_be_visible()


PLACES = {"door": "sign-in", "failed": "sign-in/callback?state=of-nobody"}


@pytest.mark.parametrize("width", [1440, 320])
def test_nothing_keeps_anybody_out_at_the_door(open_page: OpenPage, stack: LocalSystem, width: int) -> None:
    page, found = open_page(width=width), []
    for name, path in PLACES.items():
        page.goto(stack.dashboard_url + path)
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

"""The account's page in Chromium: a token, an invitation, sessions; by keyboard, in the dark, at 320 pixels."""

import os
from pathlib import Path

from playwright.sync_api import Browser, Download, expect

from chalicelib.domain.accounts import Caller, NewToken, Scope
from chalicelib.domain.plans import PLANS
from chalicelib.domain.users import Identity, Role
from chalicelib.domain.webhook_endpoints import NewWebhook
from chalicelib.domain.webhook_events import EventType
from infra.local_system import LocalSystem
from tests.browser.accessibility import THEMES, listen, show_theme, violations, wait_until_said
from tests.browser.firefox import not_by_bidi
from tests.browser.visits import Visitor, visitor
from tests.e2e.harness import Caller as ApiCaller


def test_a_token_is_made_copied_used_and_revoked_where_it_stands(browser: Browser, stack: LocalSystem) -> None:
    user = visitor(stack, plan="pro")
    with user.visit(browser, "/account", permissions=["clipboard-read", "clipboard-write"]) as page:
        page.get_by_role("link", name="New token").click()
        page.get_by_label("Name").fill("nightly-export")
        page.get_by_label("Read search, list, download").check()
        page.get_by_role("button", name="Make the token").click()
        secret = page.get_by_label("Secret").input_value()
        page.get_by_role("button", name="Copy").first.click()
        expect(page.locator("#toasts")).to_contain_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == secret
        assert ApiCaller(stack.api_url, secret)("GET", "/api/collections/").ok

        page.get_by_role("link", name="I have copied it").click()
        page.evaluate("window.marked = true")
        listen(page)
        page.locator("summary", has_text="Revoke").click()
        page.get_by_role("button", name="Revoke nightly-export").click()
        expect(page.locator("#toasts")).to_contain_text("Token revoked")
        expect(page.locator("#token-section")).to_contain_text("No tokens yet")
        expect(page.locator("#tokens")).to_be_focused()
        wait_until_said(page, "Token revoked")
        assert page.evaluate("window.marked"), "the page was not loaded anew"


def test_members_are_invited_and_sessions_ended_where_they_stand(browser: Browser, stack: LocalSystem) -> None:
    user = visitor(stack, plan="pro")
    services = stack.deployment.services
    person = services.users.get(user.cookie.partition(".")[0])
    other = services.sessions.begin(person, user.account, address="192.0.2.7", agent="Version/17.5 Safari/604.1 iPhone")
    jo = Identity("https://issuer.example", f"jo-{person.id}", f"jo-{person.id}@example.com", True, "Jo Sand")
    services.users.invite(user.account.uuid, jo.email, Role.MEMBER, person)
    services.users.sign_in(jo)
    with user.visit(browser, "/account") as page:
        listen(page)
        page.locator("summary", has_text="Invite").click()
        page.get_by_label("E-mail address").fill("jo@example")
        page.get_by_role("button", name="Invite").click()
        wait_until_said(page, "Give an e-mail address")
        # By BiDi, what is filled in is added to what an e-mail field has.
        page.get_by_label("E-mail address").evaluate("field => { field.value = '' }")
        page.get_by_label("E-mail address").fill("jo@partner.example")
        page.keyboard.press("Enter")
        expect(page.locator("#member-section")).to_contain_text("jo@partner.example")
        expect(page.locator("#member-section [role=alert]")).to_have_count(0)
        page.get_by_role("button", name="End the session in Safari on iPhone").click()
        expect(page.locator("#session-section li")).to_have_count(1)
        expect(page.locator("#sessions")).to_be_focused()
        page.get_by_label("Role of Jo Sand").focus()
        page.get_by_label("Role of Jo Sand").select_option("owner")
        expect(page.locator("#toasts")).to_contain_text("Role changed")
        expect(page.get_by_label("Role of Jo Sand")).to_be_focused()
    assert services.sessions.find(other.cookie) is None
    assert services.sessions.find(user.cookie) is not None


@not_by_bidi("no download is told of")
def test_the_export_is_one_file_and_the_account_goes_by_its_name(browser: Browser, stack: LocalSystem) -> None:
    user = visitor(stack)
    export = "**/account/export*"
    with user.visit(browser, "/account") as page:
        saved: list[Download] = []
        page.on("download", lambda download: saved.append(download))
        page.route(export, lambda route: route.fulfill(status=500))
        page.get_by_role("link", name="Export", exact=True).click()
        expect(page.locator("#toasts")).to_contain_text("The export failed, and nothing was saved.")
        assert saved == []
        page.unroute(export)
        page.route(export, lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}), times=1)
        with page.expect_download() as download:
            page.get_by_role("link", name="Export", exact=True).click()
        lines = Path(download.value.path()).read_text().splitlines()
        assert '"kind": "account"' in lines[0]
        assert not [line for line in lines if '"kind": "next"' in line]
        page.get_by_role("link", name="Delete the account").click()
        page.get_by_label("Type the account's name").fill("another")
        page.get_by_role("button", name="Delete the account").click()
        expect(page.locator(".wrong")).to_contain_text("This is not the account's name")
        expect(page.get_by_label("Type the account's name")).to_be_focused()
        page.get_by_label("Type the account's name").fill(user.account.name)
        page.get_by_role("button", name="Delete the account").click()
        expect(page.locator("#toasts")).to_contain_text("The account is deleted")


def test_nothing_keeps_anybody_out_of_the_account(browser: Browser, stack: LocalSystem) -> None:
    user, found = named(stack), []
    (endpoint,) = stack.deployment.services.webhooks.all(user.account.uuid)
    webhook = f"/account/webhooks/{endpoint.id}"
    with user.visit(browser, "/account", viewport={"width": 1440, "height": 900}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    with user.visit(browser, "/account", viewport={"width": 320, "height": 700}) as page:
        for path in (
            "/account",
            "/account/tokens/new",
            "/account/webhooks/new",
            webhook,
            "/account/delete",
            "/nothing",
        ):
            page.goto(stack.api_url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
            found += violations(page, THEMES if path == "/account" else ("light",))
            if (folder := os.environ.get("SIMILARIX_SCREENSHOTS")) and path == "/account":
                for theme in THEMES:
                    show_theme(page, theme)
                    page.screenshot(path=Path(folder) / f"account-320-{theme}.png", full_page=True)
    assert found == []


def named(stack: LocalSystem) -> Visitor:
    """A user whose account has a token, a member, an invitation and a long name each."""
    user = visitor(stack, plan="pro")
    services = stack.deployment.services
    owner = services.users.get(user.cookie.partition(".")[0])
    services.accounts.issue_token(user.account.uuid, NewToken("a laptop, only for the exhibition " * 2, Scope.READ))
    services.accounts.issue_token(user.account.uuid, NewToken("W" * 100, Scope.READ))
    visitor(stack, user.account.uuid)
    caller = Caller(user.account.uuid, PLANS["pro"])
    services.webhooks.create(caller, NewWebhook(f"https://shop.example/{'x' * 80}", (EventType.FILE_INDEXED,)), "")
    services.users.invite(user.account.uuid, f"{'x' * 60}@partner-agency.example", Role.MEMBER, owner)
    return user

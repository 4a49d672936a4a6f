"""Webhooks on the account's pages: made, tried, looked at, sent again, switched off and deleted."""

import html
import re
from datetime import timedelta

import pytest

from chalicelib.domain.accounts import Subscription
from chalicelib.domain.users import Role
from chalicelib.domain.webhook_deliveries import DeliveryState
from chalicelib.domain.webhook_endpoints import WebhookEndpoint
from chalicelib.domain.webhook_events import EventType
from tests.fakes.application import FakeAdapters
from tests.fakes.pages import FakeBrowser, FakeDashboard

URL = "https://shop.example/hooks"


@pytest.fixture
def owner(dashboard: FakeDashboard) -> FakeBrowser:
    return dashboard.signed_in("Nora Keller", plan="pro")


def the_webhook(owner: FakeBrowser) -> WebhookEndpoint:
    assert owner.account is not None
    (webhook,) = owner.dashboard.services.webhooks.all(owner.account.uuid)
    return webhook


@pytest.fixture
def webhook(owner: FakeBrowser) -> WebhookEndpoint:
    made = owner.post("/account/webhooks/new", [("url", URL), ("events", "file.indexed"), ("events", "sync.failed")])
    assert made.status == 200
    return the_webhook(owner)


def test_a_webhook_is_made_and_its_secret_shown_once(owner: FakeBrowser):
    form = [("url", URL), ("events", "file.indexed"), ("events", "sync.failed"), ("description", "<b>shop</b>")]
    made = owner.post("/account/webhooks/new", form)
    webhook = the_webhook(owner)
    assert (webhook.url, webhook.events) == (URL, (EventType.SYNC_FAILED, EventType.FILE_INDEXED))
    assert webhook.secret in made.body
    for path in ("/account/webhooks", f"/account/webhooks/{webhook.id}"):
        page = owner.get(path).body
        assert webhook.secret not in page
        assert "&lt;b&gt;shop&lt;/b&gt;" in page
        assert URL in page


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ([("url", "http://127.0.0.1/"), ("events", "file.indexed")], "url"),
        ([("url", URL)], "events"),
        ([("url", URL), ("events", "file.eaten")], "events"),
        ([("url", URL), ("events", "file.indexed"), ("description", "x" * 999)], "description"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(owner: FakeBrowser, form: list[tuple[str, str]], field: str):
    answer = owner.post("/account/webhooks/new", form)
    assert answer.status == 400
    assert re.search(rf'<p class="wrong" id="{field}-\w+">[^<]+</p>', answer.body)


def test_a_test_is_sent_and_listed_and_sent_again(owner: FakeBrowser, adapters: FakeAdapters, webhook: WebhookEndpoint):
    here = f"/account/webhooks/{webhook.id}"
    assert "Nothing was sent yet" in owner.get(here).body
    assert owner.post(f"{here}/test").location == here
    page = owner.get(here).body
    assert "Under way" in page
    assert "Test sent" in page
    (key,) = adapters.webhook_deliveries.stored
    delivery = adapters.webhook_deliveries.stored[key]
    assert owner.post(f"{here}/deliveries/{delivery.id}").status == 409
    adapters.webhook_deliveries.stored[key] = delivery.failed()
    assert "Send again" in owner.get(here).body
    assert owner.post(f"{here}/deliveries/{delivery.id}").location == here
    assert adapters.webhook_deliveries.stored[key].state is DeliveryState.PENDING


def test_a_webhook_is_switched_off_and_on_and_deleted(owner: FakeBrowser, webhook: WebhookEndpoint):
    here = f"/account/webhooks/{webhook.id}"
    owner.post(f"{here}/switch", {"do": "off"})
    assert the_webhook(owner).disabled_at is not None
    assert "Off" in owner.get("/account/webhooks").body
    owner.post(f"{here}/switch", {"do": "on"})
    assert the_webhook(owner).disabled_at is None
    assert owner.post(f"{here}/delete").location == "/account/webhooks"
    assert owner.get(here).status == 404
    assert "No webhooks yet" in owner.get("/account/webhooks").body


def test_a_new_secret_is_shown_once(owner: FakeBrowser, webhook: WebhookEndpoint):
    answer = owner.post(f"/account/webhooks/{webhook.id}/secret")
    assert the_webhook(owner).secret in answer.body
    assert the_webhook(owner).secret != webhook.secret


def test_without_the_api_in_the_plan_nothing_is_made(dashboard: FakeDashboard):
    browser = dashboard.signed_in(plan="free")
    assert "Webhooks need Pro" in html.unescape(browser.get("/account/webhooks").body)
    assert browser.get("/account/webhooks/new").status == 403
    assert browser.post("/account/webhooks/new", {"url": URL, "events": "file.indexed"}).status == 403


def test_after_a_change_to_a_plan_without_the_api_a_webhook_may_be_switched_off_and_deleted_alone(
    owner: FakeBrowser, webhook: WebhookEndpoint
):
    here = f"/account/webhooks/{webhook.id}"
    assert owner.account is not None
    owner.dashboard.services.accounts.set_subscription(owner.account.uuid, Subscription("free"))
    assert owner.post(f"{here}/switch", {"do": "off"}).status == 303
    assert owner.post(f"{here}/switch", {"do": "on"}).status == 403
    assert owner.post(f"{here}/secret").status == 403
    stored = the_webhook(owner)
    assert (stored.enabled, stored.secret) == (False, webhook.secret)
    assert owner.post(f"{here}/delete").status == 303


def test_an_owner_is_told_of_a_webhook_that_was_disabled_for_its_failures_and_a_member_is_not(
    dashboard: FakeDashboard, owner: FakeBrowser, adapters: FakeAdapters, webhook: WebhookEndpoint
):
    pages = ("/collections", "/account")
    owner.post(f"/account/webhooks/{webhook.id}/switch", {"do": "off"})
    assert not any("was switched off." in owner.get(page).body for page in pages), "who has done it knows"
    owner.post(f"/account/webhooks/{webhook.id}/switch", {"do": "on"})

    owner.post(f"/account/webhooks/{webhook.id}/test")
    adapters.webhook_sender.status[URL] = 410
    dispatcher = owner.dashboard.services.webhook_dispatcher
    for step, _ in adapters.queues.webhooks:
        dispatcher.attempt(step, redelivered=False)
    assert the_webhook(owner).disabled_reason is not None
    for page in pages:
        body = owner.get(page).body
        assert "A webhook to shop.example was switched off." in body
        assert f"/account/webhooks/{webhook.id}" in body
    dashboard.services.users.invite(owner.account.uuid, "jo@example.com", Role.MEMBER, owner.user)
    member = dashboard.signed_in("Jo", email="jo@example.com")
    dashboard.let_work_in(member, owner.account)
    assert not any("was switched off." in member.get(page).body for page in pages)
    owner.post(f"/account/webhooks/{webhook.id}/switch", {"do": "on"})
    assert not any("was switched off." in owner.get(page).body for page in pages)


def test_deliveries_are_shown_page_by_page(owner: FakeBrowser, adapters: FakeAdapters, webhook: WebhookEndpoint):
    here, shown = f"/account/webhooks/{webhook.id}", 0
    assert owner.account is not None
    for _ in range(25):
        adapters.clock.pass_by(timedelta(minutes=2))
        owner.post(f"{here}/test")
    page = owner.get(here).body
    shown = page.count('data-label="When"')
    while older := re.search(r'href="/live(/account/webhooks/[^"]+cursor=[^"]+)"', page):
        page = owner.get(html.unescape(older[1])).body
        shown += page.count('data-label="When"')
    assert shown == len(adapters.webhook_deliveries.stored)

"""A form that makes a secret makes it once, however often a browser sends it."""

import html
import re
from dataclasses import replace

import pytest

from chalicelib.domain.errors import IdempotencyKeyInUse
from chalicelib.domain.idempotency import ANSWERS_KEPT
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.pages import Answer, FakeBrowser, FakeDashboard

SECRET = re.compile(r'id="secret" readonly value="([^"]+)"')
WEBHOOK = {"url": "https://shop.example/hooks", "events": "file.indexed"}


@pytest.fixture
def owner(dashboard: FakeDashboard) -> FakeBrowser:
    return dashboard.signed_in(plan="business")


@pytest.fixture(params=["token", "webhook", "rotation"])
def form(request: pytest.FixtureRequest, owner: FakeBrowser) -> tuple[str, dict[str, str]]:
    """The path and the fields of a form that makes a secret, as its page has them."""
    if request.param == "token":
        return "/account/tokens", {"name": "shop", "scope": "read"} | once(owner.get("/account/tokens/new"))
    if request.param == "webhook":
        return "/account/webhooks/new", WEBHOOK | once(owner.get("/account/webhooks/new"))
    owner.post("/account/webhooks/new", WEBHOOK)
    (webhook,) = owner.dashboard.services.webhooks.all(account(owner))
    return f"/account/webhooks/{webhook.id}/secret", once(owner.get(f"/account/webhooks/{webhook.id}"))


def once(page: Answer) -> dict[str, str]:
    (value,) = re.findall(r'name="once" value="([^"]+)"', page.body)
    return {"once": value}


def account(browser: FakeBrowser) -> str:
    assert browser.account is not None
    return browser.account.uuid


def secret(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    (found,) = SECRET.findall(answer.body)
    return html.unescape(found)


def made(browser: FakeBrowser) -> list[str]:
    """The secrets that there are: tokens by their digests, and those that sign for webhooks."""
    services, own = browser.dashboard.services, account(browser)
    digests = [token.digest for token in services.accounts.tokens(own)]
    return digests + [s for e in services.webhooks.all(own) for s in e.secrets_at(services.now())]


def test_a_reload_shows_the_same_secret_and_makes_nothing(owner: FakeBrowser, form: tuple[str, dict[str, str]]):
    first = secret(owner.post(*form))
    stored = made(owner)
    assert secret(owner.post(*form)) == first
    assert made(owner) == stored


def test_a_page_that_is_opened_anew_or_filled_in_anew_makes_another(
    owner: FakeBrowser, form: tuple[str, dict[str, str]]
):
    path, fields = form
    first = secret(owner.post(path, fields))
    assert secret(owner.post(path, fields | {"once": "another"})) != first
    assert secret(owner.post(path, fields | {"description": "changed"})) != first


def test_the_secret_is_neither_stored_in_clear_nor_given_to_another_session(
    dashboard: FakeDashboard, adapters: FakeAdapters, owner: FakeBrowser, form: tuple[str, dict[str, str]]
):
    shown = secret(owner.post(*form))
    kept = [answer.answer for answer in adapters.idempotent_answers.kept.values()]
    assert len(kept) == 1
    assert shown not in str(kept)
    other = dashboard.signed_in()
    assert account(other) == account(owner)
    assert secret(other.post(*form)) != shown


def test_a_second_click_while_the_first_is_worked_on_makes_nothing(
    adapters: FakeAdapters, owner: FakeBrowser, form: tuple[str, dict[str, str]]
):
    class Busy:
        def answer(self, *_: object) -> tuple[str, bool]:
            raise IdempotencyKeyInUse("in use")

    stored = made(owner)
    owner.dashboard = FakeDashboard(services_on(replace(adapters, idempotent_answers=Busy())))
    answer = owner.post(*form)
    assert answer.status == 409
    assert "Load this page again" in answer.body
    assert made(owner) == stored


def test_what_was_refused_may_be_sent_again(owner: FakeBrowser):
    value = once(owner.get("/account/tokens/new"))
    assert owner.post("/account/tokens", {"name": "", "scope": "read"} | value).status == 400
    assert secret(owner.post("/account/tokens", {"name": "shop", "scope": "read"} | value))


def test_a_reload_after_the_token_was_revoked_shows_nothing(owner: FakeBrowser):
    form = {"name": "shop", "scope": "read"} | once(owner.get("/account/tokens/new"))
    assert owner.post("/account/tokens", form).status == 200
    (token,) = owner.dashboard.services.accounts.tokens(account(owner))
    owner.post(f"/account/tokens/{token.id}/revoke")
    assert owner.post("/account/tokens", form).status == 404
    assert made(owner) == []


def test_after_a_day_the_form_is_a_new_one(
    adapters: FakeAdapters, owner: FakeBrowser, form: tuple[str, dict[str, str]]
):
    first = secret(owner.post(*form))
    adapters.clock.pass_by(ANSWERS_KEPT)
    assert secret(owner.post(*form)) != first

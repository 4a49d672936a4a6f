"""Invitations on the account's page: a mail tells the invited person, or the page gives a link."""

import html
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.invitation_mails import MAILS_A_DAY
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.pages import FakeBrowser, FakeDashboard

LINK = "https://images.example/live/sign-in"
FRAGMENT = {"hx-request": "true"}


@pytest.fixture
def owner(dashboard: FakeDashboard) -> FakeBrowser:
    return dashboard.signed_in(plan="business")


def invite(browser: FakeBrowser, email: str = "jo@example.com") -> str:
    """What the page says after the invitation, with its section of members."""
    answer = browser.post("/account/members/invite", {"email": email, "role": "member"}, FRAGMENT)
    assert answer.status == 200
    assert email in answer.body
    return html.unescape(answer.body)


def test_the_invited_person_gets_a_mail_with_the_link(adapters: FakeAdapters, owner: FakeBrowser):
    assert "A mail tells them" in invite(owner)
    (mail,) = adapters.mailer.sent
    assert mail.to == "jo@example.com"
    assert LINK in mail.text
    assert "Nora Keller" in mail.text
    assert "We send them a mail" in html.unescape(owner.get("/account").body)


def test_without_a_sender_the_page_gives_the_link_to_copy(adapters: FakeAdapters):
    off = FakeDashboard(services_on(replace(adapters, mailer=None)))
    owner = off.signed_in(plan="business")
    assert LINK not in owner.get("/account").body, "nobody is invited"
    page = invite(owner)
    assert "Give them the link below" in page
    assert f'readonly value="{LINK}"' in page
    assert f'data-copy="{LINK}"' in page
    assert f'readonly value="{LINK}"' in owner.get("/account").body
    assert "we send no mail" in html.unescape(owner.get("/account").body)
    assert adapters.mailer.sent == []


def test_a_mail_that_is_refused_is_told_and_the_invitation_stands(adapters: FakeAdapters, owner: FakeBrowser):
    adapters.mailer.refuses = True
    page = invite(owner)
    assert "the mail could not be sent" in page
    assert LINK in page
    adapters.mailer.refuses = False
    assert "A mail tells them" in invite(owner), "an invitation that is renewed is mailed again"
    assert len(adapters.users.invited) == 1


def test_an_account_sends_so_many_mails_a_day(dashboard: FakeDashboard, adapters: FakeAdapters, owner: FakeBrowser):
    for _ in range(MAILS_A_DAY):
        assert "A mail tells them" in invite(owner)
    assert "today's are all sent" in invite(owner)
    assert len(adapters.mailer.sent) == MAILS_A_DAY
    other = dashboard.signed_in("Ada", plan="business")
    assert "A mail tells them" in invite(other)
    adapters.clock.pass_by(timedelta(days=1))
    assert "A mail tells them" in invite(owner)


def test_who_does_not_invite_sees_no_link(dashboard: FakeDashboard, owner: FakeBrowser):
    invite(owner)
    invite(owner, "ada@example.com")
    member = dashboard.signed_in("Jo", "jo@example.com")
    assert owner.account is not None
    dashboard.let_work_in(member, owner.account)
    body = member.get("/account").body
    assert "ada@example.com" in body
    assert LINK not in body

"""Tokens that tokens make: none outlives or outranks its maker, and each revokes only what it may."""

from datetime import datetime, timedelta

import pytest

from chalicelib.domain.accounts import NewToken, Scope, Subscription, Token
from chalicelib.domain.errors import Forbidden, InvalidRequest, NotFound
from chalicelib.services.accounts import AccountService
from chalicelib.services.permissions import PermissionService
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger
from tests.fakes.sessions import FakeSessions
from tests.fakes.users import FakeUsers
from tests.fakes.webhooks import FakeWebhookRegistry

HOUR = timedelta(hours=1)


class Harness:
    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), FakeAccounts()
        users = FakeUsers(self.store, FakeSessions())
        self.service = AccountService(
            accounts=self.store,
            quota_ledger=FakeQuotaLedger(),
            collections=FakeCollections(),
            webhooks=FakeWebhookRegistry(),
            users=users,
            permissions=PermissionService(users),
            now=self.clock,
        )
        self.account = self.service.open("a customer", Subscription("pro")).uuid

    def issue(
        self, maker: Token | None = None, scope: Scope = Scope.ADMIN, expires_at: datetime | None = None
    ) -> Token:
        return self.service.issue_token(self.account, NewToken("n", scope, expires_at), maker)[1]

    def revoke(self, token: Token, by: Token | None) -> None:
        self.service.revoke_token(self.account, token.id, by)

    def ids(self) -> set[str]:
        return {token.id for token in self.service.tokens(self.account)}


@pytest.fixture
def harness() -> Harness:
    return Harness()


def test_token_records_which_token_made_it(harness: Harness) -> None:
    owner = harness.issue()
    assert (owner.made_by, harness.issue(owner).made_by) == (None, owner.id)


def test_token_expires_with_its_maker_unless_it_expires_before(harness: Harness) -> None:
    end = harness.clock() + HOUR
    guest = harness.issue(expires_at=end)
    assert harness.issue(guest).expires_at == end
    assert harness.issue(guest, expires_at=end - timedelta(minutes=1)).expires_at == end - timedelta(minutes=1)
    with pytest.raises(InvalidRequest) as refused:
        harness.issue(guest, expires_at=end + timedelta(seconds=1))
    assert refused.value.field == "expires_at"


def test_token_of_a_maker_without_expiry_may_have_none(harness: Harness) -> None:
    assert harness.issue(harness.issue()).expires_at is None


@pytest.mark.parametrize("maker", Scope)
def test_token_has_no_wider_scope_than_its_maker(harness: Harness, maker: Scope) -> None:
    ranks = list(Scope)
    made_by = harness.issue(scope=maker)
    for scope in ranks[: ranks.index(maker) + 1]:
        assert harness.issue(made_by, scope).scope is scope
    for scope in ranks[ranks.index(maker) + 1 :]:
        with pytest.raises(Forbidden):
            harness.issue(made_by, scope)


def test_revoked_token_takes_with_it_all_that_it_has_made(harness: Harness) -> None:
    owner, leaked = harness.issue(), harness.issue()
    child = harness.issue(leaked)
    harness.issue(harness.issue(child))
    harness.revoke(leaked, by=owner)
    assert harness.ids() == {owner.id}
    with pytest.raises(Forbidden):
        harness.issue(child)


def test_token_that_another_made_revokes_itself_and_those_it_has_made_alone(harness: Harness) -> None:
    owner = harness.issue()
    child, sibling = harness.issue(owner), harness.issue(owner)
    grandchild = harness.issue(child)
    for forbidden in (owner, sibling):
        with pytest.raises(Forbidden):
            harness.revoke(forbidden, by=child)
    harness.revoke(grandchild, by=child)
    harness.revoke(child, by=child)
    assert harness.ids() == {owner.id, sibling.id}


def test_token_that_administration_issued_revokes_every_token_of_its_account(harness: Harness) -> None:
    one, other = harness.issue(), harness.issue()
    harness.revoke(harness.issue(other), by=one)
    harness.revoke(other, by=one)
    harness.revoke(one, by=None)
    assert harness.ids() == set()
    with pytest.raises(NotFound):
        harness.revoke(one, by=None)


def test_token_of_another_account_is_not_found(harness: Harness) -> None:
    stranger = harness.service.open("another", Subscription("pro"))
    _, token = harness.service.issue_token(stranger.uuid, NewToken("n", Scope.ADMIN))
    with pytest.raises(NotFound):
        harness.revoke(token, by=harness.issue())

"""Authentication: who is let in, how often tokens are read, and how long a process trusts what it has read."""

from datetime import timedelta

import pytest

from chalicelib.domain.accounts import NewToken, Scope, Subscription
from chalicelib.domain.errors import Forbidden, PlanForbids, ReadOnlyToken, ScopeForbids
from chalicelib.services.accounts import AccountService
from chalicelib.services.authentication import LAST_USED_INTERVAL, TOKEN_CACHE_TIME, Authentication, authorize
from chalicelib.services.permissions import PermissionService
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger
from tests.fakes.sessions import FakeSessions
from tests.fakes.users import FakeUsers
from tests.fakes.webhooks import FakeWebhookRegistry


class Harness:
    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), FakeAccounts()
        users = FakeUsers(self.store, FakeSessions())
        self.accounts = AccountService(
            accounts=self.store,
            quota_ledger=FakeQuotaLedger(),
            collections=FakeCollections(),
            webhooks=FakeWebhookRegistry(),
            users=users,
            permissions=PermissionService(users),
            now=self.clock,
        )
        self.authentication = Authentication(self.store, self.clock)
        self.account = self.accounts.open("a customer", Subscription("pro")).uuid

    def token(self, scope: Scope = Scope.WRITE, lifetime: timedelta | None = None) -> tuple[str, str]:
        """A new token's header, and its id."""
        expires_at = self.clock() + lifetime if lifetime else None
        secret, token = self.accounts.issue_token(self.account, NewToken("n", scope, expires_at))
        return f"Token {secret}", token.id


@pytest.fixture
def harness() -> Harness:
    return Harness()


def test_token_is_read_once_in_five_seconds(harness: Harness) -> None:
    header, _ = harness.token()
    for _ in range(10):
        assert harness.authentication.authenticate(header).account == harness.account
    assert harness.store.reads == 1
    harness.clock.pass_by(TOKEN_CACHE_TIME)
    harness.authentication.authenticate(header)
    assert harness.store.reads == 2


def test_revoked_token_is_refused_here_at_once_and_elsewhere_after_five_seconds(harness: Harness) -> None:
    header, token = harness.token()
    other_process = Authentication(harness.store, harness.clock)
    for authentication in (harness.authentication, other_process):
        authentication.authenticate(header)
    for digest in harness.accounts.revoke_token(harness.account, token):
        harness.authentication.forget(digest)
    with pytest.raises(Forbidden):
        harness.authentication.authenticate(header)
    harness.clock.pass_by(timedelta(seconds=4.9))
    other_process.authenticate(header)
    harness.clock.pass_by(timedelta(seconds=0.1))
    with pytest.raises(Forbidden):
        other_process.authenticate(header)


def test_token_expires_at_its_moment_even_if_it_is_cached(harness: Harness) -> None:
    header, _ = harness.token(lifetime=timedelta(seconds=2))
    harness.clock.pass_by(timedelta(seconds=1.9))
    harness.authentication.authenticate(header)
    harness.clock.pass_by(timedelta(seconds=0.1))
    with pytest.raises(Forbidden, match="expired"):
        harness.authentication.authenticate(header)


def test_change_of_plan_takes_effect_within_five_seconds(harness: Harness) -> None:
    header, _ = harness.token()
    assert harness.authentication.authenticate(header).plan.name == "pro"
    harness.accounts.set_subscription(harness.account, Subscription("free"))
    harness.clock.pass_by(TOKEN_CACHE_TIME)
    caller = harness.authentication.authenticate(header)
    with pytest.raises(PlanForbids, match="free"):
        authorize(caller, Scope.SEARCH, origin=None, any_plan=False)
    authorize(caller, Scope.WRITE, origin=None, any_plan=True)
    harness.accounts.set_subscription(harness.account, Subscription("business", {"files": 5}))
    harness.clock.pass_by(TOKEN_CACHE_TIME)
    assert harness.authentication.authenticate(header).plan.files == 5


def test_each_scope_includes_those_before_it_and_no_other(harness: Harness) -> None:
    for has in Scope:
        caller = harness.authentication.authenticate(harness.token(has)[0])
        for needed in Scope:
            if list(Scope).index(needed) <= list(Scope).index(has):
                authorize(caller, needed, origin=None, any_plan=False)
                continue
            with pytest.raises(ScopeForbids, match=f"'{needed}'") as refused:
                authorize(caller, needed, origin=None, any_plan=False)
            assert isinstance(refused.value, ReadOnlyToken) is (needed is Scope.WRITE)


def test_caller_has_the_account_and_the_token_but_not_its_secret(harness: Harness) -> None:
    header, token = harness.token()
    caller = harness.authentication.authenticate(header)
    assert caller.token is not None
    assert (caller.account, caller.token.id) == (harness.account, token)
    assert header.removeprefix("Token ") not in repr(caller)


def test_last_use_of_a_token_is_written_once_a_minute(harness: Harness) -> None:
    header, _ = harness.token()

    def last_used() -> object:
        (token,) = harness.store.issued.values()
        return token.last_used

    first_use = harness.clock()
    harness.authentication.authenticate(header)
    assert last_used() == first_use
    for _ in range(11):
        harness.clock.pass_by(TOKEN_CACHE_TIME)
        harness.authentication.authenticate(header)
    assert last_used() == first_use
    harness.clock.pass_by(LAST_USED_INTERVAL)
    harness.authentication.authenticate(header)
    assert last_used() == harness.clock()

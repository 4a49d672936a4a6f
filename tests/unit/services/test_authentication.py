"""Who is let in, how often that is looked up, and for how long it is believed."""

from datetime import timedelta

import pytest

from chalicelib.domain.accounts import Scope, Subscription
from chalicelib.domain.errors import Forbidden, PlanForbids, ReadOnlyToken
from chalicelib.services.accounts import AccountService
from chalicelib.services.authentication import LAST_USED_INTERVAL, TOKEN_CACHE_TIME, Authentication
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger


class World:
    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), FakeAccounts()
        self.accounts = AccountService(self.store, FakeCollections(), FakeQuotaLedger(), self.clock)
        self.authentication = Authentication(self.store, self.clock)
        self.account = self.accounts.open("somebody", Subscription("pro")).uuid

    def token(self, scope: Scope = Scope.WRITE, lasts: timedelta | None = None) -> tuple[str, str]:
        """The header that bears it, and its id."""
        secret, token = self.accounts.issue_token(self.account, "n", scope, self.clock() + lasts if lasts else None)
        return f"Token {secret}", token.id


@pytest.fixture
def world() -> World:
    return World()


def test_a_token_is_looked_up_once_in_five_seconds(world: World) -> None:
    header, _ = world.token()
    for _ in range(10):
        assert world.authentication.caller(header, writes=True).account == world.account
    assert world.store.reads == 1
    world.clock.pass_by(TOKEN_CACHE_TIME)
    world.authentication.caller(header, writes=False)
    assert world.store.reads == 2


def test_a_revoked_token_is_believed_for_five_seconds_at_most_and_here_not_at_all(world: World) -> None:
    header, token = world.token()
    elsewhere = Authentication(world.store, world.clock)
    for each in (world.authentication, elsewhere):
        each.caller(header, writes=False)
    world.authentication.forget(world.accounts.revoke_token(world.account, token))
    with pytest.raises(Forbidden):
        world.authentication.caller(header, writes=False)
    world.clock.pass_by(timedelta(seconds=4.9))
    elsewhere.caller(header, writes=False)
    world.clock.pass_by(timedelta(seconds=0.1))
    with pytest.raises(Forbidden):
        elsewhere.caller(header, writes=False)


def test_a_token_expires_to_the_moment_believed_or_not(world: World) -> None:
    header, _ = world.token(lasts=timedelta(seconds=2))
    world.clock.pass_by(timedelta(seconds=1.9))
    world.authentication.caller(header, writes=False)
    world.clock.pass_by(timedelta(seconds=0.1))
    with pytest.raises(Forbidden, match="expired"):
        world.authentication.caller(header, writes=False)


def test_a_change_of_plan_counts_within_five_seconds(world: World) -> None:
    header, _ = world.token()
    assert world.authentication.caller(header, writes=False).plan.name == "pro"
    world.accounts.set_subscription(world.account, Subscription("free"))
    world.clock.pass_by(TOKEN_CACHE_TIME)
    with pytest.raises(PlanForbids, match="free"):
        world.authentication.caller(header, writes=False)
    world.accounts.set_subscription(world.account, Subscription("business", {"files": 5}))
    world.clock.pass_by(TOKEN_CACHE_TIME)
    assert world.authentication.caller(header, writes=False).plan.files == 5


def test_a_token_that_may_only_read_does(world: World) -> None:
    header, _ = world.token(Scope.READ)
    assert world.authentication.caller(header, writes=False).account == world.account
    with pytest.raises(ReadOnlyToken):
        world.authentication.caller(header, writes=True)


def test_use_is_noted_once_a_minute(world: World) -> None:
    header, _ = world.token()

    def noted() -> object:
        (token,) = world.store.issued.values()
        return token.last_used

    first = world.clock()
    world.authentication.caller(header, writes=False)
    assert noted() == first
    for _ in range(11):
        world.clock.pass_by(TOKEN_CACHE_TIME)
        world.authentication.caller(header, writes=False)
    assert noted() == first
    world.clock.pass_by(LAST_USED_INTERVAL)
    world.authentication.caller(header, writes=False)
    assert noted() == world.clock()

"""How many requests to DynamoDB a page of the dashboard makes for who has signed in, beside its own work."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.accounts import DynamoDBAccounts
from chalicelib.adapters.dynamodb.sessions import DynamoDBSessions
from chalicelib.adapters.dynamodb.users import DynamoDBUsers
from chalicelib.domain.accounts import NewToken, Scope
from chalicelib.domain.users import Role
from tests.contract.tables import make_table
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.pages import FakeBrowser, FakeDashboard

WHO = {"BatchGetItem": 2}  # the user with the session, then the account with the membership


@dataclass(frozen=True)
class Counted:
    """A dashboard whose accounts, users and sessions are in DynamoDB, and the requests that were made of it."""

    dashboard: FakeDashboard
    requests: Counter[str]

    def of(self, browser: FakeBrowser, path: str) -> dict[str, int]:
        """The requests by operation that a page takes."""
        self.requests.clear()
        assert browser.get(path).status == 200
        return dict(self.requests)


@pytest.fixture
def counted(aws: Callable[..., Any]) -> Counted:
    client = aws("dynamodb")
    table = make_table(client, "AccountsTable")
    adapters = replace(
        FakeAdapters.fresh(),
        accounts=DynamoDBAccounts(client, table),
        users=DynamoDBUsers(client, table),
        sessions=DynamoDBSessions(client, table),
    )
    requests: Counter[str] = Counter()
    client.meta.events.register("before-call.dynamodb", lambda model, **_: requests.update([model.name]))
    return Counted(FakeDashboard(services_on(adapters)), requests)


@pytest.fixture
def owner(counted: Counted) -> FakeBrowser:
    """Who owns an account of three members and twenty tokens, and belongs to five others."""
    owner = counted.dashboard.signed_in(plan="business")
    services = counted.dashboard.services
    assert owner.account is not None
    for name in ("Ada", "Jo"):
        services.users.invite(owner.account.uuid, f"{name}@example.com", Role.MEMBER, owner.user)
        counted.dashboard.signed_in(name, f"{name}@example.com")
    for number in range(20):
        services.accounts.issue_token(owner.account.uuid, NewToken(f"{number}", Scope.READ))
    for number in range(5):
        other = counted.dashboard.signed_in(f"Host {number}")
        assert other.account is not None
        assert owner.user is not None
        services.users.invite(other.account.uuid, owner.user.email, Role.MEMBER, other.user)
    return counted.dashboard.signed_in()


@pytest.mark.parametrize("path", ["/", "/collections", "/account/tokens/new", "/account/webhooks"])
def test_a_page_reads_who_has_signed_in_by_two_requests(counted: Counted, owner: FakeBrowser, path: str):
    assert counted.of(owner, path) == WHO


def test_the_accounts_page_reads_tokens_members_accounts_and_sessions_each_at_once(
    counted: Counted, owner: FakeBrowser
):
    # Queries: accounts of the user, tokens, members and invitations, sessions, and members again for the makers.
    assert counted.of(owner, "/account") == {"BatchGetItem": 4, "Query": 6}


def test_a_cookie_that_says_nothing_costs_nothing_and_one_that_ended_one_request(counted: Counted, owner: FakeBrowser):
    stranger = counted.dashboard.browser()
    for cookie, requests in (("", {}), ("x", {}), (f"{'0' * 32}.{'A' * 43}", {"BatchGetItem": 1})):
        stranger.cookies = {"__Host-session": cookie}
        counted.requests.clear()
        assert stranger.get("/account").status == 303
        assert dict(counted.requests) == requests

"""The commands of administration about users."""

import argparse
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import NewToken, Scope, Subscription
from chalicelib.domain.errors import Forbidden
from chalicelib.domain.users import Identity, Role
from infra.admin import users
from tests.fakes.application import FakeAdapters, services_on

NORA = Identity("https://issuer.example", "nora", "nora@example.com", True, "Nora\x1b[2J Keller")


@pytest.fixture
def services() -> Services:
    return services_on(FakeAdapters.fresh())


@pytest.fixture
def admin(services: Services, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command and returns what it printed."""
    parser = argparse.ArgumentParser()
    users.add(parser.add_subparsers())

    def run(*arguments: str) -> str:
        options = parser.parse_args(arguments)
        assert options.run(SimpleNamespace(services=services), options) == 0
        return capsys.readouterr().out

    return run


def test_an_invited_address_becomes_the_owner_of_the_operator_s_account(services: Services, admin: Any):
    account = services.accounts.open("Northlight Studio", Subscription("pro"))
    assert "nora@example.com joins as owner" in admin("invite-user", account.uuid, "Nora@Example.com")
    user, _ = services.users.sign_in(NORA)
    assert (account.uuid, Role.OWNER) in [(found.uuid, role) for found, role in services.users.accounts_of(user.id)]
    listed = admin("users")
    assert all(part in listed for part in (user.id, account.uuid, "Northlight Studio", "pro"))
    assert "\x1b" not in listed


def test_a_disabled_user_is_out_at_once_until_enabled_again(services: Services, admin: Any):
    user, account = services.users.sign_in(NORA)
    key = services.sessions.begin(user, account, address="", agent="")
    services.accounts.set_subscription(account.uuid, Subscription("pro"))
    services.accounts.issue_token(account.uuid, NewToken("n", Scope.READ), user=user.id)
    assert "1 sessions ended, 1 tokens revoked" in admin("disable-user", user.id)
    assert services.sessions.find(key.cookie) is None
    with pytest.raises(Forbidden):
        services.users.sign_in(NORA)
    assert "(disabled)" in admin("users")
    admin("enable-user", user.id)
    assert services.users.sign_in(NORA)[1].uuid == account.uuid
    assert services.accounts.tokens(account.uuid) == []

"""The pool of the dashboard's users on the emulator's Cognito, by the commands that change it."""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import NewToken, Scope, Subscription
from chalicelib.domain.users import SignUp
from infra.admin import users
from infra.demo_user import add_demo_user
from infra.template import read_template
from infra.user_pool import UserPool
from tests.fakes.application import CONFIG, FakeAdapters

ISSUER, EMAIL = "https://issuer.example/pool", "ada@example.com"


@pytest.fixture
def pool_id(aws: Callable[[str], Any]) -> str:
    policy = read_template()["Resources"]["UserPool"]["Properties"]["Policies"]["PasswordPolicy"]
    created = aws("cognito-idp").create_user_pool(
        PoolName=secrets.token_hex(4), UsernameAttributes=["email"], Policies={"PasswordPolicy": policy}
    )
    return str(created["UserPool"]["Id"])


@pytest.fixture
def deployment(aws: Callable[[str], Any], pool_id: str) -> Any:
    """A deployment where nobody signs up by themselves."""
    name = f"/similarix/{secrets.token_hex(4)}/sign-in"
    aws("ssm").put_parameter(Name=name, Type="String", Value=json.dumps({"issuer": ISSUER}))
    config = replace(CONFIG, sign_in_parameter=name, sign_up=SignUp.INVITATION)
    services = Services(config, FakeAdapters.fresh())
    return SimpleNamespace(services=services, client=aws, outputs={"UserPoolId": pool_id})


@pytest.fixture
def user(aws: Callable[[str], Any], pool_id: str) -> Callable[[], Any]:
    return lambda: aws("cognito-idp").admin_get_user(UserPoolId=pool_id, Username=EMAIL)


def invite(deployment: Any, account: str, capsys: pytest.CaptureFixture[str]) -> str:
    options = SimpleNamespace(account=account, email=EMAIL, role=users.Role.OWNER)
    assert users.invite_user(deployment, options) == 0  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_an_invited_person_gets_a_first_password_and_another_until_they_have_signed_in(
    deployment: Any, user: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    account = deployment.services.accounts.open("Northlight", Subscription("pro")).uuid
    assert "first password" in invite(deployment, account, capsys)
    assert user()["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    assert {"Name": "email_verified", "Value": "true"} in user()["UserAttributes"]
    assert "first password" in invite(deployment, account, capsys)

    pool = UserPool.of(deployment)
    assert pool is not None
    pool.set_password(EMAIL)
    assert "first password" not in invite(deployment, account, capsys)


def test_where_strangers_sign_up_an_invited_person_does_so_too(
    deployment: Any, user: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.services.config = replace(deployment.services.config, sign_up=SignUp.OPEN)
    account = deployment.services.accounts.open("Northlight", Subscription("pro")).uuid
    assert "joins as owner" in invite(deployment, account, capsys)
    with pytest.raises(Exception, match="does not exist"):
        user()


def test_a_user_is_made_once_and_is_the_same_afterwards(deployment: Any) -> None:
    pool = UserPool.of(deployment)
    assert pool is not None
    assert pool.subject(EMAIL) is None
    subject = pool.add(EMAIL, "Ada")

    assert (pool.add(EMAIL, "Ada"), pool.subject(EMAIL), pool.issuer) == (subject, subject, ISSUER)
    assert pool.set_password(EMAIL) != pool.set_password(EMAIL)


def test_the_demo_user_owns_the_account_of_the_token_also_when_made_again(deployment: Any) -> None:
    accounts = deployment.services.accounts
    account = accounts.open("demo", Subscription("business")).uuid
    token, _ = accounts.issue_token(account, NewToken("make run", Scope.ADMIN))
    first, second = add_demo_user(deployment, token), add_demo_user(deployment, token)

    assert first.email == second.email
    assert first.password != second.password
    assert [(m.email, m.role) for m in deployment.services.users.members(account)] == [(first.email, users.Role.OWNER)]
    (user,) = deployment.services.users.all()
    assert [found.uuid for found, _ in deployment.services.users.accounts_of(user.id)] == [account]


def test_a_deployment_without_sign_in_has_no_pool(deployment: Any) -> None:
    deployment.services.config = replace(deployment.services.config, sign_in_parameter=None)
    assert UserPool.of(deployment) is None

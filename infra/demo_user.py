"""The local system's user of the dashboard, who owns the demo account and signs in as anybody does."""

import json
import secrets
from dataclasses import dataclass, field

from chalicelib.domain.users import Identity, Invitation, Role
from infra.admin.deployment import Deployment

EMAIL, NAME = "demo@example.com", "Demo"
INVITED_BY = "make run"  # in place of an owner


@dataclass(frozen=True, slots=True)
class DemoUser:
    email: str
    password: str = field(repr=False)


def add_demo_user(deployment: Deployment, token: str) -> DemoUser:
    """Make the user in the pool, or give it a new password, and have it own the account of a token."""
    subject, password = _in_pool(deployment)
    parameter = deployment.services.config.sign_in_parameter
    value = deployment.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    services = deployment.services
    account = services.authentication.authenticate(f"Token {token}").account
    found = services.adapters.accounts.account(account)
    assert found is not None
    invitation = Invitation(account, EMAIL, Role.OWNER, INVITED_BY, services.now())
    services.adapters.users.invite(invitation, found)
    services.users.sign_in(Identity(json.loads(value)["issuer"], subject, EMAIL, True, NAME))
    return DemoUser(EMAIL, password)


def _in_pool(deployment: Deployment) -> tuple[str, str]:
    """The user's identifier in the pool, and its password."""
    cognito, pool = deployment.client("cognito-idp"), deployment.outputs["UserPoolId"]
    password = secrets.token_urlsafe(15)
    attributes = {"email": EMAIL, "email_verified": "true", "name": NAME}
    try:
        user = cognito.admin_create_user(
            UserPoolId=pool,
            Username=EMAIL,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
        )["User"]
        found = user["Attributes"]
    except cognito.exceptions.UsernameExistsException:
        found = cognito.admin_get_user(UserPoolId=pool, Username=EMAIL)["UserAttributes"]
    cognito.admin_set_user_password(UserPoolId=pool, Username=EMAIL, Password=password, Permanent=True)
    (subject,) = [attribute["Value"] for attribute in found if attribute["Name"] == "sub"]
    return subject, password

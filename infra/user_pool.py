"""The pool of the dashboard's users, as its administrator has it."""

import json
import secrets
from typing import Any

from infra.admin.deployment import Deployment

PASSWORD_BYTES = 15  # 20 characters, more than the pool's policy asks for


class UserPool:
    def __init__(self, client: Any, pool: str, issuer: str) -> None:
        """Args:
        client: of Cognito.
        issuer: the pool, as ID tokens name it.
        """
        self._client = client
        self._pool = pool
        self.issuer = issuer

    @classmethod
    def of(cls, deployment: Deployment) -> "UserPool | None":
        """The pool of a deployment; None where it has no sign-in."""
        parameter = deployment.services.config.sign_in_parameter
        if parameter is None:
            return None
        value = deployment.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
        return cls(deployment.client("cognito-idp"), deployment.outputs["UserPoolId"], json.loads(value)["issuer"])

    def subject(self, email: str) -> str | None:
        """The user's identifier in the pool; None if nobody has this address."""
        try:
            user = self._client.admin_get_user(UserPoolId=self._pool, Username=email)
        except self._client.exceptions.UserNotFoundException:
            return None
        return _subject(user["UserAttributes"])

    def invite(self, email: str) -> bool:
        """Have Cognito send a first password by mail, again if the one before was not used; tells whether it does.

        It does not if the user has signed in before.
        """
        try:
            user = self._client.admin_get_user(UserPoolId=self._pool, Username=email)
        except self._client.exceptions.UserNotFoundException:
            attributes = _attributes(email=email, email_verified="true")
            self._client.admin_create_user(
                UserPoolId=self._pool, Username=email, DesiredDeliveryMediums=["EMAIL"], UserAttributes=attributes
            )
            return True
        if user["UserStatus"] != "FORCE_CHANGE_PASSWORD":
            return False
        self._client.admin_create_user(
            UserPoolId=self._pool, Username=email, DesiredDeliveryMediums=["EMAIL"], MessageAction="RESEND"
        )
        return True

    def add(self, email: str, name: str) -> str:
        """Make a user without telling them, unless there is one; returns the identifier."""
        found = self.subject(email)
        if found is not None:
            return found
        user = self._client.admin_create_user(
            UserPoolId=self._pool,
            Username=email,
            MessageAction="SUPPRESS",
            UserAttributes=_attributes(email=email, email_verified="true", name=name),
        )["User"]
        return _subject(user["Attributes"])

    def set_password(self, email: str) -> str:
        """Give the user a random password; returns it."""
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        self._client.admin_set_user_password(UserPoolId=self._pool, Username=email, Password=password, Permanent=True)
        return password


def _attributes(**values: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def _subject(attributes: list[dict[str, str]]) -> str:
    return next(attribute["Value"] for attribute in attributes if attribute["Name"] == "sub")

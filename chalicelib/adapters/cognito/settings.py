"""Where users sign in: a parameter of Systems Manager, which ``infra/template/sign_in.yaml`` writes."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import IdentityProviderUnavailable, NotFound

KEPT_SECONDS = 300  # until another client or domain is known


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Args:
    url: of the sign-in pages and the token endpoint, without a trailing slash.
    issuer: the pool, as ID tokens name it.
    client_id: of the dashboard at the pool.
    """

    url: str
    issuer: str
    client_id: str


class SignInParameter:
    """Reads the settings at the first sign-in of a process, and again some minutes later.

    Args:
        client: makes the client of Systems Manager.
        name: of the parameter; None where the deployment has no sign-in.
    """

    def __init__(
        self, client: Callable[[], Any], name: str | None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._name = name
        self._monotonic = monotonic
        self._read: tuple[float, SignInSettings] | None = None

    def __call__(self) -> SignInSettings:
        """The settings.

        Raises:
            NotFound: the deployment has no sign-in.
            IdentityProviderUnavailable: the settings cannot be read.
        """
        if self._name is None:
            raise NotFound("Nobody can sign in here: this deployment was made without sign-in.")
        now = self._monotonic()
        if self._read is None or now - self._read[0] >= KEPT_SECONDS:
            self._read = now, self._fetch(self._name)
        return self._read[1]

    def _fetch(self, name: str) -> SignInSettings:
        try:
            value = self._client().get_parameter(Name=name)["Parameter"]["Value"]
        except (BotoCoreError, ClientError) as error:
            raise IdentityProviderUnavailable("Signing in does not work right now. Try again in a moment.") from error
        return SignInSettings(**json.loads(value))

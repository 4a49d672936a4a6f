"""Cognito's sign-in pages and token endpoint, as an OpenID provider.

https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import certifi
import urllib3

from chalicelib.adapters.cognito.id_tokens import read_identity
from chalicelib.adapters.cognito.settings import SignInSettings
from chalicelib.domain.errors import IdentityProviderUnavailable, SignInFailed
from chalicelib.domain.sign_in import SignInAttempt
from chalicelib.domain.users import Identity

SCOPES = "openid email profile"
CONNECT_SECONDS, READ_SECONDS = 3, 8
ANSWER_LIMIT = 65_536  # bytes; three tokens have some 4,000
# What the endpoint says of a code that it does not take: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
BAD_CODE = "invalid_grant"


class CognitoIdentityProvider:
    """Args:
    settings: returns where it is, and who we are to it.
    """

    def __init__(
        self, settings: Callable[[], SignInSettings], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._now = now
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        self._http = urllib3.PoolManager(timeout=timeout, retries=False, ca_certs=certifi.where())

    def authorization_url(self, attempt: SignInAttempt, redirect_uri: str) -> str:
        settings = self._settings()
        query = {
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPES,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{settings.url}/oauth2/authorize?{urlencode(query)}"

    def exchange(self, code: str, attempt: SignInAttempt, redirect_uri: str) -> Identity:
        settings = self._settings()
        form = {
            "grant_type": "authorization_code",
            "client_id": settings.client_id,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        status, answer = self._post(f"{settings.url}/oauth2/token", form)
        if status == 400 and answer.get("error") == BAD_CODE:
            raise SignInFailed("This sign-in was completed before, or took too long. Sign in again.")
        if status != 200:
            raise IdentityProviderUnavailable(
                f"The sign-in pages do not answer as they should ({status} {str(answer.get('error', ''))[:50]}). "
                "Try again in a moment."
            )
        return read_identity(answer.get("id_token"), settings, attempt.nonce, self._now())

    def sign_out_url(self, return_to: str) -> str:
        settings = self._settings()
        return f"{settings.url}/logout?{urlencode({'client_id': settings.client_id, 'logout_uri': return_to})}"

    def _post(self, url: str, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        """The status and the JSON object of an answer; an empty one where the body has none."""
        try:
            with self._http.request(
                "POST",
                url,
                body=urlencode(form),
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
                redirect=False,
                preload_content=False,
            ) as response:
                body = response.read(ANSWER_LIMIT, decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise IdentityProviderUnavailable("The sign-in pages do not answer. Try again in a moment.") from error
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        return response.status, answer if isinstance(answer, dict) else {}

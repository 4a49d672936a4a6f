"""Who an ID token says has signed in.

The token comes over TLS from the token endpoint, so its signature need not be verified; the rest of OpenID Connect
Core, 3.1.3.7, is: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation. ``token_use`` is Cognito's:
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
"""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.adapters.cognito.settings import SignInSettings
from chalicelib.domain.errors import SignInFailed
from chalicelib.domain.users import Identity

CLOCK_SKEW_SECONDS = 60


def read_identity(token: object, settings: SignInSettings, nonce: str, now: datetime) -> Identity:
    """The identity of a token that is meant for this client and this attempt, and has not expired.

    Raises:
        SignInFailed: it is another token; the message says by what.
    """
    claims = _claims(token)
    if claims.get("iss") != settings.issuer:
        raise _refused("it is another pool's")
    if claims.get("aud") not in (settings.client_id, [settings.client_id]):
        raise _refused("it is for another application")
    if claims.get("token_use") != "id":
        raise _refused("it does not say who signed in")
    expires = claims.get("exp")
    if not isinstance(expires, int | float) or now.timestamp() >= expires + CLOCK_SKEW_SECONDS:
        raise _refused("it has expired")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise _refused("it belongs to another sign-in")
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not subject:
        raise _refused("it does not say who signed in")
    if not isinstance(email, str) or not email:
        raise SignInFailed("Your identity provider does not tell your e-mail address. Ask the operator.")
    # A boolean; federated providers whose claims are mapped may have it as a text.
    is_verified = claims.get("email_verified") in (True, "true")
    return Identity(settings.issuer, subject, email, is_verified, _name(claims))


def _name(claims: Mapping[str, Any]) -> str:
    parts = [claims.get("name")] if claims.get("name") else [claims.get("given_name"), claims.get("family_name")]
    return " ".join(part for part in parts if isinstance(part, str) and part)


def _claims(token: object) -> Mapping[str, Any]:
    """The payload of a JSON Web Token: https://www.rfc-editor.org/rfc/rfc7519#section-7.2"""
    parts = token.split(".") if isinstance(token, str) else []
    try:
        if len(parts) == 3:
            claims = json.loads(base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True))
            if isinstance(claims, dict):
                return claims
    except (ValueError, RecursionError):
        pass
    raise _refused("it cannot be read")


def _refused(why: str) -> SignInFailed:
    return SignInFailed(f"The answer of the sign-in pages was refused: {why}. Sign in again.")

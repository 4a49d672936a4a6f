"""An attempt to sign in at the identity provider: what it must bring back, and whose browser began it.

The browser keeps the attempt in a cookie that no script and no other site can read or set. ``state`` shows that the
answer belongs to this browser, ``nonce`` that the ID token belongs to this attempt, and the verifier that the code
does: https://www.rfc-editor.org/rfc/rfc9700#section-2.1 and https://www.rfc-editor.org/rfc/rfc7636.
"""

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from chalicelib.domain.rates import RateLimit

ATTEMPT_LIFETIME = timedelta(hours=1)  # a new user waits for a code by mail
NEXT_LIMIT = 1_500  # characters of the path to go on to; a cookie has 4,096 bytes
CALLBACKS = RateLimit("sign-in", 20)  # of one network in a minute: an office has one address
NETWORK_BITS = 64  # of a customer's IPv6: https://www.rfc-editor.org/rfc/rfc6177
_COOKIE = re.compile(r"([A-Za-z0-9_-]{43})\.(\d{1,11})\.([\x21-\x7e]*)")


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """Args:
    secret: 256 random bits; state, nonce and verifier are made of it, and none of them tells another.
    began_at: in whole seconds.
    next: the path to go on to.
    """

    secret: str
    began_at: datetime
    next: str

    @classmethod
    def begin(cls, next_path: str, now: datetime) -> "SignInAttempt":
        """A new attempt; a path that is too long for the cookie is ``/``."""
        kept = next_path if len(quote(next_path, safe="/")) <= NEXT_LIMIT else "/"
        return cls(secrets.token_urlsafe(32), now.replace(microsecond=0), kept)

    @classmethod
    def from_cookie(cls, value: str | None) -> "SignInAttempt | None":
        """The attempt of a cookie's value; None if there is none, or it is malformed."""
        match = _COOKIE.fullmatch(value or "")
        if match is None:
            return None
        return cls(match[1], datetime.fromtimestamp(int(match[2]), UTC), unquote(match[3]))

    @property
    def cookie(self) -> str:
        return f"{self.secret}.{int(self.began_at.timestamp())}.{quote(self.next, safe='/')}"

    @property
    def state(self) -> str:
        return self._derived(b"state")

    @property
    def nonce(self) -> str:
        return self._derived(b"nonce")

    @property
    def verifier(self) -> str:
        return self._derived(b"verifier")

    @property
    def challenge(self) -> str:
        """The verifier's SHA-256, the method ``S256``: https://www.rfc-editor.org/rfc/rfc7636#section-4.2"""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def is_answered_by(self, state: str | None, now: datetime) -> bool:
        """Whether an answer with this state belongs to the attempt, and comes in time."""
        is_own = hmac.compare_digest((state or "").encode(), self.state.encode())
        return is_own and now - self.began_at <= ATTEMPT_LIFETIME

    def _derived(self, purpose: bytes) -> str:
        return hmac.digest(self.secret.encode(), purpose, "sha256").hex()


def network(address: str) -> str:
    """Whose requests count together: an address of IPv4, or the network of one of IPv6; what is none, as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, NETWORK_BITS), strict=False))
    return str(parsed)

"""Sessions of the dashboard: what a browser's cookie proves.

The cookie has the user's identifier and 256 random bits. Only the SHA-256 of these bits is stored, so that who reads
the table cannot act as anybody. As OWASP recommends, a session has far more than 64 bits of entropy and begins anew
with each sign-in: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

SESSION_LIFETIME = timedelta(days=14)  # without a use
TOUCH_INTERVAL = timedelta(hours=1)  # between two writes of a session's last use
AGENT_LIMIT = 300  # characters of a browser's own description that are kept
_COOKIE = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What the cookie says: whose session, and its secret."""

    user: str
    secret: str

    @classmethod
    def new(cls, user: str) -> "SessionKey":
        return cls(user, secrets.token_urlsafe(32))

    @classmethod
    def from_cookie(cls, value: str | None) -> "SessionKey | None":
        """The key of a cookie's value; None if there is none, or it is malformed."""
        match = _COOKIE.fullmatch(value) if value else None
        return cls(match[1], match[2]) if match else None

    @property
    def cookie(self) -> str:
        return f"{self.user}.{self.secret}"

    @property
    def digest(self) -> str:
        """SHA-256 in hex. The secret has 256 bits of entropy, so a slow or salted hash would add nothing."""
        return sha256(self.secret.encode()).hexdigest()

    @property
    def csrf_token(self) -> str:
        """The token that forms of this session carry: an HMAC, so it tells nothing of the secret.

        https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
        """
        return hmac.digest(self.secret.encode(), b"csrf", "sha256").hex()

    def has_csrf_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.csrf_token.encode())


@dataclass(frozen=True, slots=True)
class Session:
    """A session as stored.

    Args:
        digest: of its secret.
        account: in which the user works.
        address: from which it began, as the gateway saw it.
        agent: the browser's own description of itself.
    """

    user: str
    digest: str
    account: str
    created_at: datetime
    last_used: datetime
    address: str
    agent: str

    @property
    def id(self) -> str:
        """Names the session in a list: a part of the digest, which opens nothing."""
        return self.digest[:32]

    @property
    def expires_at(self) -> datetime:
        return self.last_used + SESSION_LIFETIME

"""Who is asking, and whether they may."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.accounts import Scope, Token, token_digest, token_from_header
from chalicelib.domain.errors import Forbidden, PlanForbids, ReadOnlyToken
from chalicelib.domain.plans import Plan
from chalicelib.services.ports import Accounts, Clock

# How long a process believes what it has read of a token: the longest that a revoked one, or an old plan, still counts.
TOKEN_CACHE_TIME = timedelta(seconds=5)
TOKEN_CACHE_SIZE = 1_000  # tokens a process keeps in mind
LAST_USED_INTERVAL = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that asks, and what its plan allows."""

    account: str
    plan: Plan


class Authentication:
    """One read of DynamoDB for a token that was not seen within the last five seconds, none for one that was."""

    def __init__(self, accounts: Accounts, now: Clock) -> None:
        self._accounts = accounts
        self._now = now
        self._known: dict[str, tuple[datetime, Token]] = {}

    def caller(self, authorization: str | None, *, writes: bool) -> Caller:
        """Whom an Authorization header speaks for.

        Args:
            writes: whether the call changes anything.

        Raises:
            Forbidden: no header, a malformed one, or a token that nobody has, was revoked or has expired.
            PlanForbids: the account's plan is one without the API.
            ReadOnlyToken: the call writes, and the token may only read.
        """
        secret = token_from_header(authorization)
        if secret is None:
            raise Forbidden("Send your token in the header 'Authorization: Token your_token_here'.")
        now = self._now()
        token = self._token(token_digest(secret), now)
        if token is None:
            raise Forbidden("This token is not valid. Check it, or get a new one.")
        if token.expires_at is not None and token.expires_at <= now:
            raise Forbidden("This token has expired. Get a new one.")
        plan = token.terms.allowed
        if not plan.api_access:
            raise PlanForbids(f"The plan '{plan.name}' does not include the API. Change to a plan that does.")
        if writes and token.scope is not Scope.WRITE:
            raise ReadOnlyToken("This token may only read. Use one whose scope is 'write'.")
        return Caller(token.account, plan)

    def forget(self, digest: str) -> None:
        """A token that was just revoked here counts no longer here; elsewhere, for five seconds at most."""
        self._known.pop(digest, None)

    def _token(self, digest: str, now: datetime) -> Token | None:
        known = self._known.get(digest)
        if known is not None and now - known[0] < TOKEN_CACHE_TIME:
            return known[1]
        token = self._accounts.token(digest)
        if token is None:
            self.forget(digest)
            return None
        if len(self._known) >= TOKEN_CACHE_SIZE:
            self._known.clear()
        self._known[digest] = (now, token)
        if token.last_used is None or now - token.last_used >= LAST_USED_INTERVAL:
            self._accounts.touch_token(digest, now, now - LAST_USED_INTERVAL)
        return token

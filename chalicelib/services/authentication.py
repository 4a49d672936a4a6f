"""Authenticates requests by their token and checks what the token may do."""

from datetime import datetime, timedelta

from chalicelib.domain.accounts import Caller, Scope, Token, token_digest, token_from_header
from chalicelib.domain.errors import Forbidden, OriginForbids, PlanForbids, ReadOnlyToken, ScopeForbids
from chalicelib.domain.texts import excerpt
from chalicelib.services.ports import Accounts, Clock

# How long a process trusts a token that it has read: a revoked token, or an old plan, stays valid no longer.
TOKEN_CACHE_TIME = timedelta(seconds=5)
TOKEN_CACHE_SIZE = 1_000  # tokens
LAST_USED_INTERVAL = timedelta(minutes=1)  # between two writes of a token's last use


class Authentication:
    """Reads DynamoDB once for a token that this process has not seen within the last five seconds."""

    def __init__(self, accounts: Accounts, now: Clock) -> None:
        self._accounts = accounts
        self._now = now
        self._cache: dict[str, tuple[datetime, Token]] = {}

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller that an Authorization header identifies; ``authorize`` says what the caller may do.

        Raises:
            Forbidden: the header is missing or malformed, or its token is unknown, revoked or expired.
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
        return Caller(token.account, token.subscription.effective_plan, token)

    def forget(self, digest: str) -> None:
        """Drop a revoked token from this process's cache; other processes drop it within five seconds."""
        self._cache.pop(digest, None)

    def _token(self, digest: str, now: datetime) -> Token | None:
        cached = self._cache.get(digest)
        if cached is not None and now - cached[0] < TOKEN_CACHE_TIME:
            return cached[1]
        token = self._accounts.token(digest)
        if token is None:
            self.forget(digest)
            return None
        if len(self._cache) >= TOKEN_CACHE_SIZE:
            self._cache.clear()
        self._cache[digest] = (now, token)
        if token.last_used is None or now - token.last_used >= LAST_USED_INTERVAL:
            self._accounts.touch_token(digest, now, now - LAST_USED_INTERVAL)
        return token


def authorize(caller: Caller, scope: Scope, *, origin: str | None, any_plan: bool) -> None:
    """Check that the caller may do what needs this scope.

    Args:
        origin: of the web page that sends the request; None where the request does not say one.
        any_plan: whether it is open to accounts whose plan does not include the API.

    Raises:
        OriginForbids: the token is bound to other origins.
        PlanForbids: the account's plan does not include the API.
        ScopeForbids: the token's scope is narrower.
    """
    if caller.token is not None and not caller.token.admits(origin):
        sender = f"a page of '{excerpt(origin)}'" if origin is not None else "no web page"
        raise OriginForbids(f"This token works only on the web pages that it is bound to; {sender} sent this request.")
    if not (caller.plan.api_access or any_plan):
        raise PlanForbids(
            f"The plan '{caller.plan.name}' does not include this call. It may show, download and delete what the "
            "account has. Change to a plan with the API for all else."
        )
    if caller.token is None or not caller.token.scope.includes(scope):
        # Apart from the others, because clients know its code.
        kind = ReadOnlyToken if scope is Scope.WRITE else ScopeForbids
        raise kind(f"The scope of this token does not allow this. Use a token whose scope is '{scope}'.")

"""Signing in: an attempt goes to the identity provider, comes back with a code, and becomes a session."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.accounts import Account
from chalicelib.domain.errors import RateLimited, SignInFailed
from chalicelib.domain.sessions import SessionKey
from chalicelib.domain.sign_in import CALLBACKS, SignInAttempt, network
from chalicelib.services.ports import Clock, IdentityProvider
from chalicelib.services.rate_limiter import RateLimiter
from chalicelib.services.sessions import SessionService
from chalicelib.services.users import UserService

BUCKETS = "sign-in"  # in place of an account: the partition of the networks' buckets
# What the pages say of a person who turned back: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
TURNED_BACK = "access_denied"


@dataclass(frozen=True, slots=True)
class SignInAnswer:
    """What the identity provider's redirect brings back, and from where the browser comes.

    Args:
        error: the provider's code of why there is no ``code``.
        address: of the browser.
        agent: its ``User-Agent``.
    """

    state: str | None
    code: str | None
    error: str | None
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class CompletedSignIn:
    """A new session.

    Args:
        joined: the accounts beside the one of the session that the user has joined by this sign-in.
    """

    key: SessionKey
    joined: Sequence[Account]


@dataclass(frozen=True, slots=True)
class SignInService:
    identity_provider: IdentityProvider
    users: UserService
    sessions: SessionService
    rate_limiter: RateLimiter
    now: Clock

    def begin(self, next_path: str, redirect_uri: str) -> tuple[SignInAttempt, str]:
        """A new attempt, which the browser keeps, and the URL to send it to.

        Args:
            next_path: of this site, to go on to.
            redirect_uri: to which the provider sends the browser back.

        Raises:
            NotFound: the deployment has no sign-in.
        """
        attempt = SignInAttempt.begin(next_path, self.now())
        return attempt, self.identity_provider.authorization_url(attempt, redirect_uri)

    def complete(self, attempt: SignInAttempt | None, answer: SignInAnswer, redirect_uri: str) -> CompletedSignIn:
        """Begin a session, always a new one, of the user who has signed in.

        Args:
            attempt: that the browser has kept.

        Raises:
            SignInFailed: the answer belongs to no attempt of this browser, or nobody has signed in.
            RateLimited: too many answers come from one network.
            Forbidden: the user may not sign in here.
        """
        if attempt is None or not attempt.is_answered_by(answer.state, self.now()):
            raise SignInFailed("This sign-in was begun in another browser, or more than an hour ago. Sign in again.")
        if answer.error == TURNED_BACK:
            raise SignInFailed("Nobody has signed in. Sign in again when you like.")
        if not answer.code:
            raise SignInFailed("The sign-in pages could not sign you in. Sign in again.")
        status = self.rate_limiter.admit(BUCKETS, network(answer.address), CALLBACKS)
        if not status.admitted:
            raise RateLimited(
                f"Too many people sign in from your network. Try again in {status.seconds} seconds.", status.seconds
            )
        identity = self.identity_provider.exchange(answer.code, attempt, redirect_uri)
        began = self.now()
        user, account = self.users.sign_in(identity)
        joined = [other for other in self.users.joined_since(user.id, began) if other.uuid != account.uuid]
        key = self.sessions.begin(user, account, address=answer.address, agent=answer.agent)
        return CompletedSignIn(key, joined)

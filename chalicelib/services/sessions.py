"""Sessions of the dashboard: begun at sign-in, found by their cookie, listed and ended."""

from dataclasses import dataclass, replace

from chalicelib.domain.accounts import Account
from chalicelib.domain.errors import Forbidden, NotFound
from chalicelib.domain.permissions import Permission, permits, refusal
from chalicelib.domain.plans import Plan
from chalicelib.domain.sessions import AGENT_LIMIT, TOUCH_INTERVAL, Session, SessionKey
from chalicelib.domain.texts import excerpt, is_storable
from chalicelib.domain.users import Membership, Role, User
from chalicelib.services.ports import Clock, Sessions, Users


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with its user, and the account in which the user works."""

    key: SessionKey
    session: Session
    user: User
    account: Account
    membership: Membership

    @property
    def role(self) -> Role:
        return self.membership.role

    def may(self, permission: Permission) -> bool:
        return permits(self.role, permission)

    def check(self, permission: Permission) -> None:
        """Raises Forbidden if the user may not do it."""
        if not self.may(permission):
            raise Forbidden(refusal(permission))

    @property
    def plan(self) -> Plan:
        return self.account.subscription.effective_plan


@dataclass(frozen=True, slots=True)
class SessionService:
    sessions: Sessions
    users: Users
    now: Clock

    def begin(self, user: User, account: Account, *, address: str, agent: str) -> SessionKey:
        """Begin a session with a fresh secret; returns what its cookie says.

        Args:
            address: of the browser.
            agent: its ``User-Agent``; what cannot be stored is left out.
        """
        key, now = SessionKey.new(user.id), self.now()
        shown = agent[:AGENT_LIMIT] if is_storable(agent) else ""
        self.sessions.add(Session(user.id, key.digest, account.uuid, now, now, excerpt(address), shown))
        return key

    def find(self, cookie: str | None) -> SignedIn | None:
        """Whom a cookie signs in; None if it is unknown, ended or expired, or its user has left or was disabled.

        Records the use, at most once an hour.
        """
        key = SessionKey.from_cookie(cookie)
        user, session = self.users.with_session(key.user, key.digest) if key is not None else (None, None)
        now = self.now()
        if key is None or session is None or session.expires_at <= now:
            return None
        if user is None or user.disabled_at is not None:
            return None
        account, membership = self.users.in_account(key.user, session.account)
        if account is None or account.deleted_at is not None or membership is None:
            return None
        if now - session.last_used >= TOUCH_INTERVAL:
            session = replace(session, last_used=now)
            self.sessions.touch(session)
        return SignedIn(key, session, user, account, membership)

    def of_user(self, user: str) -> list[Session]:
        """The user's sessions that have not expired, the last used first."""
        now = self.now()
        found = (session for session in self.sessions.of_user(user) if session.expires_at > now)
        return sorted(found, key=lambda session: (session.last_used, session.digest), reverse=True)

    def switch(self, signed_in: SignedIn, account: str) -> None:
        """Let the session work in another account of its user.

        Raises:
            NotFound: the user does not belong to it.
        """
        there, membership = self.users.in_account(signed_in.user.id, account)
        if there is None or there.deleted_at is not None or membership is None:
            raise NotFound("You do not belong to this account.")
        self.sessions.switch(signed_in.session, account)

    def end(self, key: SessionKey) -> None:
        self.sessions.remove(key.user, [key.digest])

    def end_one(self, user: str, session_id: str) -> None:
        """End one of the user's sessions; raises NotFound if there is none with this id."""
        found = [session.digest for session in self.sessions.of_user(user) if session.id == session_id]
        if not found:
            raise NotFound("There is no such session.")
        self.sessions.remove(user, found)

    def end_others(self, signed_in: SignedIn) -> int:
        """End all of the user's sessions but this one; returns how many."""
        own = signed_in.session.digest
        return self._end_all(signed_in.user.id, keep=own)

    def end_all(self, user: str) -> int:
        return self._end_all(user, keep=None)

    def _end_all(self, user: str, keep: str | None) -> int:
        digests = [session.digest for session in self.sessions.of_user(user) if session.digest != keep]
        self.sessions.remove(user, digests)
        return len(digests)

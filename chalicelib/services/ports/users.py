"""Ports of the people who sign in."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from chalicelib.domain.accounts import Account, Token
from chalicelib.domain.invitation_mails import Mail
from chalicelib.domain.sessions import Session
from chalicelib.domain.sign_in import SignInAttempt
from chalicelib.domain.users import Identity, Invitation, Membership, Role, User


class Users(Protocol):
    """Users, their memberships, and invitations.

    A write raises StaleWrite when its ``user`` or ``account`` has changed since it was read, and changes the revision.
    """

    def add(self, user: User) -> None:
        """Store a new user; raises StaleWrite if there is one."""

    def user(self, user: str) -> User | None: ...
    def all(self) -> Iterator[User]: ...
    def change(self, user: User, **changes: Any) -> User:
        """Write ``email``, ``name``, ``account`` or ``disabled_at``; returns the user as stored."""

    def open_account(self, user: User, account: Account, membership: Membership) -> User:
        """Store a new account and its first member in one transaction; returns the user, who works in it."""

    def with_session(self, user: str, digest: str) -> tuple[User | None, Session | None]:
        """Return a user and one of their sessions, which may have expired, by one request."""

    def in_account(self, user: str, account: str) -> tuple[Account | None, Membership | None]:
        """Return an account, which may be deleted, and the user's membership in it, by one request."""

    def memberships(self, user: str) -> list[tuple[Account, Membership]]:
        """Return the accounts that the user belongs to, deleted ones too, and the memberships, by two requests."""

    def membership(self, account: str, user: str) -> Membership | None: ...
    def members(self, account: str) -> list[Membership]: ...
    def accounts_of(self, user: str) -> list[str]:
        """Return the identifiers of accounts that the user belongs to; some may be deleted."""

    def describe(self, membership: Membership) -> None:
        """Write the ``email`` and ``name`` of a membership, if it exists."""

    def change_role(self, membership: Membership, role: Role, account: Account, tokens: Sequence[Token] = ()) -> None:
        """Change a role, and remove tokens of the account with it, in one transaction."""

    def leave(self, membership: Membership, account: Account, tokens: Sequence[Token] = ()) -> None:
        """Remove a membership, and tokens of the account with it, in one transaction."""

    def invite(self, invitation: Invitation, account: Account) -> None:
        """Store an invitation, in place of another one of this address to the account."""

    def join(self, membership: Membership, invitation: Invitation, account: Account) -> None:
        """Store a membership and remove the invitation, in one transaction.

        Raises:
            StaleWrite: the invitation was withdrawn or renewed since it was read, or the user is a member.
        """

    def withdraw(self, invitation: Invitation) -> None:
        """Remove an invitation; nothing happens if there is none.

        Raises:
            StaleWrite: it was renewed since it was read.
        """

    def invitations(self, account: str) -> list[Invitation]: ...
    def invitations_to(self, email: str) -> list[Invitation]: ...
    def count_mail(self, account: str, now: datetime, limit: int) -> bool:
        """Count a mail that the account sends on this day, UTC; False, and nothing is counted, after ``limit``."""

    def clear_account(self, account: str) -> None:
        """Remove all members and invitations of an account, and users who belong to no other, with their sessions.

        A user who is disabled is kept, in no account: else the same person would come back as a new user. A disabled
        user's sessions sign nobody in, and end by their lifetime.

        Raises:
            StaleWrite: a disabled user was changed at the same time.
        """


class Sessions(Protocol):
    """Sessions of the dashboard, by user and digest."""

    def add(self, session: Session) -> None: ...
    def of_user(self, user: str) -> list[Session]: ...
    def touch(self, session: Session) -> None:
        """Record the session's ``last_used``, unless it was removed."""

    def switch(self, session: Session, account: str) -> None: ...
    def remove(self, user: str, digests: Sequence[str]) -> None: ...


class Mailer(Protocol):
    def send(self, mail: Mail) -> None:
        """Send a mail; raises MailRefused if it was not accepted."""


class IdentityProvider(Protocol):
    """Signs people in on pages of its own (OpenID Connect). Each method raises NotFound where there is no sign-in."""

    def authorization_url(self, attempt: SignInAttempt, redirect_uri: str) -> str:
        """Return the page that the browser is sent to, and that sends it back to ``redirect_uri``."""

    def exchange(self, code: str, attempt: SignInAttempt, redirect_uri: str) -> Identity:
        """Return who has signed in.

        Raises:
            SignInFailed: the code is not good, or belongs to another attempt.
            IdentityProviderUnavailable: no answer, or not one to a request as it should be.
        """

    def sign_out_url(self, return_to: str) -> str:
        """Return the page that ends the browser's session with the provider, and then sends it to ``return_to``."""

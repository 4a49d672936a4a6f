"""Users, memberships and invitations in memory."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from chalicelib.domain.accounts import Account, Token
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.sessions import Session
from chalicelib.domain.users import Invitation, Membership, Role, User
from tests.fakes.accounts import FakeAccounts
from tests.fakes.sessions import FakeSessions


class FakeUsers:
    """Tests may inspect ``stored`` users by id, ``joined`` memberships and ``invited`` invitations.

    Args:
        accounts: whose revisions the memberships raise.
        sessions: that go with a user.
    """

    def __init__(self, accounts: FakeAccounts, sessions: FakeSessions) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self.stored: dict[str, User] = {}
        self.joined: dict[tuple[str, str], Membership] = {}
        self.invited: dict[tuple[str, str], Invitation] = {}
        self.mails: Counter[tuple[str, date]] = Counter()

    def add(self, user: User) -> None:
        if user.id in self.stored:
            raise StaleWrite
        self.stored[user.id] = user

    def user(self, user: str) -> User | None:
        return self.stored.get(user)

    def all(self) -> Iterator[User]:
        yield from list(self.stored.values())

    def change(self, user: User, **changes: Any) -> User:
        current = self.stored.get(user.id)
        if current is None or current.revision != user.revision:
            raise StaleWrite
        self.stored[user.id] = replace(user, revision=user.revision + 1, **changes)
        return self.stored[user.id]

    def open_account(self, user: User, account: Account, membership: Membership) -> User:
        changed = self.change(user, account=account.uuid)
        self._accounts.add_account(account)
        self.joined[account.uuid, user.id] = membership
        return changed

    def with_session(self, user: str, digest: str) -> tuple[User | None, Session | None]:
        return self.stored.get(user), self._sessions.stored.get((user, digest))

    def in_account(self, user: str, account: str) -> tuple[Account | None, Membership | None]:
        return self._accounts.account(account), self.membership(account, user)

    def memberships(self, user: str) -> list[tuple[Account, Membership]]:
        pairs = ((self._accounts.account(each.account), each) for each in self.joined.values() if each.user == user)
        return [(account, membership) for account, membership in pairs if account is not None]

    def membership(self, account: str, user: str) -> Membership | None:
        return self.joined.get((account, user))

    def members(self, account: str) -> list[Membership]:
        return [membership for membership in self.joined.values() if membership.account == account]

    def accounts_of(self, user: str) -> list[str]:
        return [membership.account for membership in self.joined.values() if membership.user == user]

    def describe(self, membership: Membership) -> None:
        current = self.joined.get((membership.account, membership.user))
        if current is not None:
            described = replace(current, email=membership.email, name=membership.name)
            self.joined[membership.account, membership.user] = described

    def change_role(self, membership: Membership, role: Role, account: Account, tokens: Sequence[Token] = ()) -> None:
        if (membership.account, membership.user) not in self.joined:
            raise StaleWrite
        self._accounts.remove_tokens(tokens, account)
        self.joined[membership.account, membership.user] = replace(membership, role=role)

    def leave(self, membership: Membership, account: Account, tokens: Sequence[Token] = ()) -> None:
        self._accounts.remove_tokens(tokens, account)
        self.joined.pop((membership.account, membership.user), None)

    def invite(self, invitation: Invitation, account: Account) -> None:
        self._accounts.raise_revision(account)
        self.invited[invitation.account, invitation.email] = invitation

    def join(self, membership: Membership, invitation: Invitation, account: Account) -> None:
        if (membership.account, membership.user) in self.joined:
            raise StaleWrite
        if (invitation.account, invitation.email) not in self.invited or self._was_renewed(invitation):
            raise StaleWrite
        self._accounts.raise_revision(account)
        self.joined[membership.account, membership.user] = membership
        self.withdraw(invitation)

    def withdraw(self, invitation: Invitation) -> None:
        if self._was_renewed(invitation):
            raise StaleWrite
        self.invited.pop((invitation.account, invitation.email), None)

    def _was_renewed(self, read: Invitation) -> bool:
        current = self.invited.get((read.account, read.email), read)
        return (current.role, current.created_at) != (read.role, read.created_at)

    def invitations(self, account: str) -> list[Invitation]:
        return [invitation for invitation in self.invited.values() if invitation.account == account]

    def invitations_to(self, email: str) -> list[Invitation]:
        return [invitation for invitation in self.invited.values() if invitation.email == email]

    def count_mail(self, account: str, now: datetime, limit: int) -> bool:
        day = now.astimezone(UTC).date()
        if self.mails[account, day] >= limit:
            return False
        self.mails[account, day] += 1
        return True

    def clear_account(self, account: str) -> None:
        for membership in self.members(account):
            user = self.stored.get(membership.user)
            if user is not None and self.accounts_of(user.id) == [account] and user.disabled_at is not None:
                self.stored[user.id] = replace(user, account=None, revision=user.revision + 1)
            elif user is not None and self.accounts_of(user.id) == [account]:
                del self.stored[user.id]
                self._sessions.remove(membership.user, [s.digest for s in self._sessions.of_user(membership.user)])
            del self.joined[account, membership.user]
        for invitation in self.invitations(account):
            self.withdraw(invitation)

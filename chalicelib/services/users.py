"""Users: signed in, invited to accounts, and removed from them."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from chalicelib.domain.accounts import Account, Scope, Subscription, Token, tokens_of_user
from chalicelib.domain.errors import Conflict, Forbidden, NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.permissions import Permission, permits, refusal
from chalicelib.domain.users import (
    MEMBERS_LIMIT,
    MEMBERSHIPS_LIMIT,
    Identity,
    Invitation,
    Membership,
    Role,
    SignUp,
    User,
    display_name,
    is_email,
    parse_email,
    provided_email,
)
from chalicelib.services.ports import Accounts, Clock, Users

WRITE_ATTEMPTS = 5  # for a change of what others change at the same time

Changed = TypeVar("Changed")


@dataclass(frozen=True, slots=True)
class UserService:
    """Args:
    sign_up: who gets an account at a first sign-in.
    default_plan: the plan of an account that a sign-in makes.
    """

    users: Users
    accounts: Accounts
    now: Clock
    sign_up: SignUp
    default_plan: str

    def sign_in(self, identity: Identity) -> tuple[User, Account]:
        """The user of an identity, and the account to work in.

        The first sign-in makes both, the user the account's owner; two at once make one. With ``SignUp.INVITATION``
        it makes no account: the user works in the one that they were invited to. Invitations to the user's verified
        address are joined while who made them may invite. The account is the one that the user worked in last.

        Raises:
            Forbidden: the user is disabled, or belongs to no account where one is needed an invitation for.
            Conflict: other requests kept changing the user.
        """
        return self._attempt(lambda: self._sign_in(identity))

    def _sign_in(self, identity: Identity) -> tuple[User, Account]:
        stored = self.users.user(identity.user_id)
        if stored is not None and stored.disabled_at is not None:
            raise Forbidden("This user is disabled. Ask the operator.")
        invitations = self._invitations_of(identity)
        if stored is None and self.sign_up is SignUp.INVITATION and not invitations:
            raise _uninvited()  # before anything is stored of a stranger
        user = self._recorded(identity, stored)
        accounts = self.accounts_of(user.id)
        if not accounts and self.sign_up is SignUp.OPEN:
            # Before invitations are joined: a stranger's invitation shall not take the place of an own account.
            user, _ = self._open_account(user)
        for invitation in invitations:
            self._join(user, invitation)
        accounts = self.accounts_of(user.id)
        if not accounts:
            raise _uninvited()
        account = next((account for account, _ in accounts if account.uuid == user.account), accounts[0][0])
        return user, account

    def _invitations_of(self, identity: Identity) -> list[Invitation]:
        """Those to the identity's address, if it is verified, that may be joined; the others are withdrawn."""
        found: list[Invitation] = []
        if not identity.email_verified or not is_email(email := provided_email(identity.email)):
            return found
        for invitation in self.users.invitations_to(email):
            account = self.accounts.account(invitation.account)
            is_open = account is not None and account.deleted_at is None and invitation.expires_at > self.now()
            if is_open and self._may_invite(invitation.account, invitation.invited_by):
                found.append(invitation)
            else:
                self.users.withdraw(invitation)
        return found

    def _may_invite(self, account: str, user: str | None) -> bool:
        """Whether the user may invite others now; administration, which is None, always may.

        Read it after the account, whose revision a change of the members raises.
        """
        if user is None:
            return True
        stored, membership = self.users.user(user), self.users.membership(account, user)
        if stored is None or stored.disabled_at is not None or membership is None:
            return False
        return permits(membership.role, Permission.MEMBERS)

    def _recorded(self, identity: Identity, stored: User | None) -> User:
        """The user as stored, after what the identity provider says now; raises StaleWrite."""
        email, name = provided_email(identity.email), display_name(identity.name)
        if stored is None:
            user = User(identity.user_id, identity.issuer, identity.subject, email, name, self.now())
            self.users.add(user)
            return user
        if (stored.email, stored.name) == (email, name):
            return stored
        for account in self.users.accounts_of(stored.id):
            membership = self.users.membership(account, stored.id)
            if membership is not None:
                self.users.describe(replace(membership, email=email, name=name))
        return self.users.change(stored, email=email, name=name)

    def _join(self, user: User, invitation: Invitation) -> None:
        account = self.accounts.account(invitation.account)
        is_member = account is not None and self.users.membership(account.uuid, user.id) is not None
        if account is None or is_member or not self._may_invite(account.uuid, invitation.invited_by):
            self.users.withdraw(invitation)
        elif len(self.users.accounts_of(user.id)) < MEMBERSHIPS_LIMIT:
            membership = Membership(account.uuid, user.id, invitation.role, user.email, user.name, self.now())
            self.users.join(membership, invitation, account)

    def _open_account(self, user: User) -> tuple[User, Account]:
        """Make an account of which the user is the owner; raises StaleWrite if another sign-in has made one."""
        now = self.now()
        account = Account(str(uuid.uuid4()), user.shown_name, Subscription(self.default_plan), now)
        membership = Membership(account.uuid, user.id, Role.OWNER, user.email, user.name, now)
        return self.users.open_account(user, account, membership), account

    def get(self, user: str) -> User:
        found = self.users.user(user)
        if found is None:
            raise NotFound("There is no such user.")
        return found

    def all(self) -> Iterator[User]:
        return self.users.all()

    def accounts_of(self, user: str) -> list[tuple[Account, Role]]:
        """The accounts that the user belongs to, those that are being deleted left out, and the user's role in each.

        The one joined first is the first.
        """
        return [(account, membership.role) for account, membership in self._memberships(user)]

    def joined_since(self, user: str, moment: datetime) -> list[Account]:
        """The accounts that the user has joined, or opened, since a moment."""
        return [account for account, membership in self._memberships(user) if membership.joined_at >= moment]

    def _memberships(self, user: str) -> list[tuple[Account, Membership]]:
        open_ones = [pair for pair in self.users.memberships(user) if pair[0].deleted_at is None]
        return sorted(open_ones, key=lambda pair: (pair[1].joined_at, pair[0].uuid))

    def members(self, account: str) -> list[Membership]:
        """Owners first, then by name."""
        return sorted(
            self.users.members(account),
            key=lambda member: (member.role is not Role.OWNER, (member.name or member.email).casefold(), member.user),
        )

    def invitations(self, account: str) -> list[Invitation]:
        """Those that may be joined now, the oldest first.

        One that is neither joined nor expired, but made by who is disabled or no owner any more, is not among them.
        """
        return self._split_invitations(account)[0]

    def _split_invitations(self, account: str) -> tuple[list[Invitation], list[Invitation]]:
        """The account's invitations that may be joined, the oldest first, and those that may not."""
        stored, now = self.users.invitations(account), self.now()
        makers = {maker: self._may_invite(account, maker) for maker in {each.invited_by for each in stored}}
        stored.sort(key=lambda invitation: (invitation.created_at, invitation.email))
        open_ones = [each for each in stored if each.expires_at > now and makers[each.invited_by]]
        return open_ones, [each for each in stored if each not in open_ones]

    def invite(self, account: str, email: str, role: Role, by: User | None) -> Invitation:
        """Invite an address, or renew its invitation.

        The account's invitations that may not be joined are withdrawn: they would come back with their makers.

        Args:
            by: the owner who invites; None for administration.

        Raises:
            NotFound: there is no such account.
            Forbidden: the user is no owner any more, or is disabled.
            InvalidRequest: this is no address.
            Conflict: a member has it.
            QuotaExceeded: the account has 50 members, invitations included.
        """
        invitation = Invitation(account, parse_email(email), role, by.id if by else None, self.now())

        def invite() -> Invitation:
            current = self._account(account)
            if not self._may_invite(account, invitation.invited_by):
                raise Forbidden(refusal(Permission.MEMBERS))
            members, (invited, ended) = self.users.members(account), self._split_invitations(account)
            for other in ended:
                self.users.withdraw(other)
            if any(member.email == invitation.email for member in members):
                raise Conflict("This address is a member's already.")
            others = [other for other in invited if other.email != invitation.email]
            if len(members) + len(others) >= MEMBERS_LIMIT:
                raise QuotaExceeded(f"An account has at most {MEMBERS_LIMIT} members, invitations included.")
            self.users.invite(invitation, current)
            return invitation

        return self._attempt(invite)

    def withdraw(self, account: str, email: str) -> None:
        """Raises NotFound if the address is not invited."""

        def withdraw() -> None:
            found = [invitation for invitation in self.users.invitations(account) if invitation.email == email]
            if not found:
                raise NotFound("There is no such invitation.")
            self.users.withdraw(found[0])

        self._attempt(withdraw)

    def change_role(self, account: str, user: str, role: Role) -> list[str]:
        """Change a member's role; one that may make no tokens that do everything loses those that they have made.

        All that descend from these go, too, as when the member leaves.

        Returns: the digests of the tokens.

        Raises:
            NotFound: the user is no member.
            Conflict: the account would have no owner.
        """

        def change() -> list[str]:
            current = self._account(account)
            membership = self._replaceable(account, user, role)
            tokens: list[Token] = []
            if not permits(role, Permission.TOKENS):
                tokens = tokens_of_user(user, self.accounts.tokens(account), Scope.ADMIN)
            self.users.change_role(membership, role, current, tokens)
            return [token.digest for token in tokens]

        return self._attempt(change)

    def remove_member(self, account: str, user: str) -> list[str]:
        """Remove a member with the tokens that they have made, and all that descend from these.

        Returns: the digests of the tokens.

        Raises:
            NotFound: the user is no member.
            Conflict: the account would have no owner.
        """

        def remove() -> list[str]:
            current = self._account(account)
            membership = self._replaceable(account, user, None)
            tokens = tokens_of_user(user, self.accounts.tokens(account))
            self.users.leave(membership, current, tokens)
            return [token.digest for token in tokens]

        return self._attempt(remove)

    def _replaceable(self, account: str, user: str, role: Role | None) -> Membership:
        """The membership, if the user may take this role, or none."""
        members = self.users.members(account)
        membership = next((member for member in members if member.user == user), None)
        if membership is None:
            raise NotFound("There is no such member.")
        owners = [member for member in members if member.role is Role.OWNER]
        if role is not Role.OWNER and owners == [membership]:
            raise Conflict("An account has an owner. Make another member one first.")
        return membership

    def _account(self, account: str) -> Account:
        found = self.accounts.account(account)
        if found is None or found.deleted_at is not None:
            raise NotFound("There is no such account.")
        return found

    def work_in(self, user: User, account: str) -> None:
        """Remember in which account the user works, for the next sign-in."""
        self._attempt(lambda: self.users.change(self.get(user.id), account=account))

    def disable(self, user: str) -> int:
        """Refuse the user's sessions and sign-ins from now on, and revoke the tokens that they have made anywhere.

        It may be interrupted and repeated.

        Returns: how many tokens were revoked, those that descend from the user's among them.

        Raises:
            NotFound: there is no such user.
        """
        self._attempt(lambda: self.users.change(self.get(user), disabled_at=self.now()))
        return sum(
            self._attempt(partial(self._revoke_tokens, account, user)) for account in self.users.accounts_of(user)
        )

    def _revoke_tokens(self, account: str, user: str) -> int:
        current = self.accounts.account(account)
        if current is None or current.deleted_at is not None:
            return 0  # its tokens went when its deletion began
        tokens = tokens_of_user(user, self.accounts.tokens(account))
        if tokens:
            self.accounts.remove_tokens(tokens, current)
        return len(tokens)

    def enable(self, user: str) -> None:
        self._attempt(lambda: self.users.change(self.get(user), disabled_at=None))

    def _attempt(self, change: Callable[[], Changed]) -> Changed:
        for _ in range(WRITE_ATTEMPTS):
            try:
                return change()
            except StaleWrite:
                continue
        raise Conflict("This is being changed by another request. Try again in a moment.")


def _uninvited() -> Forbidden:
    return Forbidden("Signing up is by invitation. Ask an owner of an account to invite your address.")

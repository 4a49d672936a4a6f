"""The contract of users, memberships, invitations and sessions: one suite, on the fakes and on the emulator."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.accounts import DynamoDBAccounts
from chalicelib.adapters.dynamodb.sessions import DynamoDBSessions
from chalicelib.adapters.dynamodb.users import DynamoDBUsers
from chalicelib.domain.accounts import TOKENS_LIMIT, Account, Scope, Subscription, Token
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.sessions import Session
from chalicelib.domain.users import Invitation, Membership, Role, User
from chalicelib.services.ports import Accounts, Sessions, Users
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.accounts import FakeAccounts
from tests.fakes.sessions import FakeSessions
from tests.fakes.users import FakeUsers


@dataclass(frozen=True)
class Stores:
    accounts: Accounts
    users: Users
    sessions: Sessions

    def account(self, account: Account) -> Account:
        """The account as it is stored now."""
        stored = self.accounts.account(account.uuid)
        assert stored is not None
        return stored


def a_user(name: str = "Nora Keller") -> User:
    return User(uuid4().hex, "https://issuer.example", uuid4().hex, f"{uuid4().hex}@example.com", name, NOW)


def a_session(user: User, account: str, seconds: int = 0) -> Session:
    moment = NOW + timedelta(seconds=seconds)
    return Session(user.id, uuid4().hex * 2, account, moment, moment, "192.0.2.1", "Firefox")


def member(account: Account, user: User, role: Role = Role.MEMBER) -> Membership:
    return Membership(account.uuid, user.id, role, user.email, user.name, NOW)


class UsersContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    def with_account(self, stores: Stores, user: User) -> tuple[User, Account]:
        stores.users.add(user)
        account = Account(str(uuid4()), user.name, Subscription("free"), NOW)
        return stores.users.open_account(user, account, member(account, user, Role.OWNER)), account

    def test_a_user_is_stored_once(self, stores: Stores):
        user = a_user()
        assert stores.users.user(user.id) is None
        stores.users.add(user)
        assert stores.users.user(user.id) == user
        with pytest.raises(StaleWrite):
            stores.users.add(user)
        assert user in list(stores.users.all())

    def test_a_change_of_a_user_who_has_changed_is_refused(self, stores: Stores):
        user = a_user()
        stores.users.add(user)
        disabled = stores.users.change(user, disabled_at=NOW, name="Jo")
        assert stores.users.user(user.id) == disabled
        assert disabled == replace(user, disabled_at=NOW, name="Jo", revision=1)
        with pytest.raises(StaleWrite):
            stores.users.change(user, name="Nora")
        enabled = stores.users.change(disabled, disabled_at=None)
        assert stores.users.user(user.id) == enabled == replace(disabled, disabled_at=None, revision=2)

    def test_one_of_two_first_sign_ins_opens_the_account(self, stores: Stores):
        user, account = self.with_account(stores, first := a_user())
        assert stores.users.user(user.id) == user == replace(first, account=account.uuid, revision=1)
        assert stores.accounts.account(account.uuid) == account
        assert stores.users.membership(account.uuid, user.id) == member(account, first, Role.OWNER)
        other = Account(str(uuid4()), "other", Subscription("free"), NOW)
        with pytest.raises(StaleWrite):
            stores.users.open_account(first, other, member(other, first, Role.OWNER))
        assert stores.accounts.account(other.uuid) is None
        assert stores.users.accounts_of(user.id) == [account.uuid]

    def test_an_invitation_is_found_by_account_and_address_and_becomes_a_membership(self, stores: Stores):
        owner, account = self.with_account(stores, a_user())
        guest = a_user("Jo")
        stores.users.add(guest)
        invitation = Invitation(account.uuid, guest.email, Role.MEMBER, owner.id, NOW)
        stores.users.invite(invitation, stores.account(account))
        assert stores.users.invitations(account.uuid) == [invitation]
        assert stores.users.invitations_to(guest.email) == [invitation]
        renewed = replace(invitation, role=Role.OWNER, created_at=NOW + timedelta(days=1))
        stores.users.invite(renewed, stores.account(account))
        assert stores.users.invitations_to(guest.email) == stores.users.invitations(account.uuid) == [renewed]
        stores.users.join(member(account, guest), renewed, stores.account(account))
        assert stores.users.invitations(account.uuid) == stores.users.invitations_to(guest.email) == []
        assert stores.users.membership(account.uuid, guest.id) == member(account, guest)
        assert {each.user for each in stores.users.members(account.uuid)} == {owner.id, guest.id}
        with pytest.raises(StaleWrite):
            stores.users.join(member(account, guest), renewed, stores.account(account))

    def test_a_withdrawn_invitation_is_found_no_more(self, stores: Stores):
        owner, account = self.with_account(stores, a_user())
        invitation = Invitation(account.uuid, "jo@example.com", Role.MEMBER, owner.id, NOW)
        stores.users.invite(invitation, stores.account(account))
        stores.users.withdraw(invitation)
        stores.users.withdraw(invitation)
        assert invitation not in stores.users.invitations_to("jo@example.com")
        assert stores.users.invitations(account.uuid) == []

    def test_an_invitation_that_was_renewed_meanwhile_is_not_withdrawn(self, stores: Stores):
        owner, account = self.with_account(stores, a_user())
        read = Invitation(account.uuid, "jo@example.com", Role.MEMBER, owner.id, NOW)
        stores.users.invite(read, stores.account(account))
        renewed = replace(read, created_at=NOW + timedelta(seconds=1))
        stores.users.invite(renewed, stores.account(account))
        with pytest.raises(StaleWrite):
            stores.users.withdraw(read)
        assert renewed in stores.users.invitations_to("jo@example.com")
        assert stores.users.invitations(account.uuid) == [renewed]

    def test_a_change_of_members_raises_the_revision_so_that_two_at_once_do_not_both_succeed(self, stores: Stores):
        owner, account = self.with_account(stores, a_user())
        other = a_user("Jo")
        stores.users.add(other)
        invitation = Invitation(account.uuid, other.email, Role.OWNER, owner.id, NOW)
        stores.users.invite(invitation, account)
        stores.users.join(member(account, other, Role.OWNER), invitation, stores.account(account))
        seen = stores.account(account)
        stores.users.change_role(member(account, other, Role.OWNER), Role.MEMBER, seen)
        with pytest.raises(StaleWrite):
            stores.users.leave(member(account, owner, Role.OWNER), seen)
        with pytest.raises(StaleWrite):
            stores.users.change_role(member(account, owner, Role.OWNER), Role.MEMBER, seen)
        with pytest.raises(StaleWrite):
            stores.users.invite(invitation, seen)
        assert stores.users.membership(account.uuid, other.id) == member(account, other, Role.MEMBER)
        stores.users.leave(member(account, other), stores.account(account))
        assert stores.users.membership(account.uuid, other.id) is None
        assert stores.users.accounts_of(other.id) == []

    def test_who_leaves_takes_tokens_along_in_one_transaction(self, stores: Stores):
        owner, account = self.with_account(stores, a_user())
        guest = a_user("Jo")
        stores.users.add(guest)
        invitation = Invitation(account.uuid, guest.email, Role.MEMBER, owner.id, NOW)
        stores.users.invite(invitation, account)
        stores.users.join(member(account, guest), invitation, stores.account(account))
        tokens = [
            Token(uuid4().hex, str(uuid4()), account.uuid, "n", Scope.READ, account.subscription, NOW, user=user)
            for user in (None, *[guest.id] * (TOKENS_LIMIT - 1))
        ]
        for token in tokens[:-1]:
            stores.accounts.add_token(token, stores.account(account))
        seen = stores.account(account)
        stores.accounts.add_token(tokens[-1], seen)
        with pytest.raises(StaleWrite):
            stores.users.leave(member(account, guest), seen, tokens[1:-1])
        assert len(stores.accounts.tokens(account.uuid)) == TOKENS_LIMIT
        assert stores.users.membership(account.uuid, guest.id) is not None
        stores.users.leave(member(account, guest), stores.account(account), tokens[1:])
        assert stores.accounts.tokens(account.uuid) == tokens[:1]
        assert {stores.accounts.token(token.digest) for token in tokens[1:]} == {None}
        assert stores.account(account).tokens == 1
        assert stores.users.membership(account.uuid, guest.id) is None

    def test_another_role_takes_tokens_along_in_one_transaction(self, stores: Stores):
        owner, account = self.with_account(stores, a_user())
        tokens = [
            Token(uuid4().hex, str(uuid4()), account.uuid, "n", Scope.ADMIN, account.subscription, NOW, user=owner.id)
            for _ in range(TOKENS_LIMIT)
        ]
        for token in tokens:
            stores.accounts.add_token(token, stores.account(account))
        with pytest.raises(StaleWrite):
            stores.users.change_role(member(account, owner, Role.OWNER), Role.MEMBER, account, tokens)
        assert len(stores.accounts.tokens(account.uuid)) == TOKENS_LIMIT
        seen = stores.account(account)
        stores.users.change_role(member(account, owner, Role.OWNER), Role.MEMBER, seen, tokens[1:])
        assert stores.accounts.tokens(account.uuid) == tokens[:1]
        assert stores.account(account).tokens == 1
        assert stores.users.membership(account.uuid, owner.id) == member(account, owner, Role.MEMBER)

    def test_mails_are_counted_by_account_and_day_up_to_a_limit(self, stores: Stores):
        _, account = self.with_account(stores, a_user())
        now = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
        assert [stores.users.count_mail(account.uuid, now, 2) for _ in range(4)] == [True, True, False, False]
        assert stores.users.count_mail(account.uuid, now, 3)
        assert stores.users.count_mail(str(uuid4()), now, 1)
        assert stores.users.count_mail(account.uuid, now + timedelta(minutes=1), 1)

    def test_accounts_are_read_with_the_memberships_in_them(self, stores: Stores):
        user, own = self.with_account(stores, a_user())
        owner, other = self.with_account(stores, a_user("Jo"))
        assert stores.users.memberships(a_user().id) == []
        assert stores.users.memberships(user.id) == [(own, member(own, user, Role.OWNER))]
        assert stores.users.in_account(user.id, own.uuid) == (own, member(own, user, Role.OWNER))
        assert stores.users.in_account(user.id, other.uuid) == (other, None)
        assert stores.users.in_account(user.id, str(uuid4())) == (None, None)
        invitation = Invitation(other.uuid, user.email, Role.MEMBER, owner.id, NOW)
        stores.users.invite(invitation, other)
        stores.users.join(member(other, user), invitation, stores.account(other))
        stores.accounts.begin_deletion(stores.account(other), NOW)
        deleted = stores.account(other)
        found = stores.users.memberships(user.id)
        assert sorted(found, key=lambda pair: pair[0].deleted_at is not None) == [
            (own, member(own, user, Role.OWNER)),
            (deleted, member(other, user)),
        ]
        assert stores.users.in_account(user.id, other.uuid) == (deleted, member(other, user))

    def test_a_membership_is_described_anew_but_not_made(self, stores: Stores):
        user, account = self.with_account(stores, a_user())
        described = replace(member(account, user, Role.OWNER), email="new@example.com", name="")
        stores.users.describe(described)
        assert stores.users.membership(account.uuid, user.id) == described
        stranger = member(account, a_user())
        stores.users.describe(stranger)
        assert stores.users.members(account.uuid) == [described]

    def test_a_cleared_account_takes_along_who_belongs_to_no_other(self, stores: Stores):
        user, account = self.with_account(stores, a_user())
        guest, own = self.with_account(stores, a_user("Jo"))
        invitation = Invitation(account.uuid, guest.email, Role.MEMBER, user.id, NOW)
        stores.users.invite(invitation, stores.account(account))
        stores.users.join(member(account, guest), invitation, stores.account(account))
        stores.users.invite(replace(invitation, email="third@example.com"), stores.account(account))
        sessions = [a_session(user, account.uuid) for _ in range(30)]
        for session in sessions:
            stores.sessions.add(session)
        stores.sessions.add(kept := a_session(guest, own.uuid))
        for _ in range(2):
            stores.users.clear_account(account.uuid)
            assert stores.users.user(user.id) is None
            assert stores.sessions.of_user(user.id) == []
            assert stores.users.members(account.uuid) == stores.users.invitations(account.uuid) == []
            assert account.uuid not in {each.account for each in stores.users.invitations_to("third@example.com")}
            assert stores.users.user(guest.id) == guest
            assert stores.users.accounts_of(guest.id) == [own.uuid]
            assert stores.sessions.of_user(guest.id) == [kept]

    def test_an_invitation_that_was_withdrawn_or_changed_meanwhile_is_not_joined(self, stores: Stores):
        owner, account = self.with_account(stores, a_user())
        guest = a_user("Jo")
        stores.users.add(guest)
        read = Invitation(account.uuid, guest.email, Role.OWNER, owner.id, NOW)
        stores.users.invite(read, stores.account(account))
        stores.users.withdraw(read)
        with pytest.raises(StaleWrite):
            stores.users.join(member(account, guest, Role.OWNER), read, stores.account(account))
        changes = {"role": Role.MEMBER}, {"created_at": NOW + timedelta(seconds=1)}
        for renewed in (replace(read, **change) for change in changes):
            stores.users.invite(renewed, stores.account(account))
            with pytest.raises(StaleWrite):
                stores.users.join(member(account, guest, Role.OWNER), read, stores.account(account))
            assert stores.users.invitations_to(guest.email) == stores.users.invitations(account.uuid) == [renewed]
        assert stores.users.membership(account.uuid, guest.id) is None
        assert stores.users.accounts_of(guest.id) == []
        stores.users.join(member(account, guest, Role.OWNER), renewed, stores.account(account))
        stores.users.withdraw(renewed)
        assert stores.users.membership(account.uuid, guest.id) == member(account, guest, Role.OWNER)

    def test_a_cleared_account_leaves_a_disabled_user_disabled(self, stores: Stores):
        user, account = self.with_account(stores, a_user())
        disabled = stores.users.change(user, disabled_at=NOW)
        for _ in range(2):
            stores.users.clear_account(account.uuid)
            assert stores.users.user(user.id) == replace(disabled, account=None, revision=disabled.revision + 1)
            assert stores.users.accounts_of(user.id) == stores.users.members(account.uuid) == []

    def test_sessions_are_found_by_user_and_digest_and_listed(self, stores: Stores):
        user, account = a_user(), str(uuid4())
        one, two = a_session(user, account), a_session(user, account, 5)
        for session in (one, two):
            stores.sessions.add(session)
        assert stores.users.with_session(user.id, one.digest) == (None, one)
        stores.users.add(user)
        assert stores.users.with_session(user.id, one.digest) == (user, one)
        assert stores.users.with_session(user.id, uuid4().hex) == (user, None)
        assert stores.users.with_session(a_user().id, one.digest) == (None, None)
        assert sorted(stores.sessions.of_user(user.id), key=lambda session: session.created_at) == [one, two]
        stores.sessions.remove(user.id, [one.digest, two.digest])
        stores.sessions.remove(user.id, [])
        assert stores.sessions.of_user(user.id) == []

    def test_a_session_that_ended_is_neither_touched_nor_switched_into_being(self, stores: Stores):
        user, account, other = a_user(), str(uuid4()), str(uuid4())
        session = a_session(user, account)
        stores.sessions.add(session)
        used = replace(session, last_used=NOW + timedelta(hours=2))
        stores.sessions.touch(used)
        stores.sessions.switch(used, other)
        assert stores.sessions.of_user(user.id) == [replace(used, account=other)]
        stores.sessions.remove(user.id, [session.digest])
        stores.sessions.touch(used)
        stores.sessions.switch(used, account)
        assert stores.sessions.of_user(user.id) == []


class TestFakes(UsersContract):
    @pytest.fixture
    def stores(self) -> Stores:
        accounts, sessions = FakeAccounts(), FakeSessions()
        return Stores(accounts, FakeUsers(accounts, sessions), sessions)


class TestDynamoDBOnTheEmulator(UsersContract):
    @pytest.fixture
    def table(self, aws: Callable[..., Any]) -> str:
        return make_table(aws("dynamodb"), "AccountsTable")

    @pytest.fixture
    def stores(self, aws: Callable[..., Any], table: str) -> Stores:
        client = aws("dynamodb")
        return Stores(DynamoDBAccounts(client, table), DynamoDBUsers(client, table), DynamoDBSessions(client, table))

    def test_the_secret_of_a_session_and_its_account_s_members_are_stored_as_the_docs_say(
        self, aws: Callable[..., Any], stores: Stores, table: str
    ):
        user, account = self.with_account(stores, a_user())
        stores.sessions.add(session := a_session(user, account.uuid))
        items, _ = stores.accounts.items(account.uuid, None, 10)
        assert [item.key for item in items] == [f"member#{user.id}"]
        key = {"pk": {"S": f"user#{user.id}"}, "sk": {"S": f"session#{session.digest}"}}
        item = aws("dynamodb").get_item(TableName=table, Key=key)["Item"]
        assert int(item["purge_at"]["N"]) == int(session.expires_at.timestamp())

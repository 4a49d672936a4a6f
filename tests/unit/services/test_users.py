"""Signing in: accounts, invitations, members, and sessions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import Account, Caller, NewToken, Scope, Subscription, Token
from chalicelib.domain.collections import NewManagedCollection
from chalicelib.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.plans import PLANS
from chalicelib.domain.sessions import SessionKey
from chalicelib.domain.users import (
    INVITATION_LIFETIME,
    MEMBERS_LIMIT,
    Identity,
    Membership,
    Role,
    SignUp,
    User,
    parse_email,
)
from tests.fakes.application import CONFIG, FakeAdapters

NORA = Identity("https://issuer.example", "nora", "Nora@Example.com", True, "Nora Keller")
JO = Identity("https://issuer.example", "jo", "jo@example.com", True, "Jo")
SECOND = Identity("https://issuer.example", "second", "second@example.com", True, "Jo")


@pytest.fixture
def adapters() -> FakeAdapters:
    return FakeAdapters.fresh()


@pytest.fixture
def services(adapters: FakeAdapters) -> Services:
    return Services(CONFIG, adapters, adapters.clock)


def test_the_first_sign_in_makes_an_account_whose_owner_the_user_is(services: Services):
    user, account = services.users.sign_in(NORA)
    assert (user.email, user.name, account.name) == ("nora@example.com", "Nora Keller", "Nora Keller")
    assert account.subscription == Subscription("free")
    assert services.users.accounts_of(user.id) == [(account, Role.OWNER)]
    assert services.users.sign_in(NORA) == (user, account)


def test_the_plan_of_a_new_account_is_the_configured_one(adapters: FakeAdapters):
    services = Services(replace(CONFIG, default_plan="pro"), adapters, adapters.clock)
    assert services.users.sign_in(NORA)[1].subscription == Subscription("pro")


class OtherSignIn:
    """Users among whom another sign-in of the same user comes first, at one call."""

    def __init__(self, adapters: FakeAdapters, at: str) -> None:
        self._adapters = adapters
        self._at: str | None = at
        self.account: Account | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._adapters.users, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if name == self._at:
                self._at = None
                services = Services(CONFIG, self._adapters, self._adapters.clock)
                self.account = services.users.sign_in(NORA)[1]
            return method(*arguments, **named)

        return call


@pytest.mark.parametrize("at", ["add", "invitations_to", "memberships", "open_account"])
def test_two_first_sign_ins_at_once_make_one_account(adapters: FakeAdapters, at: str):
    racing = OtherSignIn(adapters, at)
    services = Services(CONFIG, replace(adapters, users=racing), adapters.clock)
    _, account = services.users.sign_in(NORA)
    assert account == racing.account
    assert len(adapters.accounts.stored) == 1


def test_an_address_and_a_name_follow_the_identity_provider(services: Services):
    user, account = services.users.sign_in(NORA)
    moved = services.users.sign_in(replace(NORA, email="n@new.example", name=" Nora\tMeier " + "x" * 200))[0]
    assert moved.id == user.id
    assert (moved.email, moved.name) == ("n@new.example", ("Nora Meier " + "x" * 200)[:100])
    (membership,) = services.users.members(account.uuid)
    assert (membership.email, membership.name) == (moved.email, moved.name)


def test_an_invited_user_has_an_account_of_their_own_all_the_same_and_begins_there(
    services: Services, adapters: FakeAdapters
):
    """Else an invitation that nobody asked for would make a new customer work in a stranger's account."""
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, " JO@example.com ", Role.MEMBER, owner)
    assert [invitation.email for invitation in services.users.invitations(account.uuid)] == ["jo@example.com"]
    jo, own = services.users.sign_in(JO)
    assert services.users.invitations(account.uuid) == []
    assert {(found.uuid, role) for found, role in services.users.accounts_of(jo.id)} == {
        (own.uuid, Role.OWNER),
        (account.uuid, Role.MEMBER),
    }
    assert own.uuid != account.uuid
    assert len(adapters.accounts.stored) == 2
    assert services.users.sign_in(JO)[1].uuid == own.uuid


def test_by_invitation_an_invited_user_joins_and_gets_no_account_besides(services: Services, adapters: FakeAdapters):
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.MEMBER, owner)
    by_invitation = Services(replace(CONFIG, sign_up=SignUp.INVITATION), adapters, adapters.clock)
    jo, joined = by_invitation.users.sign_in(JO)
    assert (joined.uuid, services.users.invitations(account.uuid)) == (account.uuid, [])
    assert [(member.user, member.role) for member in services.users.members(account.uuid)] == [
        (owner.id, Role.OWNER),
        (jo.id, Role.MEMBER),
    ]
    assert len(adapters.accounts.stored) == 1


def test_a_stranger_who_is_refused_leaves_nothing(adapters: FakeAdapters):
    services = Services(replace(CONFIG, sign_up=SignUp.INVITATION), adapters, adapters.clock)
    account = services.accounts.open("Northlight", Subscription("pro"))
    services.users.invite(account.uuid, JO.email, Role.MEMBER, None)
    adapters.clock.pass_by(timedelta(days=14))
    for identity in (NORA, JO, replace(JO, email_verified=False)):
        with pytest.raises(Forbidden, match="by invitation"):
            services.users.sign_in(identity)
    assert list(services.users.all()) == []


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("Jürgen@müller.example", "Jürgen@müller.example"),
        ('"a b"@Example.com', '"a b"@example.com'),
        ("root@localhost", "root@localhost"),
        ("jo\u200b@example.com", "jo\ufffd@example.com"),
        ("\udc00@example.com", "\ufffd@example.com"),
        ("J\u212a@example.com", "J\u212a@example.com"),
        ("x" * 300 + "@example.com", "x" * 253 + "…"),
    ],
)
def test_a_user_has_an_address_that_no_invitation_could_have(services: Services, address: str, stored: str):
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, "jk@example.com", Role.OWNER, owner)
    services.users.invite(account.uuid, "jo@example.com", Role.OWNER, owner)
    user, own = services.users.sign_in(replace(JO, email=address))
    assert user.email == stored
    assert services.users.accounts_of(user.id) == [(own, Role.OWNER)]


def test_an_address_that_is_not_verified_joins_nothing(services: Services):
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.OWNER, owner)
    _, other = services.users.sign_in(replace(JO, email_verified=False))
    assert other.uuid != account.uuid
    assert len(services.users.members(account.uuid)) == 1


def test_an_invitation_ends_after_two_weeks(services: Services, adapters: FakeAdapters):
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.OWNER, owner)
    adapters.clock.pass_by(timedelta(days=14))
    assert services.users.invitations(account.uuid) == []
    assert services.users.sign_in(JO)[1].uuid != account.uuid
    assert adapters.users.invited == {}


def test_by_invitation_only_the_invited_sign_up(adapters: FakeAdapters):
    services = Services(replace(CONFIG, sign_up=SignUp.INVITATION), adapters, adapters.clock)
    with pytest.raises(Forbidden, match="by invitation"):
        services.users.sign_in(JO)
    founder, account = Services(CONFIG, adapters, adapters.clock).users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.MEMBER, founder)
    assert services.users.sign_in(JO)[1].uuid == account.uuid


def test_a_user_comes_back_to_the_account_last_worked_in(services: Services):
    owner, account = services.users.sign_in(NORA)
    jo, own = services.users.sign_in(JO)
    services.users.invite(account.uuid, JO.email, Role.MEMBER, owner)
    assert services.users.sign_in(JO)[1].uuid == own.uuid
    services.users.work_in(jo, account.uuid)
    assert services.users.sign_in(JO)[1].uuid == account.uuid
    services.users.remove_member(account.uuid, jo.id)
    assert services.users.sign_in(JO)[1].uuid == own.uuid


def test_who_belongs_to_no_account_any_more_gets_a_new_one(services: Services):
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.MEMBER, owner)
    jo, _ = services.users.sign_in(JO)
    services.users.remove_member(account.uuid, jo.id)
    assert services.users.sign_in(JO)[1].uuid != account.uuid


def test_a_disabled_user_neither_signs_in_nor_goes_on(services: Services):
    user, account = services.users.sign_in(NORA)
    key = services.sessions.begin(user, account, address="192.0.2.1", agent="")
    services.users.disable(user.id)
    with pytest.raises(Forbidden, match="disabled"):
        services.users.sign_in(NORA)
    assert services.sessions.find(key.cookie) is None
    services.users.enable(user.id)
    assert services.sessions.find(key.cookie) is not None


def test_an_account_keeps_an_owner(services: Services):
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.MEMBER, owner)
    jo, _ = services.users.sign_in(JO)
    for change in (
        lambda: services.users.change_role(account.uuid, owner.id, Role.MEMBER),
        lambda: services.users.remove_member(account.uuid, owner.id),
    ):
        with pytest.raises(Conflict, match="an owner"):
            change()
    services.users.change_role(account.uuid, owner.id, Role.OWNER)
    services.users.change_role(account.uuid, jo.id, Role.OWNER)
    services.users.remove_member(account.uuid, owner.id)
    assert [member.user for member in services.users.members(account.uuid)] == [jo.id]
    with pytest.raises(NotFound):
        services.users.remove_member(account.uuid, owner.id)


def test_who_is_no_owner_any_more_loses_the_tokens_that_do_everything_and_what_these_have_made(services: Services):
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.OWNER, owner)
    jo, _ = services.users.sign_in(JO)

    def made(user: User | None, scope: Scope, maker: Token | None = None) -> Token:
        new = NewToken("n", scope)
        return services.accounts.issue_token(account.uuid, new, maker, user.id if user else None)[1]

    ruling, kept = made(jo, Scope.ADMIN), [made(jo, Scope.WRITE), made(owner, Scope.ADMIN), made(None, Scope.ADMIN)]
    lost = [ruling, made(None, Scope.SEARCH, ruling)]
    assert services.users.change_role(account.uuid, jo.id, Role.OWNER) == []
    digests = services.users.change_role(account.uuid, jo.id, Role.MEMBER)
    assert sorted(digests) == sorted(token.digest for token in lost)
    assert {token.id for token in services.accounts.tokens(account.uuid)} == {token.id for token in kept}
    for scope in Scope:
        if scope is Scope.ADMIN:
            with pytest.raises(Forbidden, match="Only an owner"):
                made(jo, scope)
        else:
            assert made(jo, scope).user == jo.id


def test_a_member_revokes_their_own_tokens_alone_and_an_owner_all(services: Services):
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.MEMBER, owner)
    jo, _ = services.users.sign_in(JO)
    issue, revoke = services.accounts.issue_token, services.accounts.revoke_token
    own, others = (
        [issue(account.uuid, NewToken("n", Scope.READ), user=user)[1] for _ in range(2)] for user in (jo.id, owner.id)
    )
    nobodys = issue(account.uuid, NewToken("n", Scope.READ))[1]
    for token in (*others, nobodys):
        with pytest.raises(Forbidden, match="Only an owner"):
            revoke(account.uuid, token.id, user=jo.id)
    assert revoke(account.uuid, own[0].id, user=jo.id) == [own[0].digest]
    for token in (own[1], *others, nobodys):
        assert revoke(account.uuid, token.id, user=owner.id) == [token.digest]
    assert services.accounts.tokens(account.uuid) == []


LOSSES: list[Callable[[Services, str, str], object]] = [
    lambda services, account, user: services.users.remove_member(account, user),
    lambda services, account, user: services.users.change_role(account, user, Role.MEMBER),
    lambda services, _, user: services.users.disable(user),
]
losses = pytest.mark.parametrize("lose", LOSSES, ids=["removed", "demoted", "disabled"])


@losses
@pytest.mark.parametrize("sign_up", [SignUp.OPEN, SignUp.INVITATION])
def test_an_invitation_ends_when_its_maker_may_invite_nobody_any_more(
    services: Services, adapters: FakeAdapters, lose: Callable[[Services, str, str], object], sign_up: SignUp
):
    """Else an owner who expects to be removed would come back by another address."""
    _, jo, account, _ = team(services)
    services.users.invite(account.uuid, SECOND.email, Role.OWNER, jo)
    services.users.invite(account.uuid, "third@example.com", Role.OWNER, None)
    lose(services, account.uuid, jo.id)
    later = Services(replace(CONFIG, sign_up=sign_up), adapters, adapters.clock)
    if sign_up is SignUp.INVITATION:
        with pytest.raises(Forbidden, match="by invitation"):
            later.users.sign_in(SECOND)
    else:
        assert later.users.sign_in(SECOND)[1].uuid != account.uuid
    assert [left.email for left in later.users.invitations(account.uuid)] == ["third@example.com"]
    third, _ = later.users.sign_in(replace(SECOND, subject="third", email="third@example.com"))
    assert adapters.users.membership(account.uuid, third.id) is not None


@losses
def test_an_invitation_that_nobody_can_join_is_not_listed_and_goes_with_the_next_one(
    services: Services, adapters: FakeAdapters, lose: Callable[[Services, str, str], object]
):
    nora, jo, account, _ = team(services)
    services.users.invite(account.uuid, SECOND.email, Role.MEMBER, jo)
    lose(services, account.uuid, jo.id)
    assert services.users.invitations(account.uuid) == []
    services.users.invite(account.uuid, "third@example.com", Role.MEMBER, nora)
    assert [left.email for left in adapters.users.invitations(account.uuid)] == ["third@example.com"]


@losses
def test_who_may_invite_nobody_any_more_is_refused_also_when_the_request_was_let_in_before(
    services: Services, lose: Callable[[Services, str, str], object]
):
    _, jo, account, _ = team(services)
    lose(services, account.uuid, jo.id)
    with pytest.raises(Forbidden, match="Only an owner"):
        services.users.invite(account.uuid, SECOND.email, Role.OWNER, jo)
    assert services.users.invitations(account.uuid) == []


@pytest.mark.parametrize("at", ["invite", "join"])
@pytest.mark.parametrize("lose", LOSSES[:2], ids=["removed", "demoted"])
def test_an_owner_who_is_removed_while_an_invitation_is_written_or_joined_lets_nobody_in(
    services: Services, adapters: FakeAdapters, lose: Callable[[Services, str, str], object], at: str
):
    _, jo, account, _ = team(services)
    racing = Services(
        CONFIG,
        replace(adapters, users=OtherOwner(adapters, lambda other: lose(other, account.uuid, jo.id), at)),
        adapters.clock,
    )
    if at == "invite":
        with pytest.raises(Forbidden, match="Only an owner"):
            racing.users.invite(account.uuid, SECOND.email, Role.OWNER, jo)
    else:
        racing.users.invite(account.uuid, SECOND.email, Role.OWNER, jo)
    second, _ = racing.users.sign_in(SECOND)
    assert adapters.users.membership(account.uuid, second.id) is None


@pytest.mark.parametrize("role", Role)
def test_a_token_deletes_a_collection_only_while_its_maker_may(services: Services, role: Role):
    owner, account = services.users.sign_in(NORA)
    services.accounts.set_subscription(account.uuid, Subscription("business"))
    services.users.invite(account.uuid, JO.email, role, owner)
    jo, _ = services.users.sign_in(JO)
    token = services.accounts.issue_token(account.uuid, NewToken("n", Scope.WRITE), user=jo.id)[1]
    caller = Caller(account.uuid, PLANS["business"], token)
    made = [services.collections.create(caller, NewManagedCollection(f"{n}")).collection for n in range(3)]
    services.users.change_role(account.uuid, jo.id, Role.MEMBER)
    with pytest.raises(Forbidden, match="deletes collections"):
        services.collections.delete(caller, made[0])
    services.users.change_role(account.uuid, jo.id, Role.OWNER)
    services.collections.delete(caller, made[0])
    nobodys = services.accounts.issue_token(account.uuid, NewToken("n", Scope.WRITE))[1]
    services.collections.delete(replace(caller, token=nobodys), made[1])
    services.users.remove_member(account.uuid, jo.id)
    with pytest.raises(Forbidden, match="do not belong"):
        services.collections.delete(caller, made[2])
    assert [each.uuid for each in services.collections.all(account.uuid)] == [made[2].uuid]


def test_an_account_has_at_most_fifty_members_and_invitations(services: Services):
    owner, account = services.users.sign_in(NORA)
    for number in range(MEMBERS_LIMIT - 1):
        services.users.invite(account.uuid, f"{number}@example.com", Role.MEMBER, owner)
    with pytest.raises(QuotaExceeded):
        services.users.invite(account.uuid, "one-more@example.com", Role.MEMBER, owner)
    assert services.users.invite(account.uuid, "0@example.com", Role.OWNER, owner).role is Role.OWNER
    with pytest.raises(Conflict):
        services.users.invite(account.uuid, NORA.email, Role.MEMBER, owner)
    services.users.withdraw(account.uuid, "0@example.com")
    with pytest.raises(NotFound):
        services.users.withdraw(account.uuid, "0@example.com")


@pytest.mark.parametrize("text", ["", "nora", "nora@", "@b.example", "a b@b.example", "a@b", None, "é@b.example"])
def test_what_is_no_address_is_refused(text: object):
    with pytest.raises(InvalidRequest) as refused:
        parse_email(text)
    assert refused.value.field == "email"


class Stale:
    """Users whose changes are always too late."""

    def __init__(self, users: Any) -> None:
        self._users = users

    def change(self, user: User, **changes: Any) -> User:
        raise StaleWrite

    def __getattr__(self, name: str) -> Any:
        return getattr(self._users, name)


def test_a_change_gives_up_where_others_always_come_first(adapters: FakeAdapters, services: Services):
    user, _ = services.users.sign_in(NORA)
    stale = Services(CONFIG, replace(adapters, users=Stale(adapters.users)), adapters.clock)
    with pytest.raises(Conflict, match="Try again"):
        stale.users.disable(user.id)


# Sessions.


@pytest.fixture
def signed_in(services: Services) -> tuple[User, Account, SessionKey]:
    user, account = services.users.sign_in(NORA)
    return user, account, services.sessions.begin(user, account, address="192.0.2.1", agent="Firefox")


def test_a_cookie_finds_its_session_and_only_the_digest_is_stored(
    services: Services, adapters: FakeAdapters, signed_in: tuple[User, Account, SessionKey]
):
    user, account, key = signed_in
    found = services.sessions.find(key.cookie)
    assert found is not None
    assert (found.user, found.account, found.role, found.plan.name) == (user, account, Role.OWNER, "free")
    assert key.secret not in repr(adapters.sessions.stored)
    other = services.sessions.begin(user, account, address="192.0.2.1", agent="Firefox")
    assert other.secret != key.secret


def test_another_cookie_finds_nothing(services: Services, signed_in: tuple[User, Account, SessionKey]):
    user, account, key = signed_in
    other = services.sessions.begin(user, account, address="192.0.2.1", agent="")
    wrong = SessionKey(key.user, SessionKey.new(key.user).secret), SessionKey("0" * 32, other.secret)
    for cookie in (*(each.cookie for each in wrong), key.cookie[:-1], key.cookie + "A", key.secret, "", None):
        assert services.sessions.find(cookie) is None


def test_a_session_ends_two_weeks_after_its_last_use(
    services: Services, adapters: FakeAdapters, signed_in: tuple[User, Account, SessionKey]
):
    _, _, key = signed_in
    for _ in range(3):
        adapters.clock.pass_by(timedelta(days=13, hours=23))
        assert services.sessions.find(key.cookie) is not None
    adapters.clock.pass_by(timedelta(days=14))
    assert services.sessions.find(key.cookie) is None
    assert services.sessions.of_user(key.user) == []


def test_the_last_use_is_written_at_most_once_an_hour(
    services: Services, adapters: FakeAdapters, signed_in: tuple[User, Account, SessionKey]
):
    before = adapters.sessions.writes
    for _ in range(120):
        adapters.clock.pass_by(timedelta(minutes=1))
        services.sessions.find(signed_in[2].cookie)
    assert adapters.sessions.writes - before == 2


def test_a_session_works_in_the_account_that_its_user_switches_to(services: Services):
    owner, account = services.users.sign_in(NORA)
    jo, own = services.users.sign_in(JO)
    services.users.invite(account.uuid, JO.email, Role.MEMBER, owner)
    services.users.sign_in(JO)
    key = services.sessions.begin(jo, own, address="192.0.2.1", agent="")
    found = services.sessions.find(key.cookie)
    assert found is not None
    services.sessions.switch(found, account.uuid)
    found = services.sessions.find(key.cookie)
    assert found is not None
    assert (found.account.uuid, found.role) == (account.uuid, Role.MEMBER)
    services.users.remove_member(account.uuid, jo.id)
    assert services.sessions.find(key.cookie) is None
    with pytest.raises(NotFound):
        services.sessions.switch(found, services.users.sign_in(replace(NORA, subject="third", email="t@b.cc"))[1].uuid)


def test_sessions_are_listed_and_ended(services: Services, signed_in: tuple[User, Account, SessionKey]):
    user, account, key = signed_in
    others = [services.sessions.begin(user, account, address="", agent="x" * 999) for _ in range(3)]
    listed = services.sessions.of_user(user.id)
    assert {session.digest for session in listed} == {each.digest for each in (key, *others)}
    assert max(len(session.agent) for session in listed) == 300
    services.sessions.end_one(user.id, others[0].digest[:32])
    assert services.sessions.find(others[0].cookie) is None
    with pytest.raises(NotFound):
        services.sessions.end_one(user.id, others[0].digest[:32])
    found = services.sessions.find(key.cookie)
    assert found is not None
    assert services.sessions.end_others(found) == 2
    assert [session.digest for session in services.sessions.of_user(user.id)] == [key.digest]


def test_the_csrf_token_belongs_to_the_session():
    one, two = SessionKey.new("0" * 32), SessionKey.new("0" * 32)
    assert one.has_csrf_token(one.csrf_token)
    assert not one.has_csrf_token(two.csrf_token)
    assert one.secret not in one.csrf_token


def test_an_account_that_is_deleted_takes_its_sessions_along(services: Services, adapters: FakeAdapters):
    user, account = services.users.sign_in(NORA)
    key = services.sessions.begin(user, account, address="", agent="")
    services.account_deletion.begin(account.uuid)
    assert services.sessions.find(key.cookie) is None
    adapters.clock.pass_by(timedelta(hours=1))
    ((step, _),) = adapters.queues.deletions
    services.account_deletion.run(step, lambda: 60)
    assert (adapters.users.stored, adapters.users.joined, adapters.sessions.stored) == ({}, {}, {})


def test_a_disabled_user_stays_so_when_their_account_is_deleted(services: Services, adapters: FakeAdapters):
    user, account = services.users.sign_in(NORA)
    services.users.disable(user.id)
    services.account_deletion.begin(account.uuid)
    adapters.clock.pass_by(timedelta(hours=1))
    ((step, _),) = adapters.queues.deletions
    services.account_deletion.run(step, lambda: 60)
    assert adapters.accounts.stored == {}
    with pytest.raises(Forbidden, match="disabled"):
        services.users.sign_in(NORA)
    services.users.enable(user.id)
    assert services.users.sign_in(NORA)[1].uuid != account.uuid


class OtherOwner:
    """Users among whom an owner changes something right before a user joins, or before another write."""

    def __init__(self, adapters: FakeAdapters, change: Callable[[Services], object], at: str = "join") -> None:
        self._adapters = adapters
        self._at = at
        self._change: Callable[[Services], object] | None = change

    def __getattr__(self, name: str) -> Any:
        if name == self._at and self._change is not None:
            change, self._change = self._change, None
            change(Services(CONFIG, self._adapters, self._adapters.clock))
        return getattr(self._adapters.users, name)


def test_an_owners_last_word_on_an_invitation_counts_at_a_sign_in_of_the_same_moment(
    services: Services, adapters: FakeAdapters
):
    owner, account = services.users.sign_in(NORA)
    for word, role in (
        (lambda other: other.users.withdraw(account.uuid, JO.email), None),
        (lambda other: other.users.invite(account.uuid, JO.email, Role.MEMBER, owner), Role.MEMBER),
    ):
        services.users.invite(account.uuid, JO.email, Role.OWNER, owner)
        racing = Services(CONFIG, replace(adapters, users=OtherOwner(adapters, word)), adapters.clock)
        jo, _ = racing.users.sign_in(JO)
        found = adapters.users.membership(account.uuid, jo.id)
        assert (found.role if found else None) is role


@pytest.mark.parametrize("word", ["invite", "withdraw"])
def test_an_invitation_that_is_renewed_while_the_old_one_is_withdrawn_stays_or_is_withdrawn_knowingly(
    services: Services, adapters: FakeAdapters, word: str
):
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.MEMBER, owner)
    adapters.clock.pass_by(INVITATION_LIFETIME)
    race = OtherOwner(adapters, lambda other: other.users.invite(account.uuid, JO.email, Role.OWNER, owner), "withdraw")
    racing = Services(CONFIG, replace(adapters, users=race), adapters.clock)
    if word == "invite":
        racing.users.invite(account.uuid, SECOND.email, Role.MEMBER, owner)
        assert {each.email for each in services.users.invitations(account.uuid)} == {JO.email, SECOND.email}
    else:
        racing.users.withdraw(account.uuid, JO.email)
        assert services.users.invitations(account.uuid) == []


# Tokens of users.


def team(services: Services) -> tuple[User, User, Account, Account]:
    """An owner, a member, the account of both, and the member's own."""
    owner, account = services.users.sign_in(NORA)
    services.users.invite(account.uuid, JO.email, Role.OWNER, owner)
    jo, own = services.users.sign_in(JO)
    return owner, jo, account, own


def tokens_in(services: Services, account: Account) -> set[str]:
    return {token.name for token in services.accounts.tokens(account.uuid)}


def make_tokens(services: Services, account: Account, *users: User) -> None:
    """A token of each user, named after them, and one that it makes; and one of the operator."""
    services.accounts.issue_token(account.uuid, NewToken("operator", Scope.ADMIN))
    for user in users:
        _, token = services.accounts.issue_token(account.uuid, NewToken(user.name, Scope.ADMIN), user=user.id)
        services.accounts.issue_token(account.uuid, NewToken(f"{user.name}'s child", Scope.READ), token)


def test_a_member_who_is_removed_takes_along_the_tokens_that_they_made(services: Services, adapters: FakeAdapters):
    owner, jo, account, own = team(services)
    make_tokens(services, account, owner, jo)
    make_tokens(services, own, jo)
    digests = services.users.remove_member(account.uuid, jo.id)
    assert len(digests) == 2
    assert not set(digests) & set(adapters.accounts.issued)
    assert tokens_in(services, account) == {"operator", "Nora Keller", "Nora Keller's child"}
    assert tokens_in(services, own) == {"operator", "Jo", "Jo's child"}
    with pytest.raises(Forbidden, match="any more"):
        services.accounts.issue_token(account.uuid, NewToken("late", Scope.READ), user=jo.id)


def test_a_disabled_user_takes_along_the_tokens_that_they_made_in_every_account(services: Services):
    owner, jo, account, own = team(services)
    make_tokens(services, account, owner, jo)
    make_tokens(services, own, jo)
    assert services.users.disable(jo.id) == 4
    assert services.users.disable(jo.id) == 0
    assert tokens_in(services, account) == {"operator", "Nora Keller", "Nora Keller's child"}
    assert tokens_in(services, own) == {"operator"}
    with pytest.raises(Forbidden, match="any more"):
        services.accounts.issue_token(own.uuid, NewToken("late", Scope.READ), user=jo.id)


def test_the_owner_who_must_stay_keeps_their_tokens(services: Services):
    owner, account = services.users.sign_in(NORA)
    make_tokens(services, account, owner)
    with pytest.raises(Conflict, match="an owner"):
        services.users.remove_member(account.uuid, owner.id)
    assert len(tokens_in(services, account)) == 3


def test_members_are_listed_owners_first(services: Services, adapters: FakeAdapters):
    user, account = services.users.sign_in(NORA)
    for name in ("b", "A"):
        adapters.users.joined[account.uuid, name] = Membership(
            account.uuid, name, Role.MEMBER, f"{name}@example.com", name, user.created_at
        )
    assert [member.name for member in services.users.members(account.uuid)] == ["Nora Keller", "A", "b"]

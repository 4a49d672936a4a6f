"""What a member's role lets them do: the table of all pages and forms, and the application that keeps to it."""

import html
import re

import pytest

from chalicelib.domain.accounts import NewToken, Scope
from chalicelib.domain.permissions import PERMISSIONS, Permission, refusal
from chalicelib.domain.users import Role
from tests.fakes.pages import FakeBrowser
from tests.unit.dashboard.page_isolation import Kind, Party, Target, World, targets
from tests.unit.dashboard.test_isolation import CLOSED, name, send_all

# By method and path: the permission without which nobody has it; None if every member has it.
TABLE = {
    ("GET", "/"): None,
    ("GET", "/account"): None,
    ("GET", "/account/delete"): Permission.ACCOUNT,
    ("POST", "/account/delete"): Permission.ACCOUNT,
    ("GET", "/account/export"): Permission.ACCOUNT,
    ("POST", "/account/leave"): None,
    ("POST", "/account/members/invite"): Permission.MEMBERS,
    ("POST", "/account/members/withdraw"): Permission.MEMBERS,
    ("POST", "/account/members/{user}/remove"): Permission.MEMBERS,
    ("POST", "/account/members/{user}/role"): Permission.MEMBERS,
    ("POST", "/account/name"): Permission.ACCOUNT,
    ("POST", "/account/sessions/end-others"): None,
    ("POST", "/account/sessions/{session}/end"): None,
    ("POST", "/account/switch"): None,
    ("POST", "/account/tokens"): None,
    ("GET", "/account/tokens/new"): None,
    ("POST", "/account/tokens/{token}/revoke"): None,
    ("GET", "/account/webhooks"): Permission.WEBHOOKS,
    ("GET", "/account/webhooks/new"): Permission.WEBHOOKS,
    ("POST", "/account/webhooks/new"): Permission.WEBHOOKS,
    ("GET", "/account/webhooks/{webhook}"): Permission.WEBHOOKS,
    ("POST", "/account/webhooks/{webhook}/delete"): Permission.WEBHOOKS,
    ("POST", "/account/webhooks/{webhook}/deliveries/{delivery}"): Permission.WEBHOOKS,
    ("POST", "/account/webhooks/{webhook}/secret"): Permission.WEBHOOKS,
    ("POST", "/account/webhooks/{webhook}/switch"): Permission.WEBHOOKS,
    ("POST", "/account/webhooks/{webhook}/test"): Permission.WEBHOOKS,
    ("GET", "/collections"): None,
    ("GET", "/collections/connect"): None,
    ("POST", "/collections/connect"): None,
    ("GET", "/collections/connect/server"): None,
    ("POST", "/collections/connect/server"): None,
    ("GET", "/collections/connect/stack"): None,
    ("GET", "/collections/connect/template"): None,
    ("GET", "/collections/new"): None,
    ("POST", "/collections/new"): None,
    ("GET", "/collections/{uuid}"): None,
    ("POST", "/collections/{uuid}/delete"): Permission.COLLECTION_DELETION,
    ("GET", "/collections/{uuid}/explain"): None,
    ("GET", "/collections/{uuid}/failures"): None,
    ("POST", "/collections/{uuid}/failures"): None,
    ("GET", "/collections/{uuid}/removals"): None,
    ("GET", "/collections/{uuid}/settings"): None,
    ("POST", "/collections/{uuid}/settings"): None,
    ("GET", "/collections/{uuid}/sync"): None,
    ("POST", "/collections/{uuid}/sync"): None,
    ("GET", "/collections/{uuid}/upload"): None,
    ("POST", "/collections/{uuid}/upload"): None,
    ("POST", "/collections/{uuid}/uploads"): None,
    ("POST", "/collections/{uuid}/uploads/{id}"): None,
    ("GET", "/pictures/{uuid}"): None,
    ("POST", "/pictures/{uuid}/delete"): None,
    ("GET", "/pictures/{uuid}/similar"): None,
    ("POST", "/samples"): None,
    ("GET", "/samples/{uuid}"): None,
    ("POST", "/search-pictures"): None,
    ("GET", "/selection"): None,
    ("POST", "/selection/delete"): None,
    ("GET", "/upload"): None,
}
# Whose forms a member may send, but not with every content: tests below.
BY_CONTENT = {("POST", "/account/tokens"), ("POST", "/account/tokens/{token}/revoke")}
NEEDING = [target for target in CLOSED if target.options.needs is not None]
OPEN = [target for target in CLOSED if target.options.needs is None and (target.method, target.path) not in BY_CONTENT]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def unchanged_world() -> World:
    return World()


def party(world: World, user: str) -> Party:
    """A user of the victim's account with all that it has: its owner, or its member."""
    address = {"owner": "victim@example.com", "member": "member-of-victim@example.com"}[user]
    name = {"owner": "the victim itself", "member": "member of the victim"}[user]
    return Party(world.dashboard.signed_in(name, address), world.victim.ids, ())


def test_every_page_and_form_is_in_the_table_with_what_it_needs():
    found = {(t.method, t.path): t.options.needs for t in targets() if not t.options.public}
    assert found == TABLE
    assert {needs for needs in TABLE.values() if needs} == set(Permission) - {Permission.TOKENS}


@pytest.mark.parametrize("target", NEEDING, ids=name)
def test_a_member_is_refused_with_the_reason_what_needs_a_permission(unchanged_world: World, target: Target):
    assert target.options.needs is not None
    member = party(unchanged_world, "member")
    before = unchanged_world.state_of(unchanged_world.victim)
    for answer in send_all(member, target, target.filled(unchanged_world.victim.ids), {}):
        assert answer.status == 403
        assert refusal(target.options.needs) in html.unescape(answer.body)
    assert unchanged_world.state_of(unchanged_world.victim) == before


@pytest.mark.parametrize("user", ["owner", "member"])
@pytest.mark.parametrize("target", OPEN, ids=name)
def test_every_member_has_what_needs_no_permission(world: World, target: Target, user: str):
    for answer in send_all(party(world, user), target, target.filled(world.victim.ids), {})[:1]:
        assert answer.status != 403


@pytest.mark.parametrize("target", NEEDING, ids=name)
def test_an_owner_has_all(world: World, target: Target):
    answer = send_all(party(world, "owner"), target, target.filled(world.victim.ids), {})[0]
    assert answer.status != 403


def test_of_tokens_a_member_makes_none_that_does_everything_and_revokes_their_own(world: World):
    owner, member = party(world, "owner"), party(world, "member")
    accounts, account = world.dashboard.services.accounts, world.victim.ids[Kind.ACCOUNT]
    assert member.browser.user is not None
    _, own = accounts.issue_token(account, NewToken("own", Scope.READ), user=member.browser.user.id)
    assert member.browser.post("/account/tokens", {"name": "x", "scope": "admin"}).status == 403
    assert owner.browser.post("/account/tokens", {"name": "x", "scope": "admin"}).status == 200
    others = [token.id for token in accounts.tokens(account) if token.id != own.id]
    for token in others:
        assert member.browser.post(f"/account/tokens/{token}/revoke").status == 403
    assert revocable(member.browser) == {own.id}
    assert revocable(owner.browser) == {own.id, *others}
    assert member.browser.post(f"/account/tokens/{own.id}/revoke").status == 303
    assert {token.id for token in accounts.tokens(account)} == set(others)


def revocable(browser: FakeBrowser) -> set[str]:
    """The tokens beside which the page has a form that revokes them."""
    return set(re.findall(r'action="/live/account/tokens/([^/"]+)/revoke"', browser.get("/account").body))


@pytest.mark.parametrize("user", ["owner", "member"])
def test_a_page_shows_the_forms_and_links_that_work_for_who_looks_and_tells_the_others_why(world: World, user: str):
    looking = party(world, user)
    pages = [target for target in OPEN if target.method == "GET"]
    offered: set[tuple[str, str]] = set()
    texts = ""
    for page in pages:
        body = looking.send(page, page.filled(world.victim.ids), {}).body
        texts += html.unescape(body)
        offered |= {("POST", path) for path in re.findall(r'<form[^>]*action="/live(/[^"?#]*)[^>]*method="post"', body)}
        offered |= {("POST", path) for path in re.findall(r'<form[^>]*method="post"[^>]*action="/live(/[^"?#]*)', body)}
        offered |= {("GET", path) for path in re.findall(r'<a [^>]*href="/live(/[^"?#]*)', body)}
    needed = {needs for method, path in offered if (needs := needed_by(world, method, path)) is not None}
    if user == "owner":
        assert needed == set(TABLE.values()) - {None}
    else:
        assert needed == set()
        assert "Owners also delete collections" in texts
        assert "Only an owner of this account deletes collections" in texts


def needed_by(world: World, method: str, path: str) -> Permission | None:
    route, _ = world.dashboard.match(path)
    return TABLE.get((method, route))


def test_owners_have_every_permission_and_members_none():
    assert {Role.OWNER: frozenset(Permission), Role.MEMBER: frozenset()} == PERMISSIONS

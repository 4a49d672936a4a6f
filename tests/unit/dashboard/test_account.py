"""The account's page: plan, tokens, members, sessions, export and deletion."""

import html
import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.dashboard.agents import agent_name
from chalicelib.dashboard.usage import usage_of_plan
from chalicelib.domain.accounts import NewToken, Scope, Subscription
from chalicelib.domain.errors import Forbidden
from chalicelib.domain.plans import PLANS
from chalicelib.domain.users import Role
from tests.factories import NOW, a_collection
from tests.fakes.application import FakeAdapters
from tests.fakes.pages import FakeBrowser, FakeDashboard

FRAGMENT = {"hx-request": "true"}


@pytest.fixture
def owner(dashboard: FakeDashboard) -> FakeBrowser:
    return dashboard.signed_in("Nora Keller", plan="pro")


@pytest.fixture
def member(dashboard: FakeDashboard, owner: FakeBrowser) -> FakeBrowser:
    """A browser of a member of the owner's account."""
    return joined(dashboard, owner, "Jo", Role.MEMBER)


def joined(dashboard: FakeDashboard, owner: FakeBrowser, name: str, role: Role) -> FakeBrowser:
    assert owner.account is not None
    assert owner.user is not None
    email = f"{name.lower()}@example.com"
    dashboard.services.users.invite(owner.account.uuid, email, role, owner.user)
    browser = dashboard.signed_in(name, email)
    dashboard.let_work_in(browser, owner.account)
    return browser


def account(browser: FakeBrowser) -> str:
    assert browser.account is not None
    return browser.account.uuid


def user(browser: FakeBrowser) -> str:
    assert browser.user is not None
    return browser.user.id


def visible(page: str) -> str:
    """The text of a page, without tags."""
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def test_usage_is_told_in_words_and_bars_and_what_is_scarce_is_said():
    usage = {
        "files": 70_746,
        "bytes": 458 * 10**9,
        "collections": 6,
        "managed_bytes": 0,
        "uploads_a_month": 316,
        "webhooks": 1,
    }
    shown = {used.name: used for used in usage_of_plan(PLANS["pro"], usage, NOW)}
    assert [(used.title, used.said, used.share) for used in shown.values()] == [
        ("Pictures", "70,746 of 100,000", 71),
        ("Size of all pictures", "458 of 500 GB", 92),
        ("Collections", "6 of 10", 60),
        ("Stored by us", "0 of 50 GB", 0),
        ("Uploads in March", "316 of 10,000", 3),
        ("Webhooks", "1 of 5", 20),
    ]
    assert shown["bytes"].left == "42 GB left. What does not fit is listed as failed."
    assert shown["files"].left is None


def test_what_a_plan_does_not_have_is_no_bar_unless_it_is_used():
    usage = {"files": 0, "bytes": 0, "collections": 0, "managed_bytes": 0, "uploads_a_month": 0, "webhooks": 0}
    names = [used.name for used in usage_of_plan(PLANS["free"], usage, NOW)]
    assert names == ["files", "bytes", "collections"]
    (left,) = [used for used in usage_of_plan(PLANS["free"], usage | {"managed_bytes": 5}, NOW) if used.share == 100]
    assert left.left == "Nothing left. What does not fit is listed as failed."


def test_on_a_plan_without_the_api_tokens_need_pro(dashboard: FakeDashboard):
    browser = dashboard.signed_in(plan="free")
    assert "Tokens need Pro" in visible(browser.get("/account").body)
    assert "/account/tokens/new" not in browser.get("/account").body
    assert browser.get("/account/tokens/new").status == 403
    assert browser.post("/account/tokens", {"name": "x", "scope": "read"}).status == 403


def test_a_token_is_made_its_secret_shown_once_and_works(dashboard: FakeDashboard, owner: FakeBrowser):
    made = owner.post("/account/tokens", {"name": "<b>shop</b>", "scope": "read", "expires_at": "2030-01-01"})
    assert made.status == 200
    (secret,) = set(re.findall(r"smx_[A-Za-z0-9_-]{43}", made.body))
    assert f'curl -H "Authorization: Token {secret}"' in html.unescape(made.body)
    assert "<b>shop</b>" not in made.body
    caller = dashboard.services.authentication.authenticate(f"Token {secret}")
    assert (caller.account, caller.token and caller.token.scope) == (account(owner), Scope.READ)
    assert caller.token is not None
    assert caller.token.expires_at is not None
    assert caller.token.expires_at.isoformat() == "2030-01-02T00:00:00+00:00"
    page = owner.get("/account").body
    assert secret not in page
    assert "&lt;b&gt;shop&lt;/b&gt;" in page


def test_a_token_for_a_web_page_is_bound_to_collections_and_origins(
    dashboard: FakeDashboard, adapters: FakeAdapters, owner: FakeBrowser
):
    collection = a_collection(account=account(owner), name="Product shots")
    adapters.collections.stored[account(owner), collection.uuid] = collection
    form = {
        "name": "shop",
        "scope": "search",
        "collections": collection.uuid,
        "origins": "https://a.example https://b.example",
    }
    assert owner.post("/account/tokens", form).status == 200
    (token,) = dashboard.services.accounts.tokens(account(owner))
    assert (token.collections, token.origins) == ((collection.uuid,), ("https://a.example", "https://b.example"))
    assert "Product shots, from a.example, b.example" in visible(owner.get("/account").body)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": "", "scope": "read"}, "name"),
        ({"name": "x", "scope": "rule"}, "scope"),
        ({"name": "x", "scope": "read", "expires_at": "2001-01-01"}, "expires"),
        ({"name": "x", "scope": "read", "expires_at": "9999-12-31"}, "expires"),
        ({"name": "x", "scope": "read", "expires_at": "soon"}, "expires"),
        ({"name": "x", "scope": "search", "origins": "shop"}, "origins"),
        ({"name": "x", "scope": "write", "origins": "https://shop.example"}, "origins"),
    ],
)
def test_what_is_wrong_with_a_token_is_said_at_its_field(owner: FakeBrowser, form: dict[str, str], field: str):
    answer = owner.post("/account/tokens", form)
    assert answer.status == 400
    assert re.search(rf'<p class="wrong" id="{field}[-a-z]*">[^<]+</p>', answer.body)
    assert f'value="{form["name"]}"' in answer.body


def test_a_collection_of_another_account_binds_no_token(
    adapters: FakeAdapters, dashboard: FakeDashboard, owner: FakeBrowser
):
    strange = a_collection(account=account(dashboard.signed_in("A stranger")))
    adapters.collections.stored[strange.account, strange.uuid] = strange
    answer = owner.post("/account/tokens", {"name": "x", "scope": "search", "collections": strange.uuid})
    assert answer.status == 404
    assert dashboard.services.accounts.tokens(account(owner)) == []


def test_a_revoked_token_is_refused_at_once_and_leaves_the_list(dashboard: FakeDashboard, owner: FakeBrowser):
    services = dashboard.services
    secrets = [services.accounts.issue_token(account(owner), NewToken(name, Scope.READ)) for name in ("one", "two")]
    for secret, _ in secrets:
        services.authentication.authenticate(f"Token {secret}")
    answer = owner.post(f"/account/tokens/{secrets[0][1].id}/revoke", headers=FRAGMENT)
    assert "Token revoked" in answer.body
    assert [token.name for token in services.accounts.tokens(account(owner))] == ["two"]
    with pytest.raises(Exception, match="not valid"):
        services.authentication.authenticate(f"Token {secrets[0][0]}")
    whole = owner.post(f"/account/tokens/{secrets[1][1].id}/revoke")
    assert (whole.status, whole.location) == (303, "/account#tokens")
    assert "Token revoked" in visible(owner.get("/account").body)
    assert owner.post(f"/account/tokens/{secrets[1][1].id}/revoke").status == 404


def test_a_member_makes_no_token_that_rules_and_revokes_none(
    dashboard: FakeDashboard, owner: FakeBrowser, member: FakeBrowser
):
    _, ruling = dashboard.services.accounts.issue_token(account(owner), NewToken("all", Scope.ADMIN))
    assert member.post("/account/tokens", {"name": "x", "scope": "admin"}).status == 403
    assert member.post("/account/tokens", {"name": "x", "scope": "write"}).status == 200
    assert 'value="admin"' not in member.get("/account/tokens/new").body
    assert member.post(f"/account/tokens/{ruling.id}/revoke").status == 403
    assert ruling.id in {token.id for token in dashboard.services.accounts.tokens(account(owner))}


def secret_of_a_token(browser: FakeBrowser, name: str) -> str:
    page = browser.post("/account/tokens", {"name": name, "scope": "read"}).body
    return str(re.findall(r"smx_[A-Za-z0-9_-]{43}", page)[0])


def test_tokens_say_who_made_them_and_stop_when_that_member_goes(
    dashboard: FakeDashboard, owner: FakeBrowser, member: FakeBrowser
):
    authentication = dashboard.services.authentication
    kept, lost = secret_of_a_token(owner, "kept"), secret_of_a_token(member, "lost")
    assert authentication.authenticate(f"Token {lost}").account == account(owner)
    assert "lost made by Jo" in " ".join(visible(owner.get("/account").body).split())
    assert "tokens they have made stop" in owner.get("/account").body
    owner.post(f"/account/members/{user(member)}/remove")
    with pytest.raises(Forbidden):
        authentication.authenticate(f"Token {lost}")
    assert authentication.authenticate(f"Token {kept}").account == account(owner)


def test_tokens_stop_when_their_maker_leaves(dashboard: FakeDashboard, member: FakeBrowser):
    secret = secret_of_a_token(member, "mine")
    dashboard.services.authentication.authenticate(f"Token {secret}")
    member.post("/account/leave")
    with pytest.raises(Forbidden):
        dashboard.services.authentication.authenticate(f"Token {secret}")


def test_an_owner_invites_changes_and_removes_members(dashboard: FakeDashboard, owner: FakeBrowser):
    assert owner.post("/account/members/invite", {"email": "jo@example.com", "role": "member"}).status == 303
    assert "jo@example.com" in owner.get("/account").body
    member = dashboard.signed_in("Jo", "jo@example.com")
    assert owner.account is not None
    dashboard.let_work_in(member, owner.account)
    changed = owner.post(f"/account/members/{user(member)}/role", {"role": "owner"}, FRAGMENT)
    assert "Role changed" in changed.body
    assert member.get("/account/delete").status == 200
    removed = owner.post(f"/account/members/{user(member)}/remove", headers=FRAGMENT)
    assert "Member removed" in removed.body
    assert member.get("/account").location == "/sign-in?next=%2Faccount"


def test_an_invitation_is_withdrawn(dashboard: FakeDashboard, owner: FakeBrowser):
    owner.post("/account/members/invite", {"email": "jo@example.com", "role": "member"})
    owner.post("/account/members/withdraw", {"email": "jo@example.com"})
    assert account(dashboard.signed_in("Jo", "jo@example.com")) != account(owner)
    assert owner.post("/account/members/withdraw", {"email": "jo@example.com"}).status == 404


def test_a_wrong_address_is_said_on_top_of_the_section(owner: FakeBrowser):
    answer = owner.post("/account/members/invite", {"email": "jo", "role": "member"}, FRAGMENT)
    assert (answer.status, answer.headers["hx-reswap"]) == (400, "afterbegin")
    assert "Give an e-mail address" in answer.body


def test_a_member_sees_neither_invitations_nor_the_account_s_end(member: FakeBrowser):
    page = member.get("/account").body
    for path in ("/account/members/invite", "/account/delete", "/account/export"):
        assert path not in page
    assert member.get("/account/export").status == 403
    assert member.get("/account/delete").status == 403


def test_a_member_leaves_and_comes_back_to_an_account_of_their_own(dashboard: FakeDashboard, owner: FakeBrowser):
    own = dashboard.signed_in("Jo", "jo@example.com")
    assert owner.user is not None
    dashboard.services.users.invite(account(owner), "jo@example.com", Role.MEMBER, owner.user)
    browser = dashboard.signed_in("Jo", "jo@example.com")
    assert browser.post("/account/switch", {"account": account(owner)}).location == "/"
    assert "Nora Keller" in browser.get("/account").body
    assert browser.post("/account/leave").location == "/"
    assert browser.get("/account").status == 200
    assert [each.uuid for each, _ in dashboard.services.users.accounts_of(user(browser))] == [account(own)]


def test_nobody_switches_to_an_account_they_do_not_belong_to(dashboard: FakeDashboard, owner: FakeBrowser):
    stranger = dashboard.signed_in("A stranger")
    for other in (account(owner), "00000000-0000-4000-8000-000000000000", ""):
        assert stranger.post("/account/switch", {"account": other}).status == 404
    assert account(owner) not in stranger.get("/account").body


def test_the_last_owner_neither_leaves_nor_steps_down(owner: FakeBrowser, member: FakeBrowser):
    assert owner.post("/account/leave").status == 409
    assert owner.post(f"/account/members/{user(owner)}/role", {"role": "member"}).status == 409
    assert owner.post(f"/account/members/{user(owner)}/remove").status == 409


def test_sessions_are_listed_in_words_and_ended(dashboard: FakeDashboard, owner: FakeBrowser):
    others = [dashboard.signed_in("Nora Keller") for _ in range(3)]
    page = visible(owner.get("/account").body)
    assert page.count("Firefox on Linux") == 4 + 3, "the buttons of the others name them, too"
    assert "This browser" in page
    assert others[0].key is not None
    owner.post(f"/account/sessions/{others[0].key.digest[:32]}/end")
    assert [browser.get("/account").status for browser in others] == [303, 200, 200]
    owner.post("/account/sessions/end-others", headers=FRAGMENT)
    assert [browser.get("/account").status for browser in (*others, owner)] == [303, 303, 303, 200]


def test_ending_the_own_session_leads_to_sign_in(owner: FakeBrowser):
    assert owner.key is not None
    assert owner.post(f"/account/sessions/{owner.key.digest[:32]}/end").location == "/sign-in"
    assert owner.get("/account").status == 303


def test_the_export_says_where_its_next_part_is(dashboard: FakeDashboard, owner: FakeBrowser):
    lines, path = [], "/account/export"
    while True:
        answer = owner.get(path)
        assert answer.status == 200
        assert answer.headers["content-disposition"].startswith("attachment; ")
        lines += [json.loads(line) for line in answer.body.splitlines()]
        if not lines or lines[-1]["kind"] != "next":
            break
        path = lines.pop()["path"]
    assert {line["kind"] for line in lines} >= {"account"}
    foreign = dashboard.signed_in("A stranger")
    cursor = json.loads(owner.get("/account/export").body.splitlines()[-1])["path"]
    assert foreign.get(cursor).status == 400


def test_an_account_is_deleted_by_typing_its_name(dashboard: FakeDashboard, adapters: FakeAdapters, owner: FakeBrowser):
    wrong = owner.post("/account/delete", {"name": "nora keller"})
    assert wrong.status == 400
    assert "not the account's name" in html.unescape(wrong.body)
    assert dashboard.services.accounts.get(account(owner)).deleted_at is None
    assert owner.post("/account/delete", {"name": " Nora Keller "}).location == "/sign-in"
    assert adapters.accounts.stored[account(owner)].deleted_at is not None
    assert owner.get("/account").status == 303


def test_plans_are_compared_with_ones_own_marked(owner: FakeBrowser):
    page = owner.get("/account").body
    for name in PLANS:
        assert f'data-label="{name.capitalize()}"' in page
    assert re.search(r"Pro\s+yours", visible(page))


def test_an_expired_token_is_marked(dashboard: FakeDashboard, adapters: FakeAdapters, owner: FakeBrowser):
    _, token = dashboard.services.accounts.issue_token(account(owner), NewToken("old", Scope.READ))
    adapters.accounts.issued[token.digest] = replace(token, expires_at=adapters.clock() - timedelta(days=1))
    assert 'class="num bad tone"' in owner.get("/account").body


def test_a_smaller_plan_shows_at_once(dashboard: FakeDashboard, owner: FakeBrowser):
    dashboard.services.accounts.set_subscription(account(owner), Subscription("free"))
    assert "Tokens need Pro" in visible(owner.get("/account").body)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
            "Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.5 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile "
            "Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", None),
        ("", None),
    ],
)
def test_a_browser_is_named_by_product_and_system(agent: str, name: str | None):
    assert agent_name(agent) == name


def test_an_owner_renames_the_account_and_deletes_it_by_the_new_name(owner: FakeBrowser, member: FakeBrowser):
    assert member.post("/account/name", {"name": "Mine"}).status == 403
    for wrong in ("", "x" * 101, "two\nlines"):
        assert owner.post("/account/name", {"name": wrong}).status == 400
    assert owner.post("/account/name", {"name": " Northlight <Studio> "}).location == "/account"
    page = owner.get("/account").body
    assert "Account renamed" in page
    assert "Northlight &lt;Studio&gt;" in page
    assert "Northlight &lt;Studio&gt;" in member.get("/account").body
    assert owner.post("/account/delete", {"name": "Northlight <Studio>"}).location == "/sign-in"

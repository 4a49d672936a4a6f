"""Signing in and out: who comes back signed in, and which tricks do not work."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.sign_in import ATTEMPT_LIFETIME, CALLBACKS
from chalicelib.domain.users import Role, SignUp
from tests.fakes.application import FakeAdapters
from tests.fakes.identity_provider import URL
from tests.fakes.pages import HOST, PREFIX, Answer, FakeBrowser, FakeDashboard

ADDRESS = "ada@example.com"
SESSION, ATTEMPT = "__Host-session", "__Host-sign-in"
SITE = f"https://{HOST}{PREFIX}"


@pytest.fixture
def browser(dashboard: FakeDashboard, adapters: FakeAdapters) -> FakeBrowser:
    adapters.identity_provider.add(ADDRESS, name="Ada Lovelace")
    return dashboard.browser()


def begin(browser: FakeBrowser, next_path: str = "/") -> str:
    """Go to the identity provider; returns the URL."""
    answer = browser.get(f"/sign-in/start?{urlencode({'next': next_path})}")
    assert answer.status == 303
    return answer.headers["location"]


def go(adapters: FakeAdapters, authorization_url: str, email: str = ADDRESS) -> str:
    """Sign in at the provider; returns the path of the dashboard that it leads to."""
    url: str = adapters.identity_provider.sign_in(authorization_url, email)
    assert url.startswith(f"{SITE}/sign-in/callback?")
    return url.removeprefix(SITE)


def sign_in(browser: FakeBrowser, adapters: FakeAdapters, next_path: str = "/", email: str = ADDRESS) -> Answer:
    return browser.get(go(adapters, begin(browser, next_path), email))


class TestSigningIn:
    def test_the_door_leads_to_the_provider_and_back_to_the_page_that_was_asked_for(self, browser, adapters):
        asked = browser.get("/?query=a+dog")
        door = browser.get(asked.location)
        assert door.status == 200
        assert 'href="/live/sign-in/start?next=%2F%3Fquery%3Da%2Bdog"' in door.body

        answer = sign_in(browser, adapters, "/?query=a+dog")
        assert (answer.status, answer.location) == (303, "/?query=a+dog")
        assert "Ada Lovelace" in browser.get("/").body

    def test_the_first_sign_in_opens_an_account_and_the_next_one_finds_it(self, browser, adapters, dashboard):
        sign_in(browser, adapters)
        sign_in(dashboard.browser(), adapters)

        (user,) = dashboard.services.users.all()
        assert len(dashboard.services.users.accounts_of(user.id)) == 1
        assert len(dashboard.services.sessions.of_user(user.id)) == 2

    def test_the_provider_is_asked_for_a_code_with_state_nonce_and_challenge_and_told_nothing_else(self, browser):
        url = urlsplit(begin(browser, "/collections"))
        query = parse_qs(url.query)

        assert f"{url.scheme}://{url.netloc}" == URL
        assert query["redirect_uri"] == [f"{SITE}/sign-in/callback"]
        assert len({query["state"][0], query["nonce"][0], query["code_challenge"][0]}) == 3
        secret = browser.cookies[ATTEMPT].split(".")[0]
        assert secret not in url.query
        assert "collections" not in url.query

    def test_the_attempt_is_kept_for_an_hour_where_no_script_and_no_other_site_reads_it(self, browser):
        (cookie,) = browser.get("/sign-in/start").cookies
        assert cookie.endswith("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure")

    def test_the_door_offers_to_sign_up_where_strangers_may(self, browser, dashboard):
        assert "Sign in or sign up" in browser.get("/sign-in").body
        dashboard.services.config = replace(dashboard.services.config, sign_up=SignUp.INVITATION)
        page = browser.get("/sign-in").body
        assert "sign up" not in page
        assert ">Sign in</a>" in page

    def test_who_is_signed_in_needs_no_door(self, browser, adapters):
        sign_in(browser, adapters)
        answer = browser.get("/sign-in?next=/collections")
        assert (answer.status, answer.location) == (303, "/collections")


class TestInvitations:
    def invite(self, dashboard: FakeDashboard, name: str, browser: str) -> FakeBrowser:
        owner = dashboard.signed_in(browser)
        assert owner.account is not None
        dashboard.services.accounts.rename(owner.account.uuid, name)
        dashboard.services.users.invite(owner.account.uuid, ADDRESS, Role.MEMBER, owner.user)
        return owner

    def test_who_was_invited_begins_in_an_account_of_their_own_and_is_told_once_what_they_joined(
        self, browser, adapters, dashboard
    ):
        """Nobody works, unknowing, in the account of a stranger who knew the address."""
        owner = self.invite(dashboard, "<b>Eve</b> {0} \u202e", "Eve")
        self.invite(dashboard, "Studio", "Mallory")
        assert sign_in(browser, adapters).location == "/"
        page = browser.get("/").body
        told = page.partition("You also belong to ")[2].partition(" now. Switch on")[0]
        assert set(told.split(", ")) == {"\u2068&lt;b&gt;Eve&lt;/b&gt; {0} \u202e\u2069", "\u2068Studio\u2069"}
        assert "Ada Lovelace</bdi> · Free" in page, "the account that the session works in"
        assert "You also belong" not in browser.get("/").body
        assert f'name="account" value="{owner.account.uuid}"' in browser.get("/account").body

    def test_a_later_sign_in_tells_too_what_was_joined(self, browser, adapters, dashboard):
        sign_in(browser, adapters)
        assert "You also belong" not in browser.get("/").body
        adapters.clock.pass_by(timedelta(hours=1))
        self.invite(dashboard, "Studio", "Mallory")
        sign_in(browser, adapters)
        assert "You also belong to \u2068Studio\u2069 now." in browser.get("/").body

    def test_a_note_of_accounts_that_somebody_made_up_says_nothing(self, browser, adapters, dashboard):
        other = dashboard.signed_in("Eve")
        sign_in(browser, adapters)
        for toast in (f"sign_in.joined:{other.account.uuid}", "sign_in.joined", "sign_in.joined:<b>"):
            browser.cookies["__Host-toast"] = toast
            assert 'class="toast"' not in browser.get("/").body


class TestWhatDoesNotSignIn:
    def refused(self, browser: FakeBrowser, path: str, status: int = 400) -> Answer:
        answer = browser.get(path)
        assert answer.status == status
        assert 'role="alert"' in answer.body
        assert SESSION not in browser.cookies
        return answer

    def test_an_answer_to_another_browser(self, browser, adapters, dashboard):
        """Else somebody could sign a victim in as themselves, and read later what the victim adds."""
        path = go(adapters, begin(browser))
        self.refused(dashboard.browser(), path)
        other = dashboard.browser()
        begin(other)
        self.refused(other, path)

    def test_an_answer_that_was_given_before(self, browser, adapters):
        path = go(adapters, begin(browser))
        browser.get(path)
        browser.cookies.pop(SESSION)
        self.refused(browser, path)

    def test_a_code_that_was_used_before_also_with_the_attempt_that_it_belongs_to(self, browser, adapters):
        path = go(adapters, begin(browser))
        attempt = browser.cookies[ATTEMPT]
        browser.get(path)
        browser.cookies = {ATTEMPT: attempt}
        self.refused(browser, path)

    def test_a_code_of_somebody_elses_attempt_with_ones_own_state(self, browser, adapters, dashboard):
        adapters.identity_provider.add("eve@example.com")
        theirs = parse_qs(urlsplit(go(adapters, begin(dashboard.browser()), "eve@example.com")).query)["code"][0]
        own = parse_qs(urlsplit(begin(browser)).query)["state"][0]
        self.refused(browser, f"/sign-in/callback?{urlencode({'code': theirs, 'state': own})}")

    def test_an_answer_after_more_than_an_hour(self, browser, adapters):
        path = go(adapters, begin(browser))
        adapters.clock.pass_by(ATTEMPT_LIFETIME + timedelta(seconds=2))
        assert "more than an hour ago" in self.refused(browser, path).body

    def test_a_person_who_turned_back_and_an_error_of_the_provider(self, browser):
        for error, words in (("access_denied", "Nobody has signed in"), ("server_error", "could not sign you in")):
            state = parse_qs(urlsplit(begin(browser)).query)["state"][0]
            path = f"/sign-in/callback?{urlencode({'error': error, 'state': state, 'error_description': 'Eve says'})}"
            answer = self.refused(browser, path)
            assert words in answer.body
            assert "Eve" not in answer.body

    @pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?code=x&state=y", "?state=%00", "?code[]=x"])
    def test_an_address_that_somebody_made_up(self, browser, query):
        begin(browser)
        assert browser.get(f"/sign-in/callback{query}").status == 400
        assert SESSION not in browser.cookies

    def test_a_user_who_is_disabled_who_may_come_as_another(self, browser, adapters, dashboard):
        sign_in(browser, adapters)
        (user,) = dashboard.services.users.all()
        dashboard.services.users.disable(user.id)
        browser.cookies.clear()

        answer = self.refused(browser, go(adapters, begin(browser)), 403)
        assert '<form action="/live/sign-out" method="post">' in answer.body

    def test_a_failed_attempt_is_over(self, browser, adapters):
        begin(browser)
        browser.get("/sign-in/callback?code=x&state=y")
        assert ATTEMPT not in browser.cookies


class TestWhereItLeads:
    @pytest.mark.parametrize(
        "elsewhere",
        ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example", ""],
    )
    def test_nobody_is_led_to_another_site(self, browser, adapters, elsewhere):
        door = browser.get(f"/sign-in?{urlencode({'next': elsewhere})}")
        assert "evil" not in door.body
        assert sign_in(browser, adapters, elsewhere).location == "/"

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
    @given(path=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60))
    def test_a_path_ends_no_header_and_comes_back_as_it_was(self, dashboard, adapters, path):
        adapters.identity_provider.add(ADDRESS)
        adapters.clock.pass_by(timedelta(minutes=1))  # so many sign-ins are more than a network may have
        answer = sign_in(dashboard.browser(), adapters, f"/{path}")
        assert answer.status == 303
        assert answer.headers["location"].isascii()
        assert answer.headers["location"].isprintable()
        assert answer.location.startswith("/")
        assert not answer.location.startswith(("//", "/\\"))

    def test_a_changed_cookie_leads_nowhere_else(self, browser, adapters):
        path = go(adapters, begin(browser))
        secret, began, _ = browser.cookies[ATTEMPT].split(".", 2)
        browser.cookies[ATTEMPT] = f"{secret}.{began}.//evil.example"
        assert browser.get(path).location == "/"


class TestSessions:
    def test_each_sign_in_begins_another_session_and_ends_the_one_before(self, browser, adapters, dashboard):
        sign_in(browser, adapters)
        first = browser.cookies[SESSION]
        sign_in(browser, adapters)

        assert browser.cookies[SESSION] != first
        assert dashboard.services.sessions.find(first) is None

    def test_a_session_that_somebody_gave_the_browser_before_is_not_the_users(self, browser, adapters, dashboard):
        eve = dashboard.signed_in("Eve")
        browser.cookies[SESSION] = eve.cookies[SESSION]
        sign_in(browser, adapters)

        assert browser.cookies[SESSION] != eve.cookies[SESSION]
        assert "Ada Lovelace" not in eve.get("/").body

    def test_signing_out_ends_the_session_here_and_with_the_provider(self, browser, adapters, dashboard):
        sign_in(browser, adapters)
        cookie = browser.cookies[SESSION]
        browser.key = dashboard.services.sessions.find(cookie).key

        answer = browser.post("/sign-out")
        target = f"{URL}/logout?{urlencode({'client_id': 'dashboard', 'logout_uri': f'{SITE}/sign-out'})}"
        assert answer.status == 200
        assert f'content="0; url={target.replace("&", "&amp;")}"' in answer.body
        assert SESSION not in browser.cookies
        assert dashboard.services.sessions.find(cookie) is None
        assert "You are signed out." in browser.get("/sign-out").body
        assert browser.get("/").status == 303

    def test_nobody_is_signed_out_by_another_site_or_by_a_link(self, browser, adapters, dashboard):
        sign_in(browser, adapters)
        cookie = browser.cookies[SESSION]

        assert browser.get("/sign-out").location == "/"
        assert browser.send("POST", "/sign-out", {"origin": "https://evil.example"}).status == 403
        assert browser.post("/sign-out").status == 403, "without the session's token"
        assert dashboard.services.sessions.find(cookie) is not None

    def test_htmx_leaves_the_page_to_sign_out(self, browser, adapters, dashboard):
        sign_in(browser, adapters)
        browser.key = dashboard.services.sessions.find(browser.cookies[SESSION]).key
        answer = browser.post("/sign-out", headers={"hx-request": "true"})
        assert answer.headers["hx-redirect"].startswith(f"{URL}/logout?")


class TestWithoutTheProvider:
    def test_nobody_is_sent_to_pages_that_are_not_known(self, browser, adapters):
        adapters.identity_provider.is_down = True
        answer = browser.get("/sign-in/start")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert ATTEMPT not in browser.cookies

    def test_signing_out_ends_the_session_here_all_the_same(self, browser, adapters, dashboard):
        sign_in(browser, adapters)
        cookie = browser.cookies[SESSION]
        browser.key = dashboard.services.sessions.find(cookie).key
        adapters.identity_provider.is_down = True
        answer = browser.post("/sign-out")

        assert (answer.status, answer.location) == (303, "/sign-out")
        assert SESSION not in browser.cookies
        assert dashboard.services.sessions.find(cookie) is None


class TestLimits:
    def test_a_network_gets_so_many_answers_a_minute_and_then_waits(self, dashboard, adapters):
        adapters.identity_provider.add(ADDRESS)
        statuses = [sign_in(dashboard.browser(), adapters).status for _ in range(CALLBACKS.quota + 2)]
        assert statuses == [303] * CALLBACKS.quota + [429, 429]

        adapters.clock.pass_by(timedelta(minutes=1))
        assert sign_in(dashboard.browser(), adapters).status == 303

    def test_a_provider_that_does_not_answer_is_asked_again_with_the_same_attempt(self, browser, adapters):
        path = go(adapters, begin(browser))
        adapters.identity_provider.is_down = True
        answer = browser.get(path)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")

        adapters.identity_provider.is_down = False
        assert browser.get(path).status == 303

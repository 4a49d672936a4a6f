"""What holds of every page: sessions, protection, errors, fragments and assets."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from chalice.app import Chalice
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.rendering import environment
from chalicelib.dashboard.routes import METHODS, PATHS, add_pages
from chalicelib.dashboard.security import cookie_name, header_path, local_path
from chalicelib.dashboard.static_files import STATIC, TYPES, asset_path, assets
from chalicelib.dashboard.texts import TEXTS
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.permissions import Permission
from infra.package import PACKAGED
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.pages import HOST, FakeBrowser, FakeDashboard

# dist/htmx.min.js of the npm package htmx.org 2.0.11
HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"


@pytest.fixture
def browser(dashboard: FakeDashboard) -> FakeBrowser:
    return dashboard.signed_in()


class Trial(FakeDashboard):
    """A dashboard with one page of the test's own at ``/``."""

    def __init__(self, view: Any, **options: Any) -> None:
        services = services_on(FakeAdapters.fresh())
        super().__init__(services)
        self.app = Chalice("trial")
        dispatcher = PageDispatcher(lambda: services)
        dispatcher.page("/", methods=("GET", "POST"), **options)(view)
        answer = self.app.route("/", methods=["GET", "POST"], content_types=["*/*"])
        answer(lambda: dispatcher.answer(self.app.current_request, "/", {}))


def test_who_has_not_signed_in_is_led_to_sign_in_and_back(dashboard: FakeDashboard):
    answer = dashboard.browser().get("/?query=a+dog")
    assert (answer.status, answer.location) == (303, "/sign-in?next=%2F%3Fquery%3Da%2Bdog")


def test_a_fragment_of_who_has_not_signed_in_leads_the_whole_page_to_sign_in(dashboard: FakeDashboard):
    shown = f"https://{HOST}/live/collections?tab=failed"
    answer = dashboard.browser().get("/", {"hx-request": "true", "hx-current-url": shown})
    assert (answer.status, answer.headers["hx-redirect"]) == (
        401,
        "/live/sign-in?next=%2Fcollections%3Ftab%3Dfailed",
    )


def test_a_page_shows_the_user_and_where_one_is(browser: FakeBrowser):
    page = browser.get("/").body
    assert "Nora Keller" in page
    assert '<a href="/live/" aria-current="page">' in page


def test_a_fragment_is_the_main_part_alone(browser: FakeBrowser):
    part = browser.get("/", {"hx-request": "true"}).body
    assert part.strip().startswith("<div")
    assert "<html" not in part
    whole = browser.get("/", {"hx-request": "true", "hx-boosted": "true"}).body
    assert "<html" in whole


def test_an_address_inserts_nothing_into_a_page(dashboard: FakeDashboard):
    hostile = '<script>alert(1)</script>"\u202egpj'
    page = dashboard.signed_in(hostile).get("/").body
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("path", ["/", "/assets/0/styles.css"])
def test_no_page_is_framed_sniffed_or_kept(browser: FakeBrowser, path: str):
    headers = browser.get(path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["vary"] == "HX-Request, Cookie"


def test_pages_have_no_script_and_no_style_inline():
    for name in environment().list_templates():
        loader = environment().loader
        assert loader is not None
        source = loader.get_source(environment(), name)[0]
        assert "<style" not in source
        assert " style=" not in source
        assert not [tag for tag in source.split("<script")[1:] if "src=" not in tag.partition(">")[0]]
        assert "onclick" not in source


def test_no_text_is_hidden_by_a_method_of_its_section():
    # A template's t.section.copy is the method of the dict, and prints itself.
    assert [(name, key) for name, section in TEXTS.items() for key in section if hasattr(section, key)] == []


def test_a_text_that_differs_for_one_is_filled_by_its_number():
    loader = environment().loader
    assert loader is not None
    sources = [loader.get_source(environment(), name)[0] for name in environment().list_templates()]
    differ = [(name, key) for name, section in TEXTS.items() for key in section if f"{key}_one" in section]
    assert differ
    assert [pair for pair in differ for source in sources if f"t.{'.'.join(pair)}.format(" in source] == []


def a_change(request: PageRequest) -> Redirect:
    return Redirect("/done", toast="frame.copied")


ACCEPTED = {"sec-fetch-site": "same-origin", "origin": f"https://{HOST}"}
FOREIGN: list[Mapping[str, str]] = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": f"http://{HOST}"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=repr)
@pytest.mark.parametrize("public", [True, False], ids=["public", "signed in"])
def test_a_change_from_another_site_is_refused(headers: Mapping[str, str], public: bool):
    trial = Trial(a_change, public=public)
    assert trial.signed_in().post("/", headers={**ACCEPTED, **headers}).status == 403


def test_a_change_without_the_sessions_token_is_refused():
    trial = Trial(a_change)
    browser, other = trial.signed_in(), trial.signed_in("Jo")
    assert other.key is not None
    for form in (b"", b"csrf=", f"csrf={other.key.csrf_token}".encode(), "csrf=é".encode()):
        answer = browser.send("POST", "/", {**ACCEPTED, "content-type": "application/x-www-form-urlencoded"}, form)
        assert answer.status == 403
        assert "another session" in answer.body
    assert browser.post("/").status == 303


def test_the_sessions_token_may_come_in_a_header():
    browser = Trial(a_change).signed_in()
    assert browser.key is not None
    answer = browser.send("POST", "/", {**ACCEPTED, "x-csrf-token": browser.key.csrf_token})
    assert answer.location == "/done"
    assert browser.send("POST", "/", {**ACCEPTED, "x-csrf-token": "0" * 64}).status == 403


def test_what_was_done_is_said_once(browser: FakeBrowser):
    browser.cookies["__Host-toast"] = "frame.copied"
    assert TEXTS["frame"]["copied"] in browser.get("/").body.partition('id="toasts"')[2]
    assert "__Host-toast" not in browser.cookies
    browser.cookies["__Host-toast"] = "frame.<script>"
    assert "<script>" not in browser.get("/").body.partition('id="toasts"')[2]


def fails(_: PageRequest) -> Page:
    raise StoreUnavailable("The search does not answer.")


def breaks(_: PageRequest) -> Page:
    raise KeyError("a secret of ours")


def test_an_error_is_a_page_that_says_what_to_do():
    answer = Trial(fails).signed_in().get("/")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "The search does not answer." in answer.body
    assert answer.headers["x-request-id"] in answer.body
    assert 'data-retry="20"' in answer.body


def test_an_error_of_a_fragment_is_a_banner_on_top_of_what_was_to_be_replaced():
    answer = Trial(fails).signed_in().get("/", {"hx-request": "true"})
    assert (answer.status, answer.headers["hx-reswap"]) == (503, "afterbegin")
    assert answer.body.startswith('<div class="banner bad" role="alert">')


def test_an_unexpected_error_shows_nothing_of_itself():
    answer = Trial(breaks).signed_in().get("/")
    assert answer.status == 500
    assert "a secret of ours" not in answer.body


def test_a_member_does_not_have_what_is_the_owners():
    trial = Trial(a_change, needs=Permission.ACCOUNT)
    owner = trial.signed_in("An owner")
    assert owner.account is not None
    assert owner.user is not None
    trial.services.users.invite(owner.account.uuid, "jo@example.com", parse("member"), owner.user)
    member = trial.signed_in("Jo", "jo@example.com")
    trial.let_work_in(member, owner.account)
    assert (owner.get("/").status, member.get("/").status) == (303, 403)


def parse(role: str) -> Any:
    from chalicelib.domain.users import parse_role

    return parse_role(role)


def test_a_page_refuses_other_methods_and_says_which_it_takes(browser: FakeBrowser):
    for method in METHODS:
        if method not in ("GET", "HEAD"):
            answer = browser.post("/", method=method)
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert browser.send("HEAD", "/").body == ""


@given(st.text())
def test_a_redirect_after_sign_in_stays_on_this_site(path: str):
    for tried in (path, f"/{path}", f"//{path}", f"/\\{path}", f"https://{path}"):
        local = local_path(tried)
        assert local.startswith("/")
        assert not local.startswith(("//", "/\\"))
        assert header_path(local).isprintable()
        assert header_path(local).isascii()


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "", None, "/\r\nSet-Cookie: a=b"],
)
def test_a_redirect_elsewhere_leads_to_the_first_page(path: object):
    assert local_path(path) == "/"


def test_assets_are_kept_for_ever_under_their_digest_alone(dashboard: FakeDashboard):
    browser = dashboard.browser()
    for name, content in assets().items():
        answer = browser.get(asset_path(name), {"accept": "text/html"})
        assert (answer.status, answer.content) == (200, content)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.cookies == []
    assert browser.get("/assets/0000000000000000/styles.css").status == 404
    assert browser.get(asset_path("styles.css").replace("styles.css", "pages.py")).status == 404


def test_htmx_is_the_published_file():
    assert hashlib.sha256((STATIC / "htmx.min.js").read_bytes()).hexdigest() == HTMX_SHA256


def test_the_cookie_is_bound_to_the_host_wherever_https_is_spoken():
    assert cookie_name("session", "https://a.example/live") == "__Host-session"
    assert cookie_name("session", "http://127.0.0.1:8000") == "session"


def test_the_cookie_of_a_session_that_ended_opens_nothing(dashboard: FakeDashboard, adapters: FakeAdapters):
    browser = dashboard.signed_in()
    assert browser.key is not None
    assert browser.get("/").status == 200
    adapters.clock.pass_by(timedelta(days=13))
    assert browser.get("/").status == 200
    adapters.clock.pass_by(timedelta(days=13))
    assert browser.get("/").status == 200
    dashboard.services.sessions.end(browser.key)
    assert browser.get("/").status == 303


def test_a_page_sends_the_cookie_again_so_that_it_lasts_as_long_as_the_session(browser: FakeBrowser):
    (cookie,) = browser.get("/").cookies
    assert cookie.endswith("; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax; Secure")


def test_every_file_that_pages_load_is_packaged():
    assert TYPES.keys() <= set(PACKAGED)
    assert {path.suffix for path in STATIC.iterdir()} <= TYPES.keys()


def test_a_browser_at_an_unknown_address_gets_a_page_and_a_program_json(browser: FakeBrowser):
    page = browser.get("/nothing/here")
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no page at this address" in page.body
    assert "Nora Keller" in page.body
    for path, headers in (("/nothing/here", {"accept": "*/*"}), ("/api/nothing", {}), ("/media/nothing", {})):
        answer = browser.get(path, headers)
        assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    assert browser.post("/nothing/here").headers["content-type"] == "application/json"


def test_the_table_of_paths_is_what_the_modules_have():
    for module, paths in PATHS.items():
        dispatcher = PageDispatcher(lambda: pytest.fail("nothing is requested"))
        add_pages(module, dispatcher)
        assert sorted({path for _, path in dispatcher.options}) == sorted(paths), module
    every = [path for paths in PATHS.values() for path in paths]
    assert len(every) == len(set(every))


def test_a_user_searches_no_more_often_than_the_plan_allows(dashboard: FakeDashboard, adapters: FakeAdapters):
    browser = dashboard.signed_in(plan="free")
    statuses = [browser.get("/").status for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    other_session = dashboard.signed_in()
    refused = other_session.get("/")
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert browser.get("/account").status == 200
    adapters.clock.pass_by(timedelta(minutes=1))
    assert browser.get("/").status == 200

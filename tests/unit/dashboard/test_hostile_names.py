"""Names of others on every page: HTML, scripts, direction characters, long ones; and what pages weigh."""

import gzip
import re
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.dashboard.static_files import assets
from chalicelib.domain.accounts import Caller, NewToken, Scope
from chalicelib.domain.collections import NewManagedCollection
from chalicelib.domain.plans import PLANS
from chalicelib.domain.users import Role, display_name
from tests.factories import a_collection
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.pages import FakeBrowser, FakeDashboard
from tests.unit.dashboard.page_isolation import PLAN, Kind, Target, World, targets

PAGES = [target for target in targets() if target.method == "GET" and not target.options.public]
LIMIT_BYTES = 120_000  # of a page with its style and scripts
HOSTILE = (
    "<script data-evil>alert(1)</script>",
    '"><img src=x data-evil onerror=alert(1)>',
    "' data-evil onmouseover='alert(1)",
    "</title></textarea><svg data-evil onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "javascript:alert(1)//",
    "\u202egnp.exe\u2066<b data-evil>",
    "א" * 75 + "<i data-evil>",
    "x" * 75 + "<i data-evil></i>",
)


class Elements(HTMLParser):
    """Collects what a name would add to a page if it were not escaped."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.evil: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        adds = any(name == "data-evil" or name.startswith("on") for name in names)
        if adds or (tag == "script" and "src" not in names):
            self.evil.append(tag)
        for name in ("href", "src", "action"):
            if (names.get(name) or "").strip().lower().startswith(("javascript:", "data:")):
                self.evil.append(f"{tag} {name}")


def account_with_names(text: str) -> tuple[FakeBrowser, dict[Kind, str]]:
    """A user who names everything so, as far as each name may be that."""
    adapters = FakeAdapters.fresh()
    dashboard = FakeDashboard(services_on(adapters))
    services = dashboard.services
    browser = dashboard.signed_in(f"N {text}", "n@example.com", PLAN)
    dashboard.signed_in(f"N {text}", "n@example.com")
    assert browser.account is not None
    assert browser.user is not None
    caller = Caller(browser.account.uuid, PLANS[PLAN])
    services.users.invite(caller.account, "m@example.com", Role.MEMBER, browser.user)
    member = dashboard.signed_in(f"M {text}", "m@example.com").user
    assert member is not None
    collection = services.collections.create(caller, NewManagedCollection(text[:100])).collection
    adapters.collections.add(a_collection(account=caller.account, name=text[:100]))
    path = text.replace("/", "-").replace("\\", "-")[:200] + ".jpg"
    file = services.uploads.upload(caller, collection, path, b"picture")
    _, token = services.accounts.issue_token(caller.account, NewToken(text[:100], Scope.READ))
    session = services.sessions.begin(browser.user, browser.account, address=text[:40], agent=text)
    ids = dict.fromkeys(Kind, "x") | {
        Kind.COLLECTION: collection.uuid,
        Kind.FILE: file.uuid,
        Kind.TOKEN: token.id,
        Kind.USER: member.id,
        Kind.SESSION: session.digest[:32],
    }
    return browser, ids


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_is_text_on_every_page(text: str):
    browser, ids = account_with_names(text)
    shown = 0
    for target in PAGES:
        for headers in ({}, {"hx-request": "true"}):
            for query in ("", "?query=" + "".join(f"%{byte:02x}" for byte in text.encode()[:200])):
                answer = browser.get(target.filled(ids) + query, headers)
                assert answer.status < 500, target.name
                if answer.headers.get("content-type", "").startswith("text/html"):
                    assert Elements(answer.body).evil == [], target.name
                    shown += "&lt;" in answer.body
    assert shown or "<" not in text


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=100).filter(lambda text: text.strip()))
def test_any_name_of_a_user_is_shown_as_it_is_stored(text: str):
    dashboard = FakeDashboard(services_on(FakeAdapters.fresh()))
    browser = dashboard.signed_in(text, "n@example.com")
    page = browser.get("/account")
    assert page.status == 200
    assert Elements(page.body).evil == []
    assert browser.user is not None
    assert browser.user.name == display_name(text)


def weight(page: str) -> int:
    """Bytes of a page with the style and scripts that it names, and the modules that these import, as they are sent."""
    files = {name: bytes(body).decode() for name, body in assets().items() if name.endswith((".js", ".css"))}
    named = set(re.findall(r"/assets/[0-9a-f]+/([\w.-]+\.(?:js|css))", page))
    while more := {module for name in named for module in re.findall(r'from "\./([\w.-]+)"', files[name])} - named:
        named |= more
    return sum(len(gzip.compress(text.encode(), 6)) for text in (page, *(files[name] for name in named)))


@pytest.mark.parametrize("target", PAGES, ids=lambda target: target.path)
def test_a_page_with_its_style_and_scripts_weighs_little(weighed: World, target: Target):
    answer = weighed.victim.send(target, target.filled(weighed.victim.ids), {})
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert weight(answer.body) < LIMIT_BYTES


@pytest.fixture(scope="module")
def weighed() -> World:
    return World()

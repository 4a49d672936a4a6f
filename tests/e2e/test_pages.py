"""The dashboard's pages on the deployed system."""

import re
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import pytest
import requests

from chalicelib.dashboard.suggestions import sample_texts
from chalicelib.dashboard.texts import text
from chalicelib.domain.users import Identity
from infra.admin.deployment import Deployment
from infra.local_system import LocalSystem
from infra.run import FIRST_QUERY
from tests.e2e.harness import Caller

COOKIE = "session"  # of the local system, which speaks HTTP


@pytest.fixture
def signed_in(deployment: Deployment) -> Callable[[], requests.Session]:
    """Makes a browser of a user who has just signed in for the first time."""

    def sign_in() -> requests.Session:
        services = deployment.services
        name = uuid4().hex
        user, account = services.users.sign_in(
            Identity("https://issuer.example", name, f"{name}@example.com", True, "Nora Keller")
        )
        browser = requests.Session()
        browser.cookies.set(COOKIE, services.sessions.begin(user, account, address="", agent="").cookie)
        return browser

    return sign_in


def test_a_page_and_all_that_it_names_are_served(stack: LocalSystem, signed_in: Callable[[], requests.Session]):
    browser = signed_in()
    page = browser.get(f"{stack.api_url}/")
    assert page.status_code == 200
    assert "Nora Keller" in page.text
    paths = set(re.findall(r'(?:src|href)="([^"#]*/assets/[^"#]+)', page.text))
    assert len(paths) == 6
    for path in paths:
        asset = requests.get(urljoin(stack.api_url, path), timeout=30)
        assert (asset.status_code, asset.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")


def test_who_has_not_signed_in_is_led_to_sign_in(stack: LocalSystem):
    answer = requests.get(f"{stack.api_url}/", allow_redirects=False, timeout=30)
    path = urlsplit(stack.api_url).path
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{path}/sign-in?next=%2F")


def test_a_change_from_another_site_is_refused(stack: LocalSystem, signed_in: Callable[[], requests.Session]):
    answer = signed_in().post(f"{stack.api_url}/", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "Another site sent this request" in answer.text


@pytest.mark.parametrize("query", [*sample_texts(), text("first_run.first_query"), FIRST_QUERY])
def test_what_a_newcomer_is_offered_finds_samples_before_chance_begins(stack: LocalSystem, query: str) -> None:
    search = {"query": query, "collection": stack.collection, "cutoff": "auto"}
    assert len(Caller(stack.api_url, stack.token).result("GET", "/api/search/", params=search)["files"]) >= 2

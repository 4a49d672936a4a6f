"""Two accounts: whatever one asks of the other's is not found, on every route there is, and changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import Caller, picture
from tests.e2e.test_bad_input import MISSING, refusal
from tests.e2e.test_uploads import Managed
from tests.unit.api.test_openapi import routes

Newcomer = Callable[..., Caller]

# Routes that name nothing of anybody's: what they show is the caller's own, which the tests below look at.
OF_ONES_OWN = {
    ("GET", "/api/search"),
    ("POST", "/api/search"),
    ("GET", "/api/collections"),
    ("POST", "/api/collections"),
    ("POST", "/api/collections/check"),
    ("GET", "/api/account"),
    ("GET", "/api/tokens"),
    ("POST", "/api/tokens"),
}
OF_EVERYBODYS = {("GET", "/api/openapi.json"), ("GET", "/api/docs")}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/api/collections/{uuid}"): {"json": {"name": "stolen"}},
    ("POST", "/api/collections/{uuid}/upload"): {"files": {"file": ("a.jpg", picture("pig.jpg"))}},
    ("GET", "/api/collections/{uuid}/explain"): {"params": {"key": "a.jpg"}},
}


class Victim:
    """An account with one of everything."""

    def __init__(self, caller: Caller) -> None:
        self.caller, self.managed = caller, Managed(caller)
        self.managed.send("a.jpg", picture("owl.jpg"))
        self.file = self.managed.files()["a.jpg"]["uuid"]
        self.upload = self.managed.prepare("b.jpg", 5000).json()["result"]["upload"]["id"]
        (self.token,) = (each["id"] for each in caller.result("GET", "/api/tokens/")["tokens"])

    def path(self, pattern: str) -> str:
        owner = self.file if pattern.startswith(("/api/files", "/collections/download")) else self.managed.uuid
        named = self.token if pattern.startswith("/api/tokens") else self.upload
        return pattern.format(uuid=owner, id=named, collection=self.managed.uuid, file=f"{self.file}.jpg") + "/"

    def holds(self) -> Any:
        """All that the account can see of itself, but for when its token was used."""
        seen = [self.caller.result("GET", path) for path in ("/api/account/", "/api/collections/")]
        tokens = [token["id"] for token in self.caller.result("GET", "/api/tokens/")["tokens"]]
        return seen, tokens, self.managed.files(), self.managed.found(picture("owl.jpg"))


@pytest.fixture(scope="module")
def victim(deployment: Any, stack: Any) -> Victim:
    from chalicelib.domain.accounts import NewToken, Scope, Subscription

    accounts = deployment.services.accounts
    account = accounts.open("victim", Subscription("business"))
    return Victim(Caller(stack.api_url, accounts.issue_token(account.uuid, NewToken("tests", Scope.WRITE))[0]))


@pytest.mark.parametrize("route", sorted(routes() - OF_ONES_OWN - OF_EVERYBODYS), ids=" ".join)
def test_anothers_thing_is_not_found_and_stays_as_it_was(
    victim: Victim, newcomer: Newcomer, route: tuple[str, str]
) -> None:
    method, pattern = route
    before, thief = victim.holds(), newcomer()
    options = BODIES.get(route, {})
    answer = thief(method, victim.path(pattern), **options)
    nothing = pattern.format(uuid=MISSING, id=MISSING, collection=MISSING, file=f"{MISSING}.jpg")
    missing = thief(method, nothing, **options)
    assert refusal(answer, 404)["message"] == refusal(missing, 404)["message"], "not even its existence is told"
    assert victim.holds() == before


@pytest.mark.parametrize("route", sorted(routes() - OF_EVERYBODYS), ids=" ".join)
def test_without_a_token_every_route_is_forbidden(victim: Victim, nobody: Caller, route: tuple[str, str]) -> None:
    method, pattern = route
    for header in ({}, {"Authorization": "Token smx_" + "a" * 43}, {"Authorization": "Bearer x"}):
        answer = nobody(method, victim.path(pattern), headers=header, **BODIES.get(route, {}))
        assert refusal(answer, 403)["error"] == "forbidden"


def test_a_plan_without_the_api_may_do_nothing(newcomer: Newcomer, victim: Victim) -> None:
    outsider = newcomer("free")
    for method, pattern in sorted(routes() - OF_EVERYBODYS):
        info = refusal(outsider(method, victim.path(pattern), **BODIES.get((method, pattern), {})), 403)
        assert info["error"] == "plan_forbids"


def test_everything_that_lists_shows_ones_own(victim: Victim, newcomer: Newcomer) -> None:
    other = Managed(newcomer())
    other.send("mine.jpg", picture("owl.jpg"))
    assert other.found(picture("owl.jpg")) == ["mine.jpg"]
    assert other.caller.names_found("an owl") == ["mine.jpg"]
    assert victim.managed.found(picture("owl.jpg")) == ["a.jpg"]
    (mine,) = other.caller.result("GET", "/api/collections/")["collections"]
    assert mine["uuid"] == other.uuid
    similar = other.caller.result("GET", f"/api/files/{other.files()['mine.jpg']['uuid']}/similar/")
    assert similar["files"] == []
    assert victim.token not in other.caller("GET", "/api/tokens/").text
    for method in ("GET", "POST"):
        files = {"files": {"file": picture("owl.jpg")}} if method == "POST" else {}
        narrowed = {"query": "owl", "collection": victim.managed.uuid}
        refusal(other.caller(method, "/api/search/", params=narrowed, **files), 404)

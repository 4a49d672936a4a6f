"""Two accounts: on every route, each answers the other's identifiers with "not found" and changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.domain.accounts import NewToken, Scope, Subscription
from infra.admin.deployment import Deployment
from infra.local_system import LocalSystem
from tests.e2e.harness import MISSING_ID, Caller, ManagedCollection, error_info, picture
from tests.unit.api.test_openapi import routes
from tests.unit.api.test_scopes import TABLE

NewAccount = Callable[..., Caller]

# These routes name no resource. They show the caller's own, which the last test here covers.
WITHOUT_IDENTIFIER = {
    ("GET", "/api/search"),
    ("POST", "/api/search"),
    ("GET", "/api/collections"),
    ("POST", "/api/collections"),
    ("POST", "/api/collections/check"),
    ("GET", "/api/account"),
    ("DELETE", "/api/account"),
    ("GET", "/api/account/export"),
    ("GET", "/api/tokens"),
    ("POST", "/api/tokens"),
}
PUBLIC = {("GET", "/api/openapi.json"), ("GET", "/api/docs")}
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/api/collections/{uuid}"): {"json": {"name": "stolen"}},
    ("POST", "/api/collections/{uuid}/upload"): {"files": {"file": ("a.jpg", picture("pig.jpg"))}},
    ("GET", "/api/collections/{uuid}/explain"): {"params": {"key": "a.jpg"}},
}


class Victim:
    """An account with one of each resource."""

    def __init__(self, caller: Caller) -> None:
        self.caller, self.managed = caller, ManagedCollection(caller)
        self.managed.upload("a.jpg", picture("owl.jpg"))
        self.file = self.managed.files()["a.jpg"]["uuid"]
        self.upload = self.managed.prepare("b.jpg", 5000).json()["result"]["upload"]["id"]
        (self.token,) = (token["id"] for token in caller.result("GET", "/api/tokens/")["tokens"])

    def path(self, pattern: str) -> str:
        """A route's path with this account's identifiers."""
        uuid = self.file if pattern.startswith(("/api/files", "/collections/download")) else self.managed.uuid
        id_ = self.token if pattern.startswith("/api/tokens") else self.upload
        return pattern.format(uuid=uuid, id=id_, collection=self.managed.uuid, file=f"{self.file}.jpg") + "/"

    def snapshot(self) -> Any:
        """All that the account can read of itself, except when its token was last used."""
        answers = [self.caller.result("GET", path) for path in ("/api/account/", "/api/collections/")]
        tokens = [token["id"] for token in self.caller.result("GET", "/api/tokens/")["tokens"]]
        return answers, tokens, self.managed.files(), self.managed.exact_matches(picture("owl.jpg"))


@pytest.fixture(scope="module")
def victim(deployment: Deployment, stack: LocalSystem) -> Victim:
    accounts = deployment.services.accounts
    account = accounts.open("victim", Subscription("business"))
    return Victim(Caller(stack.api_url, accounts.issue_token(account.uuid, NewToken("tests", Scope.ADMIN))[0]))


@pytest.mark.parametrize("route", sorted(routes() - WITHOUT_IDENTIFIER - PUBLIC), ids=" ".join)
def test_another_accounts_resource_is_answered_like_a_missing_one_and_stays_unchanged(
    victim: Victim, new_account: NewAccount, route: tuple[str, str]
) -> None:
    method, pattern = route
    before, thief = victim.snapshot(), new_account()
    options = OPTIONS.get(route, {})
    foreign = thief(method, victim.path(pattern), **options)
    missing_path = pattern.format(uuid=MISSING_ID, id=MISSING_ID, collection=MISSING_ID, file=f"{MISSING_ID}.jpg")
    missing = thief(method, missing_path, **options)
    assert error_info(foreign, 404)["message"] == error_info(missing, 404)["message"]
    assert victim.snapshot() == before


@pytest.mark.parametrize("route", sorted(routes() - PUBLIC), ids=" ".join)
def test_every_route_is_forbidden_without_a_valid_token(
    victim: Victim, anonymous: Caller, route: tuple[str, str]
) -> None:
    method, pattern = route
    for header in ({}, {"Authorization": "Token smx_" + "a" * 43}, {"Authorization": "Bearer x"}):
        answer = anonymous(method, victim.path(pattern), headers=header, **OPTIONS.get(route, {}))
        assert error_info(answer, 403)["error"] == "forbidden"


def test_every_route_is_forbidden_on_a_plan_without_the_api(new_account: NewAccount, victim: Victim) -> None:
    caller = new_account("free")
    for method, pattern in sorted(
        route for route, (_, any_plan) in TABLE.items() if not any_plan and route not in PUBLIC
    ):
        info = error_info(caller(method, victim.path(pattern), **OPTIONS.get((method, pattern), {})), 403)
        assert info["error"] == "plan_forbids"


def test_lists_and_searches_show_only_the_accounts_own(victim: Victim, new_account: NewAccount) -> None:
    managed = ManagedCollection(new_account())
    caller = managed.caller
    managed.upload("mine.jpg", picture("owl.jpg"))
    assert managed.exact_matches(picture("owl.jpg")) == ["mine.jpg"]
    assert caller.search_names("an owl") == ["mine.jpg"]
    assert victim.managed.exact_matches(picture("owl.jpg")) == ["a.jpg"]
    (collection,) = caller.result("GET", "/api/collections/")["collections"]
    assert collection["uuid"] == managed.uuid
    similar = caller.result("GET", f"/api/files/{managed.files()['mine.jpg']['uuid']}/similar/")
    assert similar["files"] == []
    assert victim.token not in caller("GET", "/api/tokens/").text
    parameters = {"query": "owl", "collection": victim.managed.uuid}
    error_info(caller("GET", "/api/search/", params=parameters), 404)
    error_info(caller("POST", "/api/search/", params=parameters, files={"file": picture("owl.jpg")}), 404)

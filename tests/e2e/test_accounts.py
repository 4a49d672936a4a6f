"""Accounts over HTTP: the plan and what is used of it, tokens made, listed and revoked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.accounts import Scope
from tests.e2e.conftest import Caller, eventually, picture
from tests.e2e.test_bad_input import MISSING, refusal

Newcomer = Callable[..., Caller]


def test_an_account_sees_its_plan_and_what_is_used_of_it(newcomer: Newcomer) -> None:
    caller = newcomer("pro", uploads_a_month=7)
    fresh = caller.result("GET", "/api/account/")["account"]
    assert fresh["plan"] == "pro"
    assert fresh["auto_sync_intervals"] == ["daily", "manual", "monthly", "weekly"]
    assert fresh["allowances"]["uploads_a_month"] == {"allowed": 7, "used": 0}
    assert fresh["allowances"]["collections"] == {"allowed": 10, "used": 0}
    made = caller.result("POST", "/api/collections/", json={"type": "managed", "name": "Mine"})["collection"]
    caller.result("POST", f"/api/collections/{made['uuid']}/upload/", files={"file": ("a.jpg", picture("owl.jpg"))})
    used = {name: each["used"] for name, each in caller.result("GET", "/api/account/")["account"]["allowances"].items()}
    size = len(picture("owl.jpg"))
    assert used == {"collections": 1, "files": 1, "bytes": size, "managed_bytes": size, "uploads_a_month": 1}


def test_a_token_is_shown_once_listed_without_its_secret_and_revoked(newcomer: Newcomer) -> None:
    caller = newcomer()
    made = caller.result("POST", "/api/tokens/", json={"name": " laptop ", "scope": "read"})
    token, secret = made["token"], made["secret"]
    assert (token["name"], token["scope"], token["expires_at"], token["last_used"]) == ("laptop", "read", None, None)
    assert secret.startswith("smx_")
    assert len(secret) == 4 + 43
    reader = Caller(caller.base_url, secret)
    assert reader("GET", "/api/collections/").status_code == 200
    assert secret not in caller("GET", "/api/tokens/").text
    listed = {each["id"]: each for each in caller.result("GET", "/api/tokens/")["tokens"]}
    assert datetime.fromisoformat(listed[token["id"]]["last_used"]) > datetime.now(UTC) - timedelta(minutes=1)
    assert caller("DELETE", f"/api/tokens/{token['id']}/").status_code == 200
    assert token["id"] not in [each["id"] for each in caller.result("GET", "/api/tokens/")["tokens"]]
    eventually(lambda: reader("GET", "/api/collections/").status_code == 403, seconds=10)
    refusal(caller("DELETE", f"/api/tokens/{token['id']}/"), 404)


def test_a_token_expires(newcomer: Newcomer) -> None:
    caller = newcomer()
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    made = caller.result("POST", "/api/tokens/", json={"name": "guest", "scope": "read", "expires_at": soon})
    assert made["token"]["expires_at"] == soon
    eventually(lambda: Caller(caller.base_url, made["secret"])("GET", "/api/account/").status_code == 403, seconds=10)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"scope": "read"}, "name"),
        ({"name": " ", "scope": "read"}, "name"),
        ({"name": "n" * 101, "scope": "read"}, "name"),
        ({"name": "n"}, "scope"),
        ({"name": "n", "scope": "all"}, "scope"),
        ({"name": "n", "scope": "read", "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "n", "scope": "read", "expires_at": "2001-01-01T00:00:00+00:00"}, "expires_at"),
        ({"name": "n", "scope": "read", "expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"name": "n", "scope": "read", "admin": True}, "admin"),
    ],
)
def test_a_token_that_cannot_be_made_names_the_field(newcomer: Newcomer, wish: dict[str, object], field: str) -> None:
    refusal(newcomer()("POST", "/api/tokens/", json=wish), 400, field=field)


def test_an_account_has_twenty_tokens_at_most(newcomer: Newcomer) -> None:
    caller = newcomer()
    for _ in range(19):
        assert caller("POST", "/api/tokens/", json={"name": "n", "scope": "read"}).status_code == 201
    answer = caller("POST", "/api/tokens/", json={"name": "n", "scope": "read"})
    assert refusal(answer, 429)["error"] == "quota_exceeded"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/tokens/"),
        ("DELETE", f"/api/tokens/{MISSING}/"),
        ("POST", "/api/collections/"),
        ("POST", "/api/collections/check/"),
        ("PATCH", f"/api/collections/{MISSING}/"),
        ("DELETE", f"/api/collections/{MISSING}/"),
        ("POST", f"/api/collections/{MISSING}/sync/"),
        ("POST", f"/api/collections/{MISSING}/upload/"),
        ("POST", f"/api/collections/{MISSING}/upload/{MISSING}/complete/"),
        ("DELETE", f"/api/files/{MISSING}/"),
        ("POST", f"/api/files/{MISSING}/retry/"),
    ],
)
def test_a_token_that_may_only_read_changes_nothing(newcomer: Newcomer, method: str, path: str) -> None:
    assert refusal(newcomer(scope=Scope.READ)(method, path), 403)["error"] == "read_only_token"


def test_a_token_that_may_only_read_searches_by_picture(newcomer: Newcomer) -> None:
    answer = newcomer(scope=Scope.READ)("POST", "/api/search/", files={"file": picture("owl.jpg")})
    assert answer.status_code == 200

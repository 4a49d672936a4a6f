"""Accounts over HTTP: the plan and its usage, and tokens that are created, listed and revoked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.accounts import Scope
from tests.e2e.harness import MISSING_ID, Caller, ManagedCollection, error_info, eventually, picture

NewAccount = Callable[..., Caller]


def test_an_account_shows_its_plan_its_limits_and_their_usage(new_account: NewAccount) -> None:
    caller = new_account("pro", uploads_a_month=7)
    account = caller.result("GET", "/api/account/")["account"]
    assert account["plan"] == "pro"
    assert account["auto_sync_intervals"] == ["daily", "manual", "monthly", "weekly"]
    assert account["allowances"]["uploads_a_month"] == {"allowed": 7, "used": 0}
    assert account["allowances"]["collections"] == {"allowed": 10, "used": 0}
    ManagedCollection(caller).upload("a.jpg", picture("owl.jpg"))
    size = len(picture("owl.jpg"))
    assert caller.usage() == {"collections": 1, "files": 1, "bytes": size, "managed_bytes": size, "uploads_a_month": 1}


def test_a_tokens_secret_is_shown_once_and_a_revoked_token_is_refused(new_account: NewAccount) -> None:
    caller = new_account()
    created = caller.result("POST", "/api/tokens/", json={"name": " laptop ", "scope": "read"})
    token, secret = created["token"], created["secret"]
    assert (token["name"], token["scope"], token["expires_at"], token["last_used"]) == ("laptop", "read", None, None)
    assert secret.startswith("smx_")
    assert len(secret) == 4 + 43
    reader = Caller(caller.base_url, secret)
    assert reader("GET", "/api/collections/").status_code == 200
    assert secret not in caller("GET", "/api/tokens/").text
    last_used = {token["id"]: token["last_used"] for token in caller.result("GET", "/api/tokens/")["tokens"]}
    assert datetime.fromisoformat(last_used[token["id"]]) > datetime.now(UTC) - timedelta(minutes=1)
    assert caller("DELETE", f"/api/tokens/{token['id']}/").status_code == 200
    assert token["id"] not in [token["id"] for token in caller.result("GET", "/api/tokens/")["tokens"]]
    eventually(lambda: reader("GET", "/api/collections/").status_code == 403, seconds=10)
    error_info(caller("DELETE", f"/api/tokens/{token['id']}/"), 404)


def test_an_expired_token_is_refused(new_account: NewAccount) -> None:
    caller = new_account()
    expiry = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    created = caller.result("POST", "/api/tokens/", json={"name": "guest", "scope": "read", "expires_at": expiry})
    assert created["token"]["expires_at"] == expiry
    guest = Caller(caller.base_url, created["secret"])
    eventually(lambda: guest("GET", "/api/account/").status_code == 403, seconds=10)


@pytest.mark.parametrize(
    ("payload", "field"),
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
def test_an_invalid_request_for_a_token_names_the_field(
    new_account: NewAccount, payload: dict[str, object], field: str
) -> None:
    error_info(new_account()("POST", "/api/tokens/", json=payload), 400, field=field)


def test_an_account_has_at_most_twenty_tokens(new_account: NewAccount) -> None:
    caller = new_account()
    for _ in range(19):
        assert caller("POST", "/api/tokens/", json={"name": "n", "scope": "read"}).status_code == 201
    answer = caller("POST", "/api/tokens/", json={"name": "n", "scope": "read"})
    assert error_info(answer, 429)["error"] == "quota_exceeded"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/tokens/"),
        ("DELETE", f"/api/tokens/{MISSING_ID}/"),
        ("POST", "/api/collections/"),
        ("POST", "/api/collections/check/"),
        ("PATCH", f"/api/collections/{MISSING_ID}/"),
        ("DELETE", f"/api/collections/{MISSING_ID}/"),
        ("POST", f"/api/collections/{MISSING_ID}/sync/"),
        ("POST", f"/api/collections/{MISSING_ID}/upload/"),
        ("POST", f"/api/collections/{MISSING_ID}/upload/{MISSING_ID}/complete/"),
        ("DELETE", f"/api/files/{MISSING_ID}/"),
        ("POST", f"/api/files/{MISSING_ID}/retry/"),
    ],
)
def test_a_read_only_token_cannot_write(new_account: NewAccount, method: str, path: str) -> None:
    assert error_info(new_account(scope=Scope.READ)(method, path), 403)["error"] == "read_only_token"


def test_a_read_only_token_can_search_by_picture(new_account: NewAccount) -> None:
    answer = new_account(scope=Scope.READ)("POST", "/api/search/", files={"file": picture("owl.jpg")})
    assert answer.status_code == 200

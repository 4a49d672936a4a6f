"""Accounts over HTTP: the plan and its usage, and tokens that are created, listed and revoked."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.accounts import EXPORT_KINDS, Scope, Subscription, token_digest
from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.local_system import LocalSystem
from tests.e2e.harness import (
    MISSING_ID,
    Caller,
    Customer,
    ManagedCollection,
    bucket_source,
    error_info,
    eventually,
    picture,
    without_signature,
)

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
    assert caller.usage() == {
        "collections": 1,
        "files": 1,
        "bytes": size,
        "managed_bytes": size,
        "uploads_a_month": 1,
        "webhooks": 0,
    }


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
    assert error_info(answer, 403)["error"] == "quota_exceeded"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/collections/"),
        ("POST", "/api/collections/check/"),
        ("PATCH", f"/api/collections/{MISSING_ID}/"),
        ("DELETE", f"/api/collections/{MISSING_ID}/"),
        ("POST", f"/api/collections/{MISSING_ID}/sync/"),
        ("POST", f"/api/collections/{MISSING_ID}/upload/"),
        ("POST", f"/api/collections/{MISSING_ID}/uploads/{MISSING_ID}/complete/"),
        ("DELETE", f"/api/files/{MISSING_ID}/"),
        ("POST", f"/api/files/{MISSING_ID}/retry/"),
    ],
)
def test_a_read_only_token_cannot_write(new_account: NewAccount, method: str, path: str) -> None:
    assert error_info(new_account(scope=Scope.READ)(method, path), 403)["error"] == "read_only_token"


def test_a_token_for_searches_searches_and_shows_what_it_finds_and_nothing_else(new_account: NewAccount) -> None:
    owner = new_account()
    managed = ManagedCollection(owner)
    managed.upload("owl.jpg", picture("owl.jpg"))
    secret = owner.result("POST", "/api/tokens/", json={"name": "page", "scope": "search"})["secret"]
    page = Caller(owner.base_url, secret)
    (file,) = page.result("GET", "/api/search/", params={"query": "an owl"})["files"]
    assert page("GET", without_signature(file["thumbnail"])).status_code == 200
    assert page("GET", without_signature(file["download_url"])).status_code == 302
    assert page("GET", f"/api/files/{file['uuid']}/similar/").status_code == 200
    for path in ("/api/collections/", "/api/account/", "/api/tokens/", f"/api/files/{file['uuid']}/"):
        assert error_info(page("GET", path), 403)["error"] == "scope_forbids"
    assert error_info(page("DELETE", f"/api/files/{file['uuid']}/"), 403)["error"] == "read_only_token"


def test_only_a_token_with_the_scope_admin_manages_tokens(new_account: NewAccount) -> None:
    writer = new_account(scope=Scope.WRITE)
    new = {"name": "n", "scope": "search"}
    for answer in (
        writer("GET", "/api/tokens/"),
        writer("POST", "/api/tokens/", json=new),
        writer("DELETE", f"/api/tokens/{MISSING_ID}/"),
    ):
        assert error_info(answer, 403)["error"] == "scope_forbids"


def test_a_token_that_expires_makes_none_that_lives_longer_and_cannot_revoke_its_maker(
    new_account: NewAccount,
) -> None:
    owner = new_account()
    (main,) = owner.result("GET", "/api/tokens/")["tokens"]
    expiry = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    new = {"name": "guest", "scope": "admin", "expires_at": expiry}
    guest = Caller(owner.base_url, owner.result("POST", "/api/tokens/", json=new)["secret"])
    child = guest.result("POST", "/api/tokens/", json={"name": "child", "scope": "write"})
    assert child["token"]["expires_at"] == expiry
    later = {"name": "later", "scope": "read", "expires_at": "2999-01-01T00:00:00+00:00"}
    error_info(guest("POST", "/api/tokens/", json=later), 400, field="expires_at")
    assert error_info(guest("DELETE", f"/api/tokens/{main['id']}/"), 403)["error"] == "forbidden"
    (made_by,) = [
        token["made_by"] for token in owner.result("GET", "/api/tokens/")["tokens"] if token["name"] == "child"
    ]
    assert owner("DELETE", f"/api/tokens/{made_by}/").status_code == 200, "the guest's token"
    assert [token["id"] for token in owner.result("GET", "/api/tokens/")["tokens"]] == [main["id"]]
    orphan = Caller(owner.base_url, child["secret"])
    eventually(lambda: orphan("GET", "/api/collections/").status_code == 403, seconds=10)


def test_an_account_whose_plan_has_no_api_can_still_show_download_and_delete_what_it_has(
    new_account: NewAccount, deployment: Deployment
) -> None:
    caller = new_account()
    managed = ManagedCollection(caller)
    managed.upload("owl.jpg", picture("owl.jpg"))
    file = managed.files()["owl.jpg"]
    account = caller.result("GET", "/api/account/")["account"]["uuid"]
    deployment.services.accounts.set_subscription(account, Subscription("free"))
    search = {"params": {"query": "owl"}}
    eventually(lambda: caller("GET", "/api/search/", **search).status_code == 403, seconds=10)
    assert error_info(caller("GET", "/api/search/", **search), 403)["error"] == "plan_forbids"
    assert caller.result("GET", "/api/account/")["account"]["plan"] == "free"
    assert caller("GET", without_signature(file["download_url"])).status_code == 302
    assert list(managed.files()) == ["owl.jpg"]
    assert caller("DELETE", f"/api/files/{file['uuid']}/").status_code == 200
    assert caller("DELETE", f"{managed.path}/").status_code == 202
    (token,) = caller.result("GET", "/api/tokens/")["tokens"]
    assert caller("DELETE", f"/api/tokens/{token['id']}/").status_code == 200


def test_a_secret_is_kept_by_no_cache(new_account: NewAccount) -> None:
    answer = new_account()("POST", "/api/tokens/", json={"name": "n", "scope": "read"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_read_only_token_can_search_by_picture(new_account: NewAccount) -> None:
    answer = new_account(scope=Scope.READ)("POST", "/api/search/", files={"file": picture("owl.jpg")})
    assert answer.status_code == 200


class TestDeletionAndExport:
    """An account with a synced collection, a managed one with an upload under way, and a folder that it has checked."""

    @pytest.fixture
    def owner(self, new_account: NewAccount, customer: Customer) -> Caller:
        caller = new_account()
        bucket = customer.create_bucket(owl=picture("owl.jpg"), pig=picture("pig.jpg"))
        connected = customer.connect(caller, bucket)
        caller.sync_and_wait(connected["uuid"])
        managed = ManagedCollection(caller)
        managed.upload("owl.jpg", picture("owl.jpg"))
        managed.prepare("never-sent.jpg", 5000)
        caller.result("POST", "/api/collections/check/", json=bucket_source(bucket, "/elsewhere"))
        return caller

    @pytest.fixture
    def account(self, owner: Caller) -> str:
        return str(owner.result("GET", "/api/account/")["account"]["uuid"])

    @pytest.fixture
    def traces(self, aws: Any, stack: LocalSystem, emulator: Emulator) -> Callable[[Sequence[str]], dict[str, int]]:
        """Counts the items of all tables, the objects of all buckets and the rows of the index with identifiers."""

        def count(identifiers: Sequence[str]) -> dict[str, int]:
            def has_one(thing: object) -> bool:
                return any(identifier in repr(thing) for identifier in identifiers)

            found = {}
            for output, name in stack.outputs.items():
                if output.endswith("TableName"):
                    pages = aws("dynamodb").get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
                    found[output] = sum(has_one(item) for page in pages for item in page["Items"])
                elif output.endswith("BucketName"):
                    pages = aws("s3").get_paginator("list_objects_v2").paginate(Bucket=name)
                    found[output] = sum(has_one(entry["Key"]) for page in pages for entry in page.get("Contents", []))
            with sqlite3.connect(emulator.folder / "vectors.sqlite") as index:
                # The text of a row; a removed file's row has a version, and no identifier but the file's.
                rows = index.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                for (table,) in rows:
                    found[f"index {table}"] = sum(map(has_one, index.execute(f"SELECT * FROM {table}")))
            return {place: number for place, number in found.items() if number}

        return count

    def test_a_deleted_account_is_gone_at_once_and_all_that_belongs_to_it_soon(
        self,
        owner: Caller,
        account: str,
        new_account: NewAccount,
        traces: Callable[[Sequence[str]], dict[str, int]],
    ) -> None:
        collections = [c["uuid"] for c in owner.result("GET", "/api/collections/")["collections"]]
        neighbour = ManagedCollection(new_account())
        neighbour.upload("owl.jpg", picture("owl.jpg"))
        before = traces([account, *collections])
        assert {
            "AccountsTableName",
            "CollectionsTableName",
            "CatalogueTableName",
            "SyncsTableName",
            "ManagedBucketName",
            "ThumbnailsBucketName",
        } <= set(before)
        assert any(place.startswith("index ") for place in before)
        error_info(owner("DELETE", "/api/account/"), 400, field="confirm")
        error_info(owner("DELETE", "/api/account/", params={"confirm": MISSING_ID}), 400, field="confirm")
        assert owner("DELETE", "/api/account/", params={"confirm": account}).status_code == 202
        eventually(lambda: owner("GET", "/api/account/").status_code == 403, seconds=10)
        eventually(lambda: traces([account, *collections]) == {})
        assert neighbour.exact_matches(picture("owl.jpg")) == ["owl.jpg"]

    def test_a_token_that_another_has_made_does_not_delete_the_account(self, owner: Caller, account: str) -> None:
        secret = owner.result("POST", "/api/tokens/", json={"name": "n", "scope": "admin"})["secret"]
        answer = Caller(owner.base_url, secret)("DELETE", "/api/account/", params={"confirm": account})
        assert error_info(answer, 403)["error"] == "forbidden"
        assert owner("GET", "/api/account/").status_code == 200

    def test_an_export_has_all_that_is_kept_page_by_page_and_no_secret(self, owner: Caller, account: str) -> None:
        records: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            body = owner("GET", "/api/account/export/", params={"limit": 2, **cursor}).json()
            records += body["result"]["records"]
            if body["info"]["next_cursor"] is None:
                break
            cursor = {"cursor": body["info"]["next_cursor"]}
        counts = Counter(record["kind"] for record in records)
        # A file is a record of the catalogue: the upload that was never sent has one, too.
        assert (counts["account"], counts["token"], counts["collection"], counts["file"]) == (1, 1, 2, 4)
        assert (counts["source"], counts["upload"], counts["usage"]) == (1, 2, 1)
        assert set(counts) <= set(EXPORT_KINDS)
        text = json.dumps(records)
        assert owner.token is not None
        assert owner.token not in text
        assert token_digest(owner.token) not in text
        error_info(owner("GET", "/api/account/export/", params={"cursor": "x"}), 400, field="cursor")

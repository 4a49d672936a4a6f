"""Collections over HTTP: tried out, made, changed and deleted."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.local_system import LocalSystem
from tests.e2e.conftest import Caller, Customer, eventually, picture
from tests.e2e.test_bad_input import GOOD, MISSING, refusal

Newcomer = Callable[..., Caller]
REGION = "us-east-1"


def source(bucket: str, folder: str = "/photos", region: str = REGION) -> dict[str, Any]:
    return {"bucket": bucket, "folder": folder, "region": region}


class TestTryingABucketOut:
    def check(self, caller: Caller, wish: dict[str, Any]) -> dict[str, Any]:
        return caller.result("POST", "/api/collections/check/", json=wish)

    def test_before_there_is_a_role_tells_what_it_must_be_like(self, api: Caller, customer: Customer) -> None:
        wish = source(customer.make_bucket())
        found = self.check(api, wish)
        assert found["readable"] is False
        assert [problem["error"] for problem in found["problems"]] == ["no_role"]
        (statement,) = found["trust_policy"]["Statement"]
        assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": found["external_id"]}}
        (notice,) = found["notification_configuration"]["QueueConfigurations"]
        assert notice["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "photos/"}]
        assert self.check(api, wish)["external_id"] == found["external_id"], "the same each time"
        assert self.check(api, source(wish["bucket"], "/x"))["external_id"] != found["external_id"]

    def test_with_all_in_order_finds_nothing_wrong(self, api: Caller, customer: Customer) -> None:
        wish = source(customer.make_bucket(owl=picture("owl.jpg")))
        role = customer.make_role(self.check(api, wish))
        found = self.check(api, {**wish, "role_arn": role})
        assert (found["readable"], found["problems"]) == (True, [])

    def test_says_exactly_what_is_missing(self, api: Caller, customer: Customer) -> None:
        wish = source(customer.make_bucket(owl=picture("owl.jpg")))
        asked = self.check(api, wish)
        role, listing = customer.make_role(asked), asked["permissions_policy"]["Statement"][:1]

        def problem(**changes: Any) -> tuple[str, str]:
            (found,) = self.check(api, {**wish, "role_arn": role, **changes})["problems"]
            return found["error"], found["field"]

        assert problem(role_arn=role + "x") == ("role_not_assumable", "role_arn")
        elsewhere = customer.make_role(self.check(api, source("another-bucket-of-mine")))
        assert problem(role_arn=elsewhere) == ("role_not_assumable", "role_arn"), "another folder's external id"
        customer.allow(role, {"Version": "2012-10-17", "Statement": listing})
        assert problem() == ("get_denied", "role_arn")
        customer.allow(role, {"Version": "2012-10-17", "Statement": [{**listing[0], "Resource": "arn:aws:s3:::other"}]})
        assert problem() == ("list_denied", "role_arn")

    def test_tells_a_missing_bucket_and_a_wrong_region(self, api: Caller, customer: Customer) -> None:
        missing = source("there-is-no-such-bucket-here")
        role = customer.make_role(self.check(api, missing))
        (problem,) = self.check(api, {**missing, "role_arn": role})["problems"]
        assert (problem["error"], problem["field"]) == ("no_such_bucket", "bucket")
        far = source(customer.make_bucket("eu-west-1"))
        role = customer.make_role(self.check(api, far))
        (problem,) = self.check(api, {**far, "role_arn": role})["problems"]
        assert (problem["error"], problem["field"]) == ("wrong_region", "region")
        assert "eu-west-1" in problem["message"]

    @pytest.mark.parametrize("field", ["bucket", "region", "folder", "role_arn"])
    def test_needs_a_well_formed_wish(self, api: Caller, field: str) -> None:
        wish = {key: value for key, value in GOOD.items() if key not in ("type", "name")}
        refusal(api("POST", "/api/collections/check/", json={**wish, field: 7}), 400, field=field)


class TestMakingOne:
    def test_on_a_bucket_that_cannot_be_read_is_refused_with_the_reason(self, api: Caller, customer: Customer) -> None:
        wish = {**GOOD, "bucket": customer.make_bucket()}
        assert (
            refusal(api("POST", "/api/collections/", json=wish), 400, field="role_arn")["error"] == "source_unreadable"
        )

    def test_twice_on_the_same_folder_is_a_conflict_and_on_another_folder_is_not(
        self, newcomer: Newcomer, customer: Customer
    ) -> None:
        caller, bucket = newcomer(), customer.make_bucket()
        connect(caller, customer, bucket)
        again = {**source(bucket, "photos/"), "type": "s3", "name": "again"}
        role = customer.make_role(caller.result("POST", "/api/collections/check/", json=source(bucket)))
        answer = caller("POST", "/api/collections/", json={**again, "role_arn": role})
        assert refusal(answer, 409, field="bucket")["error"] == "duplicate_collection"
        connect(caller, customer, bucket, "/other")
        connect(newcomer(), customer, bucket)
        assert len(caller.result("GET", "/api/collections/")["collections"]) == 2

    def test_more_than_the_plan_allows_is_refused(self, newcomer: Newcomer) -> None:
        caller = newcomer(collections=1)
        wish = {"type": "managed", "name": "n"}
        assert caller("POST", "/api/collections/", json=wish).status_code == 201
        assert refusal(caller("POST", "/api/collections/", json=wish), 429)["error"] == "quota_exceeded"
        (made,) = caller.result("GET", "/api/collections/")["collections"]
        assert caller("DELETE", f"/api/collections/{made['uuid']}/").status_code == 202
        assert caller("POST", "/api/collections/", json=wish).status_code == 201


class TestChangingOne:
    def test_name_and_interval(self, newcomer: Newcomer, customer: Customer) -> None:
        caller = newcomer()
        path = f"/api/collections/{connect(caller, customer, customer.make_bucket())['uuid']}/"
        changed = caller.result("PATCH", path, json={"name": " New ", "auto_sync_interval": "daily"})["collection"]
        assert (changed["name"], changed["auto_sync_interval"]) == ("New", "daily")
        changed = caller.result("PATCH", path, json={"auto_sync_interval": "manual"})["collection"]
        assert changed == caller.result("GET", path)["collection"]
        assert (changed["name"], changed["auto_sync_interval"]) == ("New", "manual")
        assert caller.result("PATCH", path, json={})["collection"] == changed

    def test_a_role_is_tried_out_first(self, newcomer: Newcomer, customer: Customer) -> None:
        caller, bucket = newcomer(), customer.make_bucket()
        path = f"/api/collections/{connect(caller, customer, bucket)['uuid']}/"
        refusal(caller("PATCH", path, json={"role_arn": GOOD["role_arn"]}), 400, field="role_arn")
        role = customer.make_role(caller.result("POST", "/api/collections/check/", json=source(bucket)))
        assert caller("PATCH", path, json={"role_arn": role}).status_code == 200

    @pytest.mark.parametrize(
        ("field", "value"),
        [("name", ""), ("name", None), ("auto_sync_interval", "hourly"), ("bucket", "other"), ("type", "s3"), ("x", 1)],
    )
    def test_what_cannot_be_changed_names_the_field(
        self, api: Caller, stack: LocalSystem, field: str, value: Any
    ) -> None:
        refusal(api("PATCH", f"/api/collections/{stack.collection}/", json={field: value}), 400, field=field)

    def test_a_managed_one_has_no_interval(self, api: Caller, stack: LocalSystem) -> None:
        wish = {"auto_sync_interval": "daily"}
        refusal(
            api("PATCH", f"/api/collections/{stack.managed_collection}/", json=wish), 400, field="auto_sync_interval"
        )

    def test_an_interval_that_the_plan_has_not_is_refused(
        self, deployment: Any, newcomer: Newcomer, customer: Customer
    ) -> None:
        # A plan with the API and without schedules does not exist, so the rule is asked by itself.
        from chalicelib.api.requests.bodies import parse_new_collection
        from chalicelib.domain.accounts import Caller as Asking
        from chalicelib.domain.errors import PlanForbids
        from chalicelib.domain.plans import PLANS

        new = parse_new_collection({**GOOD, "auto_sync_interval": "daily"})
        with pytest.raises(PlanForbids):
            deployment.services.collections.create(Asking(MISSING, PLANS["free"]), new)


class TestDeletingOne:
    @pytest.fixture
    def left(self, aws: Any, stack: LocalSystem, deployment: Any) -> Callable[[str], dict[str, int]]:
        """What there still is of a managed or a customer's collection, anywhere."""

        def look(collection: str) -> dict[str, int]:
            s3, outputs = aws("s3"), stack.outputs
            records = aws("dynamodb").query(
                TableName=outputs["CatalogueTableName"],
                KeyConditionExpression="#c = :c",
                ExpressionAttributeNames={"#c": "collection"},
                ExpressionAttributeValues={":c": {"S": collection}},
            )
            items = aws("dynamodb").scan(TableName=outputs["CollectionsTableName"])["Items"]
            held = aws("dynamodb").scan(TableName=outputs["AccountsTableName"])["Items"]
            listed = s3.list_objects_v2(Bucket=outputs["ManagedBucketName"]).get("Contents", [])
            thumbnails = s3.list_objects_v2(Bucket=outputs["ThumbnailsBucketName"]).get("Contents", [])
            return {
                "records": records["Count"],
                "objects": sum(collection in each["Key"] for each in listed),
                "thumbnails": sum(collection in each["Key"] for each in thumbnails),
                "collections": sum(item["uuid"]["S"] == collection for item in items),
                "shares": sum(collection in item["sk"]["S"] for item in held),
            }

        return look

    def test_it_is_gone_at_once_and_all_of_it_soon(self, newcomer: Newcomer, left: Any, stack: LocalSystem) -> None:
        caller = newcomer()
        made = caller.result("POST", "/api/collections/", json={"type": "managed", "name": "n"})["collection"]["uuid"]
        path = f"/api/collections/{made}"
        for name in ("owl", "pig"):
            caller.result("POST", f"{path}/upload/", files={"file": (f"{name}.jpg", picture(f"{name}.jpg"))})
        waiting = {"file": "never.jpg", "size": 5000, "mime_type": "image/jpeg"}
        caller.result("POST", f"{path}/upload/", json=waiting)
        file = caller.result("GET", "/api/search/", params={"query": "owl"})["files"][0]
        assert left(made) == {"records": 3, "objects": 2, "thumbnails": 2, "collections": 1, "shares": 5}

        answer = caller("DELETE", f"{path}/")
        assert answer.status_code == 202
        assert made in answer.json()["result"]["message"]
        for method, gone in [
            ("GET", f"{path}/"),
            ("DELETE", f"{path}/"),
            ("POST", f"{path}/sync/"),
            ("GET", f"{path}/files/"),
            ("GET", f"/api/files/{file['uuid']}/"),
            ("GET", file["download_url"]),
            ("GET", file["thumbnail"]),
        ]:
            refusal(caller(method, gone), 404)
        assert caller.result("GET", "/api/collections/")["collections"] == []
        eventually(lambda: caller.names_found("owl") == [])
        eventually(lambda: set(left(made).values()) == {0})
        used = caller.result("GET", "/api/account/")["account"]["allowances"]
        assert {name: each["used"] for name, each in used.items()} == {
            "collections": 0,
            "files": 0,
            "bytes": 0,
            "managed_bytes": 0,
            "uploads_a_month": 2,
        }

    def test_a_customers_bucket_is_left_as_it_is_and_may_be_connected_again(
        self, newcomer: Newcomer, customer: Customer, left: Any, aws: Any
    ) -> None:
        caller = newcomer()
        bucket = customer.make_bucket(owl=picture("owl.jpg"))
        made = connect(caller, customer, bucket)["uuid"]
        assert caller("POST", f"/api/collections/{made}/sync/").status_code == 202
        eventually(lambda: caller.names_found("owl") == ["owl.jpg"])
        assert caller("DELETE", f"/api/collections/{made}/").status_code == 202
        connect(caller, customer, bucket)
        eventually(lambda: caller.names_found("owl") == [])
        # The folder's external id stays the account's.
        eventually(lambda: {**left(made), "shares": 0} == dict.fromkeys(left(made), 0))
        assert aws("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def connect(caller: Caller, customer: Customer, bucket: str, folder: str = "/photos") -> dict[str, Any]:
    wish = source(bucket, folder)
    role = customer.make_role(caller.result("POST", "/api/collections/check/", json=wish))
    made = caller.result("POST", "/api/collections/", json={**wish, "type": "s3", "name": "n", "role_arn": role})
    collection: dict[str, Any] = made["collection"]
    return collection

"""Collections over HTTP: their buckets checked, and they themselves created, changed and deleted."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.admin.deployment import Deployment
from infra.local_system import LocalSystem
from tests.e2e.harness import (
    MISSING_ID,
    NEW_COLLECTION,
    Caller,
    Customer,
    ManagedCollection,
    bucket_source,
    error_info,
    eventually,
    picture,
)

NewAccount = Callable[..., Caller]


def check(caller: Caller, payload: dict[str, Any]) -> dict[str, Any]:
    return caller.result("POST", "/api/collections/check/", json=payload)


def test_a_check_without_a_role_describes_the_role_to_create(api: Caller, customer: Customer) -> None:
    source = bucket_source(customer.create_bucket())
    report = check(api, source)
    assert report["readable"] is False
    assert [problem["error"] for problem in report["problems"]] == ["no_role"]
    (statement,) = report["trust_policy"]["Statement"]
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": report["external_id"]}}
    (notification,) = report["notification_configuration"]["QueueConfigurations"]
    assert notification["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "photos/"}]


def test_the_external_id_of_a_folder_stays_the_same_and_another_folder_has_another(
    api: Caller, customer: Customer
) -> None:
    bucket = customer.create_bucket()
    external_id = check(api, bucket_source(bucket))["external_id"]
    assert check(api, bucket_source(bucket))["external_id"] == external_id
    assert check(api, bucket_source(bucket, "/x"))["external_id"] != external_id


def test_a_check_of_a_readable_bucket_reports_no_problem(api: Caller, customer: Customer) -> None:
    source = bucket_source(customer.create_bucket(owl=picture("owl.jpg")))
    role = customer.create_role(check(api, source))
    report = check(api, {**source, "role_arn": role})
    assert (report["readable"], report["problems"]) == (True, [])


def test_a_check_reports_which_permission_is_missing(api: Caller, customer: Customer) -> None:
    source = bucket_source(customer.create_bucket(owl=picture("owl.jpg")))
    report = check(api, source)
    role, list_statement = customer.create_role(report), report["permissions_policy"]["Statement"][0]

    def problem(**changes: Any) -> tuple[str, str]:
        (problem,) = check(api, {**source, "role_arn": role, **changes})["problems"]
        return problem["error"], problem["field"]

    def allow(statement: dict[str, Any]) -> None:
        customer.set_permissions(role, {"Version": "2012-10-17", "Statement": [statement]})

    assert problem(role_arn=role + "x") == ("role_not_assumable", "role_arn")
    of_another_folder = customer.create_role(check(api, bucket_source("another-bucket-of-mine")))
    assert problem(role_arn=of_another_folder) == ("role_not_assumable", "role_arn"), "it has another external id"
    allow(list_statement)
    assert problem() == ("get_denied", "role_arn")
    allow({**list_statement, "Resource": "arn:aws:s3:::other"})
    assert problem() == ("list_denied", "role_arn")


def test_a_role_that_does_not_demand_the_external_id_is_refused(new_account: NewAccount, customer: Customer) -> None:
    """Otherwise another account could connect the bucket with the role's ARN, which is no secret."""
    owner, stranger = new_account(), new_account()
    source = bucket_source(customer.create_bucket(owl=picture("owl.jpg")))
    report = check(owner, source)
    del report["trust_policy"]["Statement"][0]["Condition"]
    role = customer.create_role(report)
    for caller in (owner, stranger):
        (problem,) = check(caller, {**source, "role_arn": role})["problems"]
        assert (problem["error"], problem["field"]) == ("external_id_not_required", "role_arn")
        payload = {**source, "type": "s3", "name": "n", "role_arn": role}
        answer = caller("POST", "/api/collections/", json=payload)
        assert error_info(answer, 400, field="role_arn")["error"] == "source_unreadable"


def test_a_role_with_a_path_reads_its_bucket(new_account: NewAccount, customer: Customer) -> None:
    caller, source = new_account(), bucket_source(customer.create_bucket(owl=picture("owl.jpg")))
    role = customer.create_role(check(caller, source), path="/team/photos/")
    assert "/team/photos/similarix-" in role
    assert check(caller, {**source, "role_arn": role})["problems"] == []


def test_a_folder_whose_name_is_too_long_for_a_sessions_policy_is_reported(
    new_account: NewAccount, customer: Customer
) -> None:
    caller, source = new_account(), bucket_source(customer.create_bucket(), "/" + "語" * 300)
    role = customer.create_role(check(caller, source))
    (problem,) = check(caller, {**source, "role_arn": role})["problems"]
    assert (problem["error"], problem["field"]) == ("folder_too_long", "folder")


def test_a_check_reports_a_missing_bucket(api: Caller, customer: Customer) -> None:
    source = bucket_source("there-is-no-such-bucket-here")
    role = customer.create_role(check(api, source))
    (problem,) = check(api, {**source, "role_arn": role})["problems"]
    assert (problem["error"], problem["field"]) == ("no_such_bucket", "bucket")


def test_a_check_reports_the_right_region_of_a_bucket(api: Caller, customer: Customer) -> None:
    source = bucket_source(customer.create_bucket("eu-west-1"))
    role = customer.create_role(check(api, source))
    (problem,) = check(api, {**source, "role_arn": role})["problems"]
    assert (problem["error"], problem["field"]) == ("wrong_region", "region")
    assert "eu-west-1" in problem["message"]


@pytest.mark.parametrize("field", ["bucket", "region", "folder", "role_arn"])
def test_an_invalid_check_names_the_field(api: Caller, field: str) -> None:
    payload = {name: value for name, value in NEW_COLLECTION.items() if name not in ("type", "name")}
    error_info(api("POST", "/api/collections/check/", json={**payload, field: 7}), 400, field=field)


def test_a_collection_on_an_unreadable_bucket_is_refused(api: Caller, customer: Customer) -> None:
    answer = api("POST", "/api/collections/", json={**NEW_COLLECTION, "bucket": customer.create_bucket()})
    assert error_info(answer, 400, field="role_arn")["error"] == "source_unreadable"


def test_an_account_connects_a_folder_once_and_other_folders_and_accounts_are_free(
    new_account: NewAccount, customer: Customer
) -> None:
    caller, bucket = new_account(), customer.create_bucket()
    customer.connect(caller, bucket)
    role = customer.create_role(check(caller, bucket_source(bucket)))
    payload = {**bucket_source(bucket, "photos/"), "type": "s3", "name": "twice", "role_arn": role}
    answer = caller("POST", "/api/collections/", json=payload)
    assert error_info(answer, 409, field="bucket")["error"] == "duplicate_collection"
    customer.connect(caller, bucket, "/other")
    customer.connect(new_account(), bucket)
    assert len(caller.result("GET", "/api/collections/")["collections"]) == 2


def test_a_collection_beyond_the_plans_limit_is_refused_until_one_is_deleted(new_account: NewAccount) -> None:
    caller, payload = new_account(collections=1), {"type": "managed", "name": "n"}
    collection = caller.create_managed_collection()
    assert error_info(caller("POST", "/api/collections/", json=payload), 403)["error"] == "quota_exceeded"
    assert caller("DELETE", f"/api/collections/{collection}/").status_code == 202
    assert caller("POST", "/api/collections/", json=payload).status_code == 201


def test_a_collections_name_and_interval_can_be_changed(new_account: NewAccount, customer: Customer) -> None:
    caller = new_account()
    path = f"/api/collections/{customer.connect(caller, customer.create_bucket())['uuid']}/"
    changed = caller.result("PATCH", path, json={"name": " New ", "auto_sync_interval": "daily"})["collection"]
    assert (changed["name"], changed["auto_sync_interval"]) == ("New", "daily")
    changed = caller.result("PATCH", path, json={"auto_sync_interval": "manual"})["collection"]
    assert changed == caller.result("GET", path)["collection"]
    assert (changed["name"], changed["auto_sync_interval"]) == ("New", "manual")
    assert caller.result("PATCH", path, json={})["collection"] == changed


def test_a_collections_new_role_is_checked_first(new_account: NewAccount, customer: Customer) -> None:
    caller, bucket = new_account(), customer.create_bucket()
    path = f"/api/collections/{customer.connect(caller, bucket)['uuid']}/"
    error_info(caller("PATCH", path, json={"role_arn": NEW_COLLECTION["role_arn"]}), 400, field="role_arn")
    role = customer.create_role(check(caller, bucket_source(bucket)))
    assert caller("PATCH", path, json={"role_arn": role}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", None), ("auto_sync_interval", "hourly"), ("bucket", "other"), ("type", "s3"), ("x", 1)],
)
def test_an_invalid_change_of_a_collection_names_the_field(
    api: Caller, stack: LocalSystem, field: str, value: Any
) -> None:
    error_info(api("PATCH", f"/api/collections/{stack.collection}/", json={field: value}), 400, field=field)


def test_a_managed_collection_cannot_have_an_interval(api: Caller, stack: LocalSystem) -> None:
    answer = api("PATCH", f"/api/collections/{stack.managed_collection}/", json={"auto_sync_interval": "daily"})
    error_info(answer, 400, field="auto_sync_interval")


def test_an_interval_outside_the_plan_is_refused(deployment: Deployment) -> None:
    # No plan has the API and lacks schedules, so no HTTP call reaches this rule: the service is called instead.
    from chalicelib.api.requests.bodies import parse_new_collection
    from chalicelib.domain.errors import PlanForbids
    from chalicelib.domain.plans import PLANS
    from chalicelib.services.authentication import Caller as AuthenticatedCaller

    new = parse_new_collection({**NEW_COLLECTION, "auto_sync_interval": "daily"})
    with pytest.raises(PlanForbids):
        deployment.services.collections.create(AuthenticatedCaller(MISSING_ID, PLANS["free"]), new)


@pytest.fixture
def remains(aws: Any, stack: LocalSystem) -> Callable[[str], dict[str, int]]:
    """Counts what tables and buckets still have of a collection."""

    def count(collection: str) -> dict[str, int]:
        s3, dynamodb, outputs = aws("s3"), aws("dynamodb"), stack.outputs
        records = dynamodb.query(
            TableName=outputs["CatalogueTableName"],
            KeyConditionExpression="#c = :c",
            ExpressionAttributeNames={"#c": "collection"},
            ExpressionAttributeValues={":c": {"S": collection}},
        )
        collections = dynamodb.scan(TableName=outputs["CollectionsTableName"])["Items"]
        account_items = dynamodb.scan(TableName=outputs["AccountsTableName"])["Items"]
        objects = s3.list_objects_v2(Bucket=outputs["ManagedBucketName"]).get("Contents", [])
        thumbnails = s3.list_objects_v2(Bucket=outputs["ThumbnailsBucketName"]).get("Contents", [])
        return {
            "records": records["Count"],
            "objects": sum(collection in entry["Key"] for entry in objects),
            "thumbnails": sum(collection in entry["Key"] for entry in thumbnails),
            "collections": sum(item["uuid"]["S"] == collection for item in collections),
            "account_items": sum(collection in item["sk"]["S"] for item in account_items),
        }

    return count


def test_a_deleted_collection_is_not_found_at_once_and_all_its_data_is_deleted_soon(
    managed: ManagedCollection, remains: Callable[[str], dict[str, int]]
) -> None:
    caller = managed.caller
    for name in ("owl.jpg", "pig.jpg"):
        assert managed.upload(name, picture(name)).status_code == 201
    assert managed.prepare("never-sent.jpg", 5000).status_code == 201
    file = caller.result("GET", "/api/search/", params={"query": "owl"})["files"][0]
    assert remains(managed.uuid) == {
        "records": 3,
        "objects": 2,
        "thumbnails": 2,
        "collections": 1,
        "account_items": 5,
    }

    answer = caller("DELETE", f"{managed.path}/")
    assert answer.status_code == 202
    assert managed.uuid in answer.json()["result"]["message"]
    for method, path in [
        ("GET", f"{managed.path}/"),
        ("DELETE", f"{managed.path}/"),
        ("POST", f"{managed.path}/sync/"),
        ("GET", f"{managed.path}/files/"),
        ("GET", f"/api/files/{file['uuid']}/"),
        ("GET", file["download_url"]),
        ("GET", file["thumbnail"]),
    ]:
        error_info(caller(method, path), 404)
    assert caller.result("GET", "/api/collections/")["collections"] == []
    eventually(lambda: caller.search_names("owl") == [])
    eventually(lambda: set(remains(managed.uuid).values()) == {0})
    assert caller.usage() == {
        "collections": 0,
        "files": 0,
        "bytes": 0,
        "managed_bytes": 0,
        "uploads_a_month": 2,
        "webhooks": 0,
    }


def test_deleting_a_collection_keeps_the_customers_objects_and_frees_the_folder(
    new_account: NewAccount, customer: Customer, remains: Callable[[str], dict[str, int]], aws: Any
) -> None:
    caller, bucket = new_account(), customer.create_bucket(owl=picture("owl.jpg"))
    collection = customer.connect(caller, bucket)["uuid"]
    assert caller("POST", f"/api/collections/{collection}/sync/").status_code == 202
    eventually(lambda: caller.search_names("owl") == ["owl.jpg"])
    assert caller("DELETE", f"/api/collections/{collection}/").status_code == 202
    customer.connect(caller, bucket)
    eventually(lambda: caller.search_names("owl") == [])
    # The account keeps the folder's external id.
    eventually(lambda: {**remains(collection), "account_items": 0} == dict.fromkeys(remains(collection), 0))
    assert aws("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 1

"""Buckets change, and the index follows: by sync, by S3's events, by schedule."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local_system import LocalSystem
from tests.e2e.conftest import Bucket, Caller, eventually, picture

Aws = Callable[..., Any]


@pytest.fixture
def catalogue(aws: Aws, stack: LocalSystem) -> Callable[[str], dict[str, Any] | None]:
    """What the catalogue says of a key of the sample collection."""

    def look(key: str) -> dict[str, Any] | None:
        where = {"collection": {"S": stack.collection}, "key": {"S": key}}
        item = aws("dynamodb").get_item(TableName=stack.outputs["CatalogueTableName"], Key=where).get("Item")
        return {name: next(iter(value.values())) for name, value in item.items()} if item else None

    return look


def test_a_picture_put_into_the_bucket_is_found_without_a_sync(api: Caller, bucket: Bucket) -> None:
    bucket.put("photos/new arrival+1 ü.jpg", picture("owl.jpg"))
    eventually(lambda: "new arrival+1 ü.jpg" in api.names_found("owl"))


def test_a_picture_taken_out_of_the_bucket_is_no_longer_found(api: Caller, bucket: Bucket) -> None:
    bucket.put("photos/leaving.jpg", picture("pig.jpg"))
    eventually(lambda: "leaving.jpg" in api.names_found("pig"))
    bucket.delete("photos/leaving.jpg")
    eventually(lambda: "leaving.jpg" not in api.names_found("pig"))


def test_a_picture_that_is_replaced_is_found_as_what_it_is_now(api: Caller, bucket: Bucket) -> None:
    def nearest(name: str) -> list[str]:
        found = api.result("POST", "/api/search/", files={"file": picture(name)})["files"]
        return [file["file_name"] for file in found if file["distance"] == 0.0]

    bucket.put("photos/changing.jpg", picture("pig.jpg"))
    eventually(lambda: "changing.jpg" in nearest("pig.jpg"))
    bucket.put("photos/changing.jpg", picture("cow.jpg"))
    eventually(lambda: "changing.jpg" in nearest("cow.jpg"))
    assert "changing.jpg" not in nearest("pig.jpg")


def test_an_object_outside_the_folder_is_left_alone(api: Caller, bucket: Bucket, sync: Any) -> None:
    bucket.put("elsewhere/outside.jpg", picture("owl.jpg"))
    sync()
    assert "outside.jpg" not in api.names_found("owl")


@pytest.mark.usefixtures("quiet")
def test_a_sync_brings_the_collection_in_line_with_its_bucket(api: Caller, bucket: Bucket, sync: Any) -> None:
    before = sync()["stats"]
    bucket.put("photos/folder/", b"")
    bucket.put("photos/added.jpg", picture("cow.jpg"))
    after = sync()["stats"]
    assert after["total_files"] == before["total_files"] + 1
    assert after["total_size"] == before["total_size"] + len(picture("cow.jpg"))
    assert "added.jpg" in api.names_found("cow")
    bucket.delete("photos/added.jpg")
    assert sync()["stats"] == before
    assert "added.jpg" not in api.names_found("cow")


@pytest.mark.usefixtures("quiet")
def test_what_cannot_be_read_is_recorded_with_its_reason_and_its_neighbours_are_indexed(
    api: Caller, bucket: Bucket, sync: Any, catalogue: Any
) -> None:
    before = sync()["stats"]["total_files"]
    bucket.put("photos/broken-words.jpg", b"these are words")
    bucket.put("photos/broken-half.jpg", picture("owl.jpg")[:-4000])
    bucket.put("photos/broken-empty.jpg", b"")
    bucket.put("photos/broken-not.jpg", picture("cow.jpg"))
    assert sync()["stats"]["total_files"] == before + 1
    assert "broken-not.jpg" in api.names_found("cow")
    reasons = {name: catalogue(f"photos/broken-{name}.jpg") for name in ("words", "half", "empty")}
    assert {record["state"] for record in reasons.values()} == {"failed"}
    assert [reasons[name]["reason"] for name in reasons] == ["not_an_image", "truncated_image", "empty"]
    versions = [record["version"] for record in reasons.values()]
    sync()
    assert [catalogue(f"photos/broken-{name}.jpg")["version"] for name in reasons] == versions, "not tried again"


def test_a_sync_that_runs_is_not_begun_twice(api: Caller, aws: Aws, stack: LocalSystem) -> None:
    functions, path = aws("lambda"), f"/api/collections/{stack.collection}"
    source = functions.list_event_source_mappings(FunctionName=stack.outputs["SyncWorkerName"])
    worker = source["EventSourceMappings"][0]["UUID"]
    functions.update_event_source_mapping(UUID=worker, Enabled=False)
    try:
        assert api("POST", f"{path}/sync/").status_code == 202
        again = api("POST", f"{path}/sync/")
        assert again.status_code == 409
        assert again.json()["info"]["error"] == "sync_in_progress"
        assert api.result("GET", f"{path}/sync-status/")["status"] == "in_progress"
        assert api.result("GET", f"{path}/")["collection"]["sync_status"] == "in_progress"
    finally:
        functions.update_event_source_mapping(UUID=worker, Enabled=True)
    eventually(lambda: api.result("GET", f"{path}/sync-status/")["status"] == "completed")


@pytest.mark.usefixtures("quiet")
def test_a_schedule_syncs_the_collections_that_are_due(
    api: Caller, bucket: Bucket, aws: Aws, stack: LocalSystem, sync: Any
) -> None:
    path = f"/api/collections/{stack.collection}"
    sync()
    manual = api.result("GET", f"{path}/sync-status/")["last_sync"]
    bucket.put("photos/scheduled.jpg", picture("cow.jpg"))
    # A one-time schedule of EventBridge's, on the function that the daily rule names.
    rules = aws("events").list_rules()["Rules"]
    targets = [aws("events").list_targets_by_rule(Rule=rule["Name"])["Targets"] for rule in rules]
    daily = next(t["Arn"] for each in targets for t in each if stack.outputs["DailySyncName"] in t["Arn"])
    with _one_time_schedule(aws, daily):
        eventually(lambda: "scheduled.jpg" in api.names_found("cow"))
    status = eventually(
        lambda: (now := api.result("GET", f"{path}/sync-status/")) and now["status"] == "completed" and now
    )
    assert status["last_sync"] == manual, "last_sync is of the last manual sync"
    assert status["last_auto_sync"] > manual


# What an EventBridge rule sends to its target when its time has come.
SCHEDULED_EVENT = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2015-10-08T16:53:06Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/my-scheduled-rule"],
    "detail": {},
}


class _one_time_schedule:  # noqa: N801  # reads as a statement
    def __init__(self, aws: Aws, function: str) -> None:
        self._scheduler, self._iam, self._function = aws("scheduler"), aws("iam"), function

    def __enter__(self) -> None:
        trust = (
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",'
            ' "Principal": {"Service": "scheduler.amazonaws.com"}}]}'
        )
        allow = (
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:InvokeFunction",'
            f' "Resource": "{self._function}"}}]}}'
        )
        role = self._iam.create_role(RoleName="test-scheduler", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        self._iam.put_role_policy(RoleName="test-scheduler", PolicyName="invoke", PolicyDocument=allow)
        at = datetime.now(UTC) + timedelta(seconds=1)
        self._scheduler.create_schedule(
            Name="test-once",
            ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": self._function, "RoleArn": role, "Input": json.dumps(SCHEDULED_EVENT)},
        )

    def __exit__(self, *_: object) -> None:
        self._scheduler.delete_schedule(Name="test-once")
        self._iam.delete_role_policy(RoleName="test-scheduler", PolicyName="invoke")
        self._iam.delete_role(RoleName="test-scheduler")


def test_the_three_intervals_each_have_their_rule(aws: Aws) -> None:
    rules = [rule for rule in aws("events").list_rules()["Rules"] if rule["State"] == "ENABLED"]
    crons = {rule.get("ScheduleExpression") for rule in rules}
    assert crons >= {"cron(0/15 3 * * ? *)", "cron(0/15 4 ? * SUN *)", "cron(0/15 5 1 * ? *)", "cron(30 2 * * ? *)"}


def test_a_bucket_that_cannot_be_listed_fails_the_sync_and_removes_nothing(
    api: Caller, aws: Aws, stack: LocalSystem, sync: Any
) -> None:
    path, iam = f"/api/collections/{stack.collection}", aws("iam")
    before = sync()["stats"]
    policy = iam.get_role_policy(RoleName="similarix-samples-reader", PolicyName="read")["PolicyDocument"]
    iam.delete_role_policy(RoleName="similarix-samples-reader", PolicyName="read")
    try:
        assert api("POST", f"{path}/sync/").status_code == 202
        eventually(lambda: api.result("GET", f"{path}/sync-status/")["status"] == "failed")
        assert api.result("GET", f"{path}/")["collection"]["stats"] == before
        assert "owl.jpg" in api.names_found("owl")
    finally:
        text = policy if isinstance(policy, str) else json.dumps(policy)
        iam.put_role_policy(RoleName="similarix-samples-reader", PolicyName="read", PolicyDocument=text)
    assert sync()["stats"] == before

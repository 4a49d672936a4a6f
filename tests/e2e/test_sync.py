"""Buckets change, and the index follows: by sync, by S3's events, by schedule."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local_system import LocalSystem
from tests.e2e.harness import SCHEDULED_EVENT, Caller, SampleBucket, error_info, eventually, paused_sync_worker, picture
from tests.pictures.costly import jpeg_of_scans, segment

SLOW_JPEG = jpeg_of_scans(10_480, 10_480, scans=100)  # 17 kB, and twenty seconds before there was a limit
READER_ROLE = "similarix-samples-reader"  # of the sample bucket

AWS = Callable[..., Any]
Sync = Callable[[], dict[str, Any]]


@pytest.fixture
def path(stack: LocalSystem) -> str:
    return f"/api/collections/{stack.collection}"


@pytest.fixture
def catalogue_record(aws: AWS, stack: LocalSystem) -> Callable[[str], dict[str, Any] | None]:
    """Reads the catalogue's record of a key of the sample collection."""

    def read(key: str) -> dict[str, Any] | None:
        primary_key = {"collection": {"S": stack.collection}, "key": {"S": key}}
        item = aws("dynamodb").get_item(TableName=stack.outputs["CatalogueTableName"], Key=primary_key).get("Item")
        return {name: next(iter(value.values())) for name, value in item.items()} if item else None

    return read


def test_a_picture_put_into_the_bucket_is_found_without_a_sync(api: Caller, bucket: SampleBucket) -> None:
    bucket.put("photos/new arrival+1 ü.jpg", picture("owl.jpg"))
    eventually(lambda: "new arrival+1 ü.jpg" in api.search_names("owl"))


def test_a_picture_deleted_from_the_bucket_is_no_longer_found(api: Caller, bucket: SampleBucket) -> None:
    bucket.put("photos/leaving.jpg", picture("pig.jpg"))
    eventually(lambda: "leaving.jpg" in api.search_names("pig"))
    bucket.delete("photos/leaving.jpg")
    eventually(lambda: "leaving.jpg" not in api.search_names("pig"))


def test_a_picture_that_is_overwritten_is_found_by_its_new_content_only(api: Caller, bucket: SampleBucket) -> None:
    def exact_matches(name: str) -> list[str]:
        files = api.result("POST", "/api/search/", files={"file": picture(name)})["files"]
        return [file["file_name"] for file in files if file["distance"] == 0.0]

    bucket.put("photos/changing.jpg", picture("pig.jpg"))
    eventually(lambda: "changing.jpg" in exact_matches("pig.jpg"))
    bucket.put("photos/changing.jpg", picture("cow.jpg"))
    eventually(lambda: "changing.jpg" in exact_matches("cow.jpg"))
    assert "changing.jpg" not in exact_matches("pig.jpg")


def test_a_picture_that_is_restored_from_an_archive_is_found_without_a_sync(
    api: Caller, bucket: SampleBucket, aws: AWS, catalogue_record: Callable[[str], dict[str, Any] | None]
) -> None:
    key = "photos/from the archive.jpg"
    bucket.put(key, picture("pig.jpg"), storage_class="GLACIER")
    eventually(lambda: (catalogue_record(key) or {}).get("reason") == "archived")
    aws("s3").restore_object(Bucket=bucket.name, Key=key, RestoreRequest={"Days": 1})
    eventually(lambda: "from the archive.jpg" in api.search_names("pig"))


def test_an_object_outside_the_folder_is_not_indexed(api: Caller, bucket: SampleBucket, sync: Sync) -> None:
    bucket.put("elsewhere/outside.jpg", picture("owl.jpg"))
    sync()
    assert "outside.jpg" not in api.search_names("owl")


@pytest.mark.usefixtures("without_events")
def test_a_sync_brings_the_collection_in_line_with_its_bucket(api: Caller, bucket: SampleBucket, sync: Sync) -> None:
    before = sync()["stats"]
    bucket.put("photos/folder/", b"")
    bucket.put("photos/added.jpg", picture("cow.jpg"))
    after = sync()["stats"]
    assert after["total_files"] == before["total_files"] + 1
    assert after["total_size"] == before["total_size"] + len(picture("cow.jpg"))
    assert "added.jpg" in api.search_names("cow")
    bucket.delete("photos/added.jpg")
    assert sync()["stats"] == before
    assert "added.jpg" not in api.search_names("cow")


@pytest.mark.usefixtures("without_events")
def test_an_honest_picture_beside_fifteen_slow_ones_is_indexed_at_the_first_delivery(
    api: Caller, bucket: SampleBucket, sync: Sync, catalogue_record: Any
) -> None:
    slow = [f"photos/slow-{number:02}.jpg" for number in range(15)]
    for number, key in enumerate(slow):  # a comment of its own, so that each has bytes of its own
        bucket.put(key, SLOW_JPEG[:2] + segment(0xFE, bytes([number])) + SLOW_JPEG[2:])
    bucket.put("photos/zz-honest.jpg", picture("owl.jpg"))
    sync()
    assert "zz-honest.jpg" in api.search_names("owl")
    assert {catalogue_record(key)["reason"] for key in slow} == {"too_costly"}
    for key in (*slow, "photos/zz-honest.jpg"):
        bucket.delete(key)
    sync()


@pytest.mark.usefixtures("without_events")
def test_an_unreadable_object_fails_alone_with_its_reason_and_is_not_tried_by_the_next_sync(
    api: Caller, bucket: SampleBucket, sync: Sync, catalogue_record: Any
) -> None:
    before = sync()["stats"]["total_files"]
    bucket.put("photos/broken-words.jpg", b"these are words")
    bucket.put("photos/broken-half.jpg", picture("owl.jpg")[:-4000])
    bucket.put("photos/broken-empty.jpg", b"")
    bucket.put("photos/broken-not.jpg", picture("cow.jpg"))
    assert sync()["stats"]["total_files"] == before + 1
    assert "broken-not.jpg" in api.search_names("cow")
    keys = [f"photos/broken-{name}.jpg" for name in ("words", "half", "empty")]
    records = [catalogue_record(key) for key in keys]
    assert {record["state"] for record in records} == {"failed"}
    assert [record["reason"] for record in records] == ["not_an_image", "truncated_image", "empty"]
    sync()
    assert [catalogue_record(key)["version"] for key in keys] == [record["version"] for record in records]


def test_a_second_sync_is_refused_while_one_is_in_progress(
    api: Caller, aws: AWS, stack: LocalSystem, path: str
) -> None:
    with paused_sync_worker(aws, stack):
        assert api("POST", f"{path}/sync/").status_code == 202
        assert error_info(api("POST", f"{path}/sync/"), 409)["error"] == "sync_in_progress"
        assert api.result("GET", f"{path}/sync-status/")["status"] == "in_progress"
        assert api.result("GET", f"{path}/")["collection"]["sync_status"] == "in_progress"
    eventually(lambda: api.result("GET", f"{path}/sync-status/")["status"] == "completed")


@pytest.mark.usefixtures("without_events")
def test_a_schedule_syncs_the_collections_that_are_due(
    api: Caller, bucket: SampleBucket, aws: AWS, stack: LocalSystem, sync: Sync, path: str
) -> None:
    def status_once_completed() -> dict[str, Any] | None:
        status = api.result("GET", f"{path}/sync-status/")
        return status if status["status"] == "completed" else None

    sync()
    manual_sync = api.result("GET", f"{path}/sync-status/")["last_sync"]
    bucket.put("photos/scheduled.jpg", picture("cow.jpg"))
    # Instead of the daily rule fires a one-time schedule, on the function that the rule names.
    rules = aws("events").list_rules()["Rules"]
    targets = [target for rule in rules for target in aws("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]]
    daily_sync = next(target["Arn"] for target in targets if stack.outputs["DailySyncName"] in target["Arn"])
    with one_time_schedule(aws, daily_sync):
        eventually(lambda: "scheduled.jpg" in api.search_names("cow"))
    status = eventually(status_once_completed)
    assert status is not None
    assert status["last_sync"] == manual_sync, "last_sync is of the last manual sync"
    assert status["last_auto_sync"] > manual_sync


@contextmanager
def one_time_schedule(aws: AWS, function: str) -> Iterator[None]:
    """EventBridge invokes the function once, in a second."""
    scheduler, iam = aws("scheduler"), aws("iam")
    principal = {"Service": "scheduler.amazonaws.com"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    allow = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    role = iam.create_role(RoleName="test-scheduler", AssumeRolePolicyDocument=policy_of(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="test-scheduler", PolicyName="invoke", PolicyDocument=policy_of(allow))
    scheduler.create_schedule(
        Name="test-once",
        ScheduleExpression=f"at({datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": function, "RoleArn": role, "Input": json.dumps(SCHEDULED_EVENT)},
    )
    try:
        yield
    finally:
        scheduler.delete_schedule(Name="test-once")
        iam.delete_role_policy(RoleName="test-scheduler", PolicyName="invoke")
        iam.delete_role(RoleName="test-scheduler")


def policy_of(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_the_three_intervals_and_the_nightly_purge_each_have_their_rule(aws: AWS) -> None:
    rules = [rule for rule in aws("events").list_rules()["Rules"] if rule["State"] == "ENABLED"]
    crons = {rule.get("ScheduleExpression") for rule in rules}
    assert crons >= {"cron(0/15 * * * ? *)", "cron(0/15 * ? * SUN *)", "cron(0/15 * 1 * ? *)", "cron(30 2 * * ? *)"}


def test_a_bucket_that_cannot_be_listed_fails_the_sync_and_removes_nothing(
    api: Caller, aws: AWS, sync: Sync, path: str
) -> None:
    iam, before = aws("iam"), sync()["stats"]
    policy = iam.get_role_policy(RoleName=READER_ROLE, PolicyName="read")["PolicyDocument"]
    iam.delete_role_policy(RoleName=READER_ROLE, PolicyName="read")
    try:
        assert api("POST", f"{path}/sync/").status_code == 202
        eventually(lambda: api.result("GET", f"{path}/sync-status/")["status"] == "failed")
        assert api.result("GET", f"{path}/")["collection"]["stats"] == before
        assert "owl.jpg" in api.search_names("owl")
    finally:
        document = policy if isinstance(policy, str) else json.dumps(policy)
        iam.put_role_policy(RoleName=READER_ROLE, PolicyName="read", PolicyDocument=document)
    assert sync()["stats"] == before


@pytest.mark.usefixtures("without_events")
def test_what_the_patterns_drop_leaves_the_index_with_the_next_sync_and_comes_back_with_them(
    api: Caller, stack: LocalSystem, bucket: SampleBucket, sync: Sync
) -> None:
    path = f"/api/collections/{stack.collection}"
    bucket.put("photos/drafts/igloo-draft.jpg", picture("igloo.jpg"))
    bucket.put("photos/@eaDir/igloo-thumbnail.jpg", picture("igloo.jpg"))
    default = sync()["exclude"]
    assert "igloo-draft.jpg" in api.search_names("igloo")
    assert "igloo-thumbnail.jpg" not in api.search_names("igloo")
    try:
        changed = api.result("PATCH", f"{path}/", json={"exclude": ["Drafts/"]})["collection"]
        assert (changed["include"], changed["exclude"]) == ([], ["Drafts/"])
        preview = api.result("POST", f"{path}/sync/", json={"dry_run": True})["preview"]
        assert preview["examples"]["to_remove"] == ["photos/drafts/igloo-draft.jpg"]
        assert "photos/drafts/igloo-draft.jpg" in preview["examples"]["ignored"]
        sync()
        assert "igloo-draft.jpg" not in api.search_names("igloo")
        assert "igloo-thumbnail.jpg" in api.search_names("igloo")
        explanation = api.result("GET", f"{path}/explain/", params={"key": "photos/drafts/igloo-draft.jpg"})
        assert explanation["conclusion"] == "The pattern 'Drafts/' excludes the object, so it is never indexed."
    finally:
        restored = api.result("PATCH", f"{path}/", json={"exclude": None})["collection"]
        bucket.clear()
        sync()
    assert restored["exclude"] == default

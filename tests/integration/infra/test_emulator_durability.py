"""What the emulator has responded to is there after SIGKILL; what is full is refused before anything is stored."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.emulator import Emulator
from infra.folder_lock import Recovery
from infra.localhost import free_port

ATTRIBUTES = [{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "S"}]
KEYS = [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(tmp_path, free_port()) as running:
        yield running


def client(emulator: Emulator, service: str) -> Any:
    once = Config(retries={"total_max_attempts": 1})
    return emulator.session().client(service, endpoint_url=emulator.endpoint, config=once)  # type: ignore[call-overload]


def kill_and_start(emulator: Emulator) -> None:
    """End the emulator and its functions at once, as the machine's memory manager does."""
    assert emulator.pid is not None
    os.killpg(emulator.pid, signal.SIGKILL)
    emulator.stop()
    emulator.start()


def put(dynamodb: Any, partition: str, sort: str, **attributes: str) -> None:
    item = {"p": {"S": partition}, "s": {"S": sort}} | {name: {"S": value} for name, value in attributes.items()}
    dynamodb.put_item(TableName="records", Item=item)


def with_settings(emulator: Emulator) -> tuple[Any, Any, Any, str]:
    """A table, a queue, a bucket and a user, saved: settings are saved within two seconds."""
    dynamodb, sqs, s3 = (client(emulator, service) for service in ("dynamodb", "sqs", "s3"))
    cognito = client(emulator, "cognito-idp")
    pool = cognito.create_user_pool(PoolName="users")["UserPool"]["Id"]
    cognito.admin_create_user(UserPoolId=pool, Username="ada", MessageAction="SUPPRESS")
    dynamodb.create_table(
        TableName="records", AttributeDefinitions=ATTRIBUTES, KeySchema=KEYS, BillingMode="PAY_PER_REQUEST"
    )
    queue: str = sqs.create_queue(QueueName="hints")["QueueUrl"]
    s3.create_bucket(Bucket="pictures")
    time.sleep(2.5)
    return dynamodb, sqs, s3, queue


def test_every_change_that_was_answered_outlives_a_kill(emulator: Emulator):
    dynamodb, sqs, s3, queue = with_settings(emulator)
    for number in range(30):
        put(dynamodb, "a", str(number))
    dynamodb.update_item(
        TableName="records",
        Key={"p": {"S": "a"}, "s": {"S": "1"}},
        UpdateExpression="SET thumbnail = :i",
        ExpressionAttributeValues={":i": {"S": "yes"}},
    )
    dynamodb.delete_item(TableName="records", Key={"p": {"S": "a"}, "s": {"S": "2"}})
    dynamodb.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "records", "Item": {"p": {"S": "b"}, "s": {"S": name}}}} for name in ("x", "y")
        ]
    )
    for number in range(5):
        sqs.send_message(QueueUrl=queue, MessageBody=str(number))
    (received,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    (deleted,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=deleted["ReceiptHandle"])
    s3.put_object(Bucket="pictures", Key="photos/owl.jpg", Body=b"an owl")
    kill_and_start(emulator)

    assert emulator.recovery in (Recovery.PROCESSES, Recovery.MACHINE)
    items = dynamodb.scan(TableName="records")["Items"]
    assert sorted((item["p"]["S"], item["s"]["S"]) for item in items) == sorted(
        [("a", str(number)) for number in range(30) if number != 2] + [("b", "x"), ("b", "y")]
    )
    assert [item["s"]["S"] for item in items if "thumbnail" in item] == ["1"]
    waiting = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert sorted(message["Body"] for message in waiting) == sorted(set("01234") - {deleted["Body"]})
    # A message that was received counts as such, so that its worker repairs what the killed one has left.
    counts = {message["Body"]: int(message["Attributes"]["ApproximateReceiveCount"]) for message in waiting}
    assert counts[received["Body"]] == 2
    assert s3.get_object(Bucket="pictures", Key="photos/owl.jpg")["Body"].read() == b"an owl"
    cognito = client(emulator, "cognito-idp")
    (pool,) = cognito.list_user_pools(MaxResults=2)["UserPools"]
    assert [user["Username"] for user in cognito.list_users(UserPoolId=pool["Id"])["Users"]] == ["ada"]


def test_a_table_that_was_deleted_and_created_again_is_empty_after_a_kill(emulator: Emulator):
    dynamodb, *_ = with_settings(emulator)
    put(dynamodb, "a", "old")
    dynamodb.delete_table(TableName="records")
    dynamodb.create_table(
        TableName="records", AttributeDefinitions=ATTRIBUTES, KeySchema=KEYS, BillingMode="PAY_PER_REQUEST"
    )
    put(dynamodb, "a", "new")
    time.sleep(2.5)
    kill_and_start(emulator)

    assert [item["s"]["S"] for item in dynamodb.scan(TableName="records")["Items"]] == ["new"]


def test_an_event_of_s3_waits_in_its_queue_after_a_kill(emulator: Emulator):
    _, sqs, s3, queue = with_settings(emulator)
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="pictures", NotificationConfiguration=configuration)
    s3.put_object(Bucket="pictures", Key="photos/owl.jpg", Body=b"an owl")
    count = "ApproximateNumberOfMessages"
    deadline = time.monotonic() + 10
    while sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[count])["Attributes"][count] != "2":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kill_and_start(emulator)

    bodies = [each["Body"] for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]]
    assert ["photos/owl.jpg" in body for body in bodies] == [False, True]  # S3's test event is the first


def test_a_clean_stop_leaves_nothing_to_recover(emulator: Emulator):
    dynamodb, *_ = with_settings(emulator)
    put(dynamodb, "a", "1")
    emulator.stop()
    emulator.start()

    assert emulator.recovery is Recovery.NOTHING
    assert dynamodb.scan(TableName="records")["Count"] == 1


class TestFullDisk:
    """On a file system of its own, of 160 MB."""

    @pytest.fixture
    def emulator(self, tmp_path: Path) -> Iterator[Emulator]:
        folder = tmp_path / "small"
        folder.mkdir()
        if os.system(f"mount -t tmpfs -o size=160m tmpfs {folder} 2>/dev/null") != 0:
            pytest.skip("mounting a file system needs root")
        try:
            with Emulator(folder, free_port()) as running:
                yield running
        finally:
            os.system(f"umount {folder}")

    def test_a_write_is_refused_before_the_disk_is_full_and_possible_again_when_there_is_room(self, emulator: Emulator):
        dynamodb, sqs, s3, queue = with_settings(emulator)
        s3.put_object(Bucket="pictures", Key="before", Body=b"before")
        free = os.statvfs(emulator.folder).f_bavail * os.statvfs(emulator.folder).f_frsize
        filler = emulator.folder / "filler"
        filler.write_bytes(b"\0" * (free - 40_000_000))
        time.sleep(0.5)
        with pytest.raises(ClientError, match="disk is full"):
            s3.put_object(Bucket="pictures", Key="after", Body=b"after")
        put(dynamodb, "a", "1")  # small changes go on
        filler.write_bytes(b"\0" * (free - 10_000_000))
        time.sleep(0.5)
        with pytest.raises(ClientError, match="disk is full"):
            put(dynamodb, "a", "2")
        with pytest.raises(ClientError, match="disk is full"):
            sqs.send_message(QueueUrl=queue, MessageBody="1")
        assert dynamodb.scan(TableName="records")["Count"] == 1
        assert [each["Key"] for each in s3.list_objects_v2(Bucket="pictures")["Contents"]] == ["before"]
        filler.unlink()
        time.sleep(0.5)
        put(dynamodb, "a", "2")
        s3.put_object(Bucket="pictures", Key="after", Body=b"after")
        kill_and_start(emulator)

        assert dynamodb.scan(TableName="records")["Count"] == 2
        assert s3.get_object(Bucket="pictures", Key="after")["Body"].read() == b"after"

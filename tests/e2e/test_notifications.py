"""The event notifications of a bucket on the emulator: ours are merged into its own settings."""

import json
from collections.abc import Callable
from typing import Any

from infra.local_system import LocalSystem
from infra.notifications import notify

BUCKET = "a-bucket-with-settings"


def test_notifying_us_keeps_a_buckets_other_notifications(aws: Callable[[str], Any], stack: LocalSystem) -> None:
    s3, sqs = aws("s3"), aws("sqs")
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    queue = sqs.create_queue(QueueName="the-customers-own", Attributes={"Policy": policy})["QueueUrl"]
    their_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.create_bucket(Bucket=BUCKET)
    theirs = {"Id": "theirs", "QueueArn": their_arn, "Events": ["s3:ObjectCreated:*"]}
    theirs["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "incoming/"}]}}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [theirs]})
    our_arn = stack.outputs["EventsQueueArn"]
    assert notify(s3, BUCKET, "images/", our_arn)
    assert not notify(s3, BUCKET, "images/", our_arn), "nothing is left to change"
    configurations = s3.get_bucket_notification_configuration(Bucket=BUCKET)["QueueConfigurations"]
    assert {configuration["QueueArn"] for configuration in configurations} == {their_arn, our_arn}

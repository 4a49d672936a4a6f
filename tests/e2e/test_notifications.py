"""A bucket's own settings, on the emulator: merged into, never replaced."""

import json
from collections.abc import Callable
from typing import Any

from infra.local_system import LocalSystem
from infra.notifications import notify


def test_a_bucket_that_tells_others_goes_on_telling_them(aws: Callable[[str], Any], stack: LocalSystem) -> None:
    s3, sqs = aws("s3"), aws("sqs")
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    queue = sqs.create_queue(QueueName="somebody-elses", Attributes={"Policy": policy})["QueueUrl"]
    theirs = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.create_bucket(Bucket="a-bucket-with-settings")
    kept = {"Id": "theirs", "QueueArn": theirs, "Events": ["s3:ObjectCreated:*"]}
    kept["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "incoming/"}]}}
    s3.put_bucket_notification_configuration(
        Bucket="a-bucket-with-settings", NotificationConfiguration={"QueueConfigurations": [kept]}
    )
    ours = stack.outputs["EventsQueueArn"]
    assert notify(s3, "a-bucket-with-settings", "images/", ours)
    assert not notify(s3, "a-bucket-with-settings", "images/", ours)
    found = s3.get_bucket_notification_configuration(Bucket="a-bucket-with-settings")["QueueConfigurations"]
    assert {each["QueueArn"] for each in found} == {theirs, ours}

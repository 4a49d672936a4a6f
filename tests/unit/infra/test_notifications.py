"""A bucket is asked to notify the events queue only where S3 accepts that."""

from typing import Any

import pytest

from chalicelib.domain.errors import InvalidRequest
from infra.notifications import notify
from tests.fakes.modelled import ModelledClient

QUEUE = "arn:aws:sqs:eu-west-1:111122223333:similarix-events"


class S3:
    """A client of a bucket without notifications in a region."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.configuration: dict[str, Any] = {}

    def head_bucket(self, **_: Any) -> dict[str, Any]:
        return {"BucketRegion": self.region}

    def get_bucket_notification_configuration(self, **_: Any) -> dict[str, Any]:
        return dict(self.configuration)

    def put_bucket_notification_configuration(self, NotificationConfiguration: Any, **_: Any) -> None:  # noqa: N803
        self.configuration = NotificationConfiguration


def test_a_bucket_of_the_queues_region_notifies_it() -> None:
    s3 = S3("eu-west-1")
    client: Any = ModelledClient("s3", s3)
    assert notify(client, "photographs", "images/", QUEUE)
    assert s3.configuration["QueueConfigurations"][0]["QueueArn"] == QUEUE
    assert not notify(client, "photographs", "images/", QUEUE)


def test_a_bucket_of_another_region_is_left_as_it_is_and_its_owner_told_why() -> None:
    s3 = S3("us-west-2")
    client: Any = ModelledClient("s3", s3)
    with pytest.raises(InvalidRequest, match="EventBridge"):
        notify(client, "photographs", "images/", QUEUE)
    assert s3.configuration == {}

"""What a customer does on AWS to have a bucket searched: pictures in a folder, a role, and events.

How each thing is undone is noted before it is made.
"""

import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from infra.notifications import notify

if TYPE_CHECKING:
    import boto3

Undo = Callable[[str, Callable[[], object]], None]  # is given what is undone, and how


class Customer:
    """The owner of a bucket, with credentials of the bucket's AWS account.

    The credentials must allow: to put and delete objects, to create, change and delete roles whose names begin with
    ``similarix-``, and, with a queue, to read and write the bucket's notifications.
    """

    def __init__(self, session: "boto3.Session", endpoint: str | None, bucket: str, queue: str | None) -> None:
        """Args:
        endpoint: the emulator's, None on AWS.
        queue: the ARN of the events queue; None where the bucket sends no events, or sends them to EventBridge.
        """
        self._s3: Any = session.client("s3", endpoint_url=endpoint)
        self._iam: Any = session.client("iam", endpoint_url=endpoint)
        self._queue = queue
        self._name = f"similarix-accept-{uuid.uuid4().hex[:8]}"
        self.bucket = bucket
        self.sends_events = queue is not None

    @property
    def source(self) -> dict[str, str]:
        """The fields of a request that name the bucket's folder."""
        location = self._s3.get_bucket_location(Bucket=self.bucket)["LocationConstraint"]
        return {"bucket": self.bucket, "folder": f"/{self._name}", "region": location or "us-east-1"}

    def put(self, name: str, body: bytes, undo: Undo) -> None:
        key = f"{self._name}/{name}"
        undo(f"the object {key}", lambda: self._s3.delete_object(Bucket=self.bucket, Key=key))
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="image/jpeg")

    def delete(self, name: str) -> None:
        self._s3.delete_object(Bucket=self.bucket, Key=f"{self._name}/{name}")

    def create_role(self, policies: dict[str, Any], undo: Undo) -> str:
        """The role that the answer of ``check`` describes; returns its ARN."""
        trust = json.dumps(policies["trust_policy"])
        undo(f"the role {self._name}", self._delete_role)
        role = self._iam.create_role(RoleName=self._name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        permissions = json.dumps(policies["permissions_policy"])
        self._iam.put_role_policy(RoleName=self._name, PolicyName="read", PolicyDocument=permissions)
        return str(role)

    def send_events(self, undo: Undo) -> None:
        """Have the bucket notify the queue of this folder, beside what it notifies already."""
        assert self._queue is not None
        before = self._s3.get_bucket_notification_configuration(Bucket=self.bucket)
        before.pop("ResponseMetadata", None)
        undo(
            f"the notifications of {self.bucket}",
            lambda: self._s3.put_bucket_notification_configuration(
                Bucket=self.bucket, NotificationConfiguration=before
            ),
        )
        notify(self._s3, self.bucket, f"{self._name}/", self._queue)

    def _delete_role(self) -> None:
        missing = self._iam.exceptions.NoSuchEntityException
        with suppress(missing):
            self._iam.delete_role_policy(RoleName=self._name, PolicyName="read")
        with suppress(missing):
            self._iam.delete_role(RoleName=self._name)

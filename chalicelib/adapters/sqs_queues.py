"""The queues between the workers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.domain.changes import DeletionStep, IndexBatch, SyncStep
from chalicelib.domain.uploads import UploadRef

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient


class SQSQueues:
    def __init__(
        self, client: "SQSClient", sync_url: str, index_url: str, deletions_url: str = "", uploads_url: str = ""
    ) -> None:
        self._client = client
        self._sync = sync_url
        self._index = index_url
        self._deletions = deletions_url
        self._uploads = uploads_url

    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None:
        self._client.send_message(QueueUrl=self._sync, MessageBody=step.to_json(), DelaySeconds=delay)

    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        # One by one: a sync sends each batch as it fills, and news from S3 rarely makes more than one.
        for batch in batches:
            self._client.send_message(QueueUrl=self._index, MessageBody=batch.to_json())

    def send_deletion(self, step: DeletionStep, *, delay: int = 0) -> None:
        self._client.send_message(QueueUrl=self._deletions, MessageBody=step.to_json(), DelaySeconds=delay)

    def send_upload(self, upload: UploadRef, *, delay: int = 0) -> None:
        self._client.send_message(QueueUrl=self._uploads, MessageBody=upload.to_json(), DelaySeconds=delay)

"""The queues between the workers, on SQS."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chalicelib.domain.messages import AccountDeletionStep, DeletionStep, IndexBatch, Queue, ReceivedMessage, SyncStep
from chalicelib.domain.uploads import UploadRef

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient


class SQSQueues:
    """Sends messages to the workers' queues.

    Args:
        urls: the URL of each queue.
    """

    def __init__(self, client: "SQSClient", urls: Mapping[Queue, str]) -> None:
        self._client = client
        self._urls = urls
        self._urls_by_name = {url.rpartition("/")[2]: url for url in urls.values()}

    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None:
        self._send(Queue.SYNC, step.to_json(), delay)

    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        # One by one: a sync sends each batch as it fills, and an S3 event rarely makes more than one.
        for batch in batches:
            self._send(Queue.INDEX, batch.to_json())

    def send_deletion(self, step: DeletionStep | AccountDeletionStep, *, delay: int = 0) -> None:
        self._send(Queue.DELETIONS, step.to_json(), delay)

    def send_upload(self, upload: UploadRef, *, delay: int = 0) -> None:
        self._send(Queue.UPLOADS, upload.to_json(), delay)

    def delay(self, message: ReceivedMessage, seconds: int) -> None:
        self._client.change_message_visibility(
            QueueUrl=self._urls_by_name[message.queue], ReceiptHandle=message.handle, VisibilityTimeout=seconds
        )

    def _send(self, queue: Queue, body: str, delay: int = 0) -> None:
        self._client.send_message(QueueUrl=self._urls[queue], MessageBody=body, DelaySeconds=delay)

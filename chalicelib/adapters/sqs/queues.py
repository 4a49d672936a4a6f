"""The queues between the workers, on SQS.

Every message names its account as its group, and that of a purge its shard. On a standard queue that makes SQS deliver
the messages of other accounts first while one account takes more than its share of the workers; the messages of one
group are handled at once, in any order: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chalicelib.domain.messages import (
    AccountDeletionStep,
    DeletionStep,
    DuplicatesStep,
    FileDeletion,
    FileMove,
    IndexBatch,
    PurgeStep,
    Queue,
    ReceivedMessage,
    SyncStep,
)
from chalicelib.domain.uploads import UploadCheck
from chalicelib.domain.webhook_deliveries import DeliveryStep
from chalicelib.domain.webhook_events import WebhookEvent

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

Message = (
    SyncStep
    | IndexBatch
    | DeletionStep
    | AccountDeletionStep
    | UploadCheck
    | FileDeletion
    | FileMove
    | DuplicatesStep
    | WebhookEvent
    | DeliveryStep
)


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
        self._send(Queue.SYNC, step, delay)

    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        # One by one: a sync sends each batch as it fills.
        for batch in batches:
            self._send(Queue.INDEX, batch)

    def send_changes(self, batches: Sequence[IndexBatch], *, delay: int = 0) -> None:
        # One by one: an S3 event rarely makes more than one.
        for batch in batches:
            self._send(Queue.CHANGES, batch, delay)

    def send_deletion(self, step: DeletionStep | AccountDeletionStep, *, delay: int = 0) -> None:
        self._send(Queue.DELETIONS, step, delay)

    def send_purge(self, step: PurgeStep, *, delay: int = 0) -> None:
        # It is of all accounts: each shard is a group.
        self._send_body(Queue.PURGES, step.to_json(), f"shard-{step.shard}", delay)

    def send_duplicates_step(self, step: DuplicatesStep) -> None:
        self._send(Queue.DUPLICATES, step)

    def send_upload_check(self, check: UploadCheck, *, delay: int = 0) -> None:
        self._send(Queue.UPLOADS, check, delay)

    def send_file_deletion(self, deletion: FileDeletion) -> None:
        self._send(Queue.UPLOADS, deletion)

    def send_file_move(self, move: FileMove, *, delay: int = 0) -> None:
        self._send(Queue.UPLOADS, move, delay)

    def send_event(self, event: WebhookEvent) -> None:
        self._send(Queue.WEBHOOKS, event)

    def send_delivery(self, step: DeliveryStep, *, delay: int = 0) -> None:
        self._send(Queue.WEBHOOKS, step, delay)

    def delay(self, message: ReceivedMessage, seconds: int) -> None:
        self._client.change_message_visibility(
            QueueUrl=self._urls_by_name[message.queue], ReceiptHandle=message.handle, VisibilityTimeout=seconds
        )

    def _send(self, queue: Queue, message: Message, delay: int = 0) -> None:
        self._send_body(queue, message.to_json(), message.account, delay)

    def _send_body(self, queue: Queue, body: str, group: str, delay: int) -> None:
        self._client.send_message(
            QueueUrl=self._urls[queue], MessageBody=body, MessageGroupId=group, DelaySeconds=delay
        )

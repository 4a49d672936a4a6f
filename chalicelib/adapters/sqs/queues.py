"""The queues between the workers, on SQS.

Every message names its account as its group, and that of a purge its shard. On a standard queue that makes SQS deliver
the messages of other accounts first while one account takes more than its share of the workers; the messages of one
group are handled at once, in any order: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.domain.errors import Unavailable
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

# Of a request: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html. It may
# be four times as large by now; a request is charged for each 64 KB all the same.
MAX_MESSAGES_PER_REQUEST, MAX_BYTES_PER_REQUEST = 10, 262_144

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
        self._send_all(Queue.INDEX, batches)

    def send_changes(self, batches: Sequence[IndexBatch], *, delay: int = 0) -> None:
        self._send_all(Queue.CHANGES, batches, delay)

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

    def delete(self, messages: Sequence[ReceivedMessage]) -> dict[str, str]:
        """See ``ports.Queues.delete``; what a standard queue answers for a handle that is not the latest:

        - mostly success, though the message may stay, and for a message that is deleted already, success:
          https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html,
          http://docs.amazonwebservices.com/AWSSimpleQueueService/latest/APIReference/Query_QueryDeleteMessage.html
        - sometimes ``InvalidParameterValue``, once the handle has expired. A FIFO queue, which none of these is, always
          answers so: https://repost.aws/knowledge-center/sqs-receipt-handle-error

        Of a batch, each message has an answer of its own, whatever the status of the response:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html
        """
        if not messages:
            return {}
        entries: list[Any] = [
            {"Id": str(position), "ReceiptHandle": message.handle} for position, message in enumerate(messages)
        ]
        response = self._client.delete_message_batch(QueueUrl=self._urls_by_name[messages[0].queue], Entries=entries)
        return {messages[int(failure["Id"])].id: failure["Code"] for failure in response.get("Failed", [])}

    def _send_all(self, queue: Queue, batches: Sequence[IndexBatch], delay: int = 0) -> None:
        for entries in _entries_by_request(batches, delay):
            if len(entries) == 1:
                body, group = entries[0]["MessageBody"], entries[0]["MessageGroupId"]
                self._send_body(queue, body, group, delay)
                continue
            response = self._client.send_message_batch(QueueUrl=self._urls[queue], Entries=entries)
            if failed := response.get("Failed"):
                codes = ", ".join(sorted({failure["Code"] for failure in failed}))
                raise Unavailable(f"SQS did not take {len(failed)} of {len(entries)} messages: {codes}.")

    def _send(self, queue: Queue, message: Message, delay: int = 0) -> None:
        self._send_body(queue, message.to_json(), message.account, delay)

    def _send_body(self, queue: Queue, body: str, group: str, delay: int) -> None:
        self._client.send_message(
            QueueUrl=self._urls[queue], MessageBody=body, MessageGroupId=group, DelaySeconds=delay
        )


def _entries_by_request(batches: Sequence[IndexBatch], delay: int) -> Iterator[list[Any]]:
    """The entries of each request that sends some of the batches, in order."""
    entries: list[Any] = []
    size = 0
    for batch in batches:
        body = batch.to_json()
        if entries and (len(entries) == MAX_MESSAGES_PER_REQUEST or size + len(body) > MAX_BYTES_PER_REQUEST):
            yield entries
            entries, size = [], 0
        entries.append(
            {"Id": str(len(entries)), "MessageBody": body, "MessageGroupId": batch.account, "DelaySeconds": delay}
        )
        size += len(body)  # in ASCII, as JSON escapes all else
    if entries:
        yield entries

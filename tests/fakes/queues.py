"""The queues in memory."""

from collections.abc import Sequence
from typing import Any

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
    deletion_from_json,
    file_work_from_json,
)
from chalicelib.domain.uploads import UploadCheck, checks_in_message
from chalicelib.domain.webhook_deliveries import DeliveryStep, webhook_work_from_json
from chalicelib.domain.webhook_events import WebhookEvent

MAX_SQS_DELAY_SECONDS = 900
MAX_SQS_INVISIBLE_SECONDS = 43_200
MAX_SQS_BATCH = 10


class FakeQueues:
    """Keeps what was sent: ``batches`` and ``changes``; ``steps``, ``deletions``, ``purges``, ``uploads`` and
    ``webhooks`` with their delays; ``file_work``, deletions and moves of files; and ``duplicates``, the steps of scans.

    ``groups`` are the queues and the groups of all messages that were sent.
    ``delayed`` are the received messages that were delayed, with the seconds, and ``deleted`` those that were
    deleted. While a test sets ``down``, each send fails.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[SyncStep, int]] = []
        self.batches: list[IndexBatch] = []
        self.changes: list[IndexBatch] = []
        self.groups: list[tuple[Queue, str]] = []
        self.deletions: list[tuple[Any, int]] = []
        self.purges: list[tuple[PurgeStep, int]] = []
        self.uploads: list[tuple[UploadCheck, int]] = []
        self.file_work: list[Any] = []
        self.duplicates: list[DuplicatesStep] = []
        self.webhooks: list[tuple[WebhookEvent | DeliveryStep, int]] = []
        self.delayed: list[tuple[ReceivedMessage, int]] = []
        self.deleted: list[ReceivedMessage] = []
        self.down = False

    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None:
        self._check_send(Queue.SYNC, step.account, delay)
        self.steps.append((SyncStep.from_json(step.to_json()), delay))

    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        for batch in batches:
            self._check_send(Queue.INDEX, batch.account)
            self.batches.append(IndexBatch.from_json(batch.to_json()))

    def send_changes(self, batches: Sequence[IndexBatch], *, delay: int = 0) -> None:
        for batch in batches:
            self._check_send(Queue.CHANGES, batch.account, delay)
            self.changes.append(IndexBatch.from_json(batch.to_json()))

    def send_deletion(self, step: DeletionStep | AccountDeletionStep, *, delay: int = 0) -> None:
        self._check_send(Queue.DELETIONS, step.account, delay)
        self.deletions.append((deletion_from_json(step.to_json()), delay))

    def send_purge(self, step: PurgeStep, *, delay: int = 0) -> None:
        self._check_send(Queue.PURGES, f"shard-{step.shard}", delay)
        self.purges.append((PurgeStep.from_json(step.to_json()), delay))

    def send_duplicates_step(self, step: DuplicatesStep) -> None:
        self._check_send(Queue.DUPLICATES, step.account)
        self.duplicates.append(DuplicatesStep.from_json(step.to_json()))

    def send_upload_check(self, check: UploadCheck, *, delay: int = 0) -> None:
        self._check_send(Queue.UPLOADS, check.account, delay)
        self.uploads.extend((sent, delay) for sent in checks_in_message(check.to_json()))

    def send_file_deletion(self, deletion: FileDeletion) -> None:
        self._check_send(Queue.UPLOADS, deletion.account)
        self.file_work.append(file_work_from_json(deletion.to_json()))

    def send_file_move(self, move: FileMove, *, delay: int = 0) -> None:
        self._check_send(Queue.UPLOADS, move.account, delay)
        self.file_work.append(file_work_from_json(move.to_json()))

    def send_event(self, event: WebhookEvent) -> None:
        self._check_send(Queue.WEBHOOKS, event.account)
        self.webhooks.append((webhook_work_from_json(event.to_json()), 0))

    def send_delivery(self, step: DeliveryStep, *, delay: int = 0) -> None:
        self._check_send(Queue.WEBHOOKS, step.account, delay)
        self.webhooks.append((webhook_work_from_json(step.to_json()), delay))

    def delay(self, message: ReceivedMessage, seconds: int) -> None:
        assert 0 <= seconds <= MAX_SQS_INVISIBLE_SECONDS, "SQS hides a message for twelve hours at most"
        self.delayed.append((message, seconds))

    def delete(self, messages: Sequence[ReceivedMessage]) -> dict[str, str]:
        assert len(messages) <= MAX_SQS_BATCH, "SQS deletes ten messages at once at most"
        assert len({message.queue for message in messages}) <= 1, "a request is of one queue"
        refused = {message.id: "ReceiptHandleIsInvalid" for message in messages if message in self.deleted}
        self.deleted.extend(message for message in messages if message.id not in refused)
        return refused

    def _check_send(self, queue: Queue, account: str, delay: int = 0) -> None:
        if self.down:
            raise ConnectionError("The test has set the queues down.")
        assert 0 <= delay <= MAX_SQS_DELAY_SECONDS, "SQS delays a message by 15 minutes at most"
        self.groups.append((queue, account))

"""Ports of messages between functions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.messages import (
    AccountDeletionStep,
    DeletionStep,
    DuplicatesStep,
    FileDeletion,
    FileMove,
    IndexBatch,
    PurgeStep,
    ReceivedMessage,
    SyncStep,
)
from chalicelib.domain.uploads import UploadCheck
from chalicelib.domain.webhook_deliveries import DeliveryStep
from chalicelib.domain.webhook_events import WebhookEvent


class Queues(Protocol):
    """Messages to workers. Each belongs to an account: one that sends many delays those of the others little."""

    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None: ...
    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        """Have batches indexed that may be thousands, such as those of a sync."""

    def send_changes(self, batches: Sequence[IndexBatch], *, delay: int = 0) -> None:
        """Have batches indexed that somebody waits for; they do not wait for those of ``send_batches``."""

    def send_deletion(self, step: DeletionStep | AccountDeletionStep, *, delay: int = 0) -> None: ...
    def send_purge(self, step: PurgeStep, *, delay: int = 0) -> None: ...
    def send_duplicates_step(self, step: DuplicatesStep) -> None: ...
    def send_upload_check(self, check: UploadCheck, *, delay: int = 0) -> None: ...
    def send_file_deletion(self, deletion: FileDeletion) -> None: ...
    def send_file_move(self, move: FileMove, *, delay: int = 0) -> None: ...
    def send_event(self, event: WebhookEvent) -> None: ...
    def send_delivery(self, step: DeliveryStep, *, delay: int = 0) -> None: ...
    def delay(self, message: ReceivedMessage, seconds: int) -> None:
        """Redeliver a received message after so many seconds."""

    def delete(self, messages: Sequence[ReceivedMessage]) -> dict[str, str]:
        """End received messages of one queue, ten at most.

        Returns:
            The codes of those that the queue refuses to end, by their ids: they have ended, or were received again.
        """


class FailureLog(Protocol):
    """Why messages failed."""

    def record(self, message: ReceivedMessage, reason: str, now: datetime) -> None: ...
    def reason(self, message: str) -> str | None:
        """Return the last recorded reason of the message with this id."""

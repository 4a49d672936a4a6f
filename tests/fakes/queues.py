"""The queues in memory."""

from collections.abc import Sequence

from chalicelib.domain.messages import DeletionStep, IndexBatch, ReceivedMessage, SyncStep
from chalicelib.domain.uploads import UploadRef, uploads_in_message


class FakeQueues:
    """What a test may look at: ``steps``, ``deletions`` and ``uploads`` with their delays, ``batches`` as sent, and ``delayed``, each with its seconds.

    What it may set: ``down``, and nothing can be sent.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[SyncStep, int]] = []
        self.batches: list[IndexBatch] = []
        self.deletions: list[tuple[DeletionStep, int]] = []
        self.uploads: list[tuple[UploadRef, int]] = []
        self.delayed: list[tuple[ReceivedMessage, int]] = []
        self.down = False

    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None:
        self._answer()
        assert 0 <= delay <= 900, "SQS delays a message by 15 minutes at most"
        self.steps.append((SyncStep.from_json(step.to_json()), delay))

    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        for batch in batches:
            self._answer()
            self.batches.append(IndexBatch.from_json(batch.to_json()))

    def send_deletion(self, step: DeletionStep, *, delay: int = 0) -> None:
        self._answer()
        assert 0 <= delay <= 900, "SQS delays a message by 15 minutes at most"
        self.deletions.append((DeletionStep.from_json(step.to_json()), delay))

    def send_upload(self, upload: UploadRef, *, delay: int = 0) -> None:
        self._answer()
        assert 0 <= delay <= 900, "SQS delays a message by 15 minutes at most"
        self.uploads.extend((ref, delay) for ref in uploads_in_message(upload.to_json()))

    def delay(self, message: ReceivedMessage, seconds: int) -> None:
        assert 0 <= seconds <= 43_200, "SQS hides a message for twelve hours at most"
        self.delayed.append((message, seconds))

    def _answer(self) -> None:
        if self.down:
            raise ConnectionError("The queue is down, as the test wants it.")

"""The queues in memory."""

from collections.abc import Sequence

from chalicelib.domain.changes import IndexBatch, SyncStep


class FakeQueues:
    """What a test may look at: ``steps`` with their delays, and ``batches``, in the order they were sent.

    What it may set: ``down``, and nothing can be sent.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[SyncStep, int]] = []
        self.batches: list[IndexBatch] = []
        self.down = False

    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None:
        self._answer()
        assert 0 <= delay <= 900, "SQS delays a message by 15 minutes at most"
        self.steps.append((SyncStep.from_json(step.to_json()), delay))

    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        for batch in batches:
            self._answer()
            self.batches.append(IndexBatch.from_json(batch.to_json()))

    def _answer(self) -> None:
        if self.down:
            raise ConnectionError("The queue is down, as the test wants it.")

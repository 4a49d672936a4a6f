"""Change worker: applies the messages of one delivery, those of one collection together.

S3 tells of a thousand objects in a thousand events. What is read and written once for a message (the collection, the
records, the quota, the transaction) is then read and written once for up to sixteen of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.changes import Change
from chalicelib.domain.messages import ReceivedMessage, merged_hints
from chalicelib.domain.syncs import Tally
from chalicelib.services.pipeline.index_worker import IndexWorker
from chalicelib.services.pipeline.message_groups import handle_together
from chalicelib.services.ports import Queues

# The least that must be left to begin another group: the embedder may take its whole time for one (infra/workers.py).
SECONDS_FOR_A_GROUP = 120.0
# Until a message is delivered again whose group has failed: what made it fail may last a while.
DELAY_AFTER_FAILURE = 30


@dataclass(frozen=True, slots=True)
class ChangeWorker:
    index_worker: IndexWorker
    queues: Queues

    def apply(
        self, group: Mapping[str, Change], seconds_left: Callable[[], float], *, is_first: bool
    ) -> dict[str, Tally | Exception | None]:
        """Apply a group of ``change_groups``; returns what became of each message, by its id, as ``handle_together``.

        Without enough time left, only the first group of a delivery is begun. The messages of the others are sent again
        and are done: to be received once more would count towards the dead-letter queue, and they have not failed.
        """
        if not is_first and seconds_left() < SECONDS_FOR_A_GROUP:
            for change in group.values():
                self._postpone(change)
            return dict.fromkeys(group)

        def alone(change: Change) -> Tally:
            change = replace(change, redelivered=True)
            if seconds_left() < SECONDS_FOR_A_GROUP:
                self._postpone(change, delay=DELAY_AFTER_FAILURE)
                return Tally()
            return self._apply([change])

        return handle_together(group, self._apply, alone)

    def delete(self, messages: Sequence[ReceivedMessage]) -> dict[str, str]:
        """Delete messages that are done before the next group is begun, which may end the worker.

        Returns:
            As ``Queues.delete``. One that is refused is done all the same; if it comes back, it changes nothing.
        """
        return self.queues.delete(messages)

    def _postpone(self, change: Change, *, delay: int = 0) -> None:
        batch = replace(change.batch, postponed=change.batch.postponed + 1, redelivered=change.redelivered)
        self.queues.send_changes([batch], delay=delay)

    def _apply(self, changes: Sequence[Change]) -> Tally:
        batch, redelivered = changes[0].batch, changes[0].redelivered
        if len(changes) > 1:
            hints = merged_hints(hint for change in changes for hint in change.batch.hints)
            batch = replace(batch, hints=tuple(hints))
        return self.index_worker.run(batch, redelivered=redelivered)

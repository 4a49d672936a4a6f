"""Change worker: applies the messages of one delivery, those of one collection together.

S3 tells of a thousand objects in a thousand events. What is read and written once for a message (the collection, the
records, the quota, the transaction) is then read and written once for up to sixteen of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.changes import Change
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.messages import merged_hints
from chalicelib.domain.syncs import Tally
from chalicelib.services.pipeline.index_worker import IndexWorker
from chalicelib.services.pipeline.message_groups import handle_together

# The least that must be left to begin another group: the embedder may take its whole time for one (infra/workers.py).
SECONDS_FOR_A_GROUP = 120.0


@dataclass(frozen=True, slots=True)
class ChangeWorker:
    index_worker: IndexWorker

    def apply(
        self, group: Mapping[str, Change], seconds_left: Callable[[], float], *, is_first: bool
    ) -> dict[str, Tally | Exception | None]:
        """Apply a group of ``change_groups``; returns what became of each message, by its id, as ``handle_together``.

        Without enough time left, only the first group of a delivery is begun; the messages of the others come back.
        """
        if not is_first and seconds_left() < SECONDS_FOR_A_GROUP:
            return dict.fromkeys(group, Unavailable("There was no time left to begin with the message."))

        def alone(change: Change) -> Tally:
            if seconds_left() < SECONDS_FOR_A_GROUP:
                raise Unavailable("There was no time left to try the message by itself.")
            return self._apply([replace(change, redelivered=True)])

        return handle_together(group, self._apply, alone)

    def _apply(self, changes: Sequence[Change]) -> Tally:
        batch, redelivered = changes[0].batch, changes[0].redelivered
        if len(changes) > 1:
            hints = merged_hints(hint for change in changes for hint in change.batch.hints)
            batch = replace(batch, hints=tuple(hints))
        return self.index_worker.run(batch, redelivered=redelivered)

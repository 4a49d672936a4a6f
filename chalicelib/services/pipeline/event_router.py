"""Routes S3's events to the collections that hold and select their objects."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from chalicelib.domain.collections import managed_owner
from chalicelib.domain.messages import IndexBatch, ObjectHint, hint_batches, merged_hints
from chalicelib.domain.s3_events import ObjectEvent
from chalicelib.services.pipeline.message_groups import handle_together
from chalicelib.services.ports import Collections, Queues


@dataclass(frozen=True, slots=True)
class EventRouter:
    collections: Collections
    queues: Queues
    managed_bucket: str

    def route_messages(self, messages: Mapping[str, Sequence[ObjectEvent]]) -> Mapping[str, Exception | None]:
        """Route the events of several messages, given by their ids; returns the error of each, as ``handle_together``.

        A message of S3 has one event, so the ten messages of a delivery mostly become one for the index workers.
        """
        return handle_together(
            messages, lambda several: self.route(e for events in several for e in events), self.route
        )

    def route(self, events: Iterable[ObjectEvent]) -> None:
        """Send each event's hint to the index workers, once for every collection that holds its key."""
        hints: dict[tuple[str, str], list[ObjectHint]] = defaultdict(list)
        # Ten events mostly have one bucket in common.
        on_bucket, collection_of = cache(self.collections.on_bucket), cache(self.collections.get)
        for event in events:
            key = event.hint.key
            if event.bucket == self.managed_bucket:
                owner = managed_owner(key)
                managed = collection_of(*owner) if owner else None
                candidates = [managed] if managed else []
            else:
                candidates = [found for found in on_bucket(event.bucket) if found.sends_events]
            for collection in candidates:
                if collection.holds(key) and collection.selects(key):
                    hints[collection.account, collection.uuid].append(event.hint)
        self.queues.send_changes(
            [
                IndexBatch(account, collection, batch)
                for (account, collection), of_collection in hints.items()
                for batch in hint_batches(merged_hints(of_collection))
            ]
        )

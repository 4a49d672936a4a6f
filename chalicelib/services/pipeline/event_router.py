"""Routes S3's events to the collections that hold and select their objects."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.domain.collections import Collection, managed_owner
from chalicelib.domain.files import latest_sequencer
from chalicelib.domain.messages import IndexBatch, ObjectHint, hint_batches
from chalicelib.domain.s3_events import ObjectEvent
from chalicelib.services.ports import Collections, Queues


@dataclass(frozen=True, slots=True)
class EventRouter:
    collections: Collections
    queues: Queues
    managed_bucket: str

    def route(self, events: Iterable[ObjectEvent]) -> None:
        """Send each event's hint to the index workers, once for every collection that holds its key."""
        hints: dict[tuple[str, str], dict[str, ObjectHint]] = defaultdict(dict)
        for event in events:
            key = event.hint.key
            for collection in self._collections_of(event.bucket, key):
                by_key = hints[collection.account, collection.uuid]
                by_key[key] = _merged(by_key[key], event.hint) if key in by_key else event.hint
        self.queues.send_changes(
            [
                IndexBatch(account, collection, batch)
                for (account, collection), by_key in hints.items()
                for batch in hint_batches(list(by_key.values()))
            ]
        )

    def _collections_of(self, bucket: str, key: str) -> list[Collection]:
        if bucket == self.managed_bucket:
            owner = managed_owner(key)
            managed = self.collections.get(*owner) if owner else None
            candidates = [managed] if managed else []
        else:
            candidates = self.collections.on_bucket(bucket)
        return [member for member in candidates if member.holds(key) and member.selects(key)]


def _merged(first: ObjectHint, second: ObjectHint) -> ObjectHint:
    """One hint for two of the same key: with the identity of the later one, and a retry if either wants one."""
    latest = latest_sequencer(first.sequencer, second.sequencer)
    later = first if latest is not None and first.sequencer == latest else second
    return ObjectHint(second.key, latest, first.retry or second.retry, later.etag, later.size)

"""From S3's news to the collections it concerns."""

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

    def route(self, news: Iterable[ObjectEvent]) -> None:
        """Send each change to the index workers, once for every collection that holds its key."""
        wanted: dict[tuple[str, str], dict[str, ObjectHint]] = defaultdict(dict)
        for item in news:
            for collection in self._holding(item.bucket, item.change.key):
                changes = wanted[collection.account, collection.uuid]
                known = changes.get(item.change.key)
                changes[item.change.key] = _later(known, item.change) if known else item.change
        self.queues.send_batches(
            [
                IndexBatch(account, collection, batch)
                for (account, collection), changes in wanted.items()
                for batch in hint_batches(list(changes.values()))
            ]
        )

    def _holding(self, bucket: str, key: str) -> list[Collection]:
        if bucket == self.managed_bucket:
            owner = managed_owner(key)
            found = self.collections.get(*owner) if owner else None
            candidates = [found] if found else []
        else:
            candidates = self.collections.on_bucket(bucket)
        return [collection for collection in candidates if collection.holds(key)]


def _later(first: ObjectHint, second: ObjectHint) -> ObjectHint:
    """One change for two of the same key: what the later one says, and whatever either asks for."""
    latest = latest_sequencer(first.sequencer, second.sequencer)
    says = first if latest is not None and first.sequencer == latest else second
    return ObjectHint(second.key, latest, first.retry or second.retry, says.etag, says.size)

"""Publishes what the pipeline has done: an event to the webhooks queue, if an endpoint of the account wants it.

Called after the catalogue's write. A worker that dies between the two is repaired by its redelivered message, which
publishes again. Nothing here waits for a receiver.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import PendingWrite
from chalicelib.domain.webhook_events import file_events, sync_event
from chalicelib.domain.webhooks import WebhookEndpoints
from chalicelib.services.ports import Clock, Collections, Queues, WebhookRegistry

# An account without endpoints costs one read of nothing in so long a time, in each process that works for it.
CACHE_TIME = timedelta(seconds=10)
MAX_CACHE_ENTRIES = 1000


class EventPublisher:
    def __init__(self, registry: WebhookRegistry, collections: Collections, queues: Queues, now: Clock) -> None:
        self._registry = registry
        self._collections = collections
        self._queues = queues
        self._now = now
        self._lock = Lock()
        self._cache: OrderedDict[str, tuple[datetime, WebhookEndpoints]] = OrderedDict()

    def publish_files(self, collection: Collection, writes: Sequence[PendingWrite], *, redelivered: bool) -> None:
        """Publish what writes of the catalogue have made of files; see ``file_events``."""
        endpoints = self._endpoints(collection.account)
        if not endpoints.endpoints:
            return
        for event in file_events(collection, writes, self._now(), redelivered=redelivered):
            if endpoints.wanting(event):
                self._queues.send_event(event)

    def publish_sync(self, account: str, collection: str, sync: str) -> None:
        """Publish the end of a sync, if it has ended and is the collection's latest."""
        endpoints = self._endpoints(account)
        if not endpoints.endpoints:
            return
        ended = self._collections.get(account, collection)
        if ended is None or ended.sync.id != sync:
            return
        event = sync_event(ended)
        if event is not None and endpoints.wanting(event):
            self._queues.send_event(event)

    def _endpoints(self, account: str) -> WebhookEndpoints:
        now = self._now()
        with self._lock:
            entry = self._cache.get(account)
        if entry is None or now - entry[0] >= CACHE_TIME:
            entry = now, self._registry.of_account(account)
        with self._lock:
            self._cache[account] = entry
            self._cache.move_to_end(account)
            while len(self._cache) > MAX_CACHE_ENTRIES:
                self._cache.popitem(last=False)
        return entry[1]

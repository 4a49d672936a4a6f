"""Publishes what the pipeline has done: an event to the webhooks queue, if an endpoint of the account wants it.

Called after the catalogue's write. A worker that dies between the two is repaired by its redelivered message, which
publishes again. Nothing here waits for a receiver.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import PendingWrite
from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.domain.webhook_events import WebhookEvent, file_events, sync_event
from chalicelib.services.ports import Accounts, Clock, Collections, Queues, WebhookRegistry

# An account without endpoints costs one read of nothing in so long a time, in each process that works for it.
CACHE_TIME = timedelta(seconds=10)
MAX_CACHE_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class _Audience:
    """The endpoints of an account, and how many of them its plan serves, as they were at ``read_at``."""

    endpoints: WebhookEndpoints
    served: int
    read_at: datetime


class EventPublisher:
    def __init__(
        self, registry: WebhookRegistry, accounts: Accounts, collections: Collections, queues: Queues, now: Clock
    ) -> None:
        self._registry = registry
        self._accounts = accounts
        self._collections = collections
        self._queues = queues
        self._now = now
        self._lock = Lock()
        self._cache: OrderedDict[str, _Audience] = OrderedDict()

    def publish_files(self, collection: Collection, writes: Sequence[PendingWrite], *, redelivered: bool) -> None:
        """Publish what writes of the catalogue have made of files; see ``file_events``."""
        audience = self._audience(collection.account)
        if audience.served:
            self._send(file_events(collection, writes, self._now(), redelivered=redelivered), audience)

    def publish_sync(self, account: str, collection: str, sync: str) -> None:
        """Publish the end of a sync, if it has ended and is the collection's latest."""
        audience = self._audience(account)
        if not audience.served:
            return
        ended = self._collections.get(account, collection)
        if ended is None or ended.sync.id != sync:
            return
        event = sync_event(ended)
        self._send([event] if event is not None else [], audience)

    def _send(self, events: Iterable[WebhookEvent], audience: _Audience) -> None:
        for event in events:
            served = replace(event, served=audience.served)
            if audience.endpoints.wanting(served):
                self._queues.send_event(served)

    def _audience(self, account: str) -> _Audience:
        now = self._now()
        with self._lock:
            entry = self._cache.get(account)
        if entry is None or now - entry.read_at >= CACHE_TIME:
            entry = self._read(account, now)
        with self._lock:
            self._cache[account] = entry
            self._cache.move_to_end(account)
            while len(self._cache) > MAX_CACHE_ENTRIES:
                self._cache.popitem(last=False)
        return entry

    def _read(self, account: str, now: datetime) -> _Audience:
        endpoints = self._registry.of_account(account)
        owner = self._accounts.account(account) if endpoints.endpoints else None
        served = owner.subscription.effective_plan.served_webhooks if owner is not None else 0
        return _Audience(endpoints, served, now)

"""Syncs, deletions and purges of millions of objects by the workers' own code, in simulated time.

The handlers of ``chalicelib.workers`` run on the fakes; listings and records are generated as they are read. Time
passes only where a worker spends it: for each object that is compared, each page that is deleted. An invocation has
the seconds that the template gives its function, and goes on in the next one as it does on AWS: by its message. How
long a call takes cannot be simulated; the figures below are the audit's of 2026-11-26, for functions of 512 MB.

In every simulation an object stands for ``scale`` of them: its time is so many times as long, so invocations are as
many as at full size.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib import workers
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.files import REMOVAL_SHARDS, CatalogueEntry, FileRecord, FileState, ObjectInfo, PendingWrite
from chalicelib.domain.messages import IndexBatch, SyncStep
from chalicelib.domain.plans import Plan
from chalicelib.domain.sync_diff import CHUNK_KEYS
from chalicelib.domain.syncs import KeyRange, PendingBatch, Progress, Tally
from infra.workers import WORKERS
from tests.factories import a_collection, a_record
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.clock import FakeClock
from tests.fakes.messages import InMemorySQS
from tests.fakes.storage import FakeStorage
from tests.fakes.syncs import FakeSyncs

# 500 objects of a first sync: 67 ms of a processor, of which 512 MB are 0.29, and 34 calls of some 9 ms.
SECONDS_PER_COMPARED_OBJECT = 0.0011
SECONDS_PER_REMOVAL_BATCH, REMOVALS_PER_BATCH = 0.012, 16
# 25 records with their images: a query each for the images, eight at once, and two batches of deletions.
SECONDS_PER_PAGE, RECORDS_PER_PAGE = 0.11, 25
SECONDS_PER_THUMBNAILS_PAGE, THUMBNAILS_PER_PAGE = 0.4, 1_000
SECONDS_PER_PURGED_RECORD = 0.021  # 59 requests for 25, of 9 ms
OBJECT_SIZE, ETAG = 1_000_000, "d41d8cd98f00b204e9800998ecf8427e"
HANDLERS: Mapping[str, Callable[..., Any]] = {
    "sync": workers.sync,
    "deletions": workers.delete,
    "purges": workers.purge,
}
TIMEOUTS = {str(row.queue): row.timeout for row in WORKERS}
CONCURRENCY = {str(row.queue): row.max_concurrency for row in WORKERS}


@dataclass
class Invocation:
    """The Lambda context of one invocation, which must end at a time of the simulated clock."""

    clock: FakeClock
    end: datetime
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "simulated"

    def get_remaining_time_in_millis(self) -> int:
        return int((self.end - self.clock.time).total_seconds() * 1000)


@dataclass
class Chains:
    """What a simulation took.

    Args:
        invocations: of each worker, by queue.
        continuations: the highest number that a message had.
        longest: seconds that an invocation took, at most.
        failed: messages that a worker could not handle.
        days: until the end, with as many workers at once as the template allows.
    """

    invocations: Counter[str] = field(default_factory=Counter)
    continuations: int = 0
    longest: float = 0.0
    failed: int = 0
    days: float = 0.0


class LongWork:
    """A collection of so many objects, and the application on fakes.

    Args:
        objects: at full size.
        listed: whether the bucket has them; else they were deleted.
        recorded: whether the catalogue has them.
    """

    def __init__(self, objects: int, *, scale: int, listed: bool, recorded: bool) -> None:
        self.scale, self.count = scale, objects // scale
        ports = FakeAdapters.fresh()
        self.clock: FakeClock = ports.clock
        self.collection: Collection = a_collection(prefix="", total_files=self.count if recorded else 0)
        ports.collections.add(self.collection)
        self.syncs = _FirstHints(ports.collections, self)
        self.catalogue = _GeneratedCatalogue(ports.collections, self, self.count if recorded else 0)
        self.storage = _CountedThumbnails(ports.sources, self, self.count if recorded else 0)
        self.ports = replace(
            ports,
            sources=_GeneratedSource(self, self.count if listed else 0),
            catalogue=self.catalogue,
            storage=self.storage,
            syncs=self.syncs,
        )
        self.services = services_on(self.ports, chunk_keys=max(1, CHUNK_KEYS // scale), min_saved_differences=1)
        self.services.purge = replace(self.services.purge, records_at_once=max(1, RECORDS_PER_PAGE // scale))
        self.chains = Chains()

    @property
    def sync(self) -> SyncState:
        """The collection's latest sync."""
        stored = self.ports.collections.get(self.collection.account, self.collection.uuid)
        state: SyncState = (stored or self.collection).sync
        return state

    @property
    def ended(self) -> bool:
        """Whether the last sync is completed, or nothing is left of what was to be deleted."""
        if self.sync.id is not None:
            return self.sync.status is SyncStatus.COMPLETED and self.sync.progress.listed in (0, self.count)
        purged = not any(self.catalogue.removed_left.values())
        deleted = self.catalogue.count == self.storage.count == 0 and not self.ports.registry.deleting
        return purged or deleted

    def spend(self, seconds: float) -> None:
        self.clock.pass_by(timedelta(seconds=seconds * self.scale))

    def run_sync(self) -> Chains:
        self.services.syncs.start(self.collection, Trigger.MANUAL, confirm_removals=True)
        return self._work()

    def run_deletion(self) -> Chains:
        self.services.deletion.begin(self.collection)
        return self._work()

    def run_purge(self) -> Chains:
        self.services.purge.begin()
        return self._work()

    def _work(self) -> Chains:
        """Deliver each message, and those that follow, until none waits."""
        sqs = InMemorySQS(self.ports.queues)
        busy: Counter[str] = Counter()
        self._collect(sqs)
        while sqs.waiting:
            message = sqs.waiting.pop(0)
            begun = self.clock.time
            context = Invocation(self.clock, begun + timedelta(seconds=TIMEOUTS[message.queue]))
            response = HANDLERS[message.queue](message.receive(), context, self.services)
            taken = (self.clock.time - begun).total_seconds()
            self.chains.invocations[message.queue] += 1
            self.chains.failed += len(response["batchItemFailures"])
            self.chains.longest = max(self.chains.longest, taken)
            busy[message.queue] += round(taken)
            self._collect(sqs)
        self.chains.days = sum(seconds / CONCURRENCY[queue] for queue, seconds in busy.items()) / 86_400
        return self.chains

    def _collect(self, sqs: InMemorySQS) -> None:
        """Have the index workers finish what was sent to them, and queue the rest."""
        queues = self.ports.queues
        batches, queues.batches = queues.batches, []
        for batch in batches:
            self.services.sync_worker.complete_batch(batch, Tally(done=len(batch.hints)))
        sent = (*queues.steps, *queues.deletions, *queues.purges)
        self.chains.continuations = max([self.chains.continuations, *(step.continuation for step, _ in sent)])
        sqs.collect()


def _key(number: int) -> str:
    return f"{number:09}.jpg"


def _first_after(after: str | None) -> int:
    return 0 if after is None else int(after.partition(".")[0]) + 1


class _GeneratedSource:
    """A bucket that lists its objects; it is its own ``Sources``."""

    def __init__(self, work: LongWork, count: int) -> None:
        self._work, self._count = work, count

    def of(self, collection: Collection) -> "_GeneratedSource":
        return self

    def list_objects(self, after: str | None) -> Iterator[ObjectInfo]:
        for number in range(_first_after(after), self._count):
            self._work.spend(SECONDS_PER_COMPARED_OBJECT)
            yield ObjectInfo(_key(number), ETAG, OBJECT_SIZE)


class _GeneratedCatalogue(FakeCatalogue):
    """So many records, which are counted and made when they are read."""

    def __init__(self, collections: Any, work: LongWork, count: int) -> None:
        super().__init__(collections)
        self._work, self.count = work, count
        self._read_shard = 0
        self.removed_left = dict.fromkeys(range(REMOVAL_SHARDS), count // REMOVAL_SHARDS)

    def entries(self, collection: str, after: str | None) -> Iterator[CatalogueEntry]:
        for number in range(_first_after(after), self.count):
            self._work.spend(SECONDS_PER_COMPARED_OBJECT)
            yield CatalogueEntry(_key(number), FileState.INDEXED, ETAG, OBJECT_SIZE, "fake-1+d1")

    def delete_page(self, collection: str) -> bool:
        deleted = min(self.count, max(1, RECORDS_PER_PAGE // self._work.scale))
        self._work.spend(SECONDS_PER_PAGE * deleted / RECORDS_PER_PAGE)
        self.count -= deleted
        return deleted > 0

    def removed(self, shard: int, first: date, last: date) -> Iterator[FileRecord]:
        removed_at = datetime.combine(last, datetime.min.time(), self._work.clock.time.tzinfo)
        self._read_shard = shard
        while self.removed_left[shard] > 0:
            key = _key(self.removed_left[shard])
            yield a_record(self._work.collection, key, state=FileState.REMOVED, updated_at=removed_at)

    def save_all(self, writes: Sequence[PendingWrite], plan: Plan | None = None) -> set[str]:
        return set()  # the time of a purged record is that of all its calls

    def delete(self, record: FileRecord) -> bool:
        self._work.spend(SECONDS_PER_PURGED_RECORD)
        self.removed_left[self._read_shard] -= 1
        return True


class _CountedThumbnails(FakeStorage):
    def __init__(self, sources: Any, work: LongWork, count: int) -> None:
        super().__init__(sources)
        self._work, self.count = work, count

    def delete_thumbnails_page(self, collection: str) -> bool:
        deleted = min(self.count, max(1, THUMBNAILS_PER_PAGE // self._work.scale))
        self._work.spend(SECONDS_PER_THUMBNAILS_PAGE * deleted / THUMBNAILS_PER_PAGE)
        self.count -= deleted
        return deleted > 0


class _FirstHints(FakeSyncs):
    """Keeps one hint of each batch, and forgets batches that are done: five million hints take a gigabyte."""

    def __init__(self, collections: Any, work: LongWork) -> None:
        super().__init__(collections)
        self._work = work

    def save_progress(
        self,
        step: SyncStep,
        key_range: KeyRange,
        progress: Progress,
        pending_batches: Sequence[PendingBatch],
        lease: datetime,
    ) -> None:
        first_hints = [
            replace(pending, batch=replace(pending.batch, hints=pending.batch.hints[:1])) for pending in pending_batches
        ]
        super().save_progress(step, key_range, progress, first_hints, lease)

    def complete_batch(self, batch: IndexBatch, tally: Tally, lease: datetime) -> None:
        super().complete_batch(batch, tally, lease)
        self.batches.pop((str(batch.sync), str(batch.batch_id)), None)

    def deferred_batches(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        for batch in super().deferred_batches(step, after):
            removals = min(REMOVALS_PER_BATCH, self._work.services.sync_worker.chunk_keys)
            self._work.spend(SECONDS_PER_REMOVAL_BATCH * removals / REMOVALS_PER_BATCH)
            yield batch

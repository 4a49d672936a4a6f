"""The state of a sync: how far each of its key ranges has come, and what became of its batches' objects."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise

from chalicelib.domain.messages import IndexBatch

# Key ranges and batches are stored so long from the sync's beginning: as long as a message may live in a queue and its
# dead-letter queue.
SYNC_RECORD_RETENTION = timedelta(days=14)
REMOVAL_PHASE = -1  # number of the key range that sends the removals, once every other one has been scanned
MAX_KEY_RANGES = 16  # that are scanned at once
OBJECTS_PER_RANGE = 250_000  # objects that are worth a worker of their own
MAX_WAITING_RETRIES = 5_000  # files of a key range whose cause lies outside them, that one sync tries again
MAX_SPLIT_SAMPLES = 32  # keys that a range samples, evenly spaced; the splits of the next sync are chosen among them
CONFIRMATION_MIN_FILES = 20  # files; a smaller collection may lose most of them in an afternoon's tidying


class Outcome(StrEnum):
    """What became of an object of a batch.

    ``DONE``: it is indexed. ``FAILED``: it is recorded with the reason. ``REMOVED``: it is gone from bucket and index.
    ``SKIPPED``: it cannot be read now, so its record stays as it was; or the collection no longer selects it.
    """

    DONE = "done"
    FAILED = "failed"
    REMOVED = "removed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects of a batch had each outcome: each object counts once, however often it was tried."""

    done: int = 0
    failed: int = 0
    removed: int = 0
    skipped: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Tally":
        return cls(**Counter(outcome.value for outcome in outcomes))


@dataclass(frozen=True, slots=True)
class Progress:
    """Figures of the latest sync.

    Args:
        listed: selected objects of the bucket that were scanned so far.
        to_do: objects, of bucket and catalogue, that were sent to the index workers or will be.
        to_remove: those of them that are gone from the bucket, and indexed.
        tally: their outcomes.
        ignored: objects of the bucket that the collection does not select.
    """

    listed: int = 0
    to_do: int = 0
    to_remove: int = 0
    tally: Tally = field(default_factory=Tally)
    ignored: int = 0

    @property
    def finished(self) -> int:
        return self.tally.done + self.tally.failed + self.tally.removed + self.tally.skipped


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A range of keys that one worker after another scans: from above ``after`` to ``until``, which belongs to it.

    Args:
        cursor: the last key that was scanned; all batches up to it are stored.
        continuation: how many invocations have continued this range; messages with a lower number are ignored.
        fencing_token: grows whenever a worker acquires the range; a worker with a lower one can write no more.
        sent: how many batches were stored to be sent at once, ``unsent_count`` of them by the last write.
        deferred: how many batches of removals wait until the bucket is listed.
        retried: how many waiting files were sent to be tried again.
        scanned: how many keys were scanned, of bucket and catalogue.
        split_samples: every ``sample_spacing``-th of them.
    """

    number: int
    after: str | None = None
    until: str | None = None
    cursor: str | None = None
    continuation: int = 0
    fencing_token: int = 0
    sent: int = 0
    unsent_count: int = 0
    deferred: int = 0
    retried: int = 0
    scanned: int = 0
    split_samples: tuple[str, ...] = ()
    sample_spacing: int = OBJECTS_PER_RANGE // 16
    finished: bool = False

    @property
    def start(self) -> str | None:
        return self.after if self.cursor is None else self.cursor

    def advance(self, cursor: str, scanned: int) -> "KeyRange":
        """The range after ``scanned`` more keys, the last of which is ``cursor``.

        Every second sample is dropped once there are too many.
        """
        total, samples, spacing = self.scanned + scanned, self.split_samples, self.sample_spacing
        if total // spacing > self.scanned // spacing:
            samples = (*samples, cursor)
        if len(samples) > MAX_SPLIT_SAMPLES:
            samples, spacing = samples[1::2], spacing * 2
        return replace(self, cursor=cursor, scanned=total, split_samples=samples, sample_spacing=spacing)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a sync would do now. ``complete`` is False if there was no time to scan the whole bucket.

    ``ignored`` are objects that the collection does not select. ``examples`` are the first keys of each kind: to_add,
    to_update, to_remove, to_retry, ignored.
    """

    listed: int
    unchanged: int
    to_add: int
    to_update: int
    to_remove: int
    to_retry: int
    needs_confirmation: bool
    complete: bool
    ignored: int
    examples: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A batch to store; a deferred one is sent only when the bucket has been listed to its end."""

    batch: IndexBatch
    deferred: bool


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A stored batch, and whether an index worker has finished it."""

    batch: IndexBatch
    done: bool


def key_ranges_between(splits: Sequence[str]) -> list[KeyRange]:
    """Ranges that cover all keys, cut at the given ones, which are sorted; and last the one of the removal phase."""
    bounds: list[str | None] = [None, *splits, None]
    ranges = [KeyRange(number, after=after, until=until) for number, (after, until) in enumerate(pairwise(bounds))]
    return [*ranges, KeyRange(REMOVAL_PHASE)]


def next_splits(key_ranges: Sequence[KeyRange]) -> list[str]:
    """Where to cut the next sync's ranges, by the distribution of keys that these ranges have sampled.

    The samples of all ranges, weighted by the keys that each stands for, give the quantiles.
    """
    scanned_ranges = sorted(
        (key_range for key_range in key_ranges if key_range.number != REMOVAL_PHASE),
        key=lambda key_range: key_range.number,
    )
    total = sum(key_range.scanned for key_range in scanned_ranges)
    range_count = min(MAX_KEY_RANGES, total // OBJECTS_PER_RANGE)
    splits: list[str] = []
    keys_before = 0
    for key_range in scanned_ranges:
        samples = [
            (keys_before + number * key_range.sample_spacing, key)
            for number, key in enumerate(key_range.split_samples, start=1)
        ]
        if key_range.until is not None:
            samples.append((keys_before + key_range.scanned, key_range.until))
        for rank, key in samples:
            is_quantile = len(splits) + 1 < range_count and rank * range_count >= (len(splits) + 1) * total
            if is_quantile and key not in splits[-1:]:
                splits.append(key)
        keys_before += key_range.scanned
    return splits


def needs_confirmation(removals: int, files: int, confirmation_min_files: int = CONFIRMATION_MIN_FILES) -> bool:
    """Whether a sync that would remove ``removals`` of ``files`` indexed files asks the user first."""
    return files >= confirmation_min_files and removals * 2 > files

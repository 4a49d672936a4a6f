"""A sync from inside: how far each of its key_ranges has come, what its batches came to, and what would happen in one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

from chalicelib.domain.messages import IndexBatch

# Parts and batches are, from the sync's beginning: as long as a message may live in a queue and its dead-letter queue.
SYNC_RECORD_RETENTION = timedelta(days=14)
REMOVAL_PHASE = -1  # the key_range that sends the removals, once every other key_range has scanned the end of its keys
MAX_KEY_RANGES = 16  # walked at once at most
OBJECTS_PER_RANGE = 250_000  # objects that are worth a walker of their own
MAX_SPLIT_SAMPLES = 32  # keys that a key_range notes on its way, evenly spaced; splits are chosen among them
CONFIRMATION_MIN_FILES = 20  # files; a smaller collection may lose most of them in an afternoon's tidying


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the objects of a batch: each counts in one place, whatever its message scanned on the way.

    ``done``: indexed now. ``failed``: recorded with its reason. ``removed``: gone from the bucket and the index.
    ``skipped``: left as it was, because it cannot be read now and nobody says that it is gone.
    """

    done: int = 0
    failed: int = 0
    removed: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Figures of the latest sync. ``listed`` objects scanned in the bucket so far, ``to_do`` of them and of the catalogue
    sent to the index workers, ``to_remove`` of those because they are gone; ``tally`` of what has been done."""

    listed: int = 0
    to_do: int = 0
    to_remove: int = 0
    tally: Tally = field(default_factory=Tally)

    @property
    def finished(self) -> int:
        return self.tally.done + self.tally.failed + self.tally.removed + self.tally.skipped


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A range of keys that one worker after the other walks: above ``after``, up to and with ``until``.

    Args:
        cursor: the last key that is dealt with; all of its batches are on record.
        leg: how often the scan has been handed on; a message of an earlier leg is of no use any more.
        fence: grows whenever a worker takes the key_range; whoever holds a lower one may write no more.
        sent: how many batches have been pending_batches for sending, ``unsent_count`` of them by the last write.
        deferred: how many batches of removals wait for the end of the listing.
        scanned: keys scanned on the way, of bucket and catalogue.
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
    scanned: int = 0
    split_samples: tuple[str, ...] = ()
    sample_spacing: int = OBJECTS_PER_RANGE // 16
    finished: bool = False

    @property
    def start(self) -> str | None:
        return self.after if self.cursor is None else self.cursor

    def moved(self, cursor: str, scanned: int) -> "KeyRange":
        """The key_range after ``scanned`` more keys, the last of which is ``cursor``; split_samples thin out as the scan grows."""
        total, split_samples, sample_spacing = self.scanned + scanned, self.split_samples, self.sample_spacing
        if total // sample_spacing > self.scanned // sample_spacing:
            split_samples = (*split_samples, cursor)
        if len(split_samples) > MAX_SPLIT_SAMPLES:
            split_samples, sample_spacing = split_samples[1::2], sample_spacing * 2
        return replace(self, cursor=cursor, scanned=total, split_samples=split_samples, sample_spacing=sample_spacing)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a sync would do now. ``complete`` is False where there was no time to walk to the end.

    ``examples`` are the first keys of each kind: to_add, to_update, to_remove, to_retry.
    """

    listed: int
    unchanged: int
    to_add: int
    to_update: int
    to_remove: int
    to_retry: int
    needs_confirmation: bool
    complete: bool
    examples: dict[str, list[str]] = field(default_factory=dict)


def key_ranges_between(splits: Sequence[str]) -> list[KeyRange]:
    """Parts that cover all keys, cut at the given ones, which are in order; then the key_range that releases removals."""
    bounds: list[str | None] = [None, *splits, None]
    ranges = pairwise(bounds)
    walked = [KeyRange(number, after=after, until=until) for number, (after, until) in enumerate(ranges)]
    return [*walked, KeyRange(REMOVAL_PHASE)]


def next_splits(key_ranges: Sequence[KeyRange]) -> list[str]:
    """Where to cut the next sync, as the one that walked these key_ranges found the keys to lie.

    The split_samples of all key_ranges, weighed by the keys that each stands for, give the quantiles.
    """
    walked = sorted(
        (key_range for key_range in key_ranges if key_range.number != REMOVAL_PHASE),
        key=lambda key_range: key_range.number,
    )
    total = sum(key_range.scanned for key_range in walked)
    wanted = min(MAX_KEY_RANGES, total // OBJECTS_PER_RANGE)
    splits: list[str] = []
    passed = 0
    for key_range in walked:
        points = [
            (passed + (place + 1) * key_range.sample_spacing, batch_id)
            for place, batch_id in enumerate(key_range.split_samples)
        ]
        if key_range.until is not None:
            points.append((passed + key_range.scanned, key_range.until))
        for count, key in points:
            if len(splits) + 1 < wanted and count * wanted >= (len(splits) + 1) * total and key not in splits[-1:]:
                splits.append(key)
        passed += key_range.scanned
    return splits


def needs_confirmation(removals: int, files: int, confirmation_min_files: int = CONFIRMATION_MIN_FILES) -> bool:
    """Whether a sync that would take out ``removals`` of ``files`` indexed pictures should ask first."""
    return files >= confirmation_min_files and removals * 2 > files


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A batch to open; a deferred one is not sent before the listing has scanned its end."""

    batch: IndexBatch
    deferred: bool


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch that has been pending_batches, and whether it has been closed."""

    batch: IndexBatch
    done: bool

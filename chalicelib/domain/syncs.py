"""A sync from inside: how far each of its parts has come, what its batches came to, and what would happen in one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

# Parts and batches are, from the sync's beginning: as long as a message may live in a queue and its dead-letter queue.
ON_RECORD = timedelta(days=14)
RELEASING = -1  # the part that sends the removals, once every other part has met the end of its keys
PARTS = 16  # walked at once at most
PART_OBJECTS = 250_000  # objects that are worth a walker of their own
MARKS = 32  # keys that a part notes on its way, evenly spaced; splits are chosen among them
CONFIRM_FROM = 20  # files; a smaller collection may lose most of them in an afternoon's tidying


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the objects of a batch: each counts in one place, whatever its message met on the way.

    ``done``: indexed now. ``failed``: recorded with its reason. ``removed``: gone from the bucket and the index.
    ``skipped``: left as it was, because it cannot be read now and nobody says that it is gone.
    """

    done: int = 0
    failed: int = 0
    removed: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Figures of the latest sync. ``listed`` objects met in the bucket so far, ``to_do`` of them and of the catalogue
    sent to the index workers, ``to_remove`` of those because they are gone; ``tally`` of what has been done."""

    listed: int = 0
    to_do: int = 0
    to_remove: int = 0
    tally: Tally = field(default_factory=Tally)

    @property
    def finished(self) -> int:
        return self.tally.done + self.tally.failed + self.tally.removed + self.tally.skipped


@dataclass(frozen=True, slots=True)
class Part:
    """A range of keys that one worker after the other walks: above ``after``, up to and with ``until``.

    Args:
        cursor: the last key that is dealt with; all of its batches are on record.
        leg: how often the walk has been handed on; a message of an earlier leg is of no use any more.
        fence: grows whenever a worker takes the part; whoever holds a lower one may write no more.
        sent: how many batches have been opened for sending, ``fresh`` of them by the last write.
        held: how many batches of removals wait for the end of the listing.
        met: keys met on the way, of bucket and catalogue.
        marks: every ``spacing``-th of them.
    """

    number: int
    after: str | None = None
    until: str | None = None
    cursor: str | None = None
    leg: int = 0
    fence: int = 0
    sent: int = 0
    fresh: int = 0
    held: int = 0
    met: int = 0
    marks: tuple[str, ...] = ()
    spacing: int = PART_OBJECTS // 16
    finished: bool = False

    @property
    def start(self) -> str | None:
        return self.after if self.cursor is None else self.cursor

    def moved(self, cursor: str, met: int) -> "Part":
        """The part after ``met`` more keys, the last of which is ``cursor``; marks thin out as the walk grows."""
        total, marks, spacing = self.met + met, self.marks, self.spacing
        if total // spacing > self.met // spacing:
            marks = (*marks, cursor)
        if len(marks) > MARKS:
            marks, spacing = marks[1::2], spacing * 2
        return replace(self, cursor=cursor, met=total, marks=marks, spacing=spacing)


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


def parts_between(splits: Sequence[str]) -> list[Part]:
    """Parts that cover all keys, cut at the given ones, which are in order; then the part that releases removals."""
    bounds: list[str | None] = [None, *splits, None]
    ranges = pairwise(bounds)
    walked = [Part(number, after=after, until=until) for number, (after, until) in enumerate(ranges)]
    return [*walked, Part(RELEASING)]


def splits_after(parts: Sequence[Part]) -> list[str]:
    """Where to cut the next sync, as the one that walked these parts found the keys to lie.

    The marks of all parts, weighed by the keys that each stands for, give the quantiles.
    """
    walked = sorted((part for part in parts if part.number != RELEASING), key=lambda part: part.number)
    total = sum(part.met for part in walked)
    wanted = min(PARTS, total // PART_OBJECTS)
    splits: list[str] = []
    passed = 0
    for part in walked:
        points = [(passed + (place + 1) * part.spacing, mark) for place, mark in enumerate(part.marks)]
        if part.until is not None:
            points.append((passed + part.met, part.until))
        for count, key in points:
            if len(splits) + 1 < wanted and count * wanted >= (len(splits) + 1) * total and key not in splits[-1:]:
                splits.append(key)
        passed += part.met
    return splits


def needs_confirmation(removals: int, files: int, confirm_from: int = CONFIRM_FROM) -> bool:
    """Whether a sync that would take out ``removals`` of ``files`` indexed pictures should ask first."""
    return files >= confirm_from and removals * 2 > files

"""The comparison at the heart of a sync: two sorted streams in, the keys that differ out."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.file_actions import Action, decide
from chalicelib.domain.files import CatalogueEntry, FileState, ObjectInfo

CHUNK_KEYS = 500  # keys that are compared between two checks of the time left


class ChangeKind(StrEnum):
    """How a key differs: its object is new, changed, removed, or failed before and is to be tried again."""

    ADD = "to_add"
    UPDATE = "to_update"
    REMOVE = "to_remove"
    RETRY = "to_retry"


CHANGE_KINDS = {
    Action.ADD: ChangeKind.ADD,
    Action.RESTORE: ChangeKind.ADD,
    Action.REPLACE: ChangeKind.UPDATE,
    Action.REEMBED: ChangeKind.UPDATE,
    Action.FOLLOW: ChangeKind.UPDATE,
    Action.RETRY: ChangeKind.RETRY,
    Action.REMOVE: ChangeKind.REMOVE,
}


class Difference(NamedTuple):
    """``s3_object`` is the listed object; ``indexed`` says that a file leaves the index as its object is gone."""

    key: str
    kind: ChangeKind
    s3_object: ObjectInfo | None
    indexed: bool = False


class Chunk(NamedTuple):
    """The comparison of some keys.

    Args:
        scanned: how many keys were compared.
        listed: how many of them have an object that the collection selects.
        ignored: keys of the other objects.
    """

    last_key: str
    scanned: int
    listed: int
    differences: list[Difference]
    ignored: list[str]


@dataclass(slots=True)
class RetryBudget:
    """The failed files that a scan tries again; it decreases as they are found.

    Args:
        everything: try each, whatever its reason.
        over_plan: how many of those that were over the plan's limit.
        waiting: how many of those that wait for a cause outside them to end.
        due: of the waiting files, only those whose time has come by then; None for all.
    """

    everything: bool = False
    over_plan: int = 0
    waiting: int = 0
    due: datetime | None = None

    def take(self, entry: CatalogueEntry) -> bool:
        """Whether to try a failed file again although its object has not changed."""
        if entry.over_plan and self.over_plan > 0:
            self.over_plan -= 1
            return True
        if entry.retry_at is not None and self.waiting > 0 and (self.due is None or entry.retry_at <= self.due):
            self.waiting -= 1
            return True
        return False


def merge_join(
    listing: Iterable[ObjectInfo],
    catalogue: Iterable[CatalogueEntry],
    model: str,
    retries: RetryBudget,
    *,
    chunk_keys: int = CHUNK_KEYS,
    selects: Callable[[str, int | None], bool] = lambda key, size: True,  # noqa: ARG005
) -> Iterator[Chunk]:
    """Merge-join of a bucket's listing with the catalogue, both in the order of the keys' UTF-8 bytes.

    That is the order of S3's ListObjectsV2 and of DynamoDB's string sort keys, and the one in which Python compares
    strings: by code point, which UTF-8 preserves. Neither stream is loaded into memory.

    Args:
        model: the current model version.
        retries: the failed files to retry; after a chunk, what is left of it.
        chunk_keys: keys a chunk.
        selects: whether an object of this key and size is to be indexed, or one of this key may be. Any other object is
            compared as if it did not exist.
    """
    differences: list[Difference] = []
    ignored: list[str] = []
    scanned = listed = 0
    key = ""
    for entry, listed_object in _outer_join(listing, catalogue):
        s3_object, is_selected = listed_object, True
        if listed_object is not None:
            is_selected = selects(listed_object.key, listed_object.size)
        elif entry is not None and entry.state is FileState.INDEXED:
            is_selected = selects(entry.key, None)
        if not is_selected:
            s3_object = None
        action = decide(entry, s3_object, model, retry=retries.everything)
        indexed = False
        if listed_object is not None and s3_object is None:
            key = listed_object.key
            ignored.append(key)
        elif s3_object is not None:
            key = s3_object.key
            listed += 1
            if entry is not None and action is Action.NOTHING and retries.take(entry):
                action = Action.RETRY
        elif entry is not None:
            key = entry.key
            # Files that the patterns have dropped are not counted: nobody has to confirm what they have asked for.
            indexed = entry.state is FileState.INDEXED and is_selected
        if action is not Action.NOTHING:
            differences.append(Difference(key, CHANGE_KINDS[action], s3_object, indexed))
        scanned += 1
        if scanned == chunk_keys:
            yield Chunk(key, scanned, listed, differences, ignored)
            differences, ignored, scanned, listed = [], [], 0, 0
    if scanned:
        yield Chunk(key, scanned, listed, differences, ignored)


def _outer_join(
    listing: Iterable[ObjectInfo], catalogue: Iterable[CatalogueEntry]
) -> Iterator[tuple[CatalogueEntry | None, ObjectInfo | None]]:
    objects, entries = iter(listing), iter(catalogue)
    s3_object, entry = next(objects, None), next(entries, None)
    while s3_object is not None or entry is not None:
        if entry is None or (s3_object is not None and s3_object.key < entry.key):
            yield None, s3_object
            s3_object = next(objects, None)
        elif s3_object is None or entry.key < s3_object.key:
            yield entry, None
            entry = next(entries, None)
        else:
            yield entry, s3_object
            s3_object, entry = next(objects, None), next(entries, None)

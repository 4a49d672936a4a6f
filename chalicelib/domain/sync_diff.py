"""The heart of a sync: two sorted streams in, the keys that differ out."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.files import FileState, ObjectInfo

CHUNK_KEYS = 500  # keys between two looks at the clock


class ChangeKind(StrEnum):
    """Why a key is news: its object is new, another, gone, or one that could not be read and shall be tried again."""

    ADD = "to_add"
    UPDATE = "to_update"
    REMOVE = "to_remove"
    RETRY = "to_retry"


class CatalogueEntry(NamedTuple):
    """What the scan needs of a record in the catalogue."""

    key: str
    state: FileState
    etag: str
    size: int
    model: str | None
    over_plan: bool = False


class Difference(NamedTuple):
    """``found`` is the object as listed; ``indexed`` says whether a removal would take a picture out of the index."""

    key: str
    kind: ChangeKind
    found: ObjectInfo | None
    indexed: bool = False


class Chunk(NamedTuple):
    """A stretch of the scan: its last key, how many keys it scanned, how many of them in the bucket, and what differs."""

    last: str
    scanned: int
    listed: int
    differences: list[Difference]


def merge_join(
    listing: Iterable[ObjectInfo],
    catalogue: Iterable[CatalogueEntry],
    model: str,
    *,
    retry: bool = False,
    again: int = 0,
    step: int = CHUNK_KEYS,
) -> Iterator[Chunk]:
    """Merge-join of a bucket's listing with the catalogue, both in the order of the keys' UTF-8 bytes.

    That is the order of S3's ListObjectsV2 and of DynamoDB's string sort keys, and the one in which Python compares
    strings: by code point, which UTF-8 preserves. Neither stream is deferred in memory.

    Args:
        model: the stamp that an outcome must bear to count as up to date.
        retry: look again at what could not be read.
        again: at how many to look again that a plan had no room for.
        step: keys a stretch.
    """
    listed, known = iter(listing), iter(catalogue)
    found, record = next(listed, None), next(known, None)
    differences: list[Difference] = []
    scanned = count = 0
    key = ""
    while found is not None or record is not None:
        if record is None or (found is not None and found.key < record.key):
            assert found is not None
            key = found.key
            differences.append(Difference(key, ChangeKind.ADD, found))
            found = next(listed, None)
            count += 1
        elif found is None or record.key < found.key:
            key = record.key
            if record.state is not FileState.REMOVED:
                differences.append(Difference(key, ChangeKind.REMOVE, None, record.state is FileState.INDEXED))
            record = next(known, None)
        else:
            key = found.key
            kind = difference(record, found, model, retry=retry)
            if kind is None and record.over_plan and again > 0:
                kind, again = ChangeKind.RETRY, again - 1
            if kind is not None:
                differences.append(Difference(key, kind, found))
            found, record = next(listed, None), next(known, None)
            count += 1
        scanned += 1
        if scanned == step:
            yield Chunk(key, scanned, count, differences)
            differences, scanned, count = [], 0, 0
    if scanned:
        yield Chunk(key, scanned, count, differences)


def difference(record: CatalogueEntry, found: ObjectInfo, model: str, *, retry: bool) -> ChangeKind | None:
    """What an object that is listed asks of its record, if anything; the same rule as ``files.decide``."""
    if record.etag != found.etag or record.size != found.size:
        return ChangeKind.UPDATE
    if record.state is FileState.REMOVED:
        return ChangeKind.ADD
    if record.model != model:
        return ChangeKind.UPDATE
    return ChangeKind.RETRY if retry and record.state is FileState.FAILED else None

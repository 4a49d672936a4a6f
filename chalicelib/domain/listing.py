"""The heart of a sync: two sorted streams in, the keys that differ out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.domain.files import Action, FileRecord, ObjectInfo, decide


@dataclass(frozen=True, slots=True)
class Step:
    """One key met by the walk; ``changed`` says whether it goes to the index workers."""

    key: str
    changed: bool


def compare(listing: Iterable[ObjectInfo], catalogue: Iterable[FileRecord]) -> Iterator[Step]:
    """Merge-join of a bucket's listing with the catalogue, both in the order of the keys' UTF-8 bytes.

    That is the order of S3's ListObjectsV2 and of DynamoDB's string sort keys. Neither stream is held in memory.
    """
    listed, known = iter(listing), iter(catalogue)
    found, record = next(listed, None), next(known, None)
    while found is not None or record is not None:
        if record is None or (found is not None and found.key.encode() < record.key.encode()):
            assert found is not None
            yield Step(found.key, True)
            found = next(listed, None)
        elif found is None or record.key.encode() < found.key.encode():
            yield Step(record.key, decide(record, None) is not Action.NOTHING)
            record = next(known, None)
        else:
            yield Step(found.key, decide(record, found) is not Action.NOTHING)
            found, record = next(listed, None), next(known, None)

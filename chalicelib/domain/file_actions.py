"""The one rule that decides what to do about an object.

A hint says that an object may have changed; it states no fact. The rule compares the record with the object as S3 has
it at that moment, so duplicate, reordered and lost hints cannot cause a wrong state. The record is read first and the
object second, and a write is refused if another worker has written the record since.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.files import NO_ETAG, CatalogueEntry, FileRecord, FileState, ObjectInfo

MODIFIED_TOLERANCE = timedelta(seconds=1)


class Action(StrEnum):
    """What to do about an object.

    ``ADD``: embed an object without a record, or one whose tombstone has another model version.
    ``REPLACE``: embed other bytes. ``REEMBED``: embed the same bytes with another model version.
    ``RETRY``: embed an object that has failed. ``RESTORE``: the object of a tombstone is back with the same bytes;
    it is embedded only if the tombstone has no embedding. ``FOLLOW``: the same bytes were stored again, perhaps with
    other metadata; nothing is embedded.
    """

    NOTHING = "nothing"
    ADD = "add"
    REPLACE = "replace"
    REEMBED = "reembed"
    RETRY = "retry"
    RESTORE = "restore"
    FOLLOW = "follow"
    REMOVE = "remove"


def decide(entry: CatalogueEntry | None, s3_object: ObjectInfo | None, model: str, *, retry: bool = False) -> Action:
    """What to do about an object, by its record and by what S3 has now.

    Args:
        model: the current model version; an outcome of another one is out of date.
        retry: try an object again that has failed.
    """
    if s3_object is None:
        return Action.NOTHING if entry is None or entry.state is FileState.REMOVED else Action.REMOVE
    if entry is None:
        return Action.ADD
    if has_other_bytes(entry, s3_object):
        return Action.REPLACE
    if entry.state is FileState.REMOVED:
        return Action.RESTORE if entry.model == model else Action.ADD
    if entry.model != model:
        return Action.REEMBED
    if retry and entry.state is FileState.FAILED:
        return Action.RETRY
    return Action.FOLLOW if _is_stored_again(entry.modified, s3_object.modified) else Action.NOTHING


def is_same_object(first: ObjectInfo, second: ObjectInfo) -> bool:
    return first == second and not has_other_bytes(first, second)


def has_other_bytes(known: CatalogueEntry | ObjectInfo | FileRecord, current: ObjectInfo | FileRecord) -> bool:
    """Whether an object of the same key has other bytes."""
    if known.etag != current.etag or known.size != current.size:
        return True
    return current.etag == NO_ETAG and _is_stored_again(known.modified, current.modified)


def _is_stored_again(known: datetime | None, current: datetime | None) -> bool:
    """Whether an object with the same bytes has been stored since, by its time of storage.

    A listing and a HEAD may round the same time differently; so the times of one object may differ by a second.
    """
    return known is not None and current is not None and abs(current - known) > MODIFIED_TOLERANCE

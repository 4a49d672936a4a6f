"""Deletions of many files: which are asked for, and what becomes of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

DELETED_AT_ONCE_MAX = 1000  # files that a request may name
MATCHED_MAX = 10_000  # files that match a filter and that one request deletes or counts
PAGE_LIMIT = 200  # files that are read at once
EXAMPLES = 10  # files that match and that a response names
KEYS_PER_MESSAGE = 100  # of at most 1,024 bytes each; a message of SQS has 256 KiB


class DeletionOutcome(StrEnum):
    """What becomes of a file.

    ``DELETED``: it is gone. ``PENDING``: a worker deletes it in a moment. ``MATCHED``: it would be deleted, were this
    no dry run. ``NOT_FOUND``: the account has no such file. ``REFUSED``: it is of a connected bucket.
    """

    DELETED = "deleted"
    PENDING = "pending"
    MATCHED = "matched"
    NOT_FOUND = "not_found"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What becomes of one file; ``path`` is None if it was not found, ``message`` unless it was refused."""

    uuid: str
    outcome: DeletionOutcome
    path: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class DeletionReport:
    """What a request for a deletion has done.

    Args:
        count: the files that are deleted, or would be.
        after: the key up to which files were looked through; None if there are no more that match.
        files: every file that the request named, or some of those that match.
    """

    count: int
    after: str | None
    files: Sequence[FileOutcome]

"""Files as searches find them and lists have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from similarix_sdk.models.base import Model


@dataclass(frozen=True, kw_only=True)
class FoldedDuplicates(Model):
    """How many other files show the same picture, of those that a page has read, and their uuids."""

    count: int
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FoundFile(Model):
    """A result of a search. ``file_size`` is in bytes, ``distance`` is smaller for what is more alike.

    ``distance`` is None where a search compares names alone. The fields behind it are None unless ``include`` names
    them.
    """

    uuid: str
    file_name: str
    file_size: int
    md5: str | None
    thumbnail: str
    s3_uri: str
    download_url: str
    distance: float | None = None
    duplicates: FoldedDuplicates | None = None
    collection: str | None = None
    path: str | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    mime_type: str | None = None
    metadata: Mapping[str, Any] | None = None
    modified: datetime | None = None
    expected_by_chance: float | None = None


@dataclass(frozen=True, kw_only=True)
class ListedFile(Model):
    """A file of a collection. ``state`` is ``pending``, ``indexed`` or ``failed``, with ``reason`` and ``detail``."""

    uuid: str
    file_name: str
    file_size: int
    md5: str | None
    thumbnail: str | None
    s3_uri: str
    download_url: str | None
    collection: str
    mime_type: str | None
    width: int | None
    height: int | None
    state: str
    reason: str | None
    detail: str | None
    updated_at: datetime
    path: str
    format: str | None
    metadata: Mapping[str, Any]
    modified: datetime | None


@dataclass(frozen=True, kw_only=True)
class DuplicateGroup(Model):
    """Files that are alike: ``identical``, the ``same`` picture, or ``similar``.

    ``files`` has up to 100 of the ``count``, the one to keep first; ``waste`` are the bytes of all others.
    """

    tier: str
    count: int
    waste: int
    files: tuple[ListedFile, ...]


@dataclass(frozen=True, kw_only=True)
class FileOutcome(Model):
    """What became of one file of a deletion: ``deleted``, ``pending``, ``matched``, ``not_found`` or ``refused``."""

    uuid: str
    path: str | None
    outcome: str
    message: str | None


@dataclass(frozen=True, kw_only=True)
class DeletionReport(Model):
    """``count`` files are, or would be, deleted; ``files`` has each, or ten of those that a filter admits."""

    count: int
    files: tuple[FileOutcome, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class DownloadLink(Model):
    """A URL of the original, which needs no token until ``expires_at``."""

    url: str
    expires_at: datetime

"""Uploads to managed storage, and the quota that each of them reserves.

An upload reserves quota before its bytes arrive: one file, its bytes, and one of the month's uploads. It ends once.
When it is done, the stored file takes over the reservation; when it has failed, the reservation is refunded.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.collections import MANAGED_PREFIX
from chalicelib.domain.errors import InvalidRequest, OutsideFolder, PayloadTooLarge, UnsupportedMediaType
from chalicelib.domain.files import file_uuid
from chalicelib.domain.image_files import ACCEPTED_TYPES, TYPE_SYNONYMS
from chalicelib.domain.json_values import whole_number
from chalicelib.domain.metadata import Metadata
from chalicelib.domain.s3_events import parse_s3_events

# The contract's '20 MB', read so that a file of that size in either unit goes in: docs/decisions/0010.
UPLOAD_LIMIT = 20 * 2**20  # bytes
UPLOAD_WINDOW = timedelta(minutes=10)  # during which a client may send the bytes
EXPIRY_CHECK_SECONDS = 900  # the longest delay of a message in SQS; the upload window is shorter
# Folders of the managed bucket. S3 sends events only for the first: there clients upload by presigned forms.
PRESIGNED_STAGING = "uploads"
INLINE_STAGING = "incoming"


@dataclass(frozen=True, slots=True)
class ManagedArea:
    """What one collection has of the managed bucket: a folder for its files, and two for staged uploads.

    Every call to the managed bucket names an area, so a key of another collection cannot be passed by mistake.
    """

    account: str
    collection: str

    @property
    def prefixes(self) -> tuple[str, ...]:
        if "/" in self.account or "/" in self.collection:
            raise OutsideFolder("There is no such collection.")
        folders = (MANAGED_PREFIX, PRESIGNED_STAGING, INLINE_STAGING)
        return tuple(f"{folder}/{self.account}/{self.collection}/" for folder in folders)

    def check(self, key: str) -> str:
        """The key itself; raises OutsideFolder unless it is a file's path, or an upload's id, in one of the folders."""
        files, *staging = self.prefixes
        is_staged = key.startswith(tuple(staging)) and key.count("/") == files.count("/")
        if not (is_staged or key.startswith(files)) or not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise OutsideFolder("There is no such file.")
        return key

    def path(self, key: str) -> str:
        """The path of a file, by its key."""
        return key.removeprefix(self.prefixes[0])


class UploadFailure(NamedTuple):
    """Why an upload failed: a stable code, and a sentence."""

    reason: str
    detail: str


EXPIRED = UploadFailure("expired", "The file was not sent in time.")
LOCKED = "The file is being changed by another request. Try again in a moment."
EXISTS = UploadFailure("file_exists", "A file of this name exists already.")
ABANDONED = UploadFailure("given_up", "The upload failed on our side.")
CANCELLED = UploadFailure("cancelled", "The upload was cancelled.")


class NameRule(StrEnum):
    """What becomes of an upload where another picture has its path; the same picture is the same file.

    ``NUMBER``: it is stored beside that one, under a name with a number. ``REPLACE``: it takes its place. ``REFUSE``:
    the upload fails, also where the same picture is there.
    """

    NUMBER = "number"
    REPLACE = "replace"
    REFUSE = "refuse"


class UploadState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload.

    Args:
        key: where the file is to be stored.
        folder: the staging folder in which its bytes arrive.
        month: the month whose uploads it counts among, as ``2026-11``.
        rule: what to do where another picture is stored.
        md5: of the bytes, if they are known before they are staged.
        metadata: of the file; None to leave that of a file that is there as it is.
        moved_to: where the file is stored instead, from before it is copied there.
        mime_type: of the file, once the upload is done.
        replaced: whether it took the place of another picture.
        is_duplicate: whether the same picture was stored already: then the upload counts for nothing.
        reason: why it failed, as a stable code.
        detail: why it failed, as a sentence.
    """

    id: str
    account: str
    collection: str
    key: str
    size: int
    folder: str
    month: str
    created_at: datetime
    expires_at: datetime
    rule: NameRule = NameRule.NUMBER
    md5: str | None = None
    moved_to: str | None = None
    metadata: Metadata | None = field(default=None, hash=False)
    state: UploadState = UploadState.PENDING
    mime_type: str | None = None
    replaced: bool = False
    is_duplicate: bool = False
    reason: str | None = None
    detail: str | None = None

    @property
    def staged_key(self) -> str:
        return staged_key(self.folder, self.ref)

    @property
    def ref(self) -> "UploadRef":
        return UploadRef(self.account, self.collection, self.id)

    @property
    def area(self) -> ManagedArea:
        return ManagedArea(self.account, self.collection)

    @property
    def target(self) -> str:
        """The key under which the file is, or is to be, stored."""
        return self.moved_to or self.key

    @property
    def path(self) -> str:
        return self.area.path(self.target)

    @property
    def file(self) -> str | None:
        """The uuid of the stored file; None while there is none."""
        return file_uuid(self.collection, self.target) if self.state is UploadState.DONE else None


class UploadPage(NamedTuple):
    """Uploads in the order of their ids; the next page begins after the id ``after``, and None says there is none.

    A page may be shorter than the requested limit although another page follows.
    """

    uploads: Sequence[Upload]
    after: str | None


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A file that a client announces before sending it; ``mime_type`` is what the client says."""

    path: str
    size: int
    mime_type: str
    rule: NameRule = NameRule.NUMBER
    metadata: Metadata | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class UploadRef:
    """The identity of an upload, as messages carry it."""

    account: str
    collection: str
    id: str

    @property
    def area(self) -> ManagedArea:
        return ManagedArea(self.account, self.collection)


@dataclass(frozen=True, slots=True)
class UploadCheck:
    """The message that has an upload looked at; ``continuation`` counts how often it was sent on."""

    upload: UploadRef
    continuation: int = 0

    @property
    def account(self) -> str:
        return self.upload.account

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account uses of its limits, pending uploads included; ``files`` and ``bytes`` span all collections."""

    collections: int = 0
    managed_files: int = 0
    managed_bytes: int = 0
    uploads: int = 0
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class FileLock:
    """The exclusive right of ``holder`` to change one file of a managed collection, for a limited time.

    ``charged`` is the size that the quota counts for the file stored under this key, None if there is no file; ``md5``
    is of its bytes.
    """

    account: str
    collection: str
    key: str
    holder: str
    charged: int | None
    md5: str | None = None


class FileClaim(NamedTuple):
    """What the quota ledger knows of a key: the file that is charged, and the lock.

    Args:
        md5: of the charged file; None if there is none.
        is_locked: whether a worker is changing the file.
        locked_md5: of the picture that this worker is storing; None if it does something else.
    """

    charged: int | None
    md5: str | None
    is_locked: bool
    locked_md5: str | None

    @property
    def is_free(self) -> bool:
        return self.charged is None and not self.is_locked

    def may_become(self, md5: str) -> bool:
        """Whether this picture is stored here, or will be, or nobody can tell."""
        return md5 in (self.md5, self.locked_md5) or (self.is_locked and self.locked_md5 is None)


class StoredObject(NamedTuple):
    """An object of managed storage: the id of the upload that stored it, empty if it has none, and its bytes' MD5."""

    upload: str
    md5: str


def staged_key(folder: str, upload: UploadRef) -> str:
    """The key in the managed bucket under which the bytes of an upload arrive."""
    return f"{folder}/{upload.account}/{upload.collection}/{upload.id}"


def month_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def next_month(moment: datetime) -> datetime:
    """When the month after that of the moment begins, in the moment's zone."""
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=31)).replace(day=1)


def checks_in_message(text: str) -> Iterator[UploadCheck]:
    """The uploads that a message is about: one of ours names an upload, an S3 event names objects that have arrived.

    Raises:
        ValueError: the body is neither.
    """
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError("the message is not JSON") from error
    if isinstance(body, dict) and "upload" in body:
        yield UploadCheck(UploadRef(**body["upload"]), body.get("continuation", 0))
        return
    for event in parse_s3_events(text):
        parts = event.hint.key.split("/")
        if len(parts) == 4 and parts[0] == PRESIGNED_STAGING:
            yield UploadCheck(UploadRef(*parts[1:]))


def parse_upload_size(value: object) -> int:
    size = whole_number(value)
    if size is None or size < 1:
        raise InvalidRequest("size is the number of bytes of the file, a whole number above 0.", field="size")
    if size > UPLOAD_LIMIT:
        raise PayloadTooLarge(f"A file has at most {UPLOAD_LIMIT:,} bytes (20 MiB).", field="size")
    return size


def parse_name_rule(*, only_new: bool, replaces: bool) -> NameRule:
    """Raises InvalidRequest for a caller who wants both."""
    if only_new and replaces:
        raise InvalidRequest("Either replace a file, or refuse to with If-None-Match: *.", field="replace")
    if only_new:
        return NameRule.REFUSE
    return NameRule.REPLACE if replaces else NameRule.NUMBER


def parse_mime_type(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidRequest("mime_type is the picture's media type, such as 'image/jpeg'.", field="mime_type")
    # Media types are case-insensitive, and may have parameters: https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1
    lowered = value.partition(";")[0].strip(" \t").lower()
    mime_type = TYPE_SYNONYMS.get(lowered, lowered)
    if mime_type not in ACCEPTED_TYPES:
        raise UnsupportedMediaType(
            f"Only these picture types are accepted: {', '.join(ACCEPTED_TYPES)}.", field="mime_type"
        )
    return mime_type


@dataclass(frozen=True, slots=True)
class UploadForm:
    """The form with which a client sends a file to ``url``: multipart/form-data, first the fields, then the file."""

    url: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CompletedUpload:
    """A stored and indexed file.

    ``uuid`` is what other requests name it by; ``replaced`` says whether another picture was there before.
    """

    uuid: str
    path: str
    mime_type: str
    replaced: bool = False

    @property
    def file_name(self) -> str:
        return self.path.rpartition("/")[2]

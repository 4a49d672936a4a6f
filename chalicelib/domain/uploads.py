"""Uploads on their way into managed storage, and the share of the account's allowances that each of them holds.

An upload is counted before its bytes arrive: one file, its bytes, one of the month's uploads. It ends once, as done,
when its share becomes that of the stored file, or as failed, when its share goes back.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from chalicelib.domain.image_files import ACCEPTED_TYPES
from chalicelib.domain.s3_events import parse_s3_events

# The contract's '20 MB', read so that a file of that size in either unit goes in: docs/decisions/0010.
UPLOAD_LIMIT = 20 * 2**20
UPLOAD_WINDOW = timedelta(minutes=10)  # that the bytes may be sent
PRESIGNED_STAGING, INLINE_STAGING = (
    "uploads",
    "incoming",
)  # folders of the managed bucket; S3 tells of what arrives in the first


class UploadState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """``folder`` is where its bytes arrive, ``key`` where the file will be; ``only_new`` wants no file replaced.

    ``month`` is the one whose uploads it counts among, as ``2026-11``. A done one has its ``mime_type``, a failed one
    the ``reason`` and ``detail``.
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
    only_new: bool = False
    state: UploadState = UploadState.PENDING
    mime_type: str | None = None
    reason: str | None = None
    detail: str | None = None

    @property
    def staged_key(self) -> str:
        return staged_key(self.folder, self.ref)

    @property
    def ref(self) -> "UploadRef":
        return UploadRef(self.account, self.collection, self.id)

    @property
    def file_name(self) -> str:
        return self.key.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class UploadRef:
    """Which upload a message is about."""

    account: str
    collection: str
    id: str

    def to_json(self) -> str:
        upload = {"account": self.account, "collection": self.collection, "id": self.id}
        return json.dumps({"upload": upload}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account holds of its allowances, uploads under way included; ``files`` and ``bytes`` are all of them."""

    collections: int = 0
    managed_files: int = 0
    managed_bytes: int = 0
    uploads: int = 0
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class FileLock:
    """The right to change one file of a managed collection, held by one worker until ``until``.

    ``charged`` are the bytes of the file that is stored there now, None where there is none.
    """

    account: str
    collection: str
    key: str
    holder: str
    charged: int | None


def staged_key(folder: str, upload: UploadRef) -> str:
    """Where the bytes of an upload arrive in the managed bucket."""
    return f"{folder}/{upload.account}/{upload.collection}/{upload.id}"


def month_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def uploads_in_message(text: str) -> Iterator[UploadRef]:
    """The uploads that a message asks to look at: one of ours names one, S3's name the objects that have arrived.

    Raises:
        ValueError: the body is neither.
    """
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError("the message is not JSON") from error
    if isinstance(body, dict) and "upload" in body:
        yield UploadRef(**body["upload"])
        return
    for news in parse_s3_events(text):
        parts = news.hint.key.split("/")
        if len(parts) == 4 and parts[0] == PRESIGNED_STAGING:
            yield UploadRef(*parts[1:])


def checked_size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidRequest("size is the number of bytes of the file, a whole number above 0.", field="size")
    if value > UPLOAD_LIMIT:
        raise PayloadTooLarge(f"A file has at most {UPLOAD_LIMIT:,} bytes (20 MiB).", field="size")
    return value


def checked_mime_type(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidRequest("mime_type is the picture's media type, such as 'image/jpeg'.", field="mime_type")
    if value not in ACCEPTED_TYPES:
        raise UnsupportedMediaType(f"Only pictures are taken: {', '.join(ACCEPTED_TYPES)}.", field="mime_type")
    return value


@dataclass(frozen=True, slots=True)
class UploadForm:
    """What a client sends a file with: to the URL, as multipart/form-data, these fields first and the file last."""

    url: str
    fields: Mapping[str, str]


EXPIRY_CHECK_SECONDS = 900  # seconds, the most that SQS delays a message; an upload is open for less


EXPIRED = ("expired", "The file was not sent in time.")


EXISTS = ("file_exists", "There is a file of that name already.")


ABANDONED = ("given_up", "The upload failed on our side.")


@dataclass(frozen=True, slots=True)
class CompletedUpload:
    file_name: str
    mime_type: str

"""The errors that this package raises, in one tree. Those below ``ApiError`` mirror the codes of the API.

    SimilarixError
    ├── ConnectionFailed              no answer: no network, no such host, or the connection broke
    │   └── TimedOut                  the answer did not come in time
    ├── InvalidAnswer                 an answer that is none of the API's
    ├── UploadRefused                 S3 did not take the file of an upload in two steps
    └── ApiError                      the API refused the request; see its attributes
        ├── InvalidRequest            400
        │   ├── UnknownParameter      400
        │   ├── UnreadablePicture     400
        │   ├── UnreadableUrl         400
        │   └── SourceUnreadable      400
        ├── Forbidden                 403
        │   ├── ScopeForbids          403
        │   │   └── ReadOnlyToken     403
        │   ├── OriginForbids         403
        │   ├── PlanForbids           403
        │   ├── QuotaExceeded         403
        │   └── LinkExpired           403
        ├── NotFound                  404
        ├── MethodNotAllowed          405
        ├── Conflict                  409
        │   ├── SyncAlreadyRunning    409
        │   ├── DuplicateCollection   409
        │   ├── FileExists            409
        │   ├── UploadIncomplete      409
        │   ├── NotRetriable          409
        │   ├── NotDownloadable       409
        │   └── IdempotencyKeyInUse   409
        ├── PayloadTooLarge           413
        ├── UnsupportedMediaType      415
        ├── IdempotencyKeyReused      422
        ├── RateLimited               429
        │   └── TooManyRequests       429
        ├── InternalError             500
        └── Unavailable               503
            ├── Contention            503
            ├── StoreUnavailable      503
            ├── EmbedderUnavailable   503
            └── SourceUnavailable     503
                └── SourceDenied      503

An error with a code that this version does not know is of the class of its status.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any


class SimilarixError(Exception):
    """Base of the tree."""


class ConnectionFailed(SimilarixError):
    """There was no answer; whether the request was carried out is not known."""


class TimedOut(ConnectionFailed):
    """The answer did not come in time."""


class InvalidAnswer(SimilarixError):
    """What answered is not the API, or a proxy before it; the message has the beginning of the answer."""


class UploadRefused(SimilarixError):
    """S3 did not take a file. ``status`` is S3's; the message has its reason."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ApiError(SimilarixError):
    """The API refused the request.

    Attributes:
        status: the HTTP status.
        code: the stable code, such as ``not_found``; empty where the answer has none.
        message: a sentence that says what to do.
        field: the parameter at fault, or None.
        request_id: finds the request in the operator's log; empty where the answer has none.
        retry_after: seconds after which the request may be sent again, or None.
        info: all that the answer says, such as ``uuid`` and ``md5`` of a file that exists.
    """

    status = 500
    code = ""

    def __init__(
        self, message: str, *, status: int, info: Mapping[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.info = dict(info or {})
        self.code = str(self.info.get("error") or "")
        self.field: str | None = self.info.get("field")
        self.request_id = str(self.info.get("request_id") or "")
        self.retry_after = retry_after


class InvalidRequest(ApiError):
    status = 400
    code = "invalid_request"


class UnknownParameter(InvalidRequest):
    code = "unknown_parameter"


class UnreadablePicture(InvalidRequest):
    code = "unreadable_picture"


class UnreadableUrl(InvalidRequest):
    code = "unreadable_url"


class SourceUnreadable(InvalidRequest):
    code = "source_unreadable"


class Forbidden(ApiError):
    status = 403
    code = "forbidden"


class ScopeForbids(Forbidden):
    code = "scope_forbids"


class ReadOnlyToken(ScopeForbids):
    code = "read_only_token"


class OriginForbids(Forbidden):
    code = "origin_forbids"


class PlanForbids(Forbidden):
    code = "plan_forbids"


class QuotaExceeded(Forbidden):
    code = "quota_exceeded"

    @property
    def resets_at(self) -> datetime | None:
        """When a limit of the month counts from the beginning; None where nothing resets by itself."""
        at = self.info.get("resets_at")
        return datetime.fromisoformat(at) if at else None


class LinkExpired(Forbidden):
    code = "link_expired"


class NotFound(ApiError):
    status = 404
    code = "not_found"


class MethodNotAllowed(ApiError):
    status = 405
    code = "method_not_allowed"


class Conflict(ApiError):
    status = 409
    code = "conflict"


class SyncAlreadyRunning(Conflict):
    code = "sync_in_progress"


class DuplicateCollection(Conflict):
    code = "duplicate_collection"


class FileExists(Conflict):
    code = "file_exists"

    @property
    def uuid(self) -> str | None:
        """Of the file that is there."""
        return self.info.get("uuid")

    @property
    def md5(self) -> str | None:
        """Of the file that is there."""
        return self.info.get("md5")


class UploadIncomplete(Conflict):
    code = "upload_incomplete"


class NotRetriable(Conflict):
    code = "not_retriable"


class NotDownloadable(Conflict):
    code = "not_downloadable"


class IdempotencyKeyInUse(Conflict):
    code = "idempotency_key_in_use"


class PayloadTooLarge(ApiError):
    status = 413
    code = "payload_too_large"


class UnsupportedMediaType(ApiError):
    status = 415
    code = "unsupported_media_type"


class IdempotencyKeyReused(ApiError):
    status = 422
    code = "idempotency_key_reused"


class RateLimited(ApiError):
    status = 429
    code = "rate_limited"


class TooManyRequests(RateLimited):
    """Of all callers together."""

    code = "too_many_requests"


class InternalError(ApiError):
    status = 500
    code = "internal_error"


class Unavailable(ApiError):
    status = 503
    code = "unavailable"


class Contention(Unavailable):
    code = "contention"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class EmbedderUnavailable(Unavailable):
    code = "embedder_unavailable"


class SourceUnavailable(Unavailable):
    code = "source_unavailable"


class SourceDenied(SourceUnavailable):
    code = "source_denied"


def _below(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


_KINDS = tuple(_below(ApiError))
BY_CODE = {kind.code: kind for kind in _KINDS}
_BY_STATUS = {kind.status: kind for kind in ApiError.__subclasses__()}


def _without_message(status: int) -> str:
    if status >= 500:
        return f"The API answered with status {status}."
    return f"The server answered with status {status}, and not as the API does: check the URL."


def api_error(status: int, info: Mapping[str, Any], retry_after: float | None) -> ApiError:
    """The error that an answer stands for."""
    kind = BY_CODE.get(str(info.get("error"))) or _BY_STATUS.get(status, ApiError)
    message = str(info.get("message") or _without_message(status))
    return kind(message, status=status, info=info, retry_after=retry_after)

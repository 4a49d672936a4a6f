"""The errors that this application raises on purpose for a caller, in one tree.

    SimilarixError
    ├── InvalidRequest                400  the caller can correct it
    │   ├── UnknownParameter          400  no parameter or field has this name
    │   ├── UnreadablePicture         400  the bytes are not a picture that we can decode
    │   ├── UnreadableUrl             400  a URL gives no picture, or is none that is fetched
    │   ├── SignInFailed              400  the identity provider's answer is refused, or says that nobody signed in
    │   └── SourceUnreadable          400  a bucket cannot be read as the caller described it
    ├── Forbidden                     403  no token, an unknown one, or one that may not do this
    │   ├── ScopeForbids              403  the token's scope does not include it
    │   │   └── ReadOnlyToken         403  it may only read, and the request writes
    │   ├── OriginForbids             403  the token is bound to other web pages than the one that sends it
    │   ├── PlanForbids               403  the account's plan does not include it
    │   ├── QuotaExceeded             403  the account has reached a limit of its plan
    │   └── LinkExpired               403  a signed link is no longer valid
    ├── NotFound                      404  it does not exist, or belongs to another account
    │   └── OutsideFolder             404  a key that is not in the collection's part of the bucket
    ├── MethodNotAllowed              405  the path has no such method
    ├── Conflict                      409  the request does not fit the present state
    │   ├── SyncAlreadyRunning        409
    │   ├── DuplicateCollection       409  the account has a collection on the same bucket and folder
    │   ├── FileExists                409  a file has this name, and the caller did not want it replaced
    │   ├── UploadIncomplete          409  the bytes have not arrived
    │   ├── AmbiguousNotifications    409  a bucket sends the same events to another destination
    │   ├── NotRetriable              409  only a failed file can be tried again
    │   ├── NotDownloadable           409  the original cannot be had by a URL, or not now
    │   └── IdempotencyKeyInUse       409  a request with the same idempotency key is in progress
    ├── PayloadTooLarge               413
    ├── UnsupportedMediaType          415
    ├── IdempotencyKeyReused          422  the same idempotency key came with another request
    ├── RateLimited                   429  the token's requests come too fast
    └── Unavailable                   503  try again later
        ├── Contention                503  other workers or requests keep changing the same objects
        ├── StoreUnavailable          503
        ├── EmbedderUnavailable       503
        │   └── EmbedderEnded         503  its function was ended while it worked: by its time, its memory or a crash
        ├── IdentityProviderUnavailable 503
        ├── MailRefused               503  a mail could not be sent
        └── SourceUnavailable         503  a bucket cannot be listed or read at the moment
            └── SourceDenied          503  its owner must change a permission first

The API (``chalicelib.api.dispatch``) turns the tree into its envelope, the dashboard
(``chalicelib.dashboard.dispatch``) into a page. Workers let these errors rise, and the queue delivers the message
again.

Apart from the tree stand errors that no caller sees by name:

- ``StaleWrite`` (here): another writer changed the record first; the service that wrote reads it again.
- ``ContinuationLimit`` (here): a worker's message was continued too often; it ends among the dead letters.
- ``ConfigurationError`` (here): a setting is wrong, so the function does not start and there is no caller.
- ``CircuitOpen``, ``ServerBusy`` (``adapters.opensearch``): internal; callers get ``StoreUnavailable`` instead.
- ``RequestRejected``, ``DocumentsRefused`` (``adapters.opensearch``): OpenSearch will never accept the request, so the
  fault is ours. They rise like any bug: a caller receives 500, and a message is retried, then dead-lettered.
"""

from datetime import datetime


class SimilarixError(Exception):
    """Base of the tree.

    Args:
        message: a sentence for the caller that says what to do.
        field: the name of the parameter at fault, where there is one.
    """

    status = 500
    code = "internal_error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidRequest(SimilarixError):
    status = 400
    code = "invalid_request"


class UnknownParameter(InvalidRequest):
    code = "unknown_parameter"


class UnreadablePicture(InvalidRequest):
    code = "unreadable_picture"


class UnreadableUrl(InvalidRequest):
    code = "unreadable_url"


class SignInFailed(InvalidRequest):
    """Raised for a page of the dashboard: no route of the API signs anybody in."""


class SourceUnreadable(InvalidRequest):
    code = "source_unreadable"


class Forbidden(SimilarixError):
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


class LinkExpired(Forbidden):
    code = "link_expired"


class QuotaExceeded(Forbidden):
    """``resets_at`` is when a limit of the month counts from the beginning; None where nothing resets by itself."""

    code = "quota_exceeded"

    def __init__(self, message: str, *, resets_at: datetime | None = None) -> None:
        super().__init__(message)
        self.resets_at = resets_at


class NotFound(SimilarixError):
    status = 404
    code = "not_found"


class OutsideFolder(NotFound):
    """Raised instead of a call to S3. Services check keys of callers first, so a caller sees it only after a bug."""


class MethodNotAllowed(SimilarixError):
    status = 405
    code = "method_not_allowed"


class Conflict(SimilarixError):
    status = 409
    code = "conflict"


class SyncAlreadyRunning(Conflict):
    code = "sync_in_progress"


class DuplicateCollection(Conflict):
    code = "duplicate_collection"


class FileExists(Conflict):
    """``uuid`` and ``md5`` are of the file that is there."""

    code = "file_exists"

    def __init__(
        self, message: str, *, field: str | None = None, uuid: str | None = None, md5: str | None = None
    ) -> None:
        super().__init__(message, field=field)
        self.uuid = uuid
        self.md5 = md5


class UploadIncomplete(Conflict):
    code = "upload_incomplete"


class AmbiguousNotifications(Conflict):
    """Raised by ``infra.notifications`` alone, for the owner of a bucket: no route merges notifications."""


class NotRetriable(Conflict):
    code = "not_retriable"


class NotDownloadable(Conflict):
    code = "not_downloadable"


class IdempotencyKeyInUse(Conflict):
    code = "idempotency_key_in_use"


class PayloadTooLarge(SimilarixError):
    status = 413
    code = "payload_too_large"


class UnsupportedMediaType(SimilarixError):
    status = 415
    code = "unsupported_media_type"


class IdempotencyKeyReused(SimilarixError):
    status = 422
    code = "idempotency_key_reused"


class RateLimited(SimilarixError):
    """``retry_after``: seconds after which a request is served, if no other comes before."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(SimilarixError):
    """``is_partial``: not the whole system is unavailable; only some of a message's objects could not be handled."""

    status = 503
    code = "unavailable"
    is_partial = False


class Contention(Unavailable):
    code = "contention"
    is_partial = True


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class EmbedderUnavailable(Unavailable):
    code = "embedder_unavailable"


class EmbedderEnded(EmbedderUnavailable):
    """What it worked on may be the cause. ``services.pipeline.embedding_batches`` finds out; others let it rise."""


class IdentityProviderUnavailable(Unavailable):
    """Raised for a page of the dashboard, as ``SignInFailed`` is."""


class MailRefused(Unavailable):
    """Raised for a page of the dashboard, which shows what it was about all the same."""


class SourceUnavailable(Unavailable):
    code = "source_unavailable"


class SourceDenied(SourceUnavailable):
    code = "source_denied"


class StaleWrite(Exception):
    """Another writer changed the record since it was read."""


class ContinuationLimit(Exception):
    """A piece of work was handed on so often that it must be running in a circle."""


class ConfigurationError(Exception):
    """A setting of the deployment is missing or malformed; the message names the variable."""

"""Every error this application raises on purpose, in one tree.

    SimilarixError
    ├── InvalidRequest                400  the caller can mend it
    │   ├── UnreadablePicture         400  the bytes are not a picture we can open
    │   └── SourceUnreadable          400  a bucket cannot be read as the caller described it
    ├── Forbidden                     403  no token, an unknown one, or one that may not do this
    │   ├── ReadOnlyToken             403  its scope is 'read', and this writes
    │   └── PlanForbids               403  the account's plan does not include it
    ├── NotFound                      404  it does not exist, or it is another account's
    ├── MethodNotAllowed              405
    ├── Conflict                      409  the request does not fit the present state
    │   ├── SyncAlreadyRunning        409
    │   ├── DuplicateCollection       409  the account has one on the same bucket and folder
    │   ├── FileExists                409  a file of that name, and the caller wanted none replaced
    │   ├── UploadIncomplete          409  the bytes have not arrived
    │   ├── AmbiguousNotifications    409  a bucket sends the same events to another destination
    │   └── NotRetriable              409  only what has failed can be tried again
    ├── PayloadTooLarge               413
    ├── UnsupportedMediaType          415
    ├── AllowanceUsedUp               429  the plan allows no more of it
    └── Unavailable                   503  try again later
        ├── Contention                503  other workers or requests kept changing the same objects
        ├── StoreUnavailable          503
        ├── EmbedderUnavailable       503
        └── SourceUnavailable         503  a bucket cannot be listed or read now
            └── SourceDenied          503  it may not be, until its owner changes something

    StaleWrite                        never leaves a worker: another writer was first
    ConfigurationError                never has a caller: a function's settings are wrong, so it does not start

The edge (``chalicelib.api.dispatch``) turns the tree into the envelope; workers let it rise, and the message comes back.
"""


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


class UnreadablePicture(InvalidRequest):
    code = "unreadable_picture"


class SourceUnreadable(InvalidRequest):
    code = "source_unreadable"


class Forbidden(SimilarixError):
    status = 403
    code = "forbidden"


class ReadOnlyToken(Forbidden):
    code = "read_only_token"


class PlanForbids(Forbidden):
    code = "plan_forbids"


class NotFound(SimilarixError):
    status = 404
    code = "not_found"


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
    code = "file_exists"


class UploadIncomplete(Conflict):
    code = "upload_incomplete"


class AmbiguousNotifications(Conflict):
    """Raised by ``infra.notifications`` alone, for the owner of a bucket: no route merges notifications."""


class NotRetriable(Conflict):
    code = "not_retriable"


class PayloadTooLarge(SimilarixError):
    status = 413
    code = "payload_too_large"


class UnsupportedMediaType(SimilarixError):
    status = 415
    code = "unsupported_media_type"


class QuotaExceeded(SimilarixError):
    status = 429
    code = "allowance_used_up"


class Unavailable(SimilarixError):
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


class StaleWrite(Exception):
    """Another writer changed the record since it was read."""


class ConfigurationError(Exception):
    """A setting of the deployment is missing or malformed; the message names the variable."""

"""Errors of one item of a batch.

Exception
├── ItemError     this item cannot be embedded; its neighbours can. Becomes the item's own `error` in the response
└── ValueError    the event itself is malformed: the invocation fails
"""

from enum import StrEnum


class Code(StrEnum):
    """The codes of an item's `error`; the application relies on them."""

    # The object is at fault: another try fails in the same way until the object changes.
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED_IMAGE = "truncated_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_LARGE = "too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_COSTLY = "too_costly"
    DECODER_CRASHED = "decoder_crashed"
    SOURCE_NOT_FOUND = "source_not_found"
    SOURCE_DENIED = "source_denied"
    ARCHIVED = "archived"
    # Transient: a later try may succeed.
    SOURCE_UNAVAILABLE = "source_unavailable"
    THUMBNAIL_FAILED = "thumbnail_failed"
    POSTPONED = "postponed"
    INTERNAL = "internal"


TRANSIENT = frozenset({Code.SOURCE_UNAVAILABLE, Code.THUMBNAIL_FAILED, Code.POSTPONED, Code.INTERNAL})


class ItemError(Exception):
    """One item cannot be embedded. The message is for people and never contains a URL: presigned ones are secrets."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def transient(self) -> bool:
        """Whether the same item may succeed when it is tried again, unchanged."""
        return self.code in TRANSIENT


def postponed() -> ItemError:
    """Return the error of an item for which the invocation has no time left."""
    return ItemError(Code.POSTPONED, "the embedder had no time left for this item")

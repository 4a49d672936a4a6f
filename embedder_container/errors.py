"""What may be wrong with one item of a batch.

Exception
├── ItemError     this item cannot be embedded; its neighbours can. Becomes the item's own `error` in the answer
└── ValueError    the event itself is wrong (not one item of it): the invocation fails
"""

from enum import StrEnum


class Code(StrEnum):
    """The codes of an item's `error`, as they stand on the wire."""

    # The object's own fault: asking again gives the same answer until the object changes.
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
    # Worth another try later.
    SOURCE_UNAVAILABLE = "source_unavailable"
    THUMBNAIL_FAILED = "thumbnail_failed"
    INTERNAL = "internal"


TRANSIENT = frozenset({Code.SOURCE_UNAVAILABLE, Code.THUMBNAIL_FAILED, Code.INTERNAL})


class ItemError(Exception):
    """One item cannot be embedded. The message is for people and never holds a URL: presigned ones are secrets."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def transient(self) -> bool:
        """Whether the same item may succeed when it is tried again, unchanged."""
        return self.code in TRANSIENT

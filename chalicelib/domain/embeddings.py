"""What the embedder returns for images and texts: vectors, facts of an image, or the reason of a failure."""

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.errors import EmbedderUnavailable, InvalidRequest, UnreadablePicture

EMBEDDER_URL_SECONDS = 900  # validity of a presigned URL for the embedder: longer than its function may run
# The codes of an object that does not exist, and of a bucket that cannot be read now; the embedder's are the same.
SOURCE_NOT_FOUND = "source_not_found"
SOURCE_UNAVAILABLE = "source_unavailable"
TOO_COSTLY = "too_costly"  # of an object that takes more time or memory than one may; the embedder's is the same


@dataclass(frozen=True, slots=True)
class ImageEmbedding:
    """The vector of an image and facts of it.

    Args:
        vector: little-endian float32 of unit length.
        size: of the file, in bytes.
        width: in pixels, as ``height``, of the image turned upright.
        taken: when the picture was taken, by its EXIF; without a zone where EXIF has none.
        perceptual_hash: 64 bits as 16 hexadecimal digits; None of a picture that was embedded before there were any.
    """

    model: str
    vector: bytes
    size: int
    md5: str
    width: int
    height: int
    format: str
    taken: datetime | None = None
    perceptual_hash: str | None = None


@dataclass(frozen=True, slots=True)
class EmbeddedImage:
    """An embedding, and the key of the image's thumbnail."""

    embedding: ImageEmbedding
    thumbnail: str


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An embedding that an earlier object has, and the key of the thumbnail that its ``collection`` has of it."""

    embedding: ImageEmbedding
    thumbnail: str
    collection: str


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """Why an object could not be read; a transient failure is not the object's fault."""

    code: str
    message: str
    transient: bool


@dataclass(frozen=True, slots=True)
class ObjectToEmbed:
    """``url`` is a presigned GET of the object, ``thumbnail_url`` a presigned PUT for its thumbnail, if it gets one."""

    url: str
    thumbnail_url: str | None


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A vector, and the model version that made it."""

    model: str
    vector: bytes


def unreadable_picture(failure: ReadFailure, field: str = "file") -> Exception:
    """The error for a caller whose picture could not be read."""
    if failure.transient:
        return EmbedderUnavailable("The picture could not be processed just now. Try again in a moment.")
    return UnreadablePicture(f"The file could not be read as a picture: {failure.message}", field=field)


def unreadable_text(failure: ReadFailure, field: str) -> Exception:
    """The error for a caller whose text the model could not read."""
    if failure.transient:
        return EmbedderUnavailable("The text could not be processed just now. Try again in a moment.")
    return InvalidRequest(f"The text cannot be searched for: {failure.message}.", field=field)

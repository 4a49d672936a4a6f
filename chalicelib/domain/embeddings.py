"""What the embedder reads out of pictures and texts: vectors, facts of a picture, and why one could not be read."""

from dataclasses import dataclass

from chalicelib.domain.errors import EmbedderUnavailable, UnreadablePicture


@dataclass(frozen=True, slots=True)
class ImageEmbedding:
    """What the embedder read out of an object; ``vector`` is little-endian float32 of unit length."""

    model: str
    vector: bytes
    size: int
    md5: str
    width: int
    height: int
    format: str


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """Why the embedder could not read an object; a transient one is not the object's fault."""

    code: str
    message: str
    transient: bool


@dataclass(frozen=True, slots=True)
class ObjectToEmbed:
    """``url`` is a presigned GET of the picture, ``thumbnail_url`` a presigned PUT for its thumbnail."""

    url: str
    thumbnail_url: str


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A vector and the stamp of what made it."""

    model: str
    vector: bytes


EMBEDDER_URL_SECONDS = 900  # of a presigned URL for the embedder: longer than its function may run


def unreadable_picture(failure: ReadFailure) -> Exception:
    """The error that tells a caller why their picture could not be read."""
    if failure.transient:
        return EmbedderUnavailable("The picture could not be processed just now. Try again in a moment.")
    return UnreadablePicture(f"The file could not be read as a picture: {failure.message}", field="file")

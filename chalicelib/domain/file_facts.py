"""What filters and sorted lists compare of a file, in the units that every vector store keeps it in."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from chalicelib.domain.metadata import Metadata

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# A key of slashes alone has a thousand folders, whose names would take half a megabyte of each document.
MAX_FOLDERS = 32


class Orientation(StrEnum):
    LANDSCAPE = "landscape"
    PORTRAIT = "portrait"
    SQUARE = "square"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """Args:
    path: the key below the folder of the file's collection.
    format: the embedder's name for it, in small letters.
    size: in bytes.
    width: in pixels, as ``height``, of the upright picture.
    modified: as ``taken``, see ``milliseconds``; None where it is not known.
    """

    path: str
    format: str
    size: int
    width: int
    height: int
    modified: int | None
    taken: int | None
    metadata: Metadata = field(default_factory=dict, hash=False)

    @property
    def orientation(self) -> Orientation:
        if self.width == self.height:
            return Orientation.SQUARE
        return Orientation.LANDSCAPE if self.width > self.height else Orientation.PORTRAIT


def milliseconds(time: datetime) -> int:
    """Returns a time in milliseconds since 1970; one without a zone counts as UTC.

    EXIF's times have a zone only where the camera has written one. No zone that could be assumed is right more often.
    """
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MILLISECOND  # `timestamp` fails for some years


def folders_of(path: str) -> tuple[str, ...]:
    """Returns the folders that a path lies in, the outermost first, each with the slash at its end."""
    ends = [place + 1 for place, character in enumerate(path) if character == "/"]
    return tuple(path[:end] for end in ends[:MAX_FOLDERS])

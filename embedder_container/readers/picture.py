"""One way to open a file, and the refusals of files that cannot be opened."""

from io import BytesIO
from typing import Any, ClassVar

from PIL import Image

from embedder_container import limits
from embedder_container.colours import Colours
from embedder_container.errors import Code, ItemError
from embedder_container.formats import unsupported_message
from embedder_container.readers import exif

UPRIGHT = 1


class JoinedFile:
    """Two byte strings, the second from a place on, as one file to read: a copy of a photograph costs page faults."""

    def __init__(self, head: bytes, body: bytes, start: int) -> None:
        self._head, self._body = head, body
        self._shift = start - len(head)
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        at, switch = self._at, len(self._head)
        end = len(self._body) - self._shift if size < 0 else at + size
        if at >= switch:
            part = self._body[at + self._shift : end + self._shift]
        elif end <= switch:
            part = self._head[at:end]
        else:
            part = self._head[at:] + self._body[switch + self._shift : end + self._shift]
        self._at = at + len(part)
        return part

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, len(self._body) - self._shift)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


class EncodedPicture:
    """The bytes of a picture without metadata, with what its metadata said.

    `orientation` is EXIF's number of the turn that the pixels need, `taken` EXIF's time of taking in ISO 8601. `size`
    is set where the container says it before a decoder allocates memory for it.
    """

    format: ClassVar[str]

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.orientation = UPRIGHT
        self.taken: str | None = None
        self.colours = Colours()
        self.size: tuple[int, int] = (0, 0)

    def read_exif(self, block: bytes) -> None:
        """Take orientation and time of taking from an EXIF block that begins with a TIFF header."""
        self.orientation = exif.orientation(block)
        self.taken = exif.taken(block)

    def open(self) -> Image.Image:
        """Return the image with its size and mode, its pixels not yet decoded."""
        return Image.open(self.file(), formats=(self.format,))

    def file(self) -> Any:
        """Return the bytes as an open file."""
        return BytesIO(self.data)

    def load(self, image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
        """Decode the pixels; returns the image, and its alpha channel unless it is in the image itself."""
        image.load()
        return image, None

    def codec_bytes(self, image: Image.Image) -> int:  # noqa: ARG002 - see the codecs that need it
        """Return about how many bytes the codec keeps beside the image while it decodes."""
        return len(self.data)

    def refusal(self, error: Exception) -> ItemError:
        """Return why the picture could not be opened or decoded."""
        if isinstance(error, EOFError) or "truncated" in str(error):
            return cut_short("its data ends before its last pixel")
        return damaged("its header or its pixels cannot be decoded")


def check_parts(number: int) -> None:
    """Refuse a file of more segments or chunks than a picture needs: each of them is read here, one after the other."""
    if number > limits.MAX_PARTS:
        raise ItemError(Code.TOO_COSTLY, f"the file has more than {limits.MAX_PARTS:,} segments or chunks")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def cut_short(what: str) -> ItemError:
    """Return the refusal of a file that lacks bytes, which says what is missing."""
    return ItemError(Code.TRUNCATED_IMAGE, f"the picture is cut short: {what}")


def damaged(what: str) -> ItemError:
    """Return the refusal of a file whose bytes are wrong."""
    return ItemError(Code.TRUNCATED_IMAGE, f"the picture is damaged: {what}")


def unsupported(kind: str) -> ItemError:
    """Return the refusal of a whole file that is not read, by its name."""
    return ItemError(Code.UNSUPPORTED_FORMAT, unsupported_message(kind))

"""Pictures to search by and to upload, from what a caller has at hand."""

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Union

if TYPE_CHECKING:
    from PIL.Image import Image

# A path, the bytes, an open file, a URL, or an image of Pillow's.
PictureSource = Union[str, "os.PathLike[str]", bytes, IO[bytes], "Image"]
# Is called with the bytes that have been sent, and with how many there are.
Progress = Callable[[int, int], None]

# What a request may have; a larger picture goes to S3 first. docs/api.md, Uploading.
REQUEST_LIMIT = 4_500_000
# What an upload in two steps may have.
UPLOAD_LIMIT = 20 * 1024 * 1024
DEFAULT_NAME = "picture"

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
)
# The brands of ISO 23008-12 (HEIF) and of the AV1 Image File Format.
_BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"heic": "image/heic", b"heix": "image/heic"}
# https://pillow.readthedocs.io/en/stable/handbook/image-file-formats.html#png-saving
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_PNG_MODE_OF = {"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}
# Greys of more than 8 bits; Pillow would show nearly all of their values as white, or as black.
_DEEP_GREYS = frozenset({"I", "F", "I;16B", "I;16L", "I;16N"})
_WHITE_OF_8_BITS, _WHITE_OF_16_BITS = 0xFF, 0xFFFF
SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"),
        *(".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpf", ".jpx"),
    )
)


@dataclass(frozen=True)
class Picture:
    """``open`` gives its bytes from their beginning, as often as it is called. ``size`` is in bytes."""

    name: str
    size: int
    mime_type: str
    open: Callable[[], BinaryIO]


def is_url(source: object) -> bool:
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def picture_of(source: PictureSource, name: str | None = None) -> Picture:
    """The picture; an open file is read from where it stands.

    Raises OSError where a path cannot be read, and TypeError where the source is of no known kind.
    """
    if isinstance(source, bytes):
        return _of_bytes(source, name)
    if isinstance(source, (str, os.PathLike)):
        return _of_path(Path(source), name)
    image = sys.modules.get("PIL.Image")
    if image is not None and isinstance(source, image.Image):
        return _of_image(source, name)
    if hasattr(source, "read"):
        file: Any = source
        given = getattr(file, "name", None)
        return _of_bytes(file.read(), name or (Path(given).name if isinstance(given, str) else None))
    raise TypeError(f"A picture is a path, bytes, an open file, a URL or a Pillow image, not {type(source).__name__}.")


def mime_type_of(head: bytes) -> str | None:
    """The type that the first bytes of a file say; None for what is no known picture."""
    for signature, mime_type in _SIGNATURES:
        if head.startswith(signature):
            return mime_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(len(head), 64), 4))]
        known = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
        return known[0] if known else "image/heif" if b"mif1" in brands else None
    return None


def _of_bytes(body: bytes, name: str | None) -> Picture:
    return Picture(name or DEFAULT_NAME, len(body), _type(body[:64]), lambda: io.BytesIO(body))


def _of_path(path: Path, name: str | None) -> Picture:
    with path.open("rb") as file:
        head = file.read(64)
        size = os.fstat(file.fileno()).st_size
    return Picture(name or path.name, size, _type(head), lambda: path.open("rb"))


def _of_image(image: Any, name: str | None) -> Picture:
    """As PNG, which keeps every pixel; as JPEG where that is too large for a request.

    It is turned as its EXIF says, because the PNG does not say it, and converted where PNG has not its mode.
    """
    from PIL import ImageOps  # noqa: PLC0415  # of a package that its caller has

    image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP_GREYS:
        image = _png_grey(image)
    elif image.mode not in _PNG_MODES:
        image = image.convert(_PNG_MODE_OF.get(image.mode, "RGB"))
        image.info.pop("icc_profile", None)  # of the colours that it had
    body = io.BytesIO()
    image.save(body, "PNG")
    if body.tell() > REQUEST_LIMIT:
        body = io.BytesIO()
        shown = _stretched(image, 0, _WHITE_OF_16_BITS) if image.mode == "I;16" else image
        shown.convert("RGB").save(body, "JPEG", quality=95)
    return _of_bytes(body.getvalue(), name)


def _png_grey(image: Any) -> Any:
    """A grey of 8 or 16 bits. Numbers mean what the API takes them for in a TIFF: where no white is agreed, the range
    that occurs is stretched."""
    if image.mode.startswith("I;16"):
        return image.convert("I").convert("I;16")
    low, high = image.getextrema()
    if image.mode == "F" or low < 0 or high > _WHITE_OF_16_BITS:
        return _stretched(image, low, high)
    return image.convert("L" if high <= _WHITE_OF_8_BITS else "I;16")


def _stretched(image: Any, low: float, high: float) -> Any:
    """The grey in 8 bits, from black at ``low`` to white at ``high``."""
    scale = _WHITE_OF_8_BITS / (high - low) if high > low else 0.0
    return image.convert("F").point(lambda value: value * scale + -low * scale).convert("L")


def _type(head: bytes) -> str:
    # An unknown beginning is left to the API, whose answer says what it takes.
    return mime_type_of(head) or "application/octet-stream"

"""Decodes an untrusted file to an upright 8-bit sRGB image, once, and makes its thumbnail.

A change here that changes pixels raises `DECODE_VERSION`. A codec may crash or decode without end: only `decoder`,
which runs in a process of its own, may call `decode` on an untrusted file.
"""

import codecs
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

# Each plugin by name: Pillow imports all forty of them when it is asked for one that it does not know.
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageColor,  # noqa: F401 - see load_plugins
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from embedder_container import limits
from embedder_container.colours import flatten
from embedder_container.errors import Code, ItemError
from embedder_container.formats import NOT_A_PICTURE_MESSAGE, recognise, unsupported_format
from embedder_container.readers import heif
from embedder_container.readers.bmp import BmpPicture
from embedder_container.readers.gif import GifPicture
from embedder_container.readers.jpeg import JpegPicture
from embedder_container.readers.jpeg2000 import Jpeg2000Picture
from embedder_container.readers.picture import EncodedPicture, damaged, unsupported
from embedder_container.readers.png import PngPicture
from embedder_container.readers.tiff import TiffPicture
from embedder_container.readers.webp import WebpPicture

# Pillow's own guard, set to the same limit: `_check_size` refuses what it only warns of.
Image.MAX_IMAGE_PIXELS = limits.MAX_PIXELS
_PLUGINS = (
    BmpImagePlugin,
    GifImagePlugin,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
_READERS: dict[str, type[EncodedPicture]] = {
    "JPEG": JpegPicture,
    "PNG": PngPicture,
    "GIF": GifPicture,
    "WEBP": WebpPicture,
    "BMP": BmpPicture,
    "TIFF": TiffPicture,
    "JPEG2000": Jpeg2000Picture,
}

# EXIF orientation to the transposition that turns the image upright.
UPRIGHT_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Of Pillow's modes in memory; all others take four.
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
SIDE_SWAPPING_ORIENTATIONS = (5, 6, 7, 8)


@dataclass(frozen=True)
class DecodedImage:
    """An upright image in mode RGB (sRGB, 8 bits, no metadata) with the format and size of its file.

    `width` and `height` are the file's, upright; the image is smaller if a JPEG was decoded at a reduced size. `taken`
    is EXIF's time of taking in ISO 8601, with its offset where EXIF has one.
    """

    image: Image.Image
    format: str
    width: int
    height: int
    taken: str | None = None


def load_plugins() -> None:
    """Load all that a decode may need: a confined process can load nothing."""
    Image.preinit()
    for name in ("utf-16", "latin-1", "ascii"):
        codecs.lookup(name)
    heif.load_plugins()


def decode(
    data: bytes,
    shortest: int = 0,
    wait_for_memory: Callable[[int], object] = lambda _: None,
    longest: int = limits.THUMBNAIL_SIDE,
) -> DecodedImage:
    """Decode the first frame of an image.

    Args:
        data: the bytes of the file.
        shortest: the length that the caller needs of the shorter side; a large JPEG is then decoded at 1/2, 1/4 or 1/8,
            no smaller than REDUCED_DECODE_MARGIN times that. 0 decodes at full size.
        wait_for_memory: called with about how many bytes will be allocated, before they are; returns when they may be.
        longest: the length that the caller needs of the longer side; counts only with `shortest`.

    Raises:
        ItemError: the file is not an image, is broken or exceeds a limit.
    """
    if not data:
        raise ItemError(Code.EMPTY, "the file is empty")
    if len(data) > limits.MAX_FILE_BYTES:
        raise ItemError(Code.TOO_LARGE, limits.TOO_LARGE_MESSAGE)
    format_name = recognise(data)
    if other_name := unsupported_format(data, format_name):
        raise unsupported(other_name)
    failure: ItemError | None = None
    for picture in _pictures(data, format_name):
        try:
            return _decode(picture, shortest, longest, wait_for_memory)
        except ItemError as error:
            if error.code in (Code.TOO_MANY_PIXELS, Code.TOO_COSTLY):
                raise
            failure = failure or error
    raise failure or ItemError(Code.NOT_AN_IMAGE, NOT_A_PICTURE_MESSAGE)


def _pictures(data: bytes, format_name: str | None) -> Iterator[EncodedPicture]:
    """Return the ways to open the file, the likeliest first: the next one is tried where one fails."""
    try:
        if format_name == "HEIF":
            yield from heif.pictures(data)
        elif format_name is not None:
            yield _READERS[format_name](data)
    except (struct.error, IndexError, OverflowError) as error:  # of numbers that no honest container has
        raise damaged("its header cannot be read") from error


def _decode(
    picture: EncodedPicture, shortest: int, longest: int, wait_for_memory: Callable[[int], object]
) -> DecodedImage:
    # Pillow allocates some formats' canvas while opening them, before their size can be read from the image.
    _check_size(*picture.size)
    try:
        with picture.open() as image:
            width, height = image.size
            _check_size(width, height)
            if shortest:
                _reduce(image, shortest, longest)
            wait_for_memory(_memory_bytes(picture, image))
            loaded, alpha = picture.load(image)
            upright = flatten(loaded, alpha, picture.colours)
    except ItemError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except MemoryError:
        raise
    except Exception as error:  # not only OSError: a decoder on hostile bytes may raise anything
        if "out of memory" in str(error):  # the message of Pillow's decoders
            raise MemoryError from error
        raise picture.refusal(error) from error
    transposition = UPRIGHT_TRANSPOSITIONS.get(picture.orientation)
    if transposition is not None:
        upright = upright.transpose(transposition)
    # Only the pixels go on: no comment, profile or position may reach the thumbnail.
    upright.info.clear()
    size = (height, width) if picture.orientation in SIDE_SWAPPING_ORIENTATIONS else (width, height)
    return DecodedImage(upright, picture.format, *size, picture.taken)


def thumbnail(image: Image.Image, side: int = limits.THUMBNAIL_SIDE) -> bytes:
    """Return a JPEG of the image, longest side at most `side` pixels (never enlarged), without metadata."""
    longest = max(image.size)
    if longest > side:
        scale = side / longest
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        # A third faster than bicubic, and hardly less sharp (docs/embedder.md).
        image = image.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    quality = limits.SMALL_THUMBNAIL_QUALITY if side < limits.THUMBNAIL_SIDE else limits.THUMBNAIL_QUALITY
    jpeg = BytesIO()
    # Optimised Huffman tables would make the file 2 % smaller and take three times as long.
    image.save(jpeg, "JPEG", quality=quality)
    return jpeg.getvalue()


def _reduce(image: Image.Image, shortest: int, longest: int) -> None:
    """Set a JPEG to be decoded at the smallest size that is enough for the vector and the thumbnail."""
    scale = min(
        min(image.size) // (limits.REDUCED_DECODE_MARGIN * shortest),
        max(image.size) // longest,
    )
    if scale > 1 and image.format == "JPEG":
        # The decoder takes the largest of 8, 4 and 2 that leaves at least this.
        image.draft(None, (image.width // scale, image.height // scale))


def _memory_bytes(picture: EncodedPicture, image: Image.Image) -> int:
    """Return about how many bytes decoding takes at its peak: the codec's own, the image and its copies.

    `make stress SUITE=pictures` measures them beside what is stated here.
    """
    pixel = _PIXEL_BYTES.get(image.mode, 4)
    if image.mode != "RGB":
        pixel += 4  # converted
    if image.mode.startswith(("I", "F")):
        pixel += 1  # in 8 bits first
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        pixel += 5  # a white ground and the mask
    if picture.orientation in UPRIGHT_TRANSPOSITIONS:
        pixel = max(pixel, 8)  # turned, after the others are gone
    return limits.DECODER_BYTES + picture.codec_bytes(image) + pixel * image.width * image.height


def _check_size(width: int, height: int) -> None:
    if width * height > limits.MAX_PIXELS:
        raise _too_many_pixels()
    if max(width, height) > limits.MAX_IMAGE_ASPECT * max(1, min(width, height)):
        raise ItemError(
            Code.TOO_MANY_PIXELS, f"the picture is more than {limits.MAX_IMAGE_ASPECT:,} times as long as it is wide"
        )


def _too_many_pixels() -> ItemError:
    return ItemError(Code.TOO_MANY_PIXELS, f"the picture has more than {limits.MAX_PIXELS // 1_000_000} megapixels")

"""Decodes an untrusted file to an upright 8-bit sRGB image, once, and makes its thumbnail.

A change here that changes pixels raises `DECODE_VERSION`. A codec may crash or decode without end: only `decoder`,
which runs in a process of its own, may call `decode` on an untrusted file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

# Each plugin by name: Pillow imports all forty of them when it is asked for one that it does not know.
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from embedder_container import limits
from embedder_container.colours import flatten
from embedder_container.errors import Code, ItemError
from embedder_container.formats import (
    FORMAT_ALIASES,
    SUPPORTED_FORMATS,
    has_image_signature,
    unsupported_format,
    webp_size,
)

# Pillow's own guard, set to the same limit: `_check_size` refuses what it only warns of.
Image.MAX_IMAGE_PIXELS = limits.MAX_PIXELS
FTYP_FORMATS = ("HEIF", "AVIF")  # both begin with a size and 'ftyp'
_PLUGINS = (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
OTHER_FORMATS = tuple(name for name in SUPPORTED_FORMATS if name not in FTYP_FORMATS)

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
SIDE_SWAPPING_ORIENTATIONS = (5, 6, 7, 8)
EXIF_ORIENTATION = 0x0112
TIFF_TILE_TAGS = (322, 323)


@dataclass(frozen=True)
class DecodedImage:
    """An upright image in mode RGB (sRGB, 8 bits, no metadata) with the format and size of its file.

    `width` and `height` are the file's, upright; the image is smaller if a JPEG was decoded at a reduced size.
    """

    image: Image.Image
    format: str
    width: int
    height: int


def decode(data: bytes, shortest: int = 0, wait_for_memory: Callable[[int], object] = lambda _: None) -> DecodedImage:
    """Decode the first frame of an image.

    Args:
        data: the bytes of the file.
        shortest: the length that the caller needs of the shorter side; a large JPEG is then decoded at 1/2, 1/4 or 1/8,
            no smaller than REDUCED_DECODE_MARGIN times that. 0 decodes at full size.
        wait_for_memory: called with the number of pixels before they are allocated; returns when they may be.

    Raises:
        ItemError: the file is not an image, is broken or exceeds a limit.
    """
    if not data:
        raise ItemError(Code.EMPTY, "the file is empty")
    if len(data) > limits.MAX_FILE_BYTES:
        raise ItemError(Code.TOO_LARGE, limits.TOO_LARGE_MESSAGE)
    if format_name := unsupported_format(data):
        raise _unsupported(format_name)
    # Pillow allocates a WebP's canvas while opening it, before its size can be read from the image.
    _check_size(*webp_size(data))
    try:
        image = Image.open(BytesIO(data), formats=_candidate_formats(data))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except Exception as error:  # not only UnidentifiedImageError: a decoder on hostile bytes may raise anything
        raise _unopened(data) from error
    with image:
        width, height = image.size
        _check_size(width, height)
        _check_structure(image, data)
        try:
            if shortest:
                _reduce(image, shortest)
            wait_for_memory(image.width * image.height)
            image.load()
            upright, sides_swapped = _orient(flatten(image), image)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_many_pixels() from None
        except MemoryError:
            raise
        except Exception as error:  # as above
            if "out of memory" in str(error):  # the message of Pillow's decoders
                raise MemoryError from error
            raise _broken(error) from error
        name = image.format or "unknown"
    # Only the pixels go on: no comment, profile or position may reach the thumbnail.
    upright.info.clear()
    size = (height, width) if sides_swapped else (width, height)
    return DecodedImage(upright, FORMAT_ALIASES.get(name, name), *size)


def thumbnail(image: Image.Image) -> bytes:
    """Return a JPEG of the image, longest side at most 512 pixels (never enlarged), without metadata."""
    longest = max(image.size)
    if longest > limits.THUMBNAIL_SIDE:
        scale = limits.THUMBNAIL_SIDE / longest
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    jpeg = BytesIO()
    # Optimised Huffman tables would make the file 2 % smaller and take three times as long.
    image.save(jpeg, "JPEG", quality=limits.THUMBNAIL_QUALITY)
    return jpeg.getvalue()


@cache
def _load_avif_plugin() -> None:
    """Load AVIF's decoder for the first file that needs it."""
    from PIL import AvifImagePlugin  # noqa: PLC0415 - see above

    # One thread an image: each processor decodes an image of its own.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


@cache
def _load_heif_plugin() -> bool:
    """Load HEIF's libraries, 26 MB, for the first file that needs them; returns whether they are installed."""
    try:
        import pillow_heif  # noqa: PLC0415 - see above
    except ImportError:  # left out of an image because of its wheel's licences: HEIF is then refused by name
        return False
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    return True


def _candidate_formats(data: bytes) -> tuple[str, ...]:
    """Return the formats that Pillow may try, with their plugins loaded."""
    if data[4:8] != b"ftyp":
        return OTHER_FORMATS
    _load_avif_plugin()
    if data[8:12] in (b"avif", b"avis"):
        return ("AVIF",)
    return FTYP_FORMATS if _load_heif_plugin() else ("AVIF",)


def _reduce(image: Image.Image, shortest: int) -> None:
    """Set a JPEG to be decoded at the smallest size that is enough for the vector and the thumbnail."""
    scale = min(
        min(image.size) // (limits.REDUCED_DECODE_MARGIN * shortest),
        max(image.size) // limits.THUMBNAIL_SIDE,
    )
    if scale > 1 and image.format in ("JPEG", "MPO"):
        # The decoder takes the largest of 8, 4 and 2 that leaves at least this.
        image.draft(None, (image.width // scale, image.height // scale))


def _orient(flat: Image.Image, source: Image.Image) -> tuple[Image.Image, bool]:
    """Return the image upright, and whether that swapped its sides.

    Pillow orients a TIFF while loading it and drops the tag; so does pillow-heif with a HEIF.
    """
    try:
        orientation = source.getexif().get(EXIF_ORIENTATION)
    except Exception:  # the pixels are sound even if the metadata is damaged, and its parser may raise anything
        return flat, False
    transposition = UPRIGHT_TRANSPOSITIONS.get(orientation) if isinstance(orientation, int) else None
    upright = flat if transposition is None else flat.transpose(transposition)
    return upright, orientation in SIDE_SWAPPING_ORIENTATIONS


def _check_size(width: int, height: int) -> None:
    if width * height > limits.MAX_PIXELS:
        raise _too_many_pixels()
    if max(width, height) > limits.MAX_IMAGE_ASPECT * max(1, min(width, height)):
        raise ItemError(
            Code.TOO_MANY_PIXELS, f"the picture is more than {limits.MAX_IMAGE_ASPECT:,} times as long as it is wide"
        )


def _check_structure(image: Image.Image, data: bytes) -> None:
    """Refuse an image whose decoder would work or allocate far beyond what its size implies."""
    frames: Any = None
    if image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        tile_sides = [tags.get(tag, 0) for tag in TIFF_TILE_TAGS]
        if (
            not all(isinstance(side, int) for side in tile_sides)
            or tile_sides[0] * tile_sides[1] > limits.MAX_TILE_PIXELS
        ):
            raise _too_many_pixels()
    elif image.format in ("AVIF", "WEBP", "HEIF"):
        frames = getattr(image, "n_frames", 1)  # their header says it; in other formats frames must be counted
    elif "progressive" in image.info and data.count(b"\xff\xda") > limits.MAX_JPEG_SCANS:
        raise ItemError(Code.TOO_COSTLY, f"the picture has more than {limits.MAX_JPEG_SCANS} scans")
    if frames is not None and frames > limits.MAX_FRAMES:
        raise ItemError(Code.TOO_COSTLY, f"the file has more than {limits.MAX_FRAMES:,} frames")


def _too_many_pixels() -> ItemError:
    return ItemError(Code.TOO_MANY_PIXELS, f"the picture has more than {limits.MAX_PIXELS // 1_000_000} megapixels")


def _broken(error: Exception) -> ItemError:
    return ItemError(Code.TRUNCATED_IMAGE, f"the picture is damaged or cut short: {str(error)[:200]}")


def _unsupported(format_name: str) -> ItemError:
    supported = ", ".join(SUPPORTED_FORMATS)
    return ItemError(
        Code.UNSUPPORTED_FORMAT, f"files of the kind {format_name} are not supported; these are: {supported}"
    )


def _unopened(data: bytes) -> ItemError:
    """Return the reason why Pillow could open nothing: a broken header, or not an image."""
    if data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis") and not _load_heif_plugin():
        return _unsupported("HEIF (left out of this installation)")
    if has_image_signature(data):
        return ItemError(Code.TRUNCATED_IMAGE, "the picture is damaged or cut short: its header cannot be read")
    return ItemError(Code.NOT_AN_IMAGE, "the file is not a picture")

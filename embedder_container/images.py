"""The one decoding of a picture: from a stranger's bytes to an upright 8-bit sRGB image, and to its thumbnail.

What changes the pixels raises `DECODE_VERSION`. What may take the process along (a codec's crash, a decode without end)
is `isolation`'s to survive: nothing else should call `decode` on a stranger's bytes in a process that must live.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

# Each plugin by name: Pillow imports all forty of them when it is asked for one that it has not seen.
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
    FORMAT_NAMES,
    FORMATS,
    is_beginning_of_a_picture,
    refused_kind,
    webp_size,
)

# Pillow's own guard, set to the same limit: what it warns of, our check refuses.
Image.MAX_IMAGE_PIXELS = limits.MAX_PIXELS
CONTAINER_FORMATS = ("HEIF", "AVIF")  # both begin with a size and 'ftyp'
_PLUGINS = (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
OTHER_FORMATS = tuple(name for name in FORMATS if name not in CONTAINER_FORMATS)

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TURNED = (5, 6, 7, 8)  # width and height change places
EXIF_ORIENTATION = 0x0112
TIFF_TILE = (322, 323)


@dataclass(frozen=True)
class DecodedImage:
    """A decoded picture: an upright image in mode RGB (sRGB, 8 bits, no metadata), and what it was in its file.

    `width` and `height` are the file's, upright; the image is smaller where a JPEG was decoded at a reduced size.
    """

    image: Image.Image
    format: str
    width: int
    height: int


def decode(data: bytes, shortest: int = 0, permit: Callable[[int], object] = lambda _: None) -> DecodedImage:
    """Decode the first frame of a picture; raises ItemError for whatever is not one, is broken or beyond the limits.

    Args:
        shortest: what the caller will make of the shorter side; a large JPEG is then decoded at 1/2, 1/4 or 1/8, no
            smaller than REDUCED_MARGIN times that. 0 decodes at full size.
        permit: called with the number of pixels before they are allocated; returns when that may be.
    """
    if not data:
        raise ItemError(Code.EMPTY, "the file is empty")
    if len(data) > limits.MAX_BYTES:
        raise ItemError(Code.TOO_LARGE, limits.TOO_LARGE)
    if kind := refused_kind(data):
        raise _unsupported(kind)
    # Pillow allocates a WebP's canvas while opening it, before anyone can ask for its size.
    _check_size(*webp_size(data))
    try:
        image = Image.open(BytesIO(data), formats=_candidates(data))
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
            permit(image.width * image.height)
            image.load()
            upright, turned = _orient(flatten(image), image)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_many_pixels() from None
        except MemoryError:
            raise
        except Exception as error:  # as above
            if "out of memory" in str(error):  # in the words of Pillow's decoders
                raise MemoryError from error
            raise _broken(error) from error
        name = image.format or "unknown"
    # The pixels are all that goes on: no comment, profile or position may reach the thumbnail.
    upright.info.clear()
    return DecodedImage(upright, FORMAT_NAMES.get(name, name), *((height, width) if turned else (width, height)))


def thumbnail(image: Image.Image) -> bytes:
    """A JPEG of the picture, longest side at most 512 pixels (never enlarged), without metadata."""
    longest = max(image.size)
    if longest > limits.THUMBNAIL_SIDE:
        scale = limits.THUMBNAIL_SIDE / longest
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    target = BytesIO()
    # Huffman tables of its own would make the file 2 % smaller and take three times as long.
    image.save(target, "JPEG", quality=limits.THUMBNAIL_QUALITY)
    return target.getvalue()


@cache
def _know_avif() -> None:
    """Load AVIF's decoder for the first file that needs it."""
    from PIL import AvifImagePlugin  # noqa: PLC0415 - see above

    # One picture, one thread: there are as many pictures at a time as processors.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


@cache
def _knows_heif() -> bool:
    """Whether HEIF can be opened; its libraries, 26 MB, are loaded for the first file that needs them."""
    try:
        import pillow_heif  # noqa: PLC0415 - see above
    except ImportError:  # left out of an image because of its wheel's licences: HEIF is then refused by name
        return False
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    return True


def _candidates(data: bytes) -> tuple[str, ...]:
    if data[4:8] != b"ftyp":
        return OTHER_FORMATS
    _know_avif()
    if data[8:12] in (b"avif", b"avis"):
        return ("AVIF",)
    return CONTAINER_FORMATS if _knows_heif() else ("AVIF",)


def _reduce(image: Image.Image, shortest: int) -> None:
    """Have a JPEG decoded at the smallest size that still serves the vector and the thumbnail."""
    scale = min(
        min(image.size) // (limits.REDUCED_MARGIN * shortest),
        max(image.size) // limits.THUMBNAIL_SIDE,
    )
    if scale > 1 and image.format in ("JPEG", "MPO"):
        # The decoder takes the largest of 8, 4 and 2 that leaves at least this.
        image.draft(None, (image.width // scale, image.height // scale))


def _orient(flat: Image.Image, source: Image.Image) -> tuple[Image.Image, bool]:
    """Turn the picture upright once, and say whether that swapped its sides.

    Pillow turns a TIFF itself while loading it and drops the tag; so does pillow-heif with a HEIF.
    """
    try:
        orientation = source.getexif().get(EXIF_ORIENTATION)
    except Exception:  # damaged metadata is no damaged picture, and its parser may raise anything
        return flat, False
    method = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return (flat if method is None else flat.transpose(method)), orientation in TURNED


def _check_size(width: int, height: int) -> None:
    if width * height > limits.MAX_PIXELS:
        raise _too_many_pixels()
    if max(width, height) > limits.MAX_IMAGE_ASPECT * max(1, min(width, height)):
        raise ItemError(
            Code.TOO_MANY_PIXELS, f"the picture is more than {limits.MAX_IMAGE_ASPECT:,} times as long as it is wide"
        )


def _check_structure(image: Image.Image, data: bytes) -> None:
    """Refuse what makes its decoder work or allocate far beyond what the size of the picture says."""
    frames: Any = None
    if image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        tile = [tags.get(tag, 0) for tag in TIFF_TILE]
        if not all(isinstance(side, int) for side in tile) or tile[0] * tile[1] > limits.MAX_TILE_PIXELS:
            raise _too_many_pixels()
    elif image.format in ("AVIF", "WEBP", "HEIF"):
        frames = getattr(image, "n_frames", 1)  # in these it stands in the header, in others it must be counted
    elif "progressive" in image.info and data.count(b"\xff\xda") > limits.MAX_SCANS:
        raise ItemError(Code.TOO_COSTLY, f"the picture has more than {limits.MAX_SCANS} scans")
    if frames is not None and frames > limits.MAX_FRAMES:
        raise ItemError(Code.TOO_COSTLY, f"the file has more than {limits.MAX_FRAMES:,} frames")


def _too_many_pixels() -> ItemError:
    return ItemError(Code.TOO_MANY_PIXELS, f"the picture has more than {limits.MAX_PIXELS // 1_000_000} megapixels")


def _broken(error: Exception) -> ItemError:
    return ItemError(Code.TRUNCATED_IMAGE, f"the picture is damaged or cut short: {str(error)[:200]}")


def _unsupported(kind: str) -> ItemError:
    known = ", ".join(FORMATS)
    return ItemError(Code.UNSUPPORTED_FORMAT, f"files of the kind {kind} are not supported; these are: {known}")


def _unopened(data: bytes) -> ItemError:
    """Say why nothing could be opened: the beginning of a picture, or no picture."""
    if data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis") and not _knows_heif():
        return _unsupported("HEIF (left out of this installation)")
    if is_beginning_of_a_picture(data):
        return ItemError(Code.TRUNCATED_IMAGE, "the picture is damaged or cut short: its header cannot be read")
    return ItemError(Code.NOT_AN_IMAGE, "the file is not a picture")

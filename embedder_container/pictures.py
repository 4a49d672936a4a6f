"""The one decoding of a picture: from a stranger's bytes to an upright 8-bit sRGB image, and to its thumbnail.

Every limit holds before the memory it guards is allocated. What changes the pixels raises `DECODE_VERSION`.
"""

import struct
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from embedder_container.colours import flatten
from embedder_container.errors import Code, ItemError

# The largest file that is downloaded: above the 20 MB that an upload may have.
MAX_BYTES = 25 * 1024 * 1024
# Medium-format cameras reach 102 megapixels. Pillow keeps four bytes a pixel, and orienting needs a second copy, so one
# picture at this limit takes 0.9 GB for a moment.
MAX_PIXELS = 110_000_000
THUMBNAIL_SIDE = 512
THUMBNAIL_QUALITY = 85

# Everything else that Pillow can open stays shut: fewer decoders, fewer holes.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
# A multi-picture JPEG (3-D cameras, phones) is a JPEG followed by others.
FORMAT_NAMES = {"MPO": "JPEG"}

# Pillow's own guard, set to the same limit: what it warns of, our check refuses.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"RIFF")
UNSUPPORTED_SIGNATURES = {
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"\x00\x00\x01\x00": "icon",
    b"icns": "icon",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"v/1\x01": "OpenEXR",
    b"DDS ": "DDS",
    b"qoif": "QOI",
}

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Picture:
    """A decoded picture: an upright image in mode RGB (sRGB, 8 bits, no metadata), and the format it came in."""

    image: Image.Image
    format: str


def decode(data: bytes) -> Picture:
    """Decode the first frame of a picture; raises ItemError for whatever is not one, is broken or beyond the limits."""
    if not data:
        raise ItemError(Code.EMPTY, "the file is empty")
    if len(data) > MAX_BYTES:
        raise too_large()
    # Pillow allocates a WebP's canvas while opening it, before anyone can ask for its size.
    _check_pixels(*_webp_size(data))
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except Exception as error:  # not only UnidentifiedImageError: a decoder on hostile bytes may raise anything
        raise _unopened(data) from error
    with image:
        _check_pixels(*image.size)
        try:
            image.load()
            upright = _orient(flatten(image), image)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_many_pixels() from None
        except Exception as error:  # as above
            raise _broken(error) from error
        name = image.format or "unknown"
    # The pixels are all that goes on: no comment, profile or position may reach the thumbnail.
    upright.info.clear()
    return Picture(upright, FORMAT_NAMES.get(name, name))


def thumbnail(image: Image.Image) -> bytes:
    """A JPEG of the picture, longest side at most 512 pixels (never enlarged), without metadata."""
    longest = max(image.size)
    if longest > THUMBNAIL_SIDE:
        scale = THUMBNAIL_SIDE / longest
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    target = BytesIO()
    image.save(target, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    return target.getvalue()


def too_large() -> ItemError:
    """The error of a file above `MAX_BYTES`, known from its header or after that many bytes."""
    return ItemError(Code.TOO_LARGE, f"the file is larger than {MAX_BYTES // (1024 * 1024)} MiB")


def _orient(flat: Image.Image, source: Image.Image) -> Image.Image:
    """Turn the picture upright once. (Pillow turns a TIFF itself while loading it, and drops the tag.)"""
    try:
        orientation = source.getexif().get(EXIF_ORIENTATION)
    except Exception:  # damaged metadata is no damaged picture, and its parser may raise anything
        return flat
    method = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return flat if method is None else flat.transpose(method)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP's canvas from its header; (0, 0) for anything else."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return 0, 0
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels() -> ItemError:
    return ItemError(Code.TOO_MANY_PIXELS, f"the picture has more than {MAX_PIXELS // 1_000_000} megapixels")


def _broken(error: Exception) -> ItemError:
    return ItemError(Code.TRUNCATED_IMAGE, f"the picture is damaged or cut short: {str(error)[:200]}")


def _unopened(data: bytes) -> ItemError:
    """Say why nothing could be opened: the beginning of a picture, a picture of another kind, or no picture."""
    head = data[:1024]
    if head.startswith(SIGNATURES) and (head[:4] != b"RIFF" or head[8:12] in (b"WEBP", b"")):
        return ItemError(Code.TRUNCATED_IMAGE, "the picture is damaged or cut short: its header cannot be read")
    kind = next((name for start, name in UNSUPPORTED_SIGNATURES.items() if head.startswith(start)), None)
    if head[4:8] == b"ftyp":
        kind = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"avif": "AVIF"}.get(head[8:12], "video")
    elif b"<svg" in head.lower():
        kind = "SVG"
    if kind is None:
        return ItemError(Code.NOT_AN_IMAGE, "the file is not a picture")
    known = ", ".join(FORMATS)
    return ItemError(Code.UNSUPPORTED_FORMAT, f"files of the kind {kind} are not supported; these are: {known}")

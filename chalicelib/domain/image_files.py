"""Image formats and their media types, and file names that are safe in a key."""

import unicodedata

from chalicelib.domain.errors import InvalidRequest, PayloadTooLarge
from chalicelib.domain.texts import breaks_line, is_storable, is_visible, without_bidi_controls

# Base64 turns 4.5 MB into 6.0 MB, and Lambda takes events of 6 MiB:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
INLINE_LIMIT = 4_500_000  # bytes
# The largest picture of a bucket, in bytes; the embedder's limit is the same (``embedder_container/limits.py``).
PICTURE_LIMIT = 25 * 1024 * 1024
FILE_NAME_LIMIT = 255  # bytes; common file systems take as much, and it leaves space for the folder in S3's 1,024

MIME_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "HEIF": "image/heif",
    "AVIF": "image/avif",
    "JPEG2000": "image/jp2",
}
# The usual extension of each format first.
EXTENSIONS = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif"),
    "PNG": ("png",),
    "GIF": ("gif",),
    "WEBP": ("webp",),
    "BMP": ("bmp", "dib"),
    "TIFF": ("tif", "tiff"),
    "HEIF": ("heic", "heif"),
    "AVIF": ("avif",),
    "JPEG2000": ("jp2", "j2k", "j2c", "jpc", "jpf", "jpx"),
}
ALL_EXTENSIONS = frozenset(extension for extensions in EXTENSIONS.values() for extension in extensions)
# The types that a client may announce; the actual type follows from the file's bytes.
ACCEPTED_TYPES = (*MIME_TYPES.values(), "image/heic")
# What systems and programs call these types beside their registered names, each with one meaning; sequences are files
# of the same kind, of which the first picture is read: https://www.iana.org/assignments/media-types/#image
TYPE_SYNONYMS = {
    **dict.fromkeys(("image/jpg", "image/pjpeg", "image/jfif"), "image/jpeg"),
    **dict.fromkeys(("image/x-png", "image/apng", "image/vnd.mozilla.apng"), "image/png"),
    **dict.fromkeys(("image/x-bmp", "image/x-ms-bmp", "image/x-windows-bmp"), "image/bmp"),
    **dict.fromkeys(("image/tif", "image/x-tif", "image/x-tiff"), "image/tiff"),
    **dict.fromkeys(("image/heic-sequence",), "image/heic"),
    **dict.fromkeys(("image/heif-sequence",), "image/heif"),
    **dict.fromkeys(("image/avif-sequence",), "image/avif"),
    **dict.fromkeys(("image/jpx", "image/j2k", "image/j2c", "image/jpeg2000", "image/x-jp2"), "image/jp2"),
}


# How the files of these formats begin; 4 bytes of length precede the name of the first box of the last two.
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_CODESTREAM = b"\xff\x4f\xff\x51"  # of JPEG 2000 without a container
_FIRST_BOXES = (b"ftyp", b"jP  ")


def has_picture_signature(head: bytes) -> bool:
    """Whether a file that begins so, with 12 bytes at least, may be a picture; the embedder reads the whole of it."""
    if head.startswith((*_SIGNATURES, _CODESTREAM)):
        return True
    return head[4:8] in _FIRST_BOXES or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def mime_type(format_name: str) -> str:
    """The media type of a format under the embedder's name for it, which is Pillow's."""
    return MIME_TYPES.get(format_name, "application/octet-stream")


def parse_file_name(value: str | None) -> str:
    """The last part of a client's file name, safe as the last part of a key; without bidi controls.

    Raises:
        InvalidRequest: nothing usable is left, or it is too long.
    """
    name = stored_name((value or "").replace("\\", "/").rpartition("/")[2]).strip()
    if name in (".", "..") or not is_storable(name) or not is_visible(name) or breaks_line(name):
        raise InvalidRequest("Give the file part a file name.", field="file")
    if len(name.encode()) > FILE_NAME_LIMIT:
        raise InvalidRequest(f"The file name has at most {FILE_NAME_LIMIT} bytes.", field="file")
    return name


def stored_name(name: str) -> str:
    """A name as an upload stores it: with composed accents, and without bidi controls."""
    return unicodedata.normalize("NFC", without_bidi_controls(name))


def name_to_save(name: str, format_name: str) -> str:
    """The name under which a file is saved on a caller's disk: its extension says what the bytes are.

    Another picture format's extension is replaced (``owl.png`` of a JPEG becomes ``owl.jpg``); to any other the right
    one is appended (``owl.exe`` becomes ``owl.exe.jpg``), so that no program but a viewer opens the file.
    """
    name = without_bidi_controls(name)
    extensions = EXTENSIONS.get(format_name, ())
    stem, dot, extension = name.rpartition(".")
    if not extensions or (dot and extension.lower() in extensions):
        return name
    replaced = bool(stem) and extension.lower() in ALL_EXTENSIONS
    return f"{stem if replaced else name}.{extensions[0]}"


def unreadable_size(size: int) -> tuple[str, str] | None:
    """Why no picture of this size can be read, as the embedder would say it; None if it can."""
    if size == 0:
        return "empty", "the file is empty"
    if size > PICTURE_LIMIT:
        return "too_large", f"the file is larger than {PICTURE_LIMIT // (1024 * 1024)} MiB"
    return None


def check_inline_size(image: bytes, instead: str) -> None:
    """Raises InvalidRequest for an empty file, PayloadTooLarge for one above ``INLINE_LIMIT``.

    Args:
        instead: a sentence that says how a larger file is sent.
    """
    if not image:
        raise InvalidRequest("The file is empty.", field="file")
    if len(image) > INLINE_LIMIT:
        raise PayloadTooLarge(
            f"The picture has {len(image):,} bytes; a request takes at most {INLINE_LIMIT:,}. {instead}",
            field="file",
        )

"""Kinds of picture, told from their first bytes, and names fit for a key."""

import unicodedata

from chalicelib.domain.errors import InvalidRequest, PayloadTooLarge

# Base64 makes 4.5 MB into 6.0 MB, and Lambda takes events of 6 MiB:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
INLINE_LIMIT = 4_500_000
FILE_NAME_LIMIT = 255  # bytes; what common file systems take, and room for the folder in S3's 1,024

MIME_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "HEIF": "image/heif",
    "AVIF": "image/avif",
}
# What a client may say that a file is; what it is comes from its bytes.
ACCEPTED_TYPES = (*MIME_TYPES.values(), "image/heic")


def mime_type(format_name: str) -> str:
    """The media type of a format as the embedder names it (Pillow's names)."""
    return MIME_TYPES.get(format_name, "application/octet-stream")


def checked_file_name(value: str | None) -> str:
    """The last part of a client's file name, safe as the last part of a key.

    Raises:
        InvalidRequest: nothing usable is left, or it is too long.
    """
    name = unicodedata.normalize("NFC", (value or "").replace("\\", "/").rpartition("/")[2]).strip()
    if name in ("", ".", "..") or any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise InvalidRequest("Give the file part a file name.", field="file")
    if len(name.encode()) > FILE_NAME_LIMIT:
        raise InvalidRequest(f"The file name has at most {FILE_NAME_LIMIT} bytes.", field="file")
    return name


def check_inline_size(image: bytes) -> None:
    if not image:
        raise InvalidRequest("The file is empty.", field="file")
    if len(image) > INLINE_LIMIT:
        raise PayloadTooLarge(
            f"The picture has {len(image):,} bytes; {INLINE_LIMIT:,} fit through this endpoint. Send a smaller one, or "
            "upload a file of up to 20 MiB in two steps: ask with JSON first.",
            field="file",
        )

"""Image formats and their media types, and file names that are safe in a key."""

import unicodedata

from chalicelib.domain.errors import InvalidRequest, PayloadTooLarge

# Base64 turns 4.5 MB into 6.0 MB, and Lambda takes events of 6 MiB:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
INLINE_LIMIT = 4_500_000  # bytes
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
# The types that a client may announce; the actual type follows from the file's bytes.
ACCEPTED_TYPES = (*MIME_TYPES.values(), "image/heic")


def mime_type(format_name: str) -> str:
    """The media type of a format under the embedder's name for it, which is Pillow's."""
    return MIME_TYPES.get(format_name, "application/octet-stream")


def parse_file_name(value: str | None) -> str:
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
    """Raises InvalidRequest for an empty file, PayloadTooLarge for one above ``INLINE_LIMIT``."""
    if not image:
        raise InvalidRequest("The file is empty.", field="file")
    if len(image) > INLINE_LIMIT:
        raise PayloadTooLarge(
            f"The picture has {len(image):,} bytes; this endpoint takes at most {INLINE_LIMIT:,}. Send a smaller one, "
            "or upload a file of up to 20 MiB in two steps: prepare the upload with a JSON body first.",
            field="file",
        )

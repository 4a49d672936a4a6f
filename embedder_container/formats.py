"""Recognises file formats by their first bytes, so that a file can be refused by name before a decoder opens it."""

import struct

# Pillow can open many more: fewer decoders mean fewer security holes.
SUPPORTED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
# A multi-picture JPEG (3-D cameras, phones) is a JPEG followed by others.
FORMAT_ALIASES = {"MPO": "JPEG"}

IMAGE_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"RIFF")
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
    b"FUJIFILMCCD-RAW": "camera raw (RAF)",
    b"IIRO": "camera raw (ORF)",
    b"IIRS": "camera raw (ORF)",
    b"MMOR": "camera raw (ORF)",
    b"IIU\0": "camera raw (RW2)",
    b"\0MRM": "camera raw (MRW)",
    b"FOVb": "camera raw (X3F)",
    b"II\x1a\0\0\0HEAPCCDR": "camera raw (CRW)",
}
# Brands of the `ftyp` box: https://mp4ra.org/registered-types/brands
FTYP_BRANDS = {
    b"heic": "HEIF",
    b"heix": "HEIF",
    b"heim": "HEIF",
    b"heis": "HEIF",
    b"hevc": "HEIF",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"crx ": "camera raw (CR3)",
}

# Tags of a TIFF's first directory: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, and DNG's.
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 259, 262, 330, 50706
_MAKER_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)  # Sony, Epson, Samsung, Nikon, Kodak, Pentax
_COLOUR_FILTER_ARRAY = 32803
_MAX_TIFF_TAGS = 512


def unsupported_format(data: bytes) -> str | None:
    """Return the name of a known format that is not supported; None for any other file."""
    head = data[:1024]
    name = next((name for start, name in UNSUPPORTED_SIGNATURES.items() if head.startswith(start)), None)
    if name is None and head[4:8] == b"ftyp":
        name = FTYP_BRANDS.get(head[8:12], "video")
        return None if name in SUPPORTED_FORMATS else name
    if name is None and b"<svg" in head.lower():
        return "SVG"
    return name or _raw_format(data)


def has_image_signature(data: bytes) -> bool:
    """Return whether the first bytes are those of a supported format."""
    head = data[:16]
    if head[4:8] == b"ftyp":
        return FTYP_BRANDS.get(head[8:12]) in SUPPORTED_FORMATS
    return head.startswith(IMAGE_SIGNATURES) and (head[:4] != b"RIFF" or head[8:12] in (b"WEBP", b""))


def webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a WebP's canvas from its header; (0, 0) for any other file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return 0, 0
    chunk_type = data[12:16]
    if chunk_type == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk_type == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _raw_format(data: bytes) -> str | None:
    """Return the name of a camera's raw format based on TIFF: a decoder would open the preview in it."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    if data[8:10] == b"CR":
        return "camera raw (CR2)"
    tags = _first_directory(data)
    if _DNG_VERSION in tags:
        return "camera raw (DNG)"
    if tags.get(_COMPRESSION) in _MAKER_COMPRESSIONS or tags.get(_PHOTOMETRIC) == _COLOUR_FILTER_ARRAY:
        return "camera raw"
    # Nikon's and Sony's begin with a reduced copy, and keep the sensor's data in a directory below.
    return "camera raw" if tags.get(_SUBFILE, 0) & 1 and _SUB_IFDS in tags else None


def _first_directory(data: bytes) -> dict[int, int]:
    """Return tag to value of a TIFF's first directory, for values of one number; empty if it is damaged."""
    byte_order = "<" if data[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(byte_order + "I", data, 4)
        (count,) = struct.unpack_from(byte_order + "H", data, start)
        tags = {}
        for number in range(min(count, _MAX_TIFF_TAGS)):
            entry = start + 2 + 12 * number
            tag, value_type = struct.unpack_from(byte_order + "HH", data, entry)
            (tags[tag],) = struct.unpack_from(byte_order + ("H" if value_type == 3 else "I"), data, entry + 8)
    except struct.error:
        return {}
    return tags

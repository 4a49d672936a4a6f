"""AVIF and HEIF: which codec decodes the picture, which colours it declares, and where a file breaks small rules.

Orientation is the container's alone: the decoders apply it, or say it.
"""

import struct
from collections.abc import Iterator
from functools import cache
from typing import ClassVar

from PIL import Image

from embedder_container import limits
from embedder_container.colour_spaces import from_code_points
from embedder_container.colours import Colours
from embedder_container.errors import Code, ItemError
from embedder_container.readers import av1, boxes, exif
from embedder_container.readers.boxes import Associations, Box, ItemFile
from embedder_container.readers.picture import EncodedPicture, counted, cut_short, damaged, unsupported

# Brands of picture sequences, which have no `meta` box: https://mp4ra.org/registered-types/brands
SEQUENCE_BRANDS = (b"msf1", b"hevc", b"hevx", b"hevm", b"hevs", b"avcs", b"avis", b"jpgs", b"j2is", b"vvcs", b"evbs")
_AVIF_BRANDS, _HEIF_BRANDS = (b"avif", b"avis"), (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_CODECS = {
    "avc1": "H.264",
    "jpeg": "JPEG",
    "j2k1": "JPEG 2000",
    "vvc1": "H.266",
    "evc1": "EVC",
    "unci": "uncompressed pixels",
    "mski": "a mask",
}
_METADATA_TYPES = ("Exif", "mime")
_MAX_BRANDS_BYTES = 1024
_MAX_EXIF_BYTES = 1 << 20  # with a maker's notes and a small picture
_ALPHA = b"auxiliary:alpha"


def pictures(data: bytes) -> Iterator[EncodedPicture]:
    """Return the ways to open the file, the likeliest first.

    Raises:
        ItemError: no decoder is for it, or the boxes of its picture are missing.
    """
    file = boxes.read(data)
    major, brands = data[8:12], _brands(data, file)
    codec = file.codec()
    if file.meta is None and not any(brand in SEQUENCE_BRANDS for brand in brands):
        if file.has(b"moov") or file.has(b"moof") or major not in (*_AVIF_BRANDS, *_HEIF_BRANDS):
            raise unsupported("video")
        raise cut_short("it ends before the boxes that describe it")
    is_avif = codec == "av01" or (not codec and any(brand in _AVIF_BRANDS for brand in brands))
    prepared = _without_metadata(data, file)
    if is_avif:
        yield AvifPicture(_with_brand(prepared, file, _AVIF_BRANDS, b"avif" if file.meta else b"avis"), data, file)
        mended = _mended(prepared, file)
        if mended is not None:
            yield AvifPicture(_with_brand(mended, file, _AVIF_BRANDS, b"avif"), data, file)
    if codec != "av01":
        yield HeifPicture(_with_brand(prepared, file, _HEIF_BRANDS, b"heic"), data, file)


class _ItemPicture(EncodedPicture):
    """A picture of a file of items; `original` is that file."""

    def __init__(self, data: bytes, original: bytes, file: ItemFile) -> None:
        super().__init__(data)
        self._original_length, self._items = len(original), file
        self.colours = _colours(original, file)
        self.taken = exif.taken(_exif_block(original, file))

    def open(self) -> Image.Image:
        if self._items.coded_pixels() > 2 * limits.MAX_PIXELS:
            raise ItemError(Code.TOO_COSTLY, "the picture's parts have many times its pixels")
        image = super().open()
        if getattr(image, "n_frames", 1) > limits.MAX_FRAMES:
            raise ItemError(Code.TOO_COSTLY, f"the file has more than {limits.MAX_FRAMES:,} frames")
        return image

    def codec_bytes(self, image: Image.Image) -> int:
        # Planes of 8 or more bits, and what they are converted to.
        return super().codec_bytes(image) + 6 * image.width * image.height

    def refusal(self, error: Exception) -> ItemError:
        coded = self._items.coded_items()
        extents = [extent for item in coded for extent in self._items.extents.get(item, [])]
        missing = sum(max(0, min(length, start + length - self._original_length)) for start, length in extents)
        if missing:
            return cut_short(f"it lacks {counted(missing, 'byte')} of its pixels")
        if self._items.boxes and self._items.meta is not None and self._items.meta.end >= self._original_length:
            return cut_short("its pixels are missing")
        codec = self._items.codec()
        if codec in _CODECS:
            return unsupported(f"HEIF with {_CODECS[codec]}")
        if self._items.meta is None:
            return unsupported(f"{self.format} sequence without a still picture")
        if "not been built in" in str(error) or "codec" in str(error).lower():
            return unsupported(f"{self.format} with a codec that is not known" if not codec else f"HEIF with {codec}")
        return damaged("its header or its pixels cannot be decoded")


class AvifPicture(_ItemPicture):
    format: ClassVar[str] = "AVIF"

    def open(self) -> Image.Image:
        _load_avif_plugin()
        image = super().open()
        # What libavif found in the container, written as EXIF by Pillow.
        self.orientation = exif.orientation(image.info.get("exif", b"").removeprefix(b"Exif\0\0"))
        return image


class HeifPicture(_ItemPicture):
    """Oriented by libheif while it is decoded."""

    format: ClassVar[str] = "HEIF"

    def open(self) -> Image.Image:
        if not _load_heif_plugin():
            raise unsupported("HEIF (left out of this installation)")
        return super().open()


def load_plugins() -> None:
    """Load the decoders of AVIF and HEIF: 10 ms and half a megabyte that is not shared between processes."""
    _load_avif_plugin()
    _load_heif_plugin()


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


def _brands(data: bytes, file: ItemFile) -> list[bytes]:
    """Return the major brand and the compatible ones."""
    end = min(file.boxes[0].end, _MAX_BRANDS_BYTES) if file.boxes else 0
    return [data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))]


def _with_brand(data: bytes, file: ItemFile, known: tuple[bytes, ...], brand: bytes) -> bytes:
    """Return the file with this brand, major and first compatible one, if its brands say too little or what is wrong.

    libheif asks for a compatible brand that it knows, and libavif looks for a sequence where the major one is of one.
    """
    size = min(int.from_bytes(data[:4], "big"), _MAX_BRANDS_BYTES)
    major, compatible = data[8:12], [data[at : at + 4] for at in range(16, size - 3, 4)]
    is_sequence = major in SEQUENCE_BRANDS and not file.has(b"moov") and file.meta is not None
    if major in known and major not in (b"mif1", b"msf1") and not is_sequence and not set(known).isdisjoint(compatible):
        return data
    first = brand if compatible and brand not in compatible else data[16:20]
    return data[:8] + brand + data[12:16] + first + data[20:]


def _without_metadata(data: bytes, file: ItemFile) -> bytes:
    """Return the file with its items of EXIF and XMP made unknown ones, so that no decoder reads them."""
    places = [place for item, place in file.type_places.items() if file.types[item] in _METADATA_TYPES]
    if not places:
        return data
    changed = bytearray(data)
    for place in places:
        changed[place : place + 4] = b"free"
    return bytes(changed)


def _exif_block(data: bytes, file: ItemFile) -> bytes:
    """Return the first item of EXIF, from its TIFF header on; empty if there is none.

    The item begins with four bytes that say how many others come before the header: ISO/IEC 23008-12, A.2.1.
    """
    item = next((item for item, kind in file.types.items() if kind == "Exif" and item in file.extents), None)
    if item is None:
        return b""
    start, length = next(iter(file.extents[item]), (0, 0))  # one extent: no writer cuts so little data into several
    block = data[start : start + min(length, _MAX_EXIF_BYTES)]
    return block[4 + int.from_bytes(block[:4], "big") :]


def _colours(data: bytes, file: ItemFile) -> Colours:
    """Return the primary picture's colours, or its first part's: the ICC profile, and the nclx code points."""
    profile, space = None, None
    peak = 0.0
    code_points: tuple[int, int] | None = None
    properties = file.item_properties(file.primary)
    coded = file.coded_items()[:1]
    for item in coded:
        properties += file.item_properties(item)
    for name, body in properties:
        if name == b"colr" and body[:4] in (b"prof", b"rICC") and len(body) - 4 <= limits.MAX_PROFILE_BYTES:
            profile = profile or body[4:]
        elif name == b"colr" and body[:4] == b"nclx" and len(body) >= 8:
            code_points = code_points or struct.unpack_from(">HH", body, 4)
        elif name == b"clli" and len(body) >= 4:
            peak = float(struct.unpack_from(">H", body)[0]) or peak
        elif name == b"mdcv" and len(body) >= 24:
            peak = peak or struct.unpack_from(">I", body, 16)[0] / 10_000
    if code_points is None and file.codec() == "av01":
        start, length = next((extent for item in coded for extent in file.extents.get(item, [])), (0, 0))
        code_points = av1.code_points(data[start : start + length])
    if code_points is not None:
        space = from_code_points(*code_points, peak_nits=peak, is_video=True)
    return Colours(profile=profile, space=space)


def _mended(data: bytes, file: ItemFile) -> bytes | None:
    """Return an AVIF whose properties keep libavif's rules, or None if they do.

    Some encoders write several tables of associations (ipma), or an alpha picture without its size (ispe); browsers
    show them. The corrected `meta` box goes to the file's end, so that no offset changes.
    """
    if file.meta is None or not file.associations:
        return None
    items: dict[int, list[int]] = {}
    for table in file.associations:
        for item, indexes in table.items.items():
            items.setdefault(item, []).extend(index for index in indexes if index not in items.get(item, []))
    size = next((i for i in items.get(file.primary, []) if _property(file, i)[0] == b"ispe"), None)
    for indexes in items.values():
        names = [_property(file, index) for index in indexes]
        is_alpha = any(name == b"auxC" and _ALPHA in body for name, body in names)
        if is_alpha and size is not None and all(name != b"ispe" for name, _ in names):
            indexes.insert(0, size & 0x7FFF)
    if len(file.associations) == 1 and items == file.associations[0].items:
        return None
    long_ids = any(table.version for table in file.associations)
    long_indexes = any(table.flags & 1 for table in file.associations)
    table = Associations(int(long_ids), int(long_indexes), items)
    meta = b"meta" + data[file.meta.body : file.meta.body + 4]
    for box in boxes.children(data, file.meta.body + 4, file.meta.end):
        meta += _with_table(data, box, table) if box.type == b"iprp" else data[box.start : box.end]
    changed = bytearray(data)
    changed[file.meta.start + 4 : file.meta.start + 8] = b"free"
    last = file.boxes[-1]
    if int.from_bytes(data[last.start : last.start + 4], "big") == 0 and last.end - last.start < 1 << 32:
        changed[last.start : last.start + 4] = struct.pack(">I", last.end - last.start)
    return bytes(changed) + struct.pack(">I", 4 + len(meta)) + meta


def _property(file: ItemFile, index: int) -> tuple[bytes, bytes]:
    index &= 0x7FFF
    return file.properties[index - 1] if 0 < index <= len(file.properties) else (b"", b"")


def _with_table(data: bytes, box: Box, table: Associations) -> bytes:
    """Return the box of properties with one table of associations."""
    body = b"".join(
        data[child.start : child.end] for child in boxes.children(data, box.body, box.end) if child.type != b"ipma"
    )
    rows = b""
    for item in sorted(table.items):
        indexes = table.items[item][:255]
        rows += struct.pack(">IB" if table.version else ">HB", item, len(indexes))
        for index in indexes:
            rows += struct.pack(">H", index) if table.flags & 1 else bytes([(index & 0x7F) | (index >> 8 & 0x80)])
    associations = struct.pack(">II", table.version << 24 | table.flags, len(table.items)) + rows
    body += struct.pack(">I4s", 8 + len(associations), b"ipma") + associations
    return struct.pack(">I4s", 8 + len(body), b"iprp") + body

"""TIFF and BigTIFF: the first directory, reduced to the tags that say how pixels are stored."""

import struct
from io import BytesIO
from itertools import pairwise
from typing import ClassVar

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from embedder_container import limits
from embedder_container.colours import Colours, to_eight_bits
from embedder_container.errors import Code, ItemError
from embedder_container.readers import exif
from embedder_container.readers.exif import Entry
from embedder_container.readers.picture import EncodedPicture, check_parts, counted, cut_short, damaged, unsupported

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR = 256, 257, 258, 259, 262, 277, 284
_FILL_ORDER, _LOWEST_FIRST = 266, 2
_TURNED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_OLDEST_JPEG = 6  # of the compressions: JPEG as TIFF 6.0 had it
_JPEG = 7  # of the compressions: ISO JPEG, each strip or tile a stream
_COLOUR_MAP, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _PROFILE = 320, 338, 339, 34675
_TILE_WIDTH, _TILE_LENGTH, _ROWS, _OLD_JPEG, _JPEG_TABLES = 322, 323, 278, 513, 347
_PIECES = ((273, 279), (324, 325))  # offsets and byte counts, of strips and of tiles
_LONG8, _MAX_LONG = (16, 17, 18), 0xFFFFFFFF
# Of these a value that is not in the file is a part of the picture.
_ESSENTIAL = (_BITS, _COLOUR_MAP, _JPEG_TABLES, *(tag for pair in _PIECES for tag in pair))
# With FillOrder, RowsPerStrip, options of fax and JPEG compressions, and how YCbCr and inks are stored.
_KEPT = frozenset(
    {*range(256, 260), 262, 266, 273, *range(277, 280), 284, 292, 293, 317, 320, *range(322, 326), 332, 338, 339, 347}
    | {*range(512, 516), *range(519, 522), *range(529, 533)}
)
_YCBCR = 6
_PHOTOMETRICS = {
    0: "grey",
    1: "grey",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELAB",
    9: "ICCLAB",
    10: "ITULAB",
    32844: "LogL",
    32845: "LogLuv",
}
_UNSIGNED, _SIGNED = 1, 2  # of the sample formats
_SAMPLE_FORMATS = {1: "", 2: "signed ", 3: "floating-point ", 4: "untyped ", 5: "complex ", 6: "complex "}
# Those that Pillow's libtiff cannot decompress, or that Pillow does not know.
_COMPRESSIONS = {
    9: "JBIG",
    10: "JBIG",
    32766: "NeXT",
    32908: "PixarFilm",
    32909: "PixarLog",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG (DNG)",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}


class TiffPicture(EncodedPicture):
    format: ClassVar[str] = "TIFF"

    def __init__(self, data: bytes) -> None:
        header = exif.read_header(data)
        if header is None:
            raise cut_short("it ends inside its header")
        self._file, self._header = data, header
        self._entries: dict[int, Entry] = {}
        for entry in exif.entries(data, header):
            self._entries.setdefault(entry.tag, entry)
        if header.directory >= len(data):
            raise cut_short("its directory is missing")
        self.size = (self._value(_WIDTH, 0), self._value(_LENGTH, 0))
        self._check_directory()
        self._is_inverted = self._value(_PHOTOMETRIC, 1) == 0 and self._bits()[0] > 8
        # Before a directory is put where the missing bytes would be.
        self._missing = self._missing_bytes()
        self._turn_bits()
        size = self.size
        super().__init__(self._reduced())
        self.size = size
        self.read_exif(data)
        self.colours = Colours(profile=self._profile())

    def open(self) -> Image.Image:
        if self._value(_TILE_WIDTH, 0) * self._value(_TILE_LENGTH, 0) > limits.MAX_TILE_PIXELS:
            raise ItemError(
                Code.TOO_MANY_PIXELS, f"a tile has more than {limits.MAX_TILE_PIXELS // 1_000_000} megapixels"
            )
        self._check_work()
        if self._missing:
            raise cut_short(f"it lacks {counted(self._missing, 'byte')} of its pixels")
        # Pillow's own reading of uncompressed planes takes each sample for 8 bits, and knows no YCbCr; libtiff's does.
        is_deep, is_ycbcr = self._bits()[0] > 8, self._value(_PHOTOMETRIC, 1) == _YCBCR
        TiffImagePlugin.READ_LIBTIFF = self._value(_PLANAR, 1) == 2 and (is_deep or is_ycbcr)
        try:
            return Image.open(BytesIO(self.data), formats=("TIFF",))
        finally:
            TiffImagePlugin.READ_LIBTIFF = False

    def codec_bytes(self, image: Image.Image) -> int:
        # A strip or a tile.
        samples = max(len(self._bits()), self._value(_SAMPLES, 1))
        piece = min(self._piece_pixels(), limits.MAX_TILE_PIXELS) * samples * max(1, max(self._bits()) // 8)
        # Greys of 32 bits are copied to be read with their sign.
        copies = 8 * image.width * image.height if image.mode == "I" else 0
        return super().codec_bytes(image) + piece + copies

    def _piece_pixels(self) -> int:
        """Return the pixels of a tile or a strip."""
        if _TILE_WIDTH in self._entries:
            return self._value(_TILE_WIDTH, 0) * self._value(_TILE_LENGTH, 0)
        width, height = self.size
        return width * min(self._value(_ROWS, height) or height, height)

    def _check_work(self) -> None:
        """Refuse a file whose tiles or strips are more work than its size says.

        Tiles may be far wider than the image, and several pieces may share their bytes: libtiff decodes each of them.
        """
        (offset_tag, count_tag) = next((pair for pair in _PIECES if pair[0] in self._entries), _PIECES[0])
        offsets, counts = self._values(offset_tag), self._values(count_tag)
        check_parts(len(offsets))
        width, height = self.size
        across, down = self._value(_TILE_WIDTH, 0), self._value(_TILE_LENGTH, 0)
        pieces = -(-width // across) * -(-height // down) if across and down else len(offsets)
        pixels = pieces * self._piece_pixels() if across and down else width * height
        if pixels > 2 * limits.MAX_PIXELS:
            raise ItemError(Code.TOO_COSTLY, "the picture's tiles have many times its pixels")
        if self._value(_COMPRESSION, 1) != _JPEG:
            return
        slices = set(zip(offsets, counts, strict=False))
        if sum(count for _, count in slices) > 2 * len(self._file):
            raise ItemError(Code.TOO_COSTLY, "the picture's strips or tiles overlap")
        scans = {place: self._file[place[0] : sum(place)].count(b"\xff\xda") for place in slices}
        samples = self._piece_pixels() * max(self._value(_SAMPLES, 1), len(self._bits()))
        work = samples * sum(scans[place] for place in zip(offsets, counts, strict=False))
        if work > limits.MAX_JPEG_SAMPLES:
            raise ItemError(Code.TOO_COSTLY, "the picture has too many scans for its size")

    def load(self, image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
        image.load()
        image = self._with_sign(image)
        return (ImageOps.invert(to_eight_bits(image)) if self._is_inverted else image), None

    def _with_sign(self, image: Image.Image) -> Image.Image:
        """Return greys as the file means them: Pillow takes 8 bits for unsigned, and 32 bits for signed."""
        sample_format = self._value(_SAMPLE_FORMAT, _UNSIGNED)
        if image.mode == "I" and sample_format == _UNSIGNED and (values := np.asarray(image)).min() < 0:
            return Image.fromarray(values.view(np.uint32).astype(np.float32))
        if image.mode == "L" and sample_format == _SIGNED:
            return Image.fromarray(np.asarray(image).view(np.int8).astype(np.int32))
        return image

    def refusal(self, error: Exception) -> ItemError:
        compression = self._value(_COMPRESSION, 1)
        if compression in _COMPRESSIONS:
            return unsupported(f"TIFF with {_COMPRESSIONS[compression]} compression")
        if isinstance(error, UnidentifiedImageError):
            return unsupported(f"TIFF with {self._layout()}")
        return damaged("its pixels cannot be decoded")

    def _layout(self) -> str:
        """Return how the pixels are stored, in words."""
        bits, photometric = self._bits(), self._value(_PHOTOMETRIC, 0)
        kind = _SAMPLE_FORMATS.get(self._value(_SAMPLE_FORMAT, 1), "unknown ")
        colours = _PHOTOMETRICS.get(photometric, f"photometric interpretation {photometric}")
        extra = f", {self._entries[_EXTRA_SAMPLES].count} of them extra" if _EXTRA_SAMPLES in self._entries else ""
        samples = max(len(bits), self._value(_SAMPLES, 1))
        compression = self._value(_COMPRESSION, 1)
        known = compression in TiffImagePlugin.COMPRESSION_INFO
        packing = "" if known else f", compression {compression}"
        return f"{samples} {kind}samples of {'/'.join(map(str, sorted(set(bits))))} bits{extra} ({colours}{packing})"

    def _bits(self) -> tuple[int, ...]:
        entry = self._entries.get(_BITS)
        return (entry and exif.integers(self._file, self._header, entry, most=64)) or (1,)

    def _value(self, tag: int, default: int) -> int:
        values = self._values(tag, most=1)
        return values[0] if values else default

    def _values(self, tag: int, most: int = 1 << 22) -> tuple[int, ...]:
        entry = self._entries.get(tag)
        return exif.integers(self._file, self._header, entry, most) if entry else ()

    def _check_directory(self) -> None:
        """Refuse a file whose directory does not say where its pixels are or how they are stored."""
        for tag in _ESSENTIAL:
            entry = self._entries.get(tag)
            if entry is not None and not self._is_whole(entry):
                raise cut_short("its directory is not complete")
        has_pieces = any(offsets in self._entries for offsets, _ in _PIECES) or _OLD_JPEG in self._entries
        if 0 in self.size or not has_pieces:
            is_cut = exif.directory_end(self._file, self._header) > len(self._file)
            raise cut_short("its directory is not complete") if is_cut else damaged("its directory cannot be read")

    def _is_whole(self, entry: Entry) -> bool:
        return entry.start + entry.count * exif.TYPE_BYTES[entry.type] <= len(self._file)

    def _missing_bytes(self) -> int:
        """Return how many bytes of strips or tiles are beyond the file's end."""
        return sum(max(0, min(count, offset + count - len(self._file))) for offset, count in self._pieces())

    def _pieces(self) -> list[tuple[int, int]]:
        """Return place and length of each strip or tile."""
        (offset_tag, count_tag) = next((pair for pair in _PIECES if pair[0] in self._entries), _PIECES[0])
        offsets, counts = self._values(offset_tag), self._values(count_tag)
        if self._value(_COMPRESSION, 1) == 1:
            # Counts of uncompressed pixels may be absent or wrong: the size says how many there are.
            counts = tuple(self._raw_bytes(number, len(offsets)) for number in range(len(offsets)))
        return list(zip(offsets, counts, strict=False))

    def _turn_bits(self) -> None:
        """Turn the bits of strips or tiles whose bytes begin with their lowest bit: Pillow does so for few layouts.

        What overlaps is left to Pillow: it would be turned twice.
        """
        if self._value(_FILL_ORDER, 1) != _LOWEST_FIRST or self._value(_COMPRESSION, 1) in (_OLDEST_JPEG, _JPEG):
            return
        pieces = sorted(set(self._pieces()))
        if any(start + length > following for (start, length), (following, _) in pairwise(pieces)):
            return
        turned = bytearray(self._file)
        for start, length in pieces:
            turned[start : start + length] = turned[start : start + length].translate(_TURNED_BITS)
        self._file = bytes(turned)
        del self._entries[_FILL_ORDER]

    def _raw_bytes(self, number: int, pieces: int) -> int:
        """Return the bytes of an uncompressed strip or tile."""
        bits = self._bits()
        samples = max(self._value(_SAMPLES, 1), len(bits))
        planes = samples if self._value(_PLANAR, 1) == 2 else 1
        bits_per_pixel = bits[0] if planes > 1 else bits[0] * samples if len(bits) == 1 else sum(bits)
        width, length = self.size
        if _TILE_WIDTH in self._entries:
            return (self._value(_TILE_WIDTH, 0) * bits_per_pixel + 7) // 8 * self._value(_TILE_LENGTH, 0)
        strips = max(1, pieces // planes)
        rows = min(self._value(_ROWS, length) or length, length)
        rows_here = min(rows, max(0, length - number % strips * rows))
        return (width * bits_per_pixel + 7) // 8 * rows_here

    def _profile(self) -> bytes | None:
        entry = self._entries.get(_PROFILE)
        if entry is None or entry.type not in (1, 7) or entry.count > limits.MAX_PROFILE_BYTES:
            return None
        return self._file[entry.start : entry.start + entry.count]

    def _reduced(self) -> bytes:
        """Return the file as a TIFF (not a BigTIFF) with another first directory at its end: the tags that are kept."""
        order = self._header.order
        end = len(self._file) + len(self._file) % 2
        entries, values = [], b""
        for tag in sorted(_KEPT & self._entries.keys()):
            entry = self._entries[tag]
            if not self._is_whole(entry):
                continue
            value_type, count, raw = entry.type, entry.count, self._mended(entry)
            if raw is None and not self._header.is_big:
                entries.append(entry.raw)
                continue
            if raw is None:
                raw = self._file[entry.start : entry.start + count * exif.TYPE_BYTES[value_type]]
                if value_type in _LONG8:
                    # A file of MAX_FILE_BYTES has no place or length that needs 64 bits.
                    value_type = 4
                    numbers = (min(value & _MAX_LONG, _MAX_LONG) for value in self._values(tag))
                    raw = struct.pack(f"{order}{count}I", *numbers)
            if len(raw) > 4:
                place, values = end + len(values), values + raw + bytes(len(raw) % 2)
                raw = struct.pack(order + "I", place)
            entries.append(struct.pack(order + "HHI", tag, value_type, count) + raw.ljust(4, b"\0"))
        directory = struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)
        first = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, end + len(values))
        padding = bytes(end - len(self._file))
        return b"".join([first, self._file[len(first) :], padding, values, directory])

    def _mended(self, entry: Entry) -> bytes | None:
        """Return the right values of a tag; None where they are right as they are."""
        order = self._header.order
        if entry.tag == _PHOTOMETRIC and self._is_inverted:
            return struct.pack(order + {1: "B", 4: "I"}.get(entry.type, "H"), 1)
        if entry.tag == _COLOUR_MAP and entry.type == 3:
            values = self._values(_COLOUR_MAP)
            if 0 < max(values, default=0) < 256:
                # 8-bit values, where 16-bit ones belong: libtiff's tools recognise them in the same way.
                return struct.pack(f"{order}{len(values)}H", *(257 * value for value in values))
        return None

"""BMP: what Pillow decodes, and any layout of bit fields, with the alpha that browsers see."""

import struct
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder_container import limits
from embedder_container.errors import Code, ItemError
from embedder_container.readers.picture import EncodedPicture, counted, cut_short, damaged, unsupported

HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_RGB, _RLE8, _RLE4, _BIT_FIELDS, _JPEG, _PNG, _ALPHA_BIT_FIELDS = range(7)
_LAYOUTS = {_JPEG: "BMP that holds a JPEG", _PNG: "BMP that holds a PNG"}


class BmpPicture(EncodedPicture):
    format: ClassVar[str] = "BMP"

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        if len(data) < 26:
            raise cut_short("it ends inside its header")
        header: int
        self._offset: int
        self._bits: int
        self._offset, header = struct.unpack_from("<II", data, 10)
        if header not in HEADER_SIZES:
            raise damaged("its header has an unknown length")
        if len(data) < 14 + header:
            raise cut_short("it ends inside its header")
        if header == 16:  # OS/2's short form: the fields that it leaves out are zero
            header, self._offset = 40, self._offset + 24
            data = data[:10] + struct.pack("<II", self._offset, header) + data[18:30] + bytes(24) + data[30:]
            self.data = data
        self._header, self._masks = header, (0, 0, 0, 0)
        if header == 12:
            width, height, _, self._bits = struct.unpack_from("<HHHH", data, 18)
            self._compression = _RGB
        else:
            width, height, _, self._bits = struct.unpack_from("<iiHH", data, 18)
            self._compression = struct.unpack_from("<I", data, 30)[0] if header >= 40 else _RGB
        self.size, self._is_top_down = (abs(width), abs(height)), height < 0
        if header == 64 and self._compression in (3, 4):
            raise unsupported("BMP of OS/2 with " + ("Huffman coding" if self._compression == 3 else "24-bit runs"))
        if self._compression in _LAYOUTS:
            raise unsupported(_LAYOUTS[self._compression])
        if self._compression in (_BIT_FIELDS, _ALPHA_BIT_FIELDS) and self._bits in (16, 32):
            has_alpha = header >= 56 or self._compression == _ALPHA_BIT_FIELDS
            masks = struct.unpack_from("<4I", data.ljust(70, b"\0"), 54)
            self._masks = masks if has_alpha else (*masks[:3], 0)
        elif self._compression not in (_RGB, _RLE8, _RLE4, _BIT_FIELDS):
            raise unsupported(f"BMP of compression {self._compression}")

    @property
    def _has_fields(self) -> bool:
        return any(self._masks[:3])

    def open(self) -> Image.Image:
        if self._compression in (_RLE8, _RLE4) and self.size[0] * self.size[1] > limits.LARGE_PIXELS:
            # Pillow decodes runs in Python: 60 ns for each pixel after a row's end, 400 ns for each run.
            raise ItemError(Code.TOO_COSTLY, "a run-length coded BMP of more than 25 megapixels is not decoded")
        if not self._has_fields:
            self._check_length()
            return super().open()
        if min(self.size) <= 0:
            raise damaged("its size is nothing")
        if any(not _is_field(mask) for mask in self._masks):
            raise damaged("its bit fields have gaps")
        self._check_length()
        image = Image.Image()
        image._size = self.size
        return image

    def load(self, image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
        if not self._has_fields:
            return super().load(image)
        (width, height), dtype = self.size, {16: "<u2", 32: "<u4"}[self._bits]
        row = self._row_bytes()
        rows = np.frombuffer(self.data, np.uint8, row * height, self._pixels()).reshape(height, row)
        values = rows[:, : width * self._bits // 8].copy().view(dtype)
        if not self._is_top_down:
            values = values[::-1]
        bands = [Image.fromarray(_field(values, mask)) for mask in self._masks[:3]]
        alpha = _field(values, self._masks[3]) if self._masks[3] else None
        # As browsers see it: a picture all of whose pixels are transparent has no alpha.
        has_alpha = alpha is not None and bool(alpha.any())
        return Image.merge("RGB", bands), Image.fromarray(alpha) if alpha is not None and has_alpha else None

    def codec_bytes(self, image: Image.Image) -> int:
        # Numbers of up to 64 bits while a field is taken out.
        return super().codec_bytes(image) + (12 * image.width * image.height if self._has_fields else 0)

    def refusal(self, error: Exception) -> ItemError:
        if self._bits not in (1, 4, 8, 16, 24, 32):
            return unsupported(f"BMP with {self._bits} bits a pixel")
        return super().refusal(error)

    def _row_bytes(self) -> int:
        return (self.size[0] * self._bits + 31) // 32 * 4

    def _pixels(self) -> int:
        """Return where the pixels begin: some programs write no offset."""
        return self._offset or 14 + self._header + (12 if self._header == 40 else 0)

    def _check_length(self) -> None:
        """Refuse a file that lacks pixels of an uncompressed picture; the last row's padding may lack."""
        if self._compression in (_RLE8, _RLE4) or self._bits not in (1, 4, 8, 16, 24, 32):
            return
        needed = self._row_bytes() * (self.size[1] - 1) + (self.size[0] * self._bits + 7) // 8
        missing = self._pixels() + needed - len(self.data)
        if missing > 0:
            raise cut_short(f"it lacks {missing:,} of {counted(needed, 'byte')} of its pixels")
        self.data += bytes(3)


def _is_field(mask: int) -> bool:
    """Return whether the ones of a mask stand together."""
    ones = mask >> ((mask & -mask).bit_length() - 1) if mask else 0
    return ones & (ones + 1) == 0


def _field(values: NDArray[np.uint32], mask: int) -> NDArray[np.uint8]:
    """Return the values of one field, scaled to 8 bits; zeros without a mask."""
    if not mask:
        return np.zeros(values.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    numbers = (values >> shift) & most
    if most > 255:
        bits = most.bit_length() - 8
        shifted: NDArray[np.uint8] = (numbers >> bits).astype(np.uint8)
        return shifted
    table: NDArray[np.uint8] = np.array([round(255 * value / most) for value in range(most + 1)], np.uint8)
    scaled: NDArray[np.uint8] = table[numbers]
    return scaled

"""JPEG 2000: the layouts of which Pillow's OpenJPEG gives the right colours, and a bound on what it allocates."""

import struct
from typing import Any, ClassVar

from PIL import Image

from embedder_container import limits
from embedder_container.colours import Colours
from embedder_container.errors import Code, ItemError
from embedder_container.readers import boxes
from embedder_container.readers.picture import EncodedPicture, counted, cut_short, damaged, unsupported

CODESTREAM, FILE = b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_SIZE, _CODING, _TILE, _END = 0xFF51, 0xFF52, 0xFF90, 0xFFD9
_SRGB, _GREY = 16, 17  # enumerated colour spaces: ISO/IEC 15444-1, table I.10


class Jpeg2000Picture(EncodedPicture):
    format: ClassVar[str] = "JPEG2000"

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        start, end = (0, len(data)) if data.startswith(CODESTREAM) else self._read_boxes()
        try:
            self._read_codestream(start, end)
        except (struct.error, IndexError):
            raise cut_short("it ends inside its header") from None

    def open(self) -> Image.Image:
        image: Any = super().open()
        # OpenJPEG keeps 16 bytes for each pixel of a tile; it can leave out the finest levels.
        reduce = 0
        while self._tile_pixels >> 2 * reduce > limits.LARGE_PIXELS:
            reduce += 1
        if reduce > self._levels:
            raise ItemError(
                Code.TOO_COSTLY, "a tile of the picture is too large to be decoded, and has no smaller levels"
            )
        image.reduce = self._reduce = reduce
        opened: Image.Image = image
        return opened

    def codec_bytes(self, image: Image.Image) -> int:
        return super().codec_bytes(image) + 16 * (self._tile_pixels >> 2 * self._reduce)

    def _read_boxes(self) -> tuple[int, int]:
        """Read what a JP2 file says of its colours; returns where its codestream is."""
        codestream = None
        for box in boxes.children(self.data, 0, len(self.data)):
            if box.type == b"jp2h":
                for child in boxes.children(self.data, box.body, box.end):
                    self._read_header_box(child.type, self.data[child.body : child.end])
            elif box.type == b"jp2c":
                codestream = codestream or (box.body, box.end)
        if codestream is None:
            raise cut_short("it ends before its pixels")
        return codestream

    def _read_header_box(self, name: bytes, body: bytes) -> None:
        if name == b"pclr":
            raise unsupported("JPEG 2000 with a palette")
        if name == b"colr" and body[:1] == b"\1" and len(body) >= 7:
            (space,) = struct.unpack_from(">I", body, 3)
            if space not in (_SRGB, _GREY):
                raise unsupported(f"JPEG 2000 of colour space {space}")
        elif name == b"colr" and body[:1] == b"\2" and len(body) - 3 <= limits.MAX_PROFILE_BYTES:
            self.colours = Colours(profile=body[3:])

    def _read_codestream(self, start: int, end: int) -> None:
        """Read size and levels, and whether all tiles are there."""
        at, tiles, seen = start + 2, 1, set[int]()
        self._levels, self._tile_pixels = 0, 0
        while True:
            marker, length = struct.unpack_from(">HH", self.data, at)
            if marker == _TILE:
                break
            body = self.data[at + 4 : at + 2 + length]
            if marker == _SIZE:
                tiles = self._read_size(body)
            elif marker == _CODING:
                self._levels = body[5]
            at += 2 + length
        while at + 12 <= end and self.data[at : at + 2] == _TILE.to_bytes(2, "big"):
            tile, part = struct.unpack_from(">HI", self.data, at + 4)
            if part and at + part > end:
                raise cut_short(f"it lacks {counted(at + part - end, 'byte')} of its pixels")
            seen.add(tile)
            if not part:  # the last one may leave its length out
                if self.data[end - 2 : end] != _END.to_bytes(2, "big"):
                    raise cut_short("its data ends before its last pixel")
                break
            at += max(part, 12)
        if len(seen) < tiles:
            raise cut_short(f"it lacks {tiles - len(seen):,} of its {counted(tiles, 'tile')}")
        if at >= len(self.data) - 1:  # all tiles are there, the end marker is not
            self.data = self.data[:at] + _END.to_bytes(2, "big")

    def _read_size(self, body: bytes) -> int:
        """Read size and components; returns the number of tiles."""
        right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, count = struct.unpack_from(
            ">8IH", body, 2
        )
        if not (right > left and bottom > top and tile_width and tile_height):
            raise damaged("its size is nothing")
        self.size = (right - left, bottom - top)
        self._tile_pixels = min(tile_width, right - left) * min(tile_height, bottom - top)
        components = [body[36 + 3 * number : 39 + 3 * number] for number in range(count)]
        if any(part[1:] != b"\1\1" for part in components):
            raise unsupported("JPEG 2000 with components of several sizes")
        depths = {(part[0] & 0x7F) + 1 for part in components}
        if count > 4 or len(depths) > 1 or max(depths, default=0) > 16:
            raise unsupported(f"JPEG 2000 with {count} components of {'/'.join(map(str, sorted(depths)))} bits")
        tiles: int = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
        return tiles

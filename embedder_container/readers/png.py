"""PNG: the chunks that the pixels need, with orientation, colours and the transparent colour read here.

Ancillary chunks are read as libpng reads them by default: a wrong checksum or length makes a chunk ignored.
"""

import re
import struct
import zlib
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from embedder_container import limits
from embedder_container.colour_spaces import ColourSpace, from_code_points, from_gamma
from embedder_container.colours import Colours, grey16_table, map_grey16
from embedder_container.errors import ItemError
from embedder_container.readers.picture import EncodedPicture, check_parts, counted, cut_short, damaged, unsupported

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE = 0, 2, 3
_BEFORE_PIXELS = (b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"cLLI", b"mDCV")
# ImageMagick wrote EXIF as text, in hexadecimal digits, before there was a chunk for it.
_TEXT_EXIF = re.compile(rb"Raw profile type (?:exif|APP1)\0")
_MAX_TEXT_EXIF = 256 * 1024
_INFLATE_BYTES = 1024
_LAST_CHUNK = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


class PngPicture(EncodedPicture):
    format: ClassVar[str] = "PNG"

    def __init__(self, data: bytes) -> None:
        if len(data) >= len(SIGNATURE) and not data.startswith(SIGNATURE):
            raise damaged("its line ends were changed, as in a copy of a text")
        chunks: dict[bytes, bytes] = {}
        critical, pixels, text_exif = [], [], b""
        self._is_cut, position, number = False, len(SIGNATURE), 0
        while position + 8 <= len(data):
            check_parts(number := number + 1)
            length, name = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
            end = position + 12 + length
            if name == b"IEND":
                break
            if name == b"CgBI":
                raise unsupported("PNG of Apple's own layout (CgBI)")
            if name == b"IDAT":
                pixels.append(data[position + 8 : position + 8 + length])
            elif end > len(data):
                pass
            elif name in (b"IHDR", b"PLTE"):
                critical.append(data[position:end])
            elif name == b"eXIf" or (name in _BEFORE_PIXELS and not pixels):
                body = data[position + 8 : end - 4]
                if name not in chunks and zlib.crc32(name + body) == int.from_bytes(data[end - 4 : end], "big"):
                    chunks[name] = body
            elif name in (b"tEXt", b"zTXt") and _TEXT_EXIF.match(data, position + 8):
                text_exif = _text_exif(name, data[position + 8 : end - 4])
            if end > len(data):
                self._is_cut = True
                break
            position = end
        else:
            self._is_cut = True
        header = critical[0][8:] if critical and critical[0][4:8] == b"IHDR" and len(critical[0]) >= 25 else b""
        if len(header) < 13 or not pixels:
            raise cut_short("it ends before its pixels") if self._is_cut else damaged("it has no pixels")
        width, height, self._depth, self._kind, _, _, self._interlace = struct.unpack_from(">IIBBBBB", header)
        transparency = chunks.get(b"tRNS", b"")
        self._transparency = struct.unpack(f">{len(transparency) // 2}H", transparency[: len(transparency) // 2 * 2])
        if self._kind == _PALETTE and 0 < len(transparency) <= 256:
            critical.append(struct.pack(">I", len(transparency)) + b"tRNS" + transparency)
            critical[-1] += struct.pack(">I", zlib.crc32(critical[-1][4:]))
        # Pillow does not check the checksum of pixels: zlib has its own.
        size = struct.pack(">I", sum(map(len, pixels)))
        super().__init__(b"".join([SIGNATURE, *critical, size, b"IDAT", *pixels, bytes(4), _LAST_CHUNK]))
        self.size = (width, height)
        self.read_exif(chunks.get(b"eXIf", b"") or text_exif)
        self.colours = _colours(chunks)

    def load(self, image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
        try:
            image.load()
        except (OSError, ValueError):
            image.close()  # frees its pixels
            image = self._without_checksum()
            image.load()
        if self._kind == _GREY and self._transparency:
            transparent = self._transparency[0]
            if self._depth == 16:
                return self._with_eight_bits(image), _grey16_alpha(image, transparent)
            grey = image.convert("L")
            value = transparent * 255 // (2**self._depth - 1)
            image.info.pop("transparency", None)
            return grey, grey.point([0 if code == value else 255 for code in range(256)])
        if self._kind == _RGB and len(self._transparency) >= 3:
            alpha = self._colour_alpha(image)
            return image, alpha
        return self._with_eight_bits(image), None

    def codec_bytes(self, image: Image.Image) -> int:
        # For a transparent colour of 16 bits the picture is decoded twice, and its channels are compared.
        deep_colour = self._kind == _RGB and len(self._transparency) >= 3
        return super().codec_bytes(image) + (9 * image.width * image.height if deep_colour else 0)

    def refusal(self, error: Exception) -> ItemError:  # noqa: ARG002 - the base says more with it
        expected, found, _, is_damaged = self._inflated_pixels()
        if is_damaged:
            return damaged(f"its compressed pixels are wrong after {found:,} of {counted(expected, 'byte')}")
        if found < expected:
            return cut_short(f"its pixels end after {found:,} of {counted(expected, 'byte')}")
        return damaged("its header cannot be read")

    def _without_checksum(self) -> Image.Image:
        """Return the image without zlib's checksum, if that alone is wrong: all pixels are there.

        Raises:
            ItemError: pixels are missing.
        """
        expected, found, end, is_damaged = self._inflated_pixels()
        if found < expected or is_damaged:
            raise self.refusal(OSError())
        start = self.data.index(b"IDAT") + 4
        size = struct.pack(">I", end - start)
        self.data = self.data[: start - 8] + size + self.data[start - 4 : end] + bytes(4) + _LAST_CHUNK
        return super().open()

    def _with_eight_bits(self, image: Image.Image) -> Image.Image:
        """Convert deep greys here if their colour space needs the precision."""
        if image.mode != "I;16" or self.colours.profile is not None or self.colours.space is None:
            return image
        table, self.colours = grey16_table(self.colours.space), Colours()
        return map_grey16(image, table)

    def _colour_alpha(self, image: Image.Image) -> Image.Image:
        colour = self._transparency[:3]
        high = [value >> 8 for value in colour] if self._depth == 16 else list(colour)
        alpha = _match(image, high)
        if self._depth == 16:
            # Pillow keeps the high bytes; read in the other order, it keeps the low ones.
            low = Image.open(BytesIO(self.data), formats=("PNG",))
            tiles: Any = low
            tiles.tile = [tile._replace(args="RGB;16L") for tile in tiles.tile]
            low.load()
            alpha.paste(255, mask=_match(low, [value & 255 for value in colour]))
        return alpha

    def _inflated_pixels(self) -> tuple[int, int, int, bool]:
        """Return how many bytes of pixels there should be and are, where they end, and whether one is damaged."""
        bits = self._depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(self._kind, 1)
        expected = sum(
            (1 + (width * bits + 7) // 8) * height for width, height in _passes(*self.size, bool(self._interlace))
        )
        at, end = self.data.index(b"IDAT") + 6, len(self.data) - len(_LAST_CHUNK) - 4
        inflate, found = zlib.decompressobj(-zlib.MAX_WBITS), 0  # after zlib's header, without its checksum
        try:
            while at < end and not inflate.eof and found < expected:
                rest: bytes = self.data[at : min(at + _INFLATE_BYTES, end)]
                at += len(rest)
                while rest and not inflate.eof:
                    found += len(inflate.decompress(rest, 1 << 20))
                    rest = inflate.unconsumed_tail
        except zlib.error:
            return expected, found, at, True
        return expected, found, at - len(inflate.unused_data), inflate.eof and found < expected


def _match(image: Image.Image, colour: list[int]) -> Image.Image:
    """Return a mask that is 0 where the image has this colour, else 255."""
    mask = Image.new("L", image.size, 0)
    for channel, value in zip(image.split(), colour, strict=False):
        mask.paste(255, mask=channel.point([0 if code == value else 255 for code in range(256)]))
    return mask


def _grey16_alpha(image: Image.Image, transparent: int) -> Image.Image:
    table = np.full(65536, 255, dtype=np.uint8)
    table[transparent] = 0
    return map_grey16(image, table)


def _passes(width: int, height: int, is_interlaced: bool) -> list[tuple[int, int]]:
    """Return width and height of each pass (Adam7) that has pixels."""
    if not is_interlaced:
        return [(width, height)]
    starts = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    sizes = [(-((x - width) // dx), -((y - height) // dy)) for x, y, dx, dy in starts]
    return [size for size in sizes if min(size) > 0]


def _colours(chunks: dict[bytes, bytes]) -> Colours:
    """Return the colours that the chunks declare: cICP before iCCP, sRGB, gAMA and cHRM (PNG, third edition, 4.3)."""
    space = _coded_space(chunks)
    if space is not None:
        return Colours(space=space)
    gamma, chromaticities = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    if len(chunks.get(b"sRGB", b"")) != 1 and len(gamma) == 4:
        primaries: Any = None
        if len(chromaticities) == 32:
            white_x, white_y, *rest = (value / 100_000 for value in struct.unpack(">8I", chromaticities))
            primaries = (*rest, white_x, white_y)
        space = from_gamma(int.from_bytes(gamma, "big") / 100_000, primaries)
    return Colours(profile=_profile(chunks.get(b"iCCP", b"")), space=space)


def _coded_space(chunks: dict[bytes, bytes]) -> ColourSpace | None:
    code_points = chunks.get(b"cICP", b"")
    if len(code_points) != 4 or code_points[2:] != b"\0\1":  # RGB, full range: PNG has no other
        return None
    light, display = chunks.get(b"cLLI", b""), chunks.get(b"mDCV", b"")
    peak = int.from_bytes(light[:4], "big") / 10_000 if len(light) == 8 else 0.0
    if not peak and len(display) == 24:
        peak = int.from_bytes(display[16:20], "big") / 10_000
    return from_code_points(code_points[0], code_points[1], peak_nits=peak)


def _profile(body: bytes) -> bytes | None:
    """Return the ICC profile of an iCCP chunk; None if it is damaged or too large."""
    _, separator, compressed = body.partition(b"\0")
    if not separator or compressed[:1] != b"\0":
        return None
    return _inflated(compressed[1:], limits.MAX_PROFILE_BYTES)


def _text_exif(name: bytes, body: bytes) -> bytes:
    """Return the EXIF block in a text chunk; empty if it is damaged."""
    text = body.partition(b"\0")[2][:_MAX_TEXT_EXIF]
    if name == b"zTXt":
        text = _inflated(text[1:], _MAX_TEXT_EXIF) or b""
    # A name and a length precede the digits.
    fields = text.split(None, 2)
    try:
        block = bytes.fromhex("".join(fields[2].decode("ascii").split())) if len(fields) == 3 else b""
    except ValueError:
        return b""
    return block.removeprefix(b"Exif\0\0")


def _inflated(compressed: bytes, most: int) -> bytes | None:
    """Return what was compressed; None if it is damaged or longer than `most`."""
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(compressed, most + 1)
    except zlib.error:
        return None
    return data if data and len(data) <= most else None

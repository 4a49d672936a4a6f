"""WebP: the RIFF chunks that the pixels need; EXIF and the ICC profile apart."""

import struct
from typing import ClassVar

from PIL import Image

from embedder_container import limits
from embedder_container.colours import Colours
from embedder_container.errors import Code, ItemError
from embedder_container.readers.picture import EncodedPicture, check_parts, counted, cut_short, damaged

_PICTURES = (b"VP8 ", b"VP8L", b"ANMF")
_NEEDED = (b"ANIM", b"ALPH", *_PICTURES)
_ALPHA, _ANIMATION = 0x10, 0x02


class WebpPicture(EncodedPicture):
    format: ClassVar[str] = "WEBP"

    def __init__(self, data: bytes) -> None:
        kept: list[bytes] = []
        profile, exif_block, picture, position, frames, missing, number = None, b"", b"", 12, 0, 0, 0
        first_frame = b""
        while position + 8 <= len(data):
            check_parts(number := number + 1)
            name, length = struct.unpack_from("<4sI", data, position)
            body = data[position + 8 : position + 8 + length]
            if name in _PICTURES and len(body) < length:
                missing = length - len(body)
                break
            if name == b"VP8X" and not kept and len(body) >= 10:
                flags = body[0] & (_ALPHA | _ANIMATION)
                kept.append(b"VP8X" + struct.pack("<I", 10) + bytes([flags]) + body[1:10])
            elif name in _NEEDED and picture in (b"", b"ANMF"):
                kept.append(name + struct.pack("<I", length) + body + bytes(length % 2))
                picture = name if name in _PICTURES else picture
                if name == b"ANMF":
                    frames += 1
                    first_frame = first_frame or body
            elif name == b"ICCP" and len(body) == length <= limits.MAX_PROFILE_BYTES:
                profile = profile or body
            elif name == b"EXIF":
                exif_block = exif_block or body
            position += 8 + length + length % 2
        self._refusal: ItemError | None = None
        if missing and not frames:
            self._refusal = cut_short(f"it lacks {counted(missing, 'byte')} of its pixels")
        elif not picture:
            is_cut = int.from_bytes(data[4:8], "little") + 8 > len(data)
            self._refusal = cut_short("it ends before its pixels") if is_cut else damaged("it has no pixels")
        elif frames > limits.MAX_FRAMES:
            self._refusal = ItemError(Code.TOO_COSTLY, f"the file has more than {limits.MAX_FRAMES:,} frames")
        if kept and kept[0].startswith(b"VP8X") and first_frame and not _covers(first_frame, kept[0]):
            # What the frame leaves out is transparent, as in browsers, also if no frame has alpha itself.
            kept[0] = kept[0][:8] + bytes([kept[0][8] | _ALPHA]) + kept[0][9:]
        body = b"WEBP" + b"".join(kept)
        super().__init__(b"RIFF" + struct.pack("<I", len(body)) + body)
        self.size = canvas_size(self.data)
        self.read_exif(exif_block.removeprefix(b"Exif\0\0"))
        self.colours = Colours(profile=profile)

    def open(self) -> Image.Image:
        if self._refusal is not None:  # not raised earlier: a size beyond the limits is the better reason
            raise self._refusal
        return super().open()

    def codec_bytes(self, image: Image.Image) -> int:
        # libwebp's animation decoder: planes or arguments, a canvas and the one before it, and Pillow's copy of it.
        return super().codec_bytes(image) + 12 * image.width * image.height

    def refusal(self, error: Exception) -> ItemError:  # noqa: ARG002 - the base says more with it
        return damaged("its pixels cannot be decoded")


def _covers(frame: bytes, header: bytes) -> bool:
    """Return whether a frame (ANMF) covers the canvas of the VP8X chunk."""
    return frame[:6] == bytes(6) and frame[6:12] == header[12:18]


def canvas_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a WebP's canvas from its first chunk; (0, 0) if it is too short."""
    if len(data) < 30:
        return 0, 0
    name = data[12:16]
    if name == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if name == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF

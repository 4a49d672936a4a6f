"""JPEG: the segments that libjpeg needs; EXIF and the ICC profile apart; a stream that ends without its end marker."""

import re
import struct
from io import BytesIO
from typing import Any, ClassVar

from PIL import Image, ImageChops

from embedder_container import limits
from embedder_container.colours import Colours
from embedder_container.errors import Code, ItemError
from embedder_container.readers.picture import (
    EncodedPicture,
    JoinedFile,
    check_parts,
    cut_short,
    damaged,
    unsupported,
)

START, END = b"\xff\xd8", b"\xff\xd9"
_SOS, _APP0, _APP1, _APP2, _APP14, _COMMENT = 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_PROGRESSIVE, _ARITHMETIC = (0xC2, 0xCA), (0xC9, 0xCA)
_FRAMES = {
    0xC3: "lossless JPEG",
    0xC5: "hierarchical JPEG",
    0xC6: "hierarchical JPEG",
    0xC7: "hierarchical JPEG",
    0xCB: "lossless JPEG",
    0xCD: "hierarchical JPEG",
    0xCE: "hierarchical JPEG",
    0xCF: "hierarchical JPEG",
    0xF7: "JPEG-LS",
}
_READ_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
# Markers without a length: restarts, TEM, and 0 and 255, which are no markers.
_ALONE = frozenset({0x00, 0x01, 0xD8, 0xFF, *range(0xD0, 0xD8)})
# In compressed data: a byte FF of the data is followed by 00, and restarts are a part of their scan.
_NEXT_SEGMENT = re.compile(rb"\xff+[^\xff\x00\x01\xd0-\xd7]", re.DOTALL)
_NEXT_MARKER = re.compile(rb"\xff+[^\xff]", re.DOTALL)
# What stands in for bytes that are missing. A picture that depends on them differs between the two: the first bits are
# zeros (libjpeg's own filling) and ones.
_FILLINGS = (END, b"\xfe\x55" * 32 + END)
_EXIF, _ICC = b"Exif\0", b"ICC_PROFILE\0"


class JpegPicture(EncodedPicture):
    format: ClassVar[str] = "JPEG"

    def __init__(self, data: bytes) -> None:
        kept, profile_parts, exif_block = [START], [], b""
        self._frame, frame_body = 0, b""
        position, scan, segments = 2, None, 0
        while scan is None:
            check_parts(segments := segments + 1)
            found = _NEXT_MARKER.search(data, position)
            if found is None:
                break
            marker, position = data[found.end() - 1], found.end()
            if marker == 0xD9:
                break
            if marker in _ALONE:
                continue
            length = int.from_bytes(data[position : position + 2], "big")
            if length < 2 or position + length > len(data):
                # A segment of metadata that says a wrong length; the marker after it is looked for.
                if _APP0 <= marker <= 0xEF or marker == _COMMENT:
                    continue
                break
            if marker == _SOS:
                scan = found.end() - 2
                break
            body = data[position + 2 : position + length]
            position += length
            if marker == _APP1 and body.startswith(_EXIF):
                exif_block = exif_block + body[6:] if exif_block else body[6:]
            elif marker == _APP2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
                profile_parts.append(body[len(_ICC) :])
            elif (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
                self._frame, frame_body = marker, body
            if not _is_metadata(marker, body):
                kept.append(struct.pack(">BBH", 0xFF, marker, length) + body)
        _check_frame(self._frame, frame_body)
        if scan is None:
            raise cut_short("it ends before its first scan")
        super().__init__(data)
        self._head, self._scan = b"".join(kept), scan
        self._components: tuple[int, ...] = tuple(frame_body[6::3])
        self.size = (int.from_bytes(frame_body[3:5], "big"), int.from_bytes(frame_body[1:3], "big"))
        self._samples = _samples(frame_body)
        self.read_exif(exif_block)
        self.colours = Colours(profile=_joined(profile_parts))

    @property
    def is_progressive(self) -> bool:
        return self._frame in _PROGRESSIVE

    def open(self) -> Image.Image:
        self._coded_samples, self._is_ended = self._read_scans()
        if self._coded_samples > limits.MAX_JPEG_SAMPLES:
            raise ItemError(Code.TOO_COSTLY, "the picture has too many scans for its size")
        return super().open()

    def codec_bytes(self, image: Image.Image) -> int:
        # libjpeg keeps the coefficients of all scans, at full size.
        coefficients = 2 * sum(self._samples.values()) if self._coded_samples else 0
        # Where the end is missing, two images of full size are compared.
        compared = 0 if self._is_ended else 2 * 4 * self.size[0] * self.size[1]
        return super().codec_bytes(image) + coefficients + compared

    def file(self) -> Any:
        return JoinedFile(self._head, self.data, self._scan)

    def load(self, image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
        try:
            image.load()
        except OSError as error:
            if "truncated" not in str(error):
                raise
            size = image.size
            image.close()
            self._head, self.data, self._scan = b"", self._completed(), 0
            image = super().open()
            if size != image.size:
                image.draft(None, size)
            image.load()
        return image, None

    def refusal(self, error: Exception) -> ItemError:
        if "truncated" in str(error):
            return cut_short("its data ends before its last scan is complete")
        return damaged("its compressed data cannot be decoded")

    def _read_scans(self) -> tuple[int, bool]:
        """Return how many samples all scans together go over, and whether the end marker is there.

        libjpeg decodes one scan with all components as it comes, which is no sample here. It goes over all samples of
        a component with each of its other scans, even if a scan has no data.
        """
        samples, scans, position, segments = 0, 0, self._scan, 0
        while found := _NEXT_SEGMENT.search(self.data, position):
            check_parts(segments := segments + 1)
            marker, position = self.data[found.end() - 1], found.end()
            if marker == 0xD9:
                return samples, True
            length = int.from_bytes(self.data[position : position + 2], "big")
            if marker == _SOS:
                components = (
                    self.data[position + 3 : position + 3 + 2 * self.data[position + 2] : 2] if length > 2 else b""
                )
                if not (scans or self.is_progressive) and len(components) == len(self._components):
                    # Whatever follows is not read. The end marker is searched for from the end, where it mostly is.
                    return 0, self.data.rfind(END, position) >= 0
                scans += 1
                samples += sum(self._samples.get(component, 0) for component in components)
                if scans > limits.MAX_JPEG_SCANS:
                    raise ItemError(Code.TOO_COSTLY, f"the picture has more than {limits.MAX_JPEG_SCANS} scans")
            position += length
        return samples, False

    def _completed(self) -> bytes:
        """Return the stream with an end marker, if the picture depends on nothing that is missing.

        The stream is completed in two ways. Where both give the same pixels, every coefficient was there.

        Raises:
            ItemError: a part of the picture is missing.
        """
        if self._frame in _ARITHMETIC:
            # An arithmetic decoder reads missing bytes as zeros that the encoder may have left out.
            raise cut_short("its end marker is missing, and with arithmetic coding nothing tells what else is")
        if missing := self._missing_scans():
            raise cut_short(missing)
        whole = self._head + self.data[self._scan :]
        stream = whole.rstrip(b"\0")
        zeros = len(whole) - len(stream)
        # Each with a shorter stream, if any, that may not be complete.
        candidates: list[tuple[bytes, bytes | None]] = [(stream.rstrip(b"\xff"), None)]
        if stream.endswith(b"\xff"):
            candidates.append((stream + b"\0", None))  # a data byte FF is followed by 00
        if 0 < zeros <= 2:
            candidates.append((whole, None))
        elif zeros:
            # The data of a plain area may be zeros, and so may be what fills a hole in a file. Data ends where the
            # picture does, but for two bytes that were the end marker, and one whose bits may change no pixel.
            candidates.append((whole, whole[:-4]))
        decodes = 2 * sum(1 if shorter is None else 2 for _, shorter in candidates)
        if decodes * self._coded_samples > limits.MAX_JPEG_SAMPLES:
            raise cut_short("its end marker is missing, and it has too many scans to tell what else is")
        first_row = 0
        for candidate, shorter in candidates:
            height, row = _first_difference(candidate)
            if row is None and (shorter is None or _first_difference(shorter)[1] is not None):
                return candidate + END
            if shorter is None:
                first_row = max(first_row, row or 0)
        raise cut_short(f"of its {height:,} rows those from row {first_row + 1:,} on are missing or incomplete")

    def _missing_scans(self) -> str | None:
        """Return which coefficients no scan has brought, in words."""
        if self._frame not in _PROGRESSIVE:
            seen: set[int] = set()
            for components, _, _, _ in self._scan_headers():
                seen.update(components)
            return None if seen.issuperset(self._components) else "a colour component has no scan"
        # The lowest bit that has arrived of each component's 64 coefficients.
        bits = {component: [99] * 64 for component in self._components}
        for components, first, last, low in self._scan_headers():
            for component in components:
                for coefficient in range(first, min(last, 63) + 1):
                    if component in bits:
                        bits[component][coefficient] = min(bits[component][coefficient], low)
        complete = all(low == 0 for lows in bits.values() for low in lows)
        return None if complete else "its last scans are missing"

    def _scan_headers(self) -> list[tuple[bytes, int, int, int]]:
        """Return components, first and last coefficient and lowest bit of each scan."""
        headers = []
        for match in re.compile(rb"\xff\xda").finditer(self.data, self._scan):
            at = match.end() + 2
            count = self.data[at] if at < len(self.data) else 0
            rest = self.data[at + 1 : at + 1 + 2 * count + 3]
            if 1 <= count <= 4 and len(rest) == 2 * count + 3:
                first, last, bits = rest[2 * count :]
                headers.append((rest[0 : 2 * count : 2], first, last, bits & 15))
        return headers


def _samples(frame_body: bytes) -> dict[int, int]:
    """Return how many samples each component has."""
    height, width = struct.unpack_from(">HH", frame_body, 1)
    parts = [
        (frame_body[at], frame_body[at + 1] >> 4, frame_body[at + 1] & 15) for at in range(6, len(frame_body) - 2, 3)
    ]
    widest = max((across for _, across, _ in parts), default=1) or 1
    highest = max((down for _, _, down in parts), default=1) or 1
    return {component: width * across * height * down // (widest * highest) for component, across, down in parts}


def _is_metadata(marker: int, body: bytes) -> bool:
    """Return whether libjpeg decodes the same pixels without this segment.

    Two application segments say how colours are stored, JFIF's and Adobe's; libjpeg ignores them if they are short.
    """
    if marker == _APP0:
        return not (body.startswith(b"JFIF\0") and len(body) >= 14)
    if marker == _APP14:
        return not (body.startswith(b"Adobe") and len(body) >= 12)
    return _APP0 <= marker <= 0xEF or marker == _COMMENT


def _check_frame(marker: int, body: bytes) -> None:
    """Refuse by name what libjpeg does not decode."""
    if marker in _FRAMES:
        raise unsupported(_FRAMES[marker])
    if marker not in _READ_FRAMES or len(body) < 6:
        raise cut_short("it ends inside its header")
    precision, components = body[0], body[5]
    if precision != 8:
        raise unsupported(f"JPEG with {precision} bits a sample")
    if components not in (1, 3, 4):
        raise unsupported(f"JPEG with {components} colour components")
    if len(body) < 6 + 3 * components:
        raise damaged("its frame header is too short")


def _joined(parts: list[bytes]) -> bytes | None:
    """Return the ICC profile of its numbered parts; None if one is missing."""
    ordered = sorted(parts, key=lambda part: part[0])
    if not parts or [part[0] for part in ordered] != list(range(1, ordered[0][1] + 1)):
        return None
    return b"".join(part[2:] for part in ordered)


def _first_difference(stream: bytes) -> tuple[int, int | None]:
    """Return the picture's height and the first row that depends on bytes after the stream; None if there is none."""
    images = [Image.open(BytesIO(stream + filling), formats=("JPEG",)) for filling in _FILLINGS]
    for image in images:
        image.load()
    one, other = images
    rows = max(1, limits.BAND_PIXELS // one.width)
    for top in range(0, one.height, rows):
        box = (0, top, one.width, min(top + rows, one.height))
        difference = ImageChops.difference(one.crop(box), other.crop(box)).getbbox(alpha_only=False)
        if difference is not None:
            return one.height, top + difference[1]
    return one.height, None

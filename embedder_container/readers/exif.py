"""Orientation and time of taking in EXIF, and the reading of a TIFF's directory, which EXIF is too."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

ORIENTATION = 0x0112
# The place of EXIF's own directory, and in it the local time of taking and its offset from UTC:
# CIPA DC-008 (Exif 2.32), 4.6.3 and 4.6.5.
_EXIF_DIRECTORY, _TAKEN, _TAKEN_OFFSET = 0x8769, 0x9003, 0x9011
_TIME = re.compile(rb"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(rb"([+-])(\d\d):(\d\d)")
_ASCII = 2
MAX_ENTRIES = 4096
# Bytes of one value of each type of TIFF 6.0 and BigTIFF.
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}


@dataclass(frozen=True)
class Entry:
    """One tag of a directory: `raw` is its entry as it is in the file, `start` where its values begin."""

    tag: int
    type: int
    count: int
    start: int
    raw: bytes


@dataclass(frozen=True)
class TiffHeader:
    """The first bytes of a TIFF: byte order (as in `struct`), whether it is a BigTIFF, the first directory's place."""

    order: str
    is_big: bool
    directory: int


def read_header(data: bytes) -> TiffHeader | None:
    """Return the header; None if these are not a TIFF's first bytes."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    # The number after the byte order is written in the other order by some programs.
    magic = {b"*\0": 42, b"\0*": 42, b"+\0": 43, b"\0+": 43}.get(data[2:4])
    if order is None or magic is None or len(data) < (16 if magic == 43 else 8):
        return None
    (directory,) = struct.unpack_from(order + ("Q" if magic == 43 else "I"), data, 8 if magic == 43 else 4)
    # A place that no offset can have is as good as one beyond the end.
    return TiffHeader(order, magic == 43, min(directory, len(data)))


def entries(data: bytes, header: TiffHeader) -> Iterator[Entry]:
    """Return the entries of the first directory, as far as they are whole and of a known type."""
    head, entry = ("Q", "HHQQ") if header.is_big else ("H", "HHII")
    size, inline = struct.calcsize("<" + entry), 8 if header.is_big else 4
    try:
        (count,) = struct.unpack_from(header.order + head, data, header.directory)
    except struct.error:
        return
    first = header.directory + struct.calcsize("<" + head)
    for at in range(first, first + size * min(count, MAX_ENTRIES), size):
        raw = data[at : at + size]
        if len(raw) < size:
            return
        tag, value_type, values, offset = struct.unpack(header.order + entry, raw)
        length = TYPE_BYTES.get(value_type, 0) * values
        if length:
            yield Entry(tag, value_type, values, at + size - inline if length <= inline else offset, raw)


def directory_end(data: bytes, header: TiffHeader) -> int:
    """Return where the first directory says that it ends."""
    head, size = ("Q", 20) if header.is_big else ("H", 12)
    try:
        (count,) = struct.unpack_from(header.order + head, data, header.directory)
    except struct.error:
        return len(data) + 1
    return header.directory + struct.calcsize("<" + head) + size * int(count)


def integers(data: bytes, header: TiffHeader, entry: Entry, most: int = 1 << 20) -> tuple[int, ...]:
    """Return an entry's values; empty if they are not whole numbers or are not all in the file."""
    code, count = _INTEGERS.get(entry.type), min(entry.count, most)
    if code is None or entry.start + count * TYPE_BYTES[entry.type] > len(data):
        return ()
    return struct.unpack_from(f"{header.order}{count}{code}", data, entry.start)


def orientation(tiff: bytes) -> int:
    """Return the orientation (1 to 8) in an EXIF block that begins with a TIFF header; 1 if it has none.

    It may be stored as any whole number. Of several the last one counts, as in browsers.
    """
    header, found = read_header(tiff), 1
    if header is None:
        return found
    for entry in entries(tiff, header):
        if entry.tag == ORIENTATION:
            values = integers(tiff, header, entry, most=1)
            if values and 1 <= values[0] <= 8:
                found = values[0]
    return found


def taken(tiff: bytes) -> str | None:
    """Return when a picture was taken, of an EXIF block that begins with a TIFF header; None if it does not say.

    ISO 8601: the local time at the camera, with the offset from UTC where the camera has written it.
    """
    header = read_header(tiff)
    if header is None:
        return None
    places = [integers(tiff, header, entry, most=1) for entry in entries(tiff, header) if entry.tag == _EXIF_DIRECTORY]
    if not places or not places[-1]:
        return None
    directory = replace(header, directory=min(max(places[-1][0], 0), len(tiff)))
    texts = {
        entry.tag: tiff[entry.start : entry.start + min(entry.count, 20)]
        for entry in entries(tiff, directory)
        if entry.tag in (_TAKEN, _TAKEN_OFFSET) and entry.type == _ASCII
    }
    return _iso_time(texts.get(_TAKEN, b""), texts.get(_TAKEN_OFFSET, b""))


def _iso_time(time: bytes, offset: bytes) -> str | None:
    """Return EXIF's time in ISO 8601; None if it is no time, as where a camera's clock was never set."""
    found = _TIME.match(time)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        local = datetime(year, month, day, hour, minute, second)  # `strptime` would load a module: see `confinement`
    except ValueError:
        return None
    shift = _OFFSET.match(offset)
    # ISO 8601 has no offset of a day; the widest in use is +14:00.
    known = shift is not None and int(shift[2]) <= 14 and int(shift[3]) < 60
    return local.isoformat() + (offset[:6].decode("ascii") if known else "")

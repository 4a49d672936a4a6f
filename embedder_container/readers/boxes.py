"""The boxes of an ISO base media file (ISO/IEC 14496-12) that say which picture an AVIF or HEIF shows."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_BOXES = 100_000
DERIVED_TYPES = ("grid", "iovl", "iden", "tmap")


@dataclass(frozen=True)
class Box:
    """Where a box is: its header, its body and its end."""

    type: bytes
    start: int
    body: int
    end: int


@dataclass
class Associations:
    """One ipma box: its version and flags, and the properties of its items (index from 1, with the essential bit)."""

    version: int
    flags: int
    items: dict[int, list[int]]


@dataclass
class ItemFile:
    """The top level of a file and what its `meta` box says; empty where a box is missing or damaged."""

    boxes: list[Box] = field(default_factory=list)
    meta: Box | None = None
    primary: int = 0
    types: dict[int, str] = field(default_factory=dict)
    type_places: dict[int, int] = field(default_factory=dict)
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    associations: list[Associations] = field(default_factory=list)
    parts: dict[int, list[int]] = field(default_factory=dict)
    extents: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def has(self, box_type: bytes) -> bool:
        return any(box.type == box_type for box in self.boxes)

    def item_properties(self, item: int) -> list[tuple[bytes, bytes]]:
        indexes = [index & 0x7FFF for table in self.associations for index in table.items.get(item, [])]
        return [self.properties[index - 1] for index in indexes if 0 < index <= len(self.properties)]

    def coded_items(self) -> list[int]:
        """Return the items that have the primary picture's coded pixels: itself, or its parts."""
        items, seen = [self.primary], set[int]()
        for _ in range(4):  # a grid of overlays of …: real files have one step
            items = [
                part
                for item in items
                for part in (self.parts.get(item, []) if self.types.get(item) in DERIVED_TYPES else [item])
                if part not in seen
            ]
        return items

    def coded_pixels(self) -> int:
        """Return the pixels of all items that the primary picture is made of, each as often as it is named."""
        pixels: dict[int, int] = {}

        def count(item: int, levels: int) -> int:
            if item not in pixels:
                pixels[item] = 0  # of an item that is a part of itself
                if levels and self.types.get(item) in DERIVED_TYPES:
                    pixels[item] = sum(count(part, levels - 1) for part in self.parts.get(item, []))
                else:
                    size = next((body for name, body in self.item_properties(item) if name == b"ispe"), b"")
                    if len(size) >= 12:
                        width, height = struct.unpack_from(">II", size, 4)
                        pixels[item] = width * height
            return pixels[item]

        return count(self.primary, 4)

    def codec(self) -> str:
        """Return the type of the items that have the primary picture's pixels; empty if that is not known."""
        coded = self.coded_items()
        return self.types.get(coded[0], "") if coded else ""


def read(data: bytes) -> ItemFile:
    """Return what the boxes say."""
    file = ItemFile(boxes=list(children(data, 0, len(data))))
    file.meta = next((box for box in file.boxes if box.type == b"meta"), None)
    if file.meta is None:
        return file
    for box in children(data, file.meta.body + 4, file.meta.end):
        reader = _READERS.get(box.type)
        if reader is not None:
            try:
                reader(file, data, box)
            except (struct.error, IndexError):
                continue
    return file


def children(data: bytes, start: int, end: int) -> Iterator[Box]:
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            if body + 8 > end:
                return
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        box_end = end if size == 0 else start + size
        if box_end < body:
            return
        yield Box(name, start, body, min(box_end, end))
        start = box_end


def _version_and_flags(data: bytes, box: Box) -> tuple[int, int]:
    (word,) = struct.unpack_from(">I", data, box.body)
    return word >> 24, word & 0xFFFFFF


def _read_primary(file: ItemFile, data: bytes, box: Box) -> None:
    version, _ = _version_and_flags(data, box)
    (file.primary,) = struct.unpack_from(">I" if version else ">H", data, box.body + 4)


def _read_items(file: ItemFile, data: bytes, box: Box) -> None:
    version, _ = _version_and_flags(data, box)
    for entry in children(data, box.body + (8 if version else 6), box.end):
        if entry.type != b"infe":
            continue
        entry_version, _ = _version_and_flags(data, entry)
        if entry_version < 2:
            continue
        long_id = entry_version > 2
        (item,) = struct.unpack_from(">I" if long_id else ">H", data, entry.body + 4)
        place = entry.body + (10 if long_id else 8)
        file.types[item] = data[place : place + 4].decode("latin-1")
        file.type_places[item] = place


def _read_references(file: ItemFile, data: bytes, box: Box) -> None:
    version, _ = _version_and_flags(data, box)
    code, size = ("I", 4) if version else ("H", 2)
    for reference in children(data, box.body + 4, box.end):
        if reference.type == b"dimg":
            source, count = struct.unpack_from(f">{code}H", data, reference.body)
            parts = struct.unpack_from(f">{count}{code}", data, reference.body + size + 2)
            file.parts.setdefault(source, []).extend(parts)


def _read_properties(file: ItemFile, data: bytes, box: Box) -> None:
    for child in children(data, box.body, box.end):
        if child.type == b"ipco":
            file.properties = [
                (prop.type, data[prop.body : prop.end]) for prop in children(data, child.body, child.end)
            ]
        elif child.type == b"ipma":
            file.associations.append(_read_associations(data, child))


def _read_associations(data: bytes, box: Box) -> Associations:
    version, flags = _version_and_flags(data, box)
    (count,) = struct.unpack_from(">I", data, box.body + 4)
    at, items = box.body + 8, dict[int, list[int]]()
    for _ in range(min(count, MAX_BOXES)):
        (item,) = struct.unpack_from(">I" if version else ">H", data, at)
        at += 4 if version else 2
        number = data[at]
        at += 1
        if flags & 1:
            indexes = list(struct.unpack_from(f">{number}H", data, at))
            at += 2 * number
        else:
            indexes = [(byte & 0x7F) | (byte & 0x80) << 8 for byte in data[at : at + number]]
            at += number
        items.setdefault(item, []).extend(indexes)
    return Associations(version, flags, items)


def _read_locations(file: ItemFile, data: bytes, box: Box) -> None:
    version, _ = _version_and_flags(data, box)
    sizes, more = data[box.body + 4], data[box.body + 5]
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version else 0
    at = box.body + 6
    (count,) = struct.unpack_from(">I" if version == 2 else ">H", data, at)
    at += 4 if version == 2 else 2

    def number(size: int) -> int:
        nonlocal at
        value = int.from_bytes(data[at : at + size], "big")
        at += size
        return value

    for _ in range(min(count, MAX_BOXES)):
        if at >= box.end:
            return
        item = number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base, extents = number(base_size), number(2)
        places = []
        for _ in range(extents):
            if at >= box.end:
                return
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            places.append((base + offset, length))
        if method == 0:
            file.extents[item] = places


_READERS = {
    b"pitm": _read_primary,
    b"iinf": _read_items,
    b"iref": _read_references,
    b"iprp": _read_properties,
    b"iloc": _read_locations,
}

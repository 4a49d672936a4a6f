"""The decoder's side of the protocol, without a process."""

import json
import os
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embedder_container import decoder_protocol as protocol
from embedder_container import limits
from embedder_container.decoder import Server
from embedder_container.images import decode
from embedder_container.models import SHIPPED_MODELS, load_description
from embedder_container.slots import Slots
from embedder_container.transforms import to_square
from tests.embedder.samples import encode, two_halves

CONFIG = load_description(SHIPPED_MODELS, "lite").image


def request(data: bytes, *, slot: int = 0, thumbnail_side: int = 0) -> bytes:
    """What the embedder writes for a file that is in a slot."""
    return protocol.REQUEST + protocol.REQUEST_HEADER.pack(slot, thumbnail_side, len(data))


@pytest.fixture
def slots() -> Iterator[Slots]:
    slots, descriptor = Slots.create(CONFIG.square_bytes)
    os.close(descriptor)
    yield slots
    slots.close()


def replies_to(requests: bytes, slots: Slots, *files: bytes) -> BytesIO:
    """Return what the decoder writes after its READY, the files being in the first slots."""
    for slot, data in enumerate(files):
        slots.file(slot)[: len(data)] = data
    replies = BytesIO()
    Server(CONFIG, slots, BytesIO(requests), replies).serve()
    replies.seek(0)
    assert replies.read(1) == protocol.READY
    assert protocol.WALLS.unpack(replies.read(protocol.WALLS.size)) == (0,)
    return replies


def read_reply(replies: BytesIO) -> tuple[dict[str, Any], int]:
    """Return a reply's JSON and the length of its thumbnail."""
    assert replies.read(1) == protocol.REPLY
    json_bytes, thumbnail_bytes = protocol.REPLY_HEADER.unpack(replies.read(protocol.REPLY_HEADER.size))
    return json.loads(replies.read(json_bytes)), thumbnail_bytes


def test_each_request_has_one_reply_in_order(slots: Slots) -> None:
    png = encode(two_halves(), "PNG")
    requests = request(png, thumbnail_side=512) + request(b"hello", slot=1)
    replies = replies_to(requests, slots, png, b"hello")
    properties, thumbnail_bytes = read_reply(replies)
    assert (properties["width"], properties["height"], properties["format"]) == (80, 40, "PNG")
    assert read_reply(replies) == ({"error": {"code": "not_an_image", "message": "the file is not a picture"}}, 0)
    assert replies.read() == b""
    assert bytes(slots.square(0)) == np.asarray(to_square(decode(png).image, CONFIG)).tobytes()
    assert Image.open(BytesIO(slots.file(0)[:thumbnail_bytes])).size == (80, 40)


def test_a_request_without_a_side_has_no_thumbnail(slots: Slots) -> None:
    png = encode(two_halves(), "PNG")
    assert read_reply(replies_to(request(png), slots, png))[1] == 0


def test_a_large_image_is_decoded_after_permission(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SMALL_DECODE_BYTES", 0)
    png = encode(two_halves(), "PNG")
    replies = replies_to(request(png) + protocol.PERMISSION, slots, png)
    assert replies.read(1) == protocol.LARGE_IMAGE
    (needed,) = protocol.MEMORY.unpack(replies.read(protocol.MEMORY.size))
    assert limits.DECODER_BYTES + 4 * 80 * 40 <= needed < 2 * limits.DECODER_BYTES
    assert read_reply(replies)[0]["format"] == "PNG"


def test_a_request_that_comes_before_the_permission_of_the_one_before_waits(
    slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SMALL_DECODE_BYTES", 0)
    first, second = encode(two_halves(), "PNG"), encode(two_halves(), "BMP")
    requests = request(first) + request(second, slot=1) + 2 * protocol.PERMISSION
    replies, formats = replies_to(requests, slots, first, second), []
    for _ in range(2):
        assert replies.read(1 + protocol.MEMORY.size).startswith(protocol.LARGE_IMAGE)
        formats.append(read_reply(replies)[0]["format"])
    assert formats == ["PNG", "BMP"]


def test_the_decoder_ends_when_its_parent_ends_instead_of_giving_permission(
    slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SMALL_DECODE_BYTES", 0)
    png = encode(two_halves(), "PNG")
    with pytest.raises(SystemExit, match="0"):
        replies_to(request(png), slots, png)


def test_the_headers_have_a_fixed_size_without_padding() -> None:
    assert (protocol.REQUEST_HEADER.size, protocol.REPLY_HEADER.size) == (7, 8)
    assert protocol.REQUEST_HEADER.pack(1, 512, 1) == b"\x01\x00\x02" + struct.pack("<I", 1)

"""The decoder's side of the protocol, without a process."""

import json
import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from embedder_container import decoder_protocol as protocol
from embedder_container import limits
from embedder_container.decoder import serve
from embedder_container.images import decode
from embedder_container.models import SHIPPED_MODELS, load_description
from embedder_container.transforms import to_square
from tests.embedder.samples import encode, two_halves

CONFIG = load_description(SHIPPED_MODELS, "lite").image


def request(data: bytes, *, thumbnail: bool) -> bytes:
    return protocol.REQUEST_HEADER.pack(thumbnail, len(data)) + data


def replies_to(requests: bytes) -> BytesIO:
    """Return what the decoder writes, after its READY."""
    replies = BytesIO()
    serve(CONFIG, BytesIO(requests), replies)
    replies.seek(0)
    assert replies.read(1) == protocol.READY
    assert protocol.WALLS.unpack(replies.read(protocol.WALLS.size)) == (0,)
    return replies


def read_reply(replies: BytesIO) -> tuple[dict[str, Any], bytes, bytes]:
    assert replies.read(1) == protocol.REPLY
    lengths = protocol.REPLY_HEADER.unpack(replies.read(protocol.REPLY_HEADER.size))
    body, square, thumbnail = (replies.read(length) for length in lengths)
    return json.loads(body), square, thumbnail


def test_each_request_has_one_reply_in_order() -> None:
    png = encode(two_halves(), "PNG")
    replies = replies_to(
        request(png, thumbnail=True) + request(b"hello", thumbnail=True) + request(png, thumbnail=False)
    )
    properties, square, thumbnail = read_reply(replies)
    assert (properties["width"], properties["height"], properties["format"]) == (80, 40, "PNG")
    assert square == np.asarray(to_square(decode(png).image, CONFIG)).tobytes()
    assert thumbnail.startswith(b"\xff\xd8")
    refusal = read_reply(replies)
    assert refusal == ({"error": {"code": "not_an_image", "message": "the file is not a picture"}}, b"", b"")
    assert read_reply(replies)[2] == b""
    assert replies.read() == b""


def test_a_large_image_is_decoded_after_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SMALL_DECODE_BYTES", 0)
    png = encode(two_halves(), "PNG")
    replies = replies_to(request(png, thumbnail=False) + protocol.PERMISSION)
    assert replies.read(1) == protocol.LARGE_IMAGE
    (needed,) = protocol.MEMORY.unpack(replies.read(protocol.MEMORY.size))
    assert limits.DECODER_BYTES + 4 * 80 * 40 <= needed < 2 * limits.DECODER_BYTES
    assert read_reply(replies)[0]["format"] == "PNG"


def test_the_decoder_ends_when_its_parent_ends_instead_of_giving_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SMALL_DECODE_BYTES", 0)
    with pytest.raises(SystemExit, match="0"):
        replies_to(request(encode(two_halves(), "PNG"), thumbnail=False))


def test_the_headers_have_a_fixed_size_without_padding() -> None:
    assert (protocol.REQUEST_HEADER.size, protocol.REPLY_HEADER.size) == (6, 12)
    assert protocol.REQUEST_HEADER.pack(512, 1) == b"\x00\x02" + struct.pack("<I", 1)

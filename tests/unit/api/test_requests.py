"""What requests carry, read strictly: numbers, JSON objects, files in forms."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from chalice.app import Request
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.requests import form, json_object, limit
from chalicelib.domain.errors import InvalidRequest

BOUNDARY = "frontier"


def sent(body: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> Request:
    """A request as API Gateway hands it on: every body as base64."""
    return Request(
        {
            "requestContext": {"resourcePath": "/", "httpMethod": "POST"},
            "headers": {"content-type": content_type},
            "pathParameters": {},
            "multiValueQueryStringParameters": None,
            "stageVariables": None,
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
    )


def part(name: str, body: bytes, file_name: str | None = None) -> bytes:
    shown = f'; filename="{file_name}"' if file_name is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'
    return head.encode() + body + b"\r\n"


def form_of(*parts: bytes) -> Request:
    return sent(b"".join(parts) + f"--{BOUNDARY}--\r\n".encode())


class TestLimit:
    def test_is_16_unless_said(self) -> None:
        assert limit(None) == 16

    @given(st.integers(1, 100))
    def test_takes_each_number_of_its_range(self, wanted: int) -> None:
        assert limit(str(wanted)) == wanted

    @given(st.text() | st.integers(max_value=0).map(str) | st.integers(min_value=101).map(str))
    def test_takes_nothing_else(self, text: str) -> None:
        if text.isascii() and text.isdigit() and 1 <= int(text) <= 100:
            return
        with pytest.raises(InvalidRequest) as refused:
            limit(text)
        assert refused.value.field == "limit"


class TestJsonObject:
    @given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
    def test_reads_every_object(self, values: dict[str, Any]) -> None:
        assert json_object(sent(json.dumps(values).encode())) == values

    @given(st.binary())
    def test_refuses_every_other_body_and_fails_on_none(self, body: bytes) -> None:
        with suppress(InvalidRequest):
            assert isinstance(json_object(sent(body)), dict)

    def test_is_not_brought_down_by_depth(self) -> None:
        with pytest.raises(InvalidRequest):
            json_object(sent(b"[" * 200_000))


class TestForm:
    @given(st.binary().filter(lambda body: BOUNDARY.encode() not in body))
    def test_hands_on_a_file_byte_by_byte(self, body: bytes) -> None:
        read = form(form_of(part("file", body, "a.jpg")))
        assert (read.body, read.file_name) == (body, "a.jpg")

    def test_has_its_other_fields_beside_the_file(self) -> None:
        assert form(form_of(part("limit", b"3"), part("file", b"x", "a.jpg"))).fields == {"limit": "3"}

    @pytest.mark.parametrize(
        "parts",
        [(), (part("picture", b"x", "a.jpg"),), (part("file", b"x", "a.jpg"), part("file", b"y", "b.jpg"))],
        ids=["no part", "another name", "two files"],
    )
    def test_has_exactly_one_part_named_file(self, parts: tuple[bytes, ...]) -> None:
        with pytest.raises(InvalidRequest) as refused:
            form(form_of(*parts))
        assert refused.value.field == "file"

    @given(st.binary(max_size=200))
    def test_of_any_bytes_is_read_or_refused(self, body: bytes) -> None:
        with pytest.raises(InvalidRequest):
            form(sent(b"--" + BOUNDARY.encode() + body))

    @pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x"])
    def test_of_another_kind_is_refused(self, kind: str) -> None:
        with pytest.raises(InvalidRequest, match="multipart/form-data"):
            form(sent(part("file", b"x"), content_type=kind))

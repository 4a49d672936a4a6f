"""Compressed requests: what API Gateway has decompressed is read, and what it cannot is refused in a sentence."""

import gzip
import json
import zlib

import pytest

from tests.fakes.api import FakeApi

BODY = b'{"type": "managed", "name": "n"}'


def create(api: FakeApi, token: str, coding: str, body: bytes) -> tuple[int, dict[str, str]]:
    headers = {"authorization": f"Token {token}", "content-type": "application/json", "content-encoding": coding}
    response = api.send("POST", "/api/collections", headers=headers, body=body)
    return response["statusCode"], json.loads(response["body"])["info"]


@pytest.mark.parametrize("coding", ["", "identity", "gzip", "GZIP", "deflate"])
def test_a_body_that_is_not_compressed_is_read_whatever_the_header_still_says(
    api: FakeApi, token: str, coding: str
) -> None:
    assert create(api, token, coding, BODY)[0] == 201


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("br", BODY),
        ("gzip, br", BODY),
        ("x", b""),
    ],
)
def test_a_body_that_is_still_compressed_is_refused_by_its_header(
    api: FakeApi, token: str, coding: str, body: bytes
) -> None:
    status, info = create(api, token, coding, body)
    assert (status, info["error"], info["field"]) == (415, "unsupported_media_type", "Content-Encoding")
    assert "Send it as it is" in info["message"]

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


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        *(("Content-Encoding", "br", 415), ("Content-Type", "text/plain", 415), ("Content-Type", "text/json", 415)),
        *(("If-None-Match", '"abc"', 400), ("If-None-Match", "", 400), ("Idempotency-Key", "a b", 400)),
    ],
)
def test_a_header_that_is_wrong_is_named(api: FakeApi, token: str, header: str, value: str, status: int) -> None:
    created = api(token, "POST", "/api/collections", json={"type": "managed", "name": "n"})[1]["result"]["collection"]
    headers = {"authorization": f"Token {token}", "content-type": "application/json", header.lower(): value}
    body = b'{"path": "a.jpg", "size": 5, "mime_type": "image/jpeg"}'
    route, path = "/api/collections/{uuid}/uploads", {"uuid": created["uuid"]}
    response = api.send("POST", route, path=path, headers=headers, body=body)
    info = json.loads(response["body"])["info"]
    assert (response["statusCode"], info["field"]) == (status, header)

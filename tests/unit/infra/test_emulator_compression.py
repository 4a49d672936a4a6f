"""What the local system compresses of a deployed API's responses, as API Gateway does."""

import gzip
from typing import Any

import pytest

from infra.emulator_compression import compressing
from infra.gateway import MINIMUM_COMPRESSION_BYTES
from tests import loops

BODY = b"a" * MINIMUM_COMPRESSION_BYTES


def respond(
    accepted: str | None,
    body: bytes = BODY,
    content_type: str = "application/json",
    *,
    is_api: bool = True,
    parts: int = 1,
    **headers: str,
) -> tuple[dict[str, str], bytes]:
    """Headers and body of the response to a request that accepts these codings."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        own = {"content-type": content_type, "content-length": str(len(body)), **headers}
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in own.items()]
        await send({"type": "http.response.start", "status": 200, "headers": named})
        size = -(-len(body) // parts)
        for part in range(parts):
            content = body[part * size : (part + 1) * size]
            await send({"type": "http.response.body", "body": content, "more_body": part < parts - 1})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    request = [(b"host", b"127.0.0.1:4566")] + ([(b"Accept-Encoding", accepted.encode())] if accepted else [])
    scope = {"type": "http", "path": "/api/", "headers": request}
    loops.run(compressing(app, lambda host, path: is_api and path == "/api/")(scope, None, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return answered, b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize("accepted", ["gzip", "GZIP", "br, gzip;q=0.5", "deflate,gzip"])
@pytest.mark.parametrize("parts", [1, 3])
def test_a_caller_who_takes_gzip_gets_it(accepted: str, parts: int) -> None:
    headers, body = respond(accepted, parts=parts)
    assert headers["content-encoding"] == "gzip"
    assert headers["content-length"] == str(len(body))
    assert gzip.decompress(body) == BODY


@pytest.mark.parametrize("accepted", [None, "", "br", "identity", "gzip;q=0"])
def test_any_other_caller_gets_the_body_as_it_is(accepted: str | None) -> None:
    headers, body = respond(accepted)
    assert "content-encoding" not in headers
    assert body == BODY


def test_small_bodies_pictures_and_what_has_a_coding_are_left_alone() -> None:
    assert respond("gzip", BODY[1:])[1] == BODY[1:]
    assert respond("gzip", content_type="image/jpeg")[1] == BODY
    assert respond("gzip", content_encoding="br")[0]["content-encoding"] == "br"


def test_calls_of_aws_are_left_alone() -> None:
    assert respond("gzip", is_api=False)[1] == BODY

"""Compresses the responses of deployed APIs, which API Gateway does and the emulator does not.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-enable-compression.html
"""

import gzip
from collections.abc import Awaitable, Callable
from typing import Any

from infra.gateway import MINIMUM_COMPRESSION_BYTES

Application = Callable[..., Awaitable[None]]
LEVEL = 6


def compressing(app: Application, is_deployed_api: Callable[[str, str], bool]) -> Application:
    """An ASGI application whose responses have gzip where a caller of a deployed API takes it, but not pictures.

    Args:
        is_deployed_api: whether a host and a path belong to an API that was deployed here.
    """

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not _takes_gzip(scope):
            await app(scope, receive, send)
            return
        if not is_deployed_api(_header(scope["headers"], b"host").lower(), scope["path"]):
            await app(scope, receive, send)
            return
        start: dict[str, Any] = {}
        body = bytearray()

        async def collect(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                headers, content = _compressed(list(start["headers"]), bytes(body))
                await send({**start, "headers": headers})
                await send({"type": "http.response.body", "body": content})

        await app(scope, receive, collect)

    return respond


def _compressed(headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    is_picture = _header(headers, b"content-type").startswith("image/")
    if len(body) < MINIMUM_COMPRESSION_BYTES or is_picture or _header(headers, b"content-encoding"):
        return headers, body
    content = gzip.compress(body, LEVEL)
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return [*kept, (b"content-encoding", b"gzip"), (b"content-length", str(len(content)).encode())], content


def _takes_gzip(scope: Any) -> bool:
    codings = _header(scope["headers"], b"accept-encoding").lower().replace(" ", "").split(",")
    return "gzip" in [coding.partition(";")[0] for coding in codings if not coding.endswith(";q=0")]


def _header(headers: Any, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")

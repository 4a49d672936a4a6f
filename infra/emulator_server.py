"""The emulator's HTTP server: uvicorn, which parses requests in C, in place of the one that the emulator starts itself.

Most requests take the emulator less than a millisecond, and the server that it brings takes about as long to read and
write them in Python.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Application = Callable[..., Awaitable[None]]

KEEP_ALIVE_SECONDS = 75  # as the emulator's own
GRACE_SECONDS = 3  # for running requests, once it is to end


class TogetherTransport:
    """A connection whose writes go out together at the next step of the loop: a response's head with its body.

    Sent alone, the head would wake the caller, who then waits again for the body.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        written, self._written = self._written, []
        if written:
            self._transport.write(b"".join(written))


class TogetherProtocol(HttpToolsProtocol):
    """HTTP of uvicorn, whose responses go out whole."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(TogetherTransport(transport, self.loop))  # type: ignore[arg-type]


def serve(app: Application) -> None:
    """Serve the emulator on the port of its environment until a signal ends it.

    Raises:
        SystemExit: it has ended by a signal, or the port cannot be bound.
    """
    _raise_limit_of_files()
    # The server ends its requests first, and then sends itself the signal again.
    signal.signal(signal.SIGTERM, _exit)
    uvicorn.Server(_settings(closing_unread(app))).run()


def closing_unread(app: Application) -> Application:
    """An ASGI application that closes the connection of a request whose body it has refused before it was sent.

    The caller has announced the body and waits whether it is wanted (``Expect: 100-continue``). It does not send it
    now, and the server would take the next request on the connection for it.
    """

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not any(name == b"expect" for name, _ in scope["headers"]):
            await app(scope, receive, send)
            return
        is_read = False

        async def read() -> Any:
            nonlocal is_read
            is_read = True
            return await receive()

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start" and not is_read:
                kept = [header for header in message["headers"] if header[0].lower() != b"connection"]
                message = {**message, "headers": [*kept, (b"connection", b"close")]}
            await send(message)

        await app(scope, read, answer)

    return respond


def _settings(app: Application) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        http=TogetherProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        # Of who called, a request's own headers decide nothing; of its time and server, the emulator's answer has both.
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        # The emulator keeps in context variables who has called. Without this a request of the same connection may
        # begin with those of the one before: https://github.com/python/cpython/issues/140947
        reset_contextvars=True,
    )


def _raise_limit_of_files() -> None:
    """Let each of many connections have its descriptor, as the emulator itself does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)

"""Which connections the emulator's server ends, and how it sends a response."""

import asyncio
from typing import Any

import pytest

from infra.emulator_server import TogetherTransport, closing_unread

EXPECTING, PLAIN = [(b"expect", b"100-continue")], [(b"content-length", b"4")]


def answered(headers: list[tuple[bytes, bytes]], *, reads: bool) -> dict[bytes, bytes]:
    """The headers of the response to a request with these headers, by an application that reads its body, or not."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        if reads:
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Connection", b"keep-alive")]})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"body"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(closing_unread(app)({"type": "http", "headers": headers}, receive, send))
    return {name.lower(): value for name, value in sent[0]["headers"]}


@pytest.mark.parametrize(
    ("headers", "reads", "connection"),
    [
        (EXPECTING, False, b"close"),
        (EXPECTING, True, b"keep-alive"),
        (PLAIN, False, b"keep-alive"),
        (PLAIN, True, b"keep-alive"),
    ],
)
def test_a_connection_ends_only_if_an_announced_body_was_never_asked_for(headers, reads, connection) -> None:
    assert answered(headers, reads=reads)[b"connection"] == connection


class Wire:
    """A transport that notes what is sent, and when it is closed."""

    def __init__(self) -> None:
        self.sent: list[bytes | None] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.sent.append(None)

    def is_closing(self) -> bool:
        return None in self.sent


def test_what_is_written_in_one_step_is_sent_together_and_in_order() -> None:
    wire = Wire()

    async def respond() -> None:
        transport = TogetherTransport(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
        transport.write(b"head ")
        transport.write(b"body")
        assert wire.sent == []
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)

    asyncio.run(respond())
    assert wire.sent == [b"head body", b"next"]


def test_what_was_written_is_sent_before_the_connection_ends() -> None:
    wire = Wire()

    async def respond() -> None:
        transport = TogetherTransport(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
        transport.write(b"last")
        transport.close()
        assert transport.is_closing()
        await asyncio.sleep(0)

    asyncio.run(respond())
    assert wire.sent == [b"last", None]

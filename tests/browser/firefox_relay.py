"""Runs Firefox for Playwright, and answers the commands of WebDriver BiDi that this Firefox does not have yet.

Playwright sets the colour scheme of each page by ``emulation.setMediaFeaturesOverride``, and opens no page where that
is refused. So the relay stands between the two and sends ``session.status`` in its place, whose answer says nothing:
https://www.w3.org/TR/webdriver-bidi/#command-session-status
"""

import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from typing import IO

MISSING = ("emulation.setMediaFeaturesOverride",)
LISTENING = re.compile(r"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)")
TEXT = 1  # the opcode of a frame: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
MASK, LENGTH_16, LENGTH_64 = 0x80, 126, 127
KEY = b"mask"  # any four bytes


def main(firefox: str, *options: str) -> int:
    browser = subprocess.Popen([firefox, *options], stderr=subprocess.PIPE, text=True)
    assert browser.stderr is not None
    for line in browser.stderr:
        match = LISTENING.search(line)
        if match is not None:
            line = LISTENING.sub(f"WebDriver BiDi listening on ws://127.0.0.1:{_relay(int(match[1]))}", line)
        print(line, end="", file=sys.stderr, flush=True)
    return browser.wait()


def _relay(port: int) -> int:
    """Relay connections to Firefox's port; returns the port of the relay."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            playwright, _ = server.accept()
            firefox = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_forward, args=(playwright, firefox, port), daemon=True).start()
            threading.Thread(target=_copy, args=(firefox, playwright), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def _copy(source: socket.socket, target: socket.socket) -> None:
    while data := source.recv(65536):
        target.sendall(data)
    target.close()


def _forward(playwright: socket.socket, firefox: socket.socket, port: int) -> None:
    """The handshake, without compression and with the host that Firefox expects, then frame by frame."""
    stream = playwright.makefile("rb")
    while (line := stream.readline()).strip():
        name = line.partition(b":")[0].lower()
        if name == b"host":
            line = f"Host: 127.0.0.1:{port}\r\n".encode()
        if name != b"sec-websocket-extensions":
            firefox.sendall(line)
    firefox.sendall(b"\r\n")
    while frame := _read(stream):
        firefox.sendall(_frame(*frame))
    firefox.close()


def _read(stream: IO[bytes]) -> tuple[int, bytes] | None:
    """The first byte of a client's frame, and its payload without the mask; None at the end."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    length = head[1] & ~MASK
    if length == LENGTH_16:
        (length,) = struct.unpack("!H", stream.read(2))
    elif length == LENGTH_64:
        (length,) = struct.unpack("!Q", stream.read(8))
    key = stream.read(4)
    return head[0], _masked(stream.read(length), key)


def _masked(payload: bytes, key: bytes) -> bytes:
    stretched = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(len(payload), "big")


def _frame(first: int, payload: bytes) -> bytes:
    """A client's frame, with a command that Firefox has."""
    if first & 0x0F == TEXT and any(each.encode() in payload for each in MISSING):
        command = json.loads(payload)
        if command.get("method") in MISSING:
            payload = json.dumps({"id": command["id"], "method": "session.status", "params": {}}).encode()
    length = len(payload)
    if length < LENGTH_16:
        head = bytes([first, MASK | length])
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, MASK | LENGTH_16, length)
    else:
        head = struct.pack("!BBQ", first, MASK | LENGTH_64, length)
    return head + KEY + _masked(payload, KEY)


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))

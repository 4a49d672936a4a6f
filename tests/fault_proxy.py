"""A proxy on localhost that injects faults into the connection to a healthy server."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

FORWARD_TIMEOUT_SECONDS = 60


class Rejection(Exception):
    """A gate's response in place of the server's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


# Takes a request's method, path with parameters, and body; returns the body to forward, or raises a Rejection.
Gate = Callable[[str, str, bytes], bytes]


class Proxy:
    """Forwards requests, and injects the faults and applies the gate that a test has set.

    Attributes:
        faults: each is injected into one request, the first one first. A status to respond with, seconds to wait before
            forwarding (a float), ``cut`` to close the connection without a response, or ``lost`` to close it after the
            request was forwarded.
        fault_filter: faults are injected only into requests whose path or body contains it.
        injected: how many faults were injected.
        gate: decides which requests are forwarded.
        rejected: the requests that the gate rejected.
        forwarded: the requests that reached the server.
    """

    def __init__(self, server: str) -> None:
        self.server = urlsplit(server)
        self.faults: list[int | float | str] = []
        self.fault_filter = ""
        self.injected = 0
        self.gate: Gate | None = None
        self.rejected: list[str] = []
        self.forwarded: list[str] = []
        self._lock = threading.Lock()

    def next_fault(self, path: str, body: bytes) -> int | float | str | None:
        with self._lock:
            if self.faults and (self.fault_filter in path or self.fault_filter.encode() in body):
                self.injected += 1
                return self.faults.pop(0)
        return None


@contextmanager
def proxy_before(server: str) -> Iterator[tuple[str, Proxy]]:
    """Yields the URL of a proxy before a server, and the proxy."""
    proxy = Proxy(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are sent one after the other, and need not wait for each other

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.next_fault(self.path, body)
            if fault == "cut":
                self.close_connection = True
                return
            if isinstance(fault, int):
                self._respond(fault, "application/json", b'{"error": {"type": "injected", "reason": "by a test"}}')
                return
            if isinstance(fault, float):
                time.sleep(fault)
            try:
                body = proxy.gate(self.command, self.path, body) if proxy.gate else body
            except Rejection as rejection:
                proxy.rejected.append(f"{self.command} {self.path}: {rejection}")
                error = {"error": {"type": "not_supported", "reason": str(rejection)}, "status": rejection.status}
                self._respond(rejection.status, "application/json", json.dumps(error).encode())
                return
            proxy.forwarded.append(f"{self.command} {self.path}")
            connection = http.client.HTTPConnection(
                str(proxy.server.hostname), proxy.server.port, timeout=FORWARD_TIMEOUT_SECONDS
            )
            connection.request(self.command, self.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response_body = response.read()
            connection.close()
            if fault == "lost":
                self.close_connection = True
                return
            self._respond(response.status, response.getheader("Content-Type", "application/json"), response_body)

        def _respond(self, status: int, content_type: str, body: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the client did not wait

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = forward  # noqa: N815  # as the base class calls them

        def log_message(self, *_: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}", proxy
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()

"""A proxy on loopback before a server that is well, for tests of what happens when it is not."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Refusal(Exception):
    """What a door answers instead of letting a request through."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


# Of a request's method, path with parameters, and body: the body to pass on, or a Refusal is raised.
Door = Callable[[str, str, bytes], bytes]


class Proxy:
    """Passes requests on. What a test may set: ``faults``, each of which meets one request, the first one first.

    A fault is a status to answer with, seconds to wait before passing on (a float), ``cut`` to close the connection
    without an answer, or ``lost`` to do so after the request was passed on. ``word`` narrows them to requests whose
    path or body holds it. ``met`` counts those that met one. ``refused`` are the requests that a ``door`` has refused,
    ``passed`` those that were passed on.
    """

    def __init__(self, behind: str) -> None:
        self.behind = urlsplit(behind)
        self.faults: list[int | float | str] = []
        self.word = ""
        self.met = 0
        self.door: Door | None = None
        self.refused: list[str] = []
        self.passed: list[str] = []
        self._lock = threading.Lock()

    def fault_for(self, path: str, body: bytes) -> int | float | str | None:
        with self._lock:
            if self.faults and (self.word in path or self.word.encode() in body):
                self.met += 1
                return self.faults.pop(0)
        return None


@contextmanager
def proxy_before(endpoint: str) -> Iterator[tuple[str, Proxy]]:
    """The proxy's URL and the proxy."""
    proxy = Proxy(endpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are sent one after the other, and need not wait for each other

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.fault_for(self.path, body)
            if fault == "cut":
                self.close_connection = True
                return
            if isinstance(fault, int):
                self._reply(fault, "application/json", b'{"error": {"type": "injected", "reason": "by a test"}}')
                return
            if isinstance(fault, float):
                time.sleep(fault)
            try:
                body = proxy.door(self.command, self.path, body) if proxy.door else body
            except Refusal as refusal:
                proxy.refused.append(f"{self.command} {self.path}: {refusal}")
                told = {"error": {"type": "not_supported", "reason": str(refusal)}, "status": refusal.status}
                self._reply(refusal.status, "application/json", json.dumps(told).encode())
                return
            proxy.passed.append(f"{self.command} {self.path}")
            connection = http.client.HTTPConnection(str(proxy.behind.hostname), proxy.behind.port, timeout=60)
            connection.request(self.command, self.path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            told_by_server = answer.read()
            connection.close()
            if fault == "lost":
                self.close_connection = True
                return
            self._reply(answer.status, answer.getheader("Content-Type", "application/json"), told_by_server)

        def _reply(self, status: int, kind: str, body: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the caller has not waited

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815  # as the base class calls them

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

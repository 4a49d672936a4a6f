"""A proxy on loopback before a server that is well, for tests of what happens when it is not."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Proxy:
    """Passes requests on. What a test may set: ``faults``, each of which meets one request, the first one first.

    A fault is a status to answer with, seconds to wait before passing on (a float), or ``cut`` to close the connection
    without an answer. ``word`` narrows them to requests whose path holds it. ``met`` counts those that met one.
    """

    def __init__(self, behind: str) -> None:
        self.behind = urlsplit(behind)
        self.faults: list[int | float | str] = []
        self.word = ""
        self.met = 0
        self._lock = threading.Lock()

    def fault_for(self, path: str) -> int | float | str | None:
        with self._lock:
            if self.word in path and self.faults:
                self.met += 1
                return self.faults.pop(0)
        return None


@contextmanager
def proxy_before(endpoint: str) -> Iterator[tuple[str, Proxy]]:
    """The proxy's URL and the proxy."""
    proxy = Proxy(endpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.fault_for(self.path)
            if fault == "cut":
                self.close_connection = True
                return
            if isinstance(fault, int):
                self._reply(fault, "application/json", b'{"error": {"type": "injected", "reason": "by a test"}}')
                return
            if isinstance(fault, float):
                time.sleep(fault)
            connection = http.client.HTTPConnection(str(proxy.behind.hostname), proxy.behind.port, timeout=60)
            connection.request(self.command, self.path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            self._reply(answer.status, answer.getheader("Content-Type", "application/json"), answer.read())
            connection.close()

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

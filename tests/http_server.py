"""The API on fakes behind a server on loopback, for clients that are programs of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx

from tests.fakes.http_api import BASE_URL, HttpApi

UNNAMED = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})  # the server's own to say


@contextmanager
def served(api: HttpApi) -> Iterator[str]:
    """Yields the address of the API without a path; requests are answered one after the other, as fakes need it."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline:
                self.close_connection = True
            elif self.parse_request():
                self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = [(name.lower(), value) for name, value in self.headers.items()]
            answer = api.handle_request(
                httpx.Request(self.command, BASE_URL + self.path, headers=headers, content=body)
            )
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.multi_items():
                if name not in UNNAMED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

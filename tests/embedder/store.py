"""An object store on loopback: GET and PUT, and every failure that a test needs."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

EXPIRED_URL_BODY = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


class ObjectStore:
    """Objects by path. A path such as /status/503 returns that status, /status/503/SlowDown with S3's XML; /stalls,
    /drips and others fail in the way of their name.

    `ranges` are the Range headers of the requests for existing objects, in order. An object below /cuts,
    /cuts-silently or /stalls-midway is sent a third at a time; one below /no-ranges is always sent whole.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[str | None, bytes]] = {}
        self.ranges: list[str | None] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._closing = threading.Event()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "ObjectStore":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def put(self, name: str, data: bytes) -> str:
        """Add an object and return a URL that looks presigned."""
        self.objects[f"/{name}"] = data
        return self.url(name)

    def url(self, name: str) -> str:
        """Return the URL of an object, which need not exist."""
        return f"{self.endpoint}/{name}?X-Amz-Signature=secret"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path.startswith("/status/"):
                    _, _, status, *code = path.split("/")
                    xml = f"<?xml version='1.0'?><Error><Code>{code[0]}</Code></Error>".encode() if code else b""
                    self._respond(int(status), xml, Location=f"{store.endpoint}/owl.jpg")
                elif path == "/expired":
                    self._respond(403, EXPIRED_URL_BODY)
                elif path == "/stalls":
                    store._closing.wait(3)
                elif path == "/drips":
                    self._announce(10_000)
                    while not store._closing.wait(0.1):
                        self.wfile.write(b".")
                elif path == "/lies":
                    self._respond(200, b"cut", length=1000)
                elif path == "/announces-too-much":
                    self._announce(10**12)
                elif path == "/sends-too-much":
                    self._send_endlessly()
                elif path.startswith("/redirects"):
                    self._respond(302, b"", Location=self._redirect_target(path))
                elif path in store.objects:
                    self._send(path, store.objects[path])
                else:
                    self._respond(404, b"")

            def _redirect_target(self, path: str) -> str:
                targets = {
                    "/redirects-to-file": "file:///etc/hostname",
                    "/redirects-to-plain-http": "http://hub.example/vision.onnx",
                    "/redirects-to-itself": self.path,
                }
                return targets.get(path) or f"{store.endpoint}/{path.removeprefix('/redirects/')}"

            def _send(self, path: str, body: bytes) -> None:
                """Send an object, or the requested rest of it, or only a part of that if its folder says so."""
                requested_range, first, end = self.headers["Range"], 0, len(body)
                store.ranges.append(requested_range)
                behaviour = path.split("/")[1]
                is_partial = requested_range is not None and behaviour != "no-ranges"
                if is_partial:
                    start, _, last = requested_range.removeprefix("bytes=").partition("-")
                    first, end = int(start), min(end, int(last) + 1) if last else end
                    if first >= len(body):
                        self._respond(416, b"")
                        return
                rest = body[first:end]
                part = {"Content-Range": f"bytes {first}-{end - 1}/{len(body)}"} if is_partial else {}
                third = len(body) // 3 + 1
                if behaviour not in ("cuts", "cuts-silently", "stalls-midway") or len(rest) <= third:
                    self._respond(206 if is_partial else 200, rest, **part)
                    return
                self.send_response(206 if is_partial else 200)
                if behaviour != "cuts-silently":
                    self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest[:third])
                if behaviour == "stalls-midway":
                    self.wfile.flush()
                    store._closing.wait(1)

            def do_PUT(self) -> None:
                path = self.path.partition("?")[0]
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if path.startswith("/status/"):
                    self._respond(int(path.rpartition("/")[2]), b"")
                    return
                store.uploads[path] = (self.headers["Content-Type"], body)
                self._respond(200, b"")

            def _send_endlessly(self) -> None:
                self.send_response(200)
                self.end_headers()
                for _ in range(40):
                    self.wfile.write(bytes(1024 * 1024))

            def _announce(self, length: int) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                self.end_headers()

            def _respond(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def handle(self) -> None:
                # Some tests expect the client to disconnect early.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    super().handle()

            def log_message(self, *args: Any) -> None:
                pass

        return Handler

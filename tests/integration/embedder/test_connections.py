"""Connections that are kept open: one serves many requests, and one that the server has closed costs nothing."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from embedder_container.connections import IDLE_SECONDS, MAX_IDLE, Connections


class Server(ThreadingHTTPServer):
    """Counts connections and requests; ``hangs_up`` closes each connection after its response, without saying so."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.connections = 0
        self.requests: list[tuple[str, str, bytes]] = []
        self.hangs_up = False
        self.status = 200
        self.body = b"a picture"

    def url(self, path: str = "owl.jpg?signature=1") -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.close_connection = self.close_connection or self.server.hangs_up

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path, body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def get(connections: Connections, url: str) -> bytes:
    with connections.response("GET", url, {}) as response:
        return response.read()


def read_in_parts(connections: Connections, url: str) -> bytes:
    with connections.response("GET", url, {}) as response:
        return b"".join(iter(lambda: response.read1(4), b""))


@pytest.mark.parametrize("read", [get, read_in_parts])
def test_one_connection_serves_one_request_after_the_other(server: Server, read: Any) -> None:
    connections = Connections(5)
    assert [read(connections, server.url()) for _ in range(3)] == [b"a picture"] * 3
    with connections.response("PUT", server.url("thumbnail"), {}, b"small") as response:
        assert response.status == 200
        response.read()
    assert server.requests[-2:] == [("GET", "/owl.jpg?signature=1", b""), ("PUT", "/thumbnail", b"small")]
    assert server.connections == 1


def test_an_empty_response_that_nobody_reads_leaves_its_connection_to_the_next_request(server: Server) -> None:
    connections, server.body = Connections(5), b""
    for _ in range(2):
        with connections.response("PUT", server.url(), {}, b"small"):
            pass
    assert server.connections == 1


def test_a_connection_whose_response_was_not_read_to_the_end_is_closed(server: Server) -> None:
    connections = Connections(5)
    with connections.response("GET", server.url(), {}) as response:
        response.read1(2)
    with pytest.raises(KeyError), connections.response("GET", server.url(), {}):
        raise KeyError
    assert get(connections, server.url()) == b"a picture"
    assert server.connections == 3


def test_a_request_on_a_connection_that_the_server_has_closed_is_sent_again(server: Server) -> None:
    connections, server.hangs_up = Connections(5), True
    assert [get(connections, server.url()) for _ in range(3)] == [b"a picture"] * 3
    assert len(server.requests) == server.connections == 3


def test_a_connection_that_was_idle_for_long_is_not_used(server: Server) -> None:
    clock = Clock()
    connections = Connections(5, clock)
    get(connections, server.url())
    clock.now += IDLE_SECONDS
    get(connections, server.url())
    assert server.connections == 2


def test_requests_at_once_have_connections_of_their_own_and_few_are_kept(server: Server) -> None:
    connections = Connections(5)
    barrier = threading.Barrier(MAX_IDLE + 3)

    def request() -> None:
        with connections.response("GET", server.url(), {}) as response:
            barrier.wait(10)
            response.read()

    threads = [threading.Thread(target=request) for _ in range(MAX_IDLE + 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.connections == MAX_IDLE + 3
    assert sum(map(len, connections._idle.values())) == MAX_IDLE


def test_another_server_gets_another_connection(server: Server) -> None:
    connections = Connections(5)
    get(connections, server.url())
    get(connections, server.url().replace("127.0.0.1", "localhost"))
    assert server.connections == 2


def test_what_no_server_answers_is_an_error(server: Server) -> None:
    connections = Connections(5)
    for url in ("ftp://127.0.0.1/owl.jpg", server.url("owl 1.jpg")):
        with pytest.raises((ValueError, http.client.HTTPException)):
            get(connections, url)
    with pytest.raises(OSError, match="refused"):
        get(connections, "http://127.0.0.1:1/owl.jpg")

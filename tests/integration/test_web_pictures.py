"""Fetches pictures from servers of HTTPS on this machine, which lie, stall, redirect and change their address.

The check of addresses is the real one but for one address of loopback, ``SERVER``; ``127.0.0.1`` stays refused.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from chalicelib.adapters.web.connections import CheckedConnections
from chalicelib.adapters.web.pictures import HTTPSPictures
from chalicelib.domain.errors import PayloadTooLarge, SimilarixError, UnreadableUrl, UnsupportedMediaType
from chalicelib.domain.uploads import UPLOAD_LIMIT
from chalicelib.domain.web_pictures import PictureUrl
from chalicelib.domain.web_urls import is_public
from tests.https_server import SERVER, Answer, Certificate, Server, certificate_of, drips

NAME = "pictures.example"
PICTURE = b"\xff\xd8\xff\xe0" + b"the rest of a picture"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_of(NAME, tmp_path_factory.mktemp("certificates"))


class Web:
    """Pictures, whose servers are all one server of this machine; ``hosts`` says what names resolve to, in turn."""

    def __init__(self, server: Server, ca: Path) -> None:
        self.server = server
        self.hosts: dict[str, list[list[str]]] = {NAME: [[SERVER]]}
        self._ca = ca

    def fetch(self, target: str = "/owl.jpg", host: str = NAME, seconds: float = 5) -> bytes:
        pictures = HTTPSPictures(
            CheckedConnections(
                is_allowed=lambda address: address == SERVER or is_public(address),
                resolve=self._resolve,
                tls=ssl.create_default_context(cafile=str(self._ca)),
                connect_to=lambda url: self.server.port,
            ),
            seconds=seconds,
        )
        return pictures.fetch(PictureUrl(host, 443, target)).body

    def _resolve(self, host: str, port: int) -> list[str]:
        if host not in self.hosts:
            raise socket.gaierror("no such name")
        turns = self.hosts[host]
        return turns.pop(0) if len(turns) > 1 else turns[0]


@pytest.fixture
def web(certificate: Certificate) -> Iterator[Callable[[Answer], Web]]:
    servers: list[Server] = []

    def serve(answer: Answer) -> Web:
        servers.append(Server(certificate.server, answer))
        return Web(servers[-1], certificate.ca)

    yield serve
    for server in servers:
        server.close()


def whole(body: bytes = PICTURE, head: bytes = OK) -> Answer:
    response = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return lambda connected, _: connected.sendall(response)


def redirects(*locations: str) -> Answer:
    """Redirects each request to the next of the locations, then serves the picture."""
    left = list(locations)

    def answer(connected: ssl.SSLSocket, request: bytes) -> None:
        if left:
            head = f"HTTP/1.1 302 Found\r\nLocation: {left.pop(0)}\r\nContent-Length: 0\r\n\r\n"
            connected.sendall(head.encode())
        else:
            whole()(connected, request)

    return answer


@contextmanager
def refused(kind: type[SimilarixError] = UnreadableUrl, words: str = "") -> Iterator[None]:
    with pytest.raises(kind, match=words) as error:
        yield
    assert type(error.value) is kind
    assert error.value.field == "url"


def test_a_picture_is_fetched_by_the_name_of_its_server(web: Callable[[Answer], Web]) -> None:
    from_web = web(whole())
    assert from_web.fetch("/a%20b.jpg?size=1") == PICTURE
    (request,) = from_web.server.requests
    assert request.startswith(b"GET /a%20b.jpg?size=1 HTTP/1.1\r\n")
    assert b"\r\nHost: pictures.example\r\n" in request
    assert from_web.server.names == [NAME]
    for header in (b"Authorization", b"Cookie", b"Referer"):
        assert header not in request


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"], ["::1"], ["::ffff:127.0.0.2"], [SERVER, "127.0.0.1"], []],
)
def test_a_server_whose_name_has_an_address_that_is_not_public_is_not_connected_to(
    web: Callable[[Answer], Web], addresses: list[str]
) -> None:
    from_web = web(whole())
    from_web.hosts[NAME] = [addresses]
    with refused(words="no public address"):
        from_web.fetch()
    with refused(words="no public address"):
        from_web.fetch(host="unknown.example")
    assert from_web.server.requests == []


def test_a_name_that_changes_its_address_after_the_check_leads_nowhere_else(web: Callable[[Answer], Web]) -> None:
    from_web = web(whole())
    from_web.hosts[NAME] = [[SERVER], ["127.0.0.1"]]
    assert from_web.fetch() == PICTURE, "it is resolved once for a connection"
    with refused(words="no public address"):
        from_web.fetch()
    assert len(from_web.server.requests) == 1


def test_a_redirect_is_followed_and_checked_as_a_url_of_its_own(web: Callable[[Answer], Web]) -> None:
    assert web(redirects("/b.jpg", f"https://{NAME}/c.jpg", "d.jpg")).fetch() == PICTURE
    with refused(words="redirected more than 3"):
        web(redirects(*["/again"] * 4)).fetch()
    from_web = web(redirects("https://inside.example/"))
    from_web.hosts["inside.example"] = [["127.0.0.1"]]
    with refused(words="no public address"):
        from_web.fetch()
    rebound = web(redirects(f"https://{NAME}/"))
    rebound.hosts[NAME] = [[SERVER], ["169.254.169.254"]]
    with refused(words="no public address"):
        rebound.fetch()


@pytest.mark.parametrize(
    "location",
    [
        *("http://pictures.example/", "https://pictures.example:8443/", "file:///etc/passwd", "ftp://a.example/"),
        *("https://u:p@pictures.example/", "//pictures.example:1/", "https://[", " "),
    ],
)
def test_a_redirect_to_a_url_that_is_not_fetched_is_refused(web: Callable[[Answer], Web], location: str) -> None:
    from_web = web(redirects(location))
    from_web.hosts["a.example"] = [[SERVER]]
    with pytest.raises(UnreadableUrl):
        from_web.fetch() if location.strip() else from_web.fetch("/" * 2048)
    assert len(from_web.server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (whole(head=b"HTTP/1.1 404 Not Found\r\n"), UnreadableUrl, "status 404"),
        (whole(head=b"HTTP/1.1 206 Partial Content\r\n"), UnreadableUrl, "status 206"),
        (whole(b""), UnreadableUrl, "empty"),
        (whole(b"<html>"), UnsupportedMediaType, "no picture"),
        (whole(head=b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"), UnsupportedMediaType, "not call a picture"),
        (whole(head=OK + b"Content-Encoding: gzip\r\n"), UnreadableUrl, "compresses"),
        (lambda c, _: c.sendall(b"SSH-2.0-OpenSSH\r\n"), UnreadableUrl, "HTTPS"),
        (lambda c, _: c.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"), UnreadableUrl, "HTTPS"),
        (lambda c, _: c.sendall(OK + b"Content-Length: 99\r\n\r\n" + PICTURE), UnreadableUrl, "HTTPS"),
        (lambda c, _: c.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n19\r\n" + PICTURE), UnreadableUrl, "HTTPS"),
        (lambda c, _: c.close(), UnreadableUrl, "HTTPS"),
    ],
)
def test_what_is_no_whole_picture_is_refused_in_a_sentence(
    web: Callable[[Answer], Web], answer: Answer, kind: type[SimilarixError], words: str
) -> None:
    with refused(kind, words):
        web(answer).fetch()


def test_no_more_is_read_than_a_file_may_have_whatever_the_server_says(web: Callable[[Answer], Web]) -> None:
    with refused(PayloadTooLarge, "20 MiB"):
        web(lambda c, _: c.sendall(OK + b"Content-Length: %d\r\n\r\n" % (UPLOAD_LIMIT + 1) + PICTURE)).fetch()
    sent: list[int] = []

    def endless(connected: ssl.SSLSocket, _: bytes) -> None:
        connected.sendall(OK + b"\r\n" + PICTURE)
        while True:
            connected.sendall(b"x" * 2**20)
            sent.append(2**20)

    with refused(PayloadTooLarge, "20 MiB"):
        web(endless).fetch(seconds=60)
    assert sum(sent) < 2 * UPLOAD_LIMIT


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-10000"])
def test_a_chunk_of_a_negative_size_is_refused_before_anything_of_it_is_read(
    web: Callable[[Answer], Web], size: bytes
) -> None:
    sent: list[int] = []

    def endless(connected: ssl.SSLSocket, _: bytes) -> None:
        connected.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + PICTURE)
        while True:
            connected.sendall(b"x" * 2**20)
            sent.append(2**20)

    with refused(words="HTTPS"):
        web(endless).fetch(seconds=60)
    assert sum(sent) < UPLOAD_LIMIT


def test_a_body_in_chunks_is_counted_while_it_is_read(web: Callable[[Answer], Web]) -> None:
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    chunks = b"5\r\n" + PICTURE[:5] + b"\r\n%x\r\n" % len(PICTURE[5:]) + PICTURE[5:] + b"\r\n0\r\n\r\n"
    assert web(lambda c, _: c.sendall(head + chunks)).fetch() == PICTURE

    def endless(connected: ssl.SSLSocket, _: bytes) -> None:
        connected.sendall(head + b"ffffffffff\r\n" + PICTURE)
        while True:
            connected.sendall(b"x" * 2**20)

    with refused(PayloadTooLarge, "20 MiB"):
        web(endless).fetch(seconds=60)


def test_a_body_without_a_length_ends_with_its_connection(web: Callable[[Answer], Web]) -> None:
    assert web(lambda c, _: c.sendall(OK + b"\r\n" + PICTURE)).fetch() == PICTURE


def test_a_body_that_is_longer_than_its_length_is_read_to_its_length(web: Callable[[Answer], Web]) -> None:
    head = OK + b"Content-Length: %d\r\n\r\n" % len(PICTURE)
    assert web(lambda c, _: c.sendall(head + PICTURE + b"more")).fetch() == PICTURE


@pytest.mark.parametrize(
    "answer",
    [
        lambda connected, _: time.sleep(30),
        drips(b""),
        drips(b"HTTP/1.1 200 OK\r\nX: "),
        drips(OK + b"Content-Length: 1000000\r\n\r\n" + PICTURE),
        drips(OK + b"\r\n" + PICTURE),
    ],
    ids=["silent", "status", "headers", "body", "body without a length"],
)
def test_a_server_that_never_ends_is_left_when_the_time_is_over(web: Callable[[Answer], Web], answer: Answer) -> None:
    with refused(words="took longer than 0.5 seconds"):
        web(answer).fetch(seconds=0.5)


def test_a_server_that_does_not_shake_hands_is_left_when_the_time_is_over(certificate: Certificate) -> None:
    with socket.create_server((SERVER, 0)) as silent:
        pictures = HTTPSPictures(
            CheckedConnections(
                is_allowed=lambda address: True,
                resolve=lambda host, port: [SERVER],
                tls=ssl.create_default_context(cafile=str(certificate.ca)),
                connect_to=lambda url: int(silent.getsockname()[1]),
            ),
            seconds=0.5,
        )
        with refused(words="took longer"):
            pictures.fetch(PictureUrl(NAME, 443, "/"))


def test_a_name_that_is_not_resolved_in_time_is_left() -> None:
    released, resolved = Event(), Event()

    def resolve(host: str, port: int) -> list[str]:
        released.wait(10)
        resolved.set()
        return [SERVER]

    with refused(words="took longer than 0.2 seconds"):
        HTTPSPictures(CheckedConnections(is_allowed=lambda address: True, resolve=resolve), seconds=0.2).fetch(
            PictureUrl(NAME, 443, "/")
        )
    assert not resolved.is_set()
    released.set()


def test_a_certificate_of_another_name_or_of_nobody_known_is_refused(
    web: Callable[[Answer], Web], certificate: Certificate
) -> None:
    from_web = web(whole())
    from_web.hosts["other.example"] = [[SERVER]]
    with refused(words="certificate"):
        from_web.fetch(host="other.example")
    unknown = HTTPSPictures(
        CheckedConnections(
            is_allowed=lambda address: True,
            resolve=lambda host, port: [SERVER],
            connect_to=lambda url: from_web.server.port,
        )
    )
    with refused(words="certificate"):
        unknown.fetch(PictureUrl(NAME, 443, "/"))
    assert from_web.server.requests == []


def test_the_address_of_this_machine_is_refused_by_default() -> None:
    with refused(words="no public address"):
        HTTPSPictures().fetch(PictureUrl("localhost", 443, "/"))

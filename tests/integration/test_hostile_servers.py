"""S3-compatible servers that mean harm: to what the API and the workers ask, and to what the embedder reads.

The check of addresses is the real one but for one address of loopback, ``SERVER``; ``127.0.0.1`` stays refused.
"""

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.adapters.s3.server_checker import ServerAccessChecker
from chalicelib.adapters.s3.server_requests import RESPONSE_BYTES, SERVER_CLIENT, ServerRequests, server_client
from chalicelib.adapters.s3.server_sources import ServerSources
from chalicelib.adapters.web.connections import CheckedConnections
from chalicelib.domain.errors import SourceUnavailable
from chalicelib.domain.storage_servers import AccessKey
from chalicelib.domain.web_urls import is_public
from embedder_container.errors import Code, ItemError
from embedder_container.servers import Servers
from embedder_container.transfer import START_BYTES, Transfers
from tests.factories import a_collection_on_a_server
from tests.https_server import SERVER, Answer, Certificate, Server, certificate_of, drips

NAME = "s3.example"
LIMIT = 200_000  # bytes of a file that the embedder takes here
METADATA = "http://169.254.169.254/latest/meta-data"
LISTING = b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
ONCE = SERVER_CLIENT.merge(type(SERVER_CLIENT)(retries={"mode": "standard", "total_max_attempts": 1}))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_of(NAME, tmp_path_factory.mktemp("certificates"))


class World:
    """A server of this machine, and who asks it; ``turns`` are what its name means, one connection after another."""

    def __init__(self, certificate: Certificate, answer: Answer) -> None:
        self.server = Server(certificate.server, answer)
        self.turns: list[list[str]] = [[SERVER]]
        self.seconds = 10.0  # for a request
        self.tls = ssl.create_default_context(cafile=str(certificate.ca))
        self.collection = a_collection_on_a_server(f"https://{NAME}")
        connections = CheckedConnections(
            is_allowed=lambda address: address == SERVER or is_public(address),
            resolve=self._resolve,
            tls=self.tls,
            connect_to=lambda url: self.server.port,
        )

        def make(url: str, region: str, key: AccessKey, deadline: float | None) -> Any:
            return server_client(url, region, key, ServerRequests(connections, self.seconds, deadline), ONCE)

        self.sources = ServerSources(lambda *_: "a-secret", make)

    def _resolve(self, host: str, port: int) -> list[str]:
        assert host == NAME
        return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]

    def problem(self) -> str:
        """What a check finds; a listing of the worker ends with the same words."""
        (problem,) = ServerAccessChecker(self.sources).check(self.collection).problems
        with pytest.raises(SourceUnavailable) as caught:
            list(self.sources.of(self.collection).list_objects(None))
        assert caught.value.message == problem.message
        return problem.code

    def embed(self, is_local: bool = True) -> bytes:
        """What the embedder reads of the server; loopback is allowed to it as on a local system."""
        servers = Servers(is_local=is_local, resolve=self._resolve, tls=self.tls)
        transfers = Transfers(read_timeout_seconds=10, transfer_seconds=self.seconds, servers=servers)
        url = f"https://{NAME}:{self.server.port}/a-bucket/owl.jpg"
        return transfers.download(url, LIMIT, ItemError(Code.TOO_LARGE, "It is too large."))

    def embedding_fails(self, **options: Any) -> str:
        with pytest.raises(ItemError) as caught:
            self.embed(**options)
        return caught.value.code


@pytest.fixture
def world(certificate: Certificate) -> Iterator[Callable[[Answer], World]]:
    made: list[World] = []

    def make(answer: Answer) -> World:
        made.append(World(certificate, answer))
        return made[-1]

    yield make
    for each in made:
        each.server.close()


def sends(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    head = "".join(f"{header}\r\n" for header in headers)
    response = f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    return lambda connected, _: connected.sendall(response)


def never_ends(connected: ssl.SSLSocket, _: bytes) -> None:
    connected.sendall(b"HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>")
    while True:
        connected.sendall(b" " * 65536)


def test_a_server_is_asked_by_its_name_with_a_signature(world: Callable[[Answer], World]) -> None:
    honest = world(sends(LISTING))
    assert list(honest.sources.of(honest.collection).list_objects(None)) == []
    (request,) = honest.server.requests
    assert request.startswith(f"GET /{honest.collection.bucket}?list-type=2".encode())
    assert b"\r\nHost: s3.example\r\n" in request
    assert b"AWS4-HMAC-SHA256 Credential=AKID/" in request
    assert b"a-secret" not in request
    assert honest.server.names == [NAME]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.2"])
def test_a_name_that_means_an_address_of_a_private_network_is_not_connected_to(
    world: Callable[[Answer], World], address: str
) -> None:
    hostile = world(sends(LISTING))
    for turns in ([address], [SERVER, address]):
        hostile.turns = [turns]
        assert hostile.problem() == "endpoint_refused"
    hostile.turns = [[address]]
    assert hostile.embedding_fails(is_local=False) == Code.SOURCE_DENIED
    assert hostile.server.requests == []


def test_a_name_that_means_another_address_from_one_connection_to_the_next_leads_nowhere(
    world: Callable[[Answer], World],
) -> None:
    rebinding = world(sends(LISTING))
    source = rebinding.sources.of(rebinding.collection)
    assert list(source.list_objects(None)) == []
    rebinding.turns = [["169.254.169.254"]]
    with pytest.raises(SourceUnavailable, match="public Internet"):
        list(source.list_objects(None))
    assert len(rebinding.server.requests) == 1


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
def test_no_redirect_is_followed(world: Callable[[Answer], World], status: str) -> None:
    redirecting = world(sends(b"", status, f"Location: {METADATA}", "x-amz-bucket-region: eu-west-1"))
    assert redirecting.problem() == "endpoint_redirects"
    assert redirecting.embedding_fails() == Code.SOURCE_UNAVAILABLE
    assert len(redirecting.server.requests) == 3, "the check, the listing and the picture, once each"


def test_a_server_that_sends_a_byte_now_and_then_is_left_at_the_deadline(world: Callable[[Answer], World]) -> None:
    stalling = world(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"))
    stalling.seconds = 1
    assert stalling.problem() == "endpoint_unreachable"
    assert stalling.embedding_fails() == Code.SOURCE_UNAVAILABLE
    in_headers = world(drips(b"HTTP/1.1 200 OK\r\nX-Header: "))
    in_headers.seconds = 1
    assert in_headers.problem() == "endpoint_unreachable"
    assert in_headers.embedding_fails() == Code.SOURCE_UNAVAILABLE


def test_a_body_without_end_is_read_to_the_limit_alone(world: Callable[[Answer], World]) -> None:
    endless = world(never_ends)
    assert endless.problem() == "endpoint_unreachable"
    assert endless.embedding_fails() == Code.TOO_LARGE
    large = world(sends(b" " * (RESPONSE_BYTES + 1)))
    assert large.problem() == "endpoint_unreachable"


def test_the_certificate_of_another_name_is_refused(
    world: Callable[[Answer], World], tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = World(certificate_of("other.example", tmp_path_factory.mktemp("other")), sends(LISTING))
    try:
        assert other.problem() == "certificate_invalid"
        assert other.embedding_fails() == Code.SOURCE_UNAVAILABLE
        assert other.server.requests == []
    finally:
        other.server.close()


def test_a_picture_that_changes_between_its_two_parts_is_read_again_later(world: Callable[[Answer], World]) -> None:
    """A server may ignore the condition of the second request."""
    size, parts = START_BYTES + 10, iter((b"first", b"second"))

    def part(connected: ssl.SSLSocket, request: bytes) -> None:
        first = 0 if b"bytes=0-" in request else START_BYTES
        body = b"x" * (START_BYTES if first == 0 else 10)
        content_range = f"Content-Range: bytes {first}-{first + len(body) - 1}/{size}"
        etag = next(parts, b"second").decode()
        sends(body, "206 Partial Content", content_range, f'ETag: "{etag}"')(connected, request)

    changing = world(part)
    assert changing.embedding_fails() == Code.SOURCE_UNAVAILABLE
    assert len(changing.embed()) == size, "now both have one ETag"

"""The emulator's HTTP server, by what goes over its connections."""

import http.client
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra.emulator import REGION, Emulator
from infra.localhost import HOST
from infra.root_key import RootKey

KEYS = ["plain.jpg", "a b+c.jpg", "ä/ö€.jpg", "50%25.jpg", "/leading//and double.jpg", "~!$&'()*,;=:@?#[].jpg"]
HEALTH = b"GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def bucket(aws: Callable[..., Any]) -> Iterator[str]:
    name, s3 = f"server-{uuid.uuid4().hex[:12]}", aws("s3")
    s3.create_bucket(Bucket=name)
    yield name
    for listed in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=listed["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def connection(emulator: Emulator) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, emulator.port), timeout=10) as connected:
        yield connected


def responses(connection: socket.socket, *methods: str) -> list[http.client.HTTPResponse]:
    """The next responses on a connection, one for each method, read to their ends."""
    stream = connection.makefile("rb")
    found = []
    for method in methods:
        # It reads through a stream that lives as long as the connection: a new one would lose what this one has read.
        response = http.client.HTTPResponse(_Socket(stream), method=method)  # type: ignore[arg-type]
        response.begin()
        response.body = response.read()  # type: ignore[attr-defined]
        found.append(response)
    return found


class _Socket:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def makefile(self, _mode: str) -> Any:
        return _Unclosed(self._stream)


class _Unclosed:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """The next response is read from it."""


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("style", ["signed", "presigned"])
def test_every_key_is_stored_and_read_under_its_own_name(aws, bucket: str, key: str, style: str) -> None:
    s3, body = aws("s3"), key.encode()
    if style == "signed":
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    else:
        url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
        address = http.client.HTTPConnection(url.split("/")[2], timeout=10)
        address.request("PUT", url.partition(url.split("/")[2])[2], body)
        assert address.getresponse().status == 200
        address.close()
    assert key in [listed["Key"] for listed in s3.list_objects_v2(Bucket=bucket)["Contents"]]


def test_a_connection_serves_one_request_after_the_other_also_if_they_are_sent_at_once(connection) -> None:
    connection.sendall(2 * (HEALTH + b"\r\n"))
    for response in responses(connection, "GET", "GET"):
        assert (response.status, response.will_close) == (200, False)
        assert len(response.headers.get_all("date")) == 1
        assert response.headers.get("server") is None


def test_a_response_arrives_whole(connection) -> None:
    """Whoever waits for it is not woken by its head, to wait again for its body."""
    for _ in range(20):
        connection.sendall(HEALTH + b"\r\n")
        received = connection.recv(65_536)
        head, _, body = received.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head.lower()


def test_who_calls_is_no_concern_of_the_next_request_on_its_connection(emulator: Emulator, aws) -> None:
    """What the emulator knows of a request's caller is of that request alone, although connections are shared."""
    iam = aws("iam")
    iam.create_user(UserName="stranger")
    created = iam.create_access_key(UserName="stranger")["AccessKey"]
    stranger = RootKey(created["AccessKeyId"], created["SecretAccessKey"])
    address = http.client.HTTPConnection(HOST, emulator.port, timeout=10)
    callers = [emulator.root_key, stranger, None, emulator.root_key, None, stranger]
    assert [_queues(address, caller, emulator) for caller in callers] == [200, 403, 403, 200, 403, 403]
    address.close()
    iam.delete_access_key(UserName="stranger", AccessKeyId=stranger.access_key_id)
    iam.delete_user(UserName="stranger")


def test_a_body_is_sent_only_after_the_server_has_asked_for_it(emulator: Emulator, aws, bucket: str, connection):
    """As boto3 sends every object: https://www.rfc-editor.org/rfc/rfc9110#name-expect."""
    url = aws("s3").generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "expected"})
    path = url.partition(str(emulator.port))[2]
    head = f"PUT {path} HTTP/1.1\r\nHost: {HOST}:{emulator.port}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    connection.sendall(head.encode())
    assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"body")
    assert responses(connection, "PUT")[0].status == 200
    assert aws("s3").get_object(Bucket=bucket, Key="expected")["Body"].read() == b"body"


def test_a_body_that_is_refused_unread_ends_its_connection(emulator: Emulator, connection) -> None:
    """Its caller does not send it any more, and the next request would be taken for it."""
    head = f"PUT /a-bucket/a-key HTTP/1.1\r\nHost: {HOST}:{emulator.port}\r\nX-Amz-Target: AmazonSQS.ListQueues\r\n"
    connection.sendall(f"{head}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n".encode())
    (refused,) = responses(connection, "PUT")
    assert (refused.status, refused.will_close) == (403, True)
    assert connection.recv(1) == b""


def test_the_head_of_an_object_has_its_length_and_no_body(emulator: Emulator, aws, bucket: str, connection) -> None:
    aws("s3").put_object(Bucket=bucket, Key="headed", Body=b"twelve bytes")
    url = aws("s3").generate_presigned_url("head_object", Params={"Bucket": bucket, "Key": "headed"})
    path = url.partition(str(emulator.port))[2]
    connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: {HOST}:{emulator.port}\r\n\r\n".encode() + HEALTH + b"\r\n")
    head, health = responses(connection, "HEAD", "GET")
    assert (head.status, head.headers["content-length"], head.body) == (200, "12", b"")  # type: ignore[attr-defined]
    assert health.status == 200


def test_a_large_object_passes_whole_in_both_directions(aws, bucket: str) -> None:
    body = bytes(range(256)) * 20_000
    aws("s3").put_object(Bucket=bucket, Key="large", Body=body)
    assert aws("s3").get_object(Bucket=bucket, Key="large")["Body"].read() == body


@pytest.mark.parametrize(
    "sent",
    [b"no request at all\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n", HEALTH + b"Content-Length: x\r\n\r\n"],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(emulator: Emulator, connection, sent: bytes) -> None:
    connection.sendall(sent)
    (refused,) = responses(connection, "GET")
    assert (refused.status, refused.will_close) == (400, True)


def test_a_websocket_is_not_opened(connection) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    asked = (
        b"GET /_aws/execute-api/any/live HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    connection.sendall(asked + upgrade + b"\r\n")
    assert responses(connection, "GET")[0].status in (403, 404)


def _queues(address: http.client.HTTPConnection, caller: RootKey | None, emulator: Emulator) -> int:
    """The status of a request for the account's queues on a connection, signed by the caller, if there is one."""
    headers = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}
    request = AWSRequest("POST", f"{emulator.endpoint}/", data=b"{}", headers=headers)
    if caller is not None:
        SigV4Auth(Credentials(caller.access_key_id, caller.secret_access_key), "sqs", REGION).add_auth(request)
    address.request("POST", "/", b"{}", dict(request.headers))
    response = address.getresponse()
    response.read()
    return response.status

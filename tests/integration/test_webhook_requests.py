"""Sends webhooks to receivers on this machine, which fail, stall, redirect, change their address and never end."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from threading import Thread

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from chalicelib.adapters.web.connections import CheckedConnections
from chalicelib.adapters.web.webhooks import HTTPWebhooks
from chalicelib.domain.web_urls import is_public, is_public_or_local
from chalicelib.domain.webhook_deliveries import ANSWER_BYTES, WebhookAnswer
from chalicelib.domain.webhook_endpoints import generate_webhook_secret
from tests.https_server import SERVER, Answer, Certificate, Server, certificate_of, drips

NAME = "receiver.example"
MESSAGE = "msg_0198f3c1d2a4" + "0" * 20
BODY = '{"type":"file.indexed","data":{}}'
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_of(NAME, tmp_path_factory.mktemp("certificates"))


class Receiver:
    """A server of the Web as far as the sender knows; ``addresses`` are those of its name, in turn."""

    def __init__(self, server: Server, certificate: Certificate) -> None:
        self.server = server
        self.addresses: list[list[str]] = [[SERVER]]
        self._certificate = certificate

    def send(
        self, secrets: Sequence[str] = ("whsec_AAAA",), path: str = "/hooks", seconds: float = 5, host: str = NAME
    ) -> WebhookAnswer:
        sender = HTTPWebhooks(
            CheckedConnections(
                is_allowed=lambda address: address == SERVER or is_public(address),
                resolve=self._resolve,
                tls=ssl.create_default_context(cafile=str(self._certificate.ca)),
                connect_to=lambda url: self.server.port,
            ),
            seconds=seconds,
        )
        return sender.send(f"https://{host}{path}", MESSAGE, BODY, secrets, datetime.now(UTC))

    def _resolve(self, host: str, port: int) -> list[str]:
        if host != NAME:
            raise socket.gaierror("no such name")
        return self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]


@pytest.fixture
def receiver(certificate: Certificate) -> Iterator[Callable[[Answer], Receiver]]:
    servers: list[Server] = []

    def serve(answer: Answer) -> Receiver:
        servers.append(Server(certificate.server, answer))
        return Receiver(servers[-1], certificate)

    yield serve
    for server in servers:
        server.close()


def answers(response: bytes) -> Answer:
    return lambda connected, _: connected.sendall(response)


def parts(request: bytes) -> tuple[dict[str, str], str]:
    """The headers of a request and its body."""
    head, _, body = request.decode().partition("\r\n\r\n")
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:]), body


def test_a_receiver_verifies_a_request_by_the_specifications_own_library(
    receiver: Callable[[Answer], Receiver],
) -> None:
    secret = generate_webhook_secret()
    receiving = receiver(answers(OK))
    answer = receiving.send([secret], "/hooks?shop=1")
    assert (answer.status, answer.error, answer.succeeded) == (204, None, True)
    (request,) = receiving.server.requests
    assert request.startswith(b"POST /hooks?shop=1 HTTP/1.1\r\n")
    headers, body = parts(request)
    assert (headers["Host"], headers["Content-Type"], headers["webhook-id"]) == (NAME, "application/json", MESSAGE)
    assert Webhook(secret).verify(body, headers) == {"type": "file.indexed", "data": {}}
    for tampered, changed in ((body + " ", headers), (body, {**headers, "webhook-id": "msg_1"})):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(tampered, changed)


def test_the_signature_is_the_one_that_the_specification_publishes(receiver: Callable[[Answer], Receiver]) -> None:
    # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md has the rule, and its
    # libraries' tests this message.
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"test": 2432232314}'
    at = datetime.fromtimestamp(1614265330, UTC)
    receiving = receiver(answers(OK))
    sender = HTTPWebhooks(
        CheckedConnections(
            is_allowed=is_public_or_local, connect_to=lambda url: receiving.server.port, resolve=lambda *_: [SERVER]
        )
    )
    signed = Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert not sender.send(f"https://{NAME}/", "msg_1", body, [secret], at).succeeded, "its certificate is not known"


def test_while_a_secret_is_rotated_the_receiver_may_have_either(receiver: Callable[[Answer], Receiver]) -> None:
    new, old = generate_webhook_secret(), generate_webhook_secret()
    receiving = receiver(answers(OK))
    receiving.send([new, old])
    headers, body = parts(receiving.server.requests[0])
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (new, old):
        Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(generate_webhook_secret()).verify(body, headers)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"], ["::1"], ["::ffff:127.0.0.2"], [SERVER, "127.0.0.1"], []],
)
def test_a_receiver_whose_name_has_an_address_that_is_not_public_is_not_connected_to(
    receiver: Callable[[Answer], Receiver], addresses: list[str]
) -> None:
    receiving = receiver(answers(OK))
    receiving.addresses = [addresses]
    for host in (NAME, "unknown.example"):
        answer = receiving.send(host=host)
        assert (answer.status, answer.error) == (None, "The name of the server has no public address.")
    assert receiving.server.requests == []


def test_a_name_that_has_changed_its_address_is_refused_at_the_next_connection(
    receiver: Callable[[Answer], Receiver],
) -> None:
    receiving = receiver(answers(OK))
    receiving.addresses = [[SERVER], ["127.0.0.1"]]
    assert receiving.send().succeeded
    assert receiving.send().status is None
    assert len(receiving.server.requests) == 1


def test_this_machine_is_reached_by_http_only_where_loopback_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/hooks"
        received: list[bytes] = []

        def receive() -> None:
            connected, _ = listening.accept()
            with connected:
                request = b""
                while not request.endswith(BODY.encode()):
                    request += connected.recv(65536)
                received.append(request)
                connected.sendall(OK)

        refused = HTTPWebhooks().send(url, MESSAGE, BODY, ["whsec_AAAA"], datetime.now(UTC))
        assert (refused.status, refused.error) == (None, "The name of the server has no public address.")
        receiving = Thread(target=receive, daemon=True)
        receiving.start()
        local = HTTPWebhooks(CheckedConnections(is_allowed=is_public_or_local))
        assert local.send(url, MESSAGE, BODY, ["whsec_AAAA"], datetime.now(UTC)).succeeded
        receiving.join(5)
        assert len(received) == 1
    private = local.send("http://10.0.0.1/hooks", MESSAGE, BODY, ["whsec_AAAA"], datetime.now(UTC))
    assert private.error == "The name of the server has no public address."


@pytest.mark.parametrize("location", ["/again", "https://127.0.0.1/", "http://169.254.169.254/latest/meta-data/"])
def test_a_redirect_is_a_failure_and_nothing_follows_it(receiver: Callable[[Answer], Receiver], location: str) -> None:
    head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    receiving = receiver(answers(head.encode()))
    answer = receiving.send()
    assert (answer.status, answer.succeeded) == (307, False)
    assert answer.error == "The answer is a redirect, which is not followed."
    assert len(receiving.server.requests) == 1


@pytest.mark.parametrize(
    ("response", "status", "body"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nwrong", 500, "wrong"),
        (b"HTTP/1.1 200 OK\r\n\r\nunt\xc3\xb6ld", 200, "untöld"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbroken off", 200, "broken off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n", 200, "whole"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense", 200, ""),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 410, ""),
        (b"HTTP/1.1 200 OK\r\n\r\n\xff\x00\xfe", 200, "\ufffd\ufffd\ufffd"),
    ],
)
def test_the_status_and_the_beginning_of_the_body_are_kept(
    receiver: Callable[[Answer], Receiver], response: bytes, status: int, body: str
) -> None:
    answer = receiver(answers(response)).send()
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("0", 0), ("-1", None), ("9" * 40, None), ("Fri, 31 Dec 2027 23:59:59 GMT", None), ("²", None)],
)
def test_a_receiver_that_is_busy_may_say_for_how_long(
    receiver: Callable[[Answer], Receiver], header: str, seconds: int | None
) -> None:
    head = f"HTTP/1.1 503 Busy\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n"
    assert receiver(answers(head.encode())).send().retry_after == seconds


@pytest.mark.parametrize("chunk", [b"", b"Transfer-Encoding: chunked\r\n"], ids=["plain", "in chunks"])
@pytest.mark.parametrize("size", [b"ffffffff", b"-5"])
def test_of_an_endless_answer_no_more_is_read_than_is_shown(
    receiver: Callable[[Answer], Receiver], chunk: bytes, size: bytes
) -> None:
    sent: list[int] = []

    def endless(connected: ssl.SSLSocket, _: bytes) -> None:
        connected.sendall(b"HTTP/1.1 200 OK\r\n" + chunk + b"\r\n" + (size + b"\r\n" if chunk else b""))
        while True:
            connected.sendall(b"x" * 2**20)
            sent.append(2**20)

    answer = receiver(endless).send(seconds=60)
    assert answer.status == 200
    assert len(answer.body) <= ANSWER_BYTES
    assert sum(sent) < 16 * 2**20


@pytest.mark.parametrize(
    "answer",
    [
        lambda connected, _: connected.sendall(b"SSH-2.0-OpenSSH\r\n"),
        lambda connected, _: connected.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"),
        lambda connected, _: connected.close(),
    ],
    ids=["another protocol", "too many headers", "closed at once"],
)
def test_what_is_no_answer_of_http_is_said_in_a_sentence(
    receiver: Callable[[Answer], Receiver], answer: Answer
) -> None:
    received = receiver(answer).send()
    assert (received.status, received.error) == (None, "The server does not answer as a server of HTTPS does.")


@pytest.mark.parametrize(
    "answer",
    [lambda connected, _: time.sleep(30), drips(b""), drips(b"HTTP/1.1 200 OK\r\nX: ")],
    ids=["silent", "status", "headers"],
)
def test_a_receiver_that_never_answers_is_left_when_the_time_is_over(
    receiver: Callable[[Answer], Receiver], answer: Answer
) -> None:
    received = receiver(answer).send(seconds=0.5)
    assert (received.status, received.error) == (None, "There was no answer within 0.5 seconds.")


def test_a_receiver_whose_answer_never_ends_has_answered(receiver: Callable[[Answer], Receiver]) -> None:
    received = receiver(drips(b"HTTP/1.1 200 OK\r\n\r\n")).send(seconds=0.5)
    assert (received.status, received.succeeded) == (200, True)
    assert set(received.body) == {"x"}


def test_a_certificate_of_another_name_is_refused(receiver: Callable[[Answer], Receiver]) -> None:
    receiving = receiver(answers(OK))
    sender = HTTPWebhooks(
        CheckedConnections(
            is_allowed=lambda address: address == SERVER,
            resolve=lambda *_: [SERVER],
            connect_to=lambda url: receiving.server.port,
        )
    )
    answer = sender.send("https://another.example/", MESSAGE, BODY, ["whsec_AAAA"], datetime.now(UTC))
    assert answer.error == "The certificate of the server is not valid."
    assert receiving.server.requests == []

"""What becomes of a sign-in when the token endpoint answers something else than tokens."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from chalicelib.adapters.cognito.identity_provider import ANSWER_LIMIT, CognitoIdentityProvider
from chalicelib.adapters.cognito.settings import SignInSettings
from chalicelib.domain.errors import IdentityProviderUnavailable, SignInFailed, SimilarixError
from chalicelib.domain.sign_in import SignInAttempt
from infra.localhost import HOST

Exchange = Callable[[int, bytes], Any]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """Exchanges a code at an endpoint that answers with this status and body."""
    answer: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(answer["status"])
            self.send_header("Location", f"http://{HOST}:{server.server_port}/elsewhere")
            self.send_header("Content-Length", str(len(answer["body"])))
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer((HOST, 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    settings = SignInSettings(f"http://{HOST}:{server.server_port}", "https://issuer.example", "dashboard")

    def run(status: int, body: bytes) -> Any:
        answer.update(status=status, body=body)
        attempt = SignInAttempt.begin("/", datetime.now(UTC))
        return CognitoIdentityProvider(lambda: settings).exchange("code", attempt, "https://site.example/callback")

    yield run
    server.shutdown()
    server.server_close()


def says(**fields: str) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (400, says(error="invalid_grant"), SignInFailed, "Sign in again"),
        (400, says(error="invalid_client"), IdentityProviderUnavailable, "400 invalid_client"),
        (400, says(error="unauthorized_client"), IdentityProviderUnavailable, "unauthorized_client"),
        (400, b"<html>", IdentityProviderUnavailable, "400"),
        (302, b"", IdentityProviderUnavailable, "302"),
        (403, b"", IdentityProviderUnavailable, "403"),
        (429, b"{}", IdentityProviderUnavailable, "429"),
        (503, b"", IdentityProviderUnavailable, "503"),
        (200, b"", SignInFailed, "cannot be read"),
        (200, b"[]", SignInFailed, "cannot be read"),
        (200, says(access_token="a.b.c"), SignInFailed, "cannot be read"),
        (200, says(id_token="a.b.c"), SignInFailed, "cannot be read"),
        (200, b" " * (ANSWER_LIMIT + 10), SignInFailed, "cannot be read"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_answer_without_tokens_is_refused_or_says_that_the_pages_do_not_work(
    exchange: Exchange, status: int, body: bytes, error: type[SimilarixError], words: str
) -> None:
    with pytest.raises(error, match=words):
        exchange(status, body)

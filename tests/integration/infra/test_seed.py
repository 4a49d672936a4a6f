"""What a person reads when the API does not do what ``make run`` asks of it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from infra.localhost import HOST
from infra.seed import Api

REFUSAL = {"success": False, "info": {"error": "forbidden", "message": "The token is not known."}, "result": {}}


@pytest.fixture
def api_that_responds() -> Iterator[Callable[[int, str], Api]]:
    """A server that responds to every request with this status and body."""
    servers = []

    def serve(status: int, body: str) -> Api:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer((HOST, 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Api(f"http://{HOST}:{server.server_port}", "a token")

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_refused_request_is_reported_with_the_message_of_the_api(
    api_that_responds: Callable[[int, str], Api],
) -> None:
    with pytest.raises(RuntimeError) as error:
        api_that_responds(403, json.dumps(REFUSAL)).call("GET", "/search/")

    assert str(error.value) == "The API refused GET /api/search/ with status 403: The token is not known."


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"message": "Forbidden"}', '{"success": false}'])
def test_a_response_that_is_not_the_apis_is_reported_in_a_sentence(
    body: str, api_that_responds: Callable[[int, str], Api]
) -> None:
    with pytest.raises(RuntimeError, match=r"returned status 502 to GET /api/search/, and not what Similarix returns"):
        api_that_responds(502, body).call("GET", "/search/")

"""Sends webhooks by HTTPS, to addresses of the Internet alone, signed as Standard Webhooks says.

A redirect is an answer like others: nothing follows it. Of an answer's body no more is read than is shown.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import http.client
import ssl
import time
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

from chalicelib.adapters.web.connections import USER_AGENT, CheckedConnections
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.web_urls import NoAllowedAddress, parse_local_url
from chalicelib.domain.webhook_deliveries import ANSWER_BYTES, ATTEMPT_SECONDS, WebhookAnswer


class HTTPWebhooks:
    """Args:
    connections: to public addresses alone, if there are none.
    seconds: for the whole attempt.
    """

    def __init__(self, connections: CheckedConnections | None = None, seconds: float = ATTEMPT_SECONDS) -> None:
        self._connections = connections or CheckedConnections()
        self._seconds = seconds

    def send(self, url: str, message: str, body: str, secrets: Sequence[str], now: datetime) -> WebhookAnswer:
        started = time.monotonic()
        status: int | None = None
        error, text, retry_after = None, "", None
        try:
            headers = _headers(message, body, secrets, now)
            deadline = started + self._seconds
            with self._connections.request("POST", parse_local_url(url), headers, deadline, body.encode()) as response:
                status = response.status
                retry_after = _seconds(response.getheader("Retry-After"))
                text = _beginning(response)
        except (NoAllowedAddress, InvalidRequest):
            error = "The name of the server has no public address."
        except (OSError, ValueError, http.client.HTTPException) as failure:
            error = self._reason(failure, started)
        milliseconds = int((time.monotonic() - started) * 1000)
        if status is not None and 300 <= status < 400:
            error = "The answer is a redirect, which is not followed."
        return WebhookAnswer(now, milliseconds, status, error, text, retry_after)

    def _reason(self, failure: Exception, started: float) -> str:
        if isinstance(failure, TimeoutError) or time.monotonic() - started >= self._seconds:
            return f"There was no answer within {self._seconds:g} seconds."
        if isinstance(failure, ssl.SSLCertVerificationError):
            return "The certificate of the server is not valid."
        return "The server does not answer as a server of HTTPS does."


def _headers(message: str, body: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    signatures = [Webhook(secret).sign(message, now, body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        "Connection": "close",
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _beginning(response: http.client.HTTPResponse) -> str:
    """The first bytes of a body as a text; what it had when it broke off, because the status has come already."""
    read = b""
    try:
        while len(read) < ANSWER_BYTES and (chunk := response.read1(ANSWER_BYTES - len(read))):
            read += chunk
    except (OSError, ValueError, http.client.HTTPException):
        pass
    return read[:ANSWER_BYTES].decode("utf-8", "replace").replace("\0", "\ufffd")


def _seconds(retry_after: str | None) -> int | None:
    """The header as seconds; None for a date, which few receivers send: the usual wait is as good."""
    is_number = retry_after is not None and retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10
    return int(retry_after) if is_number and retry_after is not None else None

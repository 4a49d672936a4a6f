"""Requests to OpenSearch: whether they are signed as Amazon checks it."""

import hashlib
from urllib.parse import urlsplit

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from requests.adapters import HTTPAdapter

from chalicelib.adapters.opensearch.client import connect

KEYS = ("AKIDEXAMPLE", "a secret", "a session's token")


class Renewing(Credentials):
    """A function's credentials, which are others after a while."""

    def __init__(self) -> None:
        super().__init__(*KEYS)
        self.turn = 0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        self.turn += 1
        return ReadOnlyCredentials(f"AKID{self.turn}", KEYS[1], KEYS[2])


class Seen(HTTPAdapter):
    """Answers each request with an empty object, and remembers the last one as it would have gone out."""

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        self.request = request
        answer = requests.Response()
        answer.status_code, answer._content = 200, b"{}"
        answer.headers["Content-Type"] = "application/json"
        answer.request = request
        return answer


def sent(service: str, credentials: Credentials | None = None, body: object = None) -> requests.PreparedRequest:
    client = connect(
        "https://search.example.com",
        service=service,
        region="eu-central-1",
        credentials=credentials or Credentials(*KEYS),
    )
    seen = Seen()
    client.transport.connection_pool.connections[0].session.mount("https://", seen)
    params = {"filter_path": "items.*.status,items.*.error", "routing": "ä"}
    client.transport.perform_request("POST", "/similarix-lite-1_d1/_search", params=params, body=body)
    return seen.request


@pytest.mark.parametrize("service", ["es", "aoss"])
@pytest.mark.parametrize("body", [None, {"query": {"match_all": {}}}, "{}\n{}\n"])
def test_a_signature_is_the_one_that_amazons_own_signer_gives(service: str, body: object):
    request = sent(service, body=body)
    payload = request.body or b""
    payload = payload.encode() if isinstance(payload, str) else payload
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(payload).hexdigest()

    scope, signed, signature = request.headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    assert scope.split("/")[2:4] == ["eu-central-1", service]
    names = signed.removeprefix("SignedHeaders=").split(";")
    assert {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"} <= set(names)

    signer = SigV4Auth(Credentials(*KEYS), service, "eu-central-1")
    url = urlsplit(request.url)
    again = AWSRequest(request.method, f"https://search.example.com{url.path}?{url.query}", data=payload)
    for name in names:
        again.headers[name] = request.headers.get(name, "search.example.com")
    again.context["timestamp"] = request.headers["x-amz-date"]
    canonical = signer.canonical_request(again)
    assert signature == "Signature=" + signer.signature(signer.string_to_sign(again, canonical), again)


def test_credentials_that_are_renewed_are_used():
    credentials = Renewing()
    assert "Credential=AKID1/" in sent("es", credentials).headers["Authorization"]
    assert "Credential=AKID2/" in sent("es", credentials).headers["Authorization"]


def test_where_nobody_asks_for_a_signature_there_is_none():
    assert "Authorization" not in sent("").headers

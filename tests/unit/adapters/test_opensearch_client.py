"""Requests to OpenSearch are signed as Amazon verifies signatures."""

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


class RenewingCredentials(Credentials):
    """A function's credentials, which are others each time they are read."""

    def __init__(self) -> None:
        super().__init__(*KEYS)
        self.reads = 0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        self.reads += 1
        return ReadOnlyCredentials(f"AKID{self.reads}", KEYS[1], KEYS[2])


class RecordingAdapter(HTTPAdapter):
    """Responds to each request with an empty object, and records the last one as it would have been sent."""

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        self.request = request
        response = requests.Response()
        response.status_code, response._content = 200, b"{}"
        response.headers["Content-Type"] = "application/json"
        response.request = request
        return response


def sent_request(service: str, credentials: Credentials | None = None, body: object = None) -> requests.PreparedRequest:
    connection = connect(
        "https://search.example.com",
        service=service,
        region="eu-central-1",
        credentials=credentials or Credentials(*KEYS),
    )
    adapter = RecordingAdapter()
    connection.transport.connection_pool.connections[0].session.mount("https://", adapter)
    params = {"filter_path": "items.*.status,items.*.error", "routing": "ä"}
    connection.transport.perform_request("POST", "/similarix-lite-1_d1/_search", params=params, body=body)
    return adapter.request


@pytest.mark.parametrize("service", ["es", "aoss"])
@pytest.mark.parametrize("body", [None, {"query": {"match_all": {}}}, "{}\n{}\n"])
def test_a_request_has_the_signature_of_amazons_own_signer(service: str, body: object):
    request = sent_request(service, body=body)
    payload = request.body or b""
    payload = payload.encode() if isinstance(payload, str) else payload
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(payload).hexdigest()

    scope, signed, signature = request.headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    assert scope.split("/")[2:4] == ["eu-central-1", service]
    names = signed.removeprefix("SignedHeaders=").split(";")
    assert {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"} <= set(names)

    signer = SigV4Auth(Credentials(*KEYS), service, "eu-central-1")
    url = urlsplit(request.url)
    reference = AWSRequest(request.method, f"https://search.example.com{url.path}?{url.query}", data=payload)
    for name in names:
        reference.headers[name] = request.headers.get(name, "search.example.com")
    reference.context["timestamp"] = request.headers["x-amz-date"]
    canonical = signer.canonical_request(reference)
    assert signature == "Signature=" + signer.signature(signer.string_to_sign(reference, canonical), reference)


def test_renewed_credentials_are_used():
    credentials = RenewingCredentials()
    assert "Credential=AKID1/" in sent_request("es", credentials).headers["Authorization"]
    assert "Credential=AKID2/" in sent_request("es", credentials).headers["Authorization"]


def test_requests_are_not_signed_without_a_service():
    assert "Authorization" not in sent_request("").headers

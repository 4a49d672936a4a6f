"""The tree of errors mirrors the API's codes."""

import json

import httpx
import pytest

from chalicelib.domain import errors as domain
from similarix_sdk import Client, errors
from similarix_sdk.client import TOKEN_VARIABLE, URL_VARIABLE
from tests.fakes.http_api import BASE_URL, HttpApi
from tests.unit.sdk.conftest import blocking_client

DOCUMENT = json.loads(HttpApi().api.send("GET", "/api/openapi.json")["body"])
CODES = DOCUMENT["components"]["schemas"]["RefusalInfo"]["properties"]["error"]["x-extensible-enum"]


def below(kind: type) -> set[type]:
    return {kind}.union(*(below(child) for child in kind.__subclasses__()))


def test_every_code_of_the_document_has_an_error_of_its_own() -> None:
    assert set(errors.BY_CODE) == set(CODES)


def test_errors_have_the_status_and_the_ancestors_that_the_api_gives_them() -> None:
    for kind in below(domain.SimilarixError) - {domain.SimilarixError}:
        mirrored = errors.BY_CODE[kind.code]
        assert mirrored.status == kind.status
        parent = kind.__base__
        if parent is not domain.SimilarixError and parent.code != kind.code:
            assert issubclass(mirrored, errors.BY_CODE[parent.code])


def test_an_error_says_what_the_api_says(client: Client) -> None:
    with pytest.raises(errors.InvalidRequest) as raised:
        client.search("owl", limit=1000)
    assert (raised.value.status, raised.value.code, raised.value.field) == (400, "invalid_request", "limit")
    assert str(raised.value) == "limit is a whole number from 1 to 100."
    assert raised.value.request_id


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [(404, "no_such_code", errors.NotFound), (503, "", errors.Unavailable), (418, "teapot", errors.ApiError)],
)
def test_a_code_that_is_not_known_has_the_error_of_its_status(status: int, error: str, kind: type) -> None:
    raised = errors.api_error(status, {"error": error, "message": "m"}, None)
    assert type(raised) is kind
    assert (raised.status, raised.code) == (status, error)


def test_a_month_that_is_used_up_says_when_it_ends() -> None:
    info = {"error": "quota_exceeded", "message": "m", "resets_at": "2026-12-01T00:00:00+00:00"}
    raised = errors.api_error(403, info, None)
    assert isinstance(raised, errors.QuotaExceeded)
    assert raised.resets_at is not None
    assert raised.resets_at.month == 12


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(200, text="<html>Welcome to the hotel"), errors.InvalidAnswer),
        (httpx.Response(200, json=[1]), errors.InvalidAnswer),
        (httpx.Response(200, json={"info": {}}), errors.InvalidAnswer),
        (httpx.Response(200, json={"info": {}, "result": {"collections": [{"uuid": 1}]}}), errors.InvalidAnswer),
        (httpx.Response(413, json={"message": "Request Too Long"}), errors.PayloadTooLarge),
        (httpx.Response(403, json={"message": "Forbidden"}), errors.Forbidden),
        (httpx.Response(404, text="nginx"), errors.NotFound),
    ],
)
def test_an_answer_that_is_not_the_apis_raises_too(
    client: Client, http_api: HttpApi, answer: httpx.Response, kind: type[Exception]
) -> None:
    http_api.failures = [answer]
    with pytest.raises(kind):
        client.collections.list()


@pytest.mark.parametrize(
    ("token", "base_url", "message"),
    [
        ("", "https://api.example", TOKEN_VARIABLE),
        ("smx_t", "", URL_VARIABLE),
        ("smx_t", "api.example", "no URL"),
        ("smx_t", "ftp://api.example", "no URL"),
        ("smx_t", "http://api.example", "not encrypted"),
        ("smx_t", "http://localhost.evil.example", "not encrypted"),
    ],
)
def test_a_client_that_could_not_call_or_would_show_its_token_is_not_made(
    monkeypatch: pytest.MonkeyPatch, token: str, base_url: str, message: str
) -> None:
    for variable in (TOKEN_VARIABLE, URL_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match=message):
        Client(token, base_url)


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:4566/x", "http://localhost:1", "http://[::1]", "http://a.localhost"]
)
def test_an_api_on_this_machine_needs_no_encryption(base_url: str) -> None:
    Client("smx_t", base_url).close()
    Client("smx_t", "http://api.example", allow_http=True).close()


def test_no_text_of_a_client_has_the_token(http_api: HttpApi) -> None:
    client = blocking_client(http_api, [])
    assert http_api.token not in f"{client!r} {client.files!r} {client._api!r} {vars(client)!r}"
    created = client.tokens.create("n", "read")
    assert created.secret not in repr(created)
    assert repr(client) == f"Client(base_url='{BASE_URL}')"

"""Every result and error of a view in the envelope: what a caller sees, and what only the log shows."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from chalice.app import Blueprint, Chalice, Response

from chalicelib.adapters.call_log import CallLog
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.domain import errors
from chalicelib.domain.errors import SimilarixError

ERRORS = [errors.InvalidRequest, errors.Forbidden, errors.NotFound, errors.MethodNotAllowed, errors.Conflict]
ERRORS += [errors.PayloadTooLarge, errors.UnsupportedMediaType, errors.StoreUnavailable, errors.EmbedderUnavailable]


@dataclass
class Settings:
    public_url: str = ""
    allowed_origins: frozenset[str] = frozenset({"*"})


class Services:
    """These routes need no token; the dispatcher reads nothing but the configuration."""

    config = Settings()

    def __init__(self) -> None:
        self.calls = CallLog()


def respond_with(
    view: Callable[[RequestContext], Any], event_path: str = "/things/7", **context: Any
) -> dict[str, Any]:
    """The response to API Gateway's event for a view at ``/things/{uuid}``."""
    app, blueprint = Chalice("dispatch"), Blueprint("dispatch")
    Dispatcher(lambda: Services()).routes(blueprint)("GET", "/things/{uuid}", scope=None)(view)  # type: ignore[arg-type, return-value]
    app.register_blueprint(blueprint)
    event = {
        "resource": "/things/{uuid}",
        "path": event_path,
        "httpMethod": "GET",
        "headers": {"host": "api.example"},
        "multiValueHeaders": {"host": ["api.example"]},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"uuid": "7"},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/things/{uuid}",
            "httpMethod": "GET",
            "requestId": "r-1",
            "path": "/live/things/7",
            **context,
        },
        "body": None,
        "isBase64Encoded": False,
    }
    response: dict[str, Any] = app(event, None)
    return response


def test_result_of_a_view_is_returned_in_the_envelope() -> None:
    response = respond_with(lambda context: Result({"uuid": context.path["uuid"]}, status=201, info={"note": "ü"}))
    assert response["statusCode"] == 201
    assert response["headers"]["Content-Type"] == "application/json"
    assert json.loads(response["body"]) == {
        "version": "1.0.2",
        "success": True,
        "info": {"note": "ü"},
        "result": {"uuid": "7"},
    }


@pytest.mark.parametrize("kind", ERRORS)
def test_error_of_the_tree_is_returned_with_its_status_code_and_message(kind: type[SimilarixError]) -> None:
    def refuse(_: RequestContext) -> Result:
        raise kind("Do it differently.", field="file")

    response = respond_with(refuse)
    body = json.loads(response["body"])
    assert response["statusCode"] == kind.status
    assert (body["success"], body["result"]) == (False, {})
    assert body["info"] == {"error": kind.code, "message": "Do it differently.", "request_id": "r-1", "field": "file"}


@pytest.mark.parametrize("kind", [errors.Unavailable, errors.StoreUnavailable, errors.SourceUnavailable])
def test_unavailable_error_says_when_to_try_again_and_its_cause_is_only_logged(
    kind: type[SimilarixError], log: io.StringIO
) -> None:
    def refuse(_: RequestContext) -> Result:
        raise kind("Later.") from OSError("10.0.0.7 refused the connection")

    response = respond_with(refuse)
    assert response["statusCode"] == 503
    assert int(response["headers"]["Retry-After"]) > 0
    assert "10.0.0.7" not in response["body"]
    assert "10.0.0.7" in log.getvalue(), "the cause is logged"


def test_unexpected_error_shows_the_request_id_and_hides_the_trace(log: io.StringIO) -> None:
    def fail(_: RequestContext) -> Result:
        raise ZeroDivisionError("secret detail")

    response = respond_with(fail)
    body = json.loads(response["body"])
    assert response["statusCode"] == 500
    assert (body["info"]["error"], body["info"]["request_id"]) == ("internal_error", "r-1")
    assert "secret detail" not in response["body"]
    assert "Traceback" not in response["body"]
    assert "ZeroDivisionError: secret detail" in log.getvalue()
    assert "Traceback" in log.getvalue()


def test_a_response_is_kept_by_no_cache_and_runs_nothing_in_a_browser() -> None:
    headers = respond_with(lambda _: Result({}))["headers"]
    assert {name: headers[name] for name in headers if name != "Content-Type" and "Access-Control" not in name} == {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Strict-Transport-Security": "max-age=31536000",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": "r-1",
    }


def test_a_view_may_choose_how_long_its_response_is_kept() -> None:
    page = Response("a page", {"Content-Type": "text/html", "Cache-Control": "private, max-age=300"}, 200)
    headers = respond_with(lambda _: page)["headers"]
    assert headers["Cache-Control"] == "private, max-age=300"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_each_request_writes_one_line_to_the_log(log: io.StringIO) -> None:
    respond_with(lambda _: Result({}))
    (line,) = log.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["method"], entry["route"], entry["status"], entry["request_id"]) == (
        "GET",
        "/things/{uuid}",
        200,
        "r-1",
    )


class TestBaseUrl:
    @pytest.mark.parametrize(
        ("context", "expected"),
        [
            (
                {"domainName": "x.execute-api.eu-west-1.amazonaws.com"},
                "https://x.execute-api.eu-west-1.amazonaws.com/live",
            ),
            ({"domainName": "similarix.example", "path": "/things/7"}, "https://similarix.example"),
            ({"domainName": "example.com", "path": "/pictures/v1/things/7"}, "https://example.com/pictures/v1"),
            ({}, "https://api.example/live"),
        ],
        ids=["stage of API Gateway's own domain", "custom domain", "custom domain with a base path", "no domain name"],
    )
    def test_base_url_follows_from_the_request(self, context: dict[str, str], expected: str) -> None:
        response = respond_with(lambda context: Result({"base": context.base_url}), **context)
        assert json.loads(response["body"])["result"]["base"] == expected

    def test_a_base_path_that_the_event_repeats_stays_in_the_base_url(self) -> None:
        path = "/pictures/v1/things/7"
        response = respond_with(
            lambda context: Result({"base": context.base_url}), event_path=path, domainName="example.com", path=path
        )
        assert json.loads(response["body"])["result"]["base"] == "https://example.com/pictures/v1"

    def test_configured_base_url_takes_precedence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Services, "config", Settings(public_url="https://api.similarix.example/"))
        response = respond_with(lambda context: Result({"base": context.base_url}))
        assert json.loads(response["body"])["result"]["base"] == "https://api.similarix.example"

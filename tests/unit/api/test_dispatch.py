"""Every outcome of a view, in the envelope: what a caller sees, and what only the log tells."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from chalice.app import Blueprint, Chalice

from chalicelib.api import dispatch
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.domain import errors
from chalicelib.domain.errors import SimilarixError

TREE = [errors.InvalidRequest, errors.Forbidden, errors.NotFound, errors.MethodNotAllowed, errors.Conflict]
TREE += [errors.PayloadTooLarge, errors.UnsupportedMediaType, errors.StoreUnavailable, errors.EmbedderUnavailable]


@dataclass
class Settings:
    public_url: str = ""


class Services:
    """No token is asked for on these routes; the configuration is all that the edge looks at."""

    config = Settings()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    handler: Any = dispatch.logger.registered_handler
    caught, before = io.StringIO(), handler.stream
    handler.setStream(caught)
    yield caught
    handler.setStream(before)


def answered(view: Callable[[RequestContext], Any], **context: Any) -> dict[str, Any]:
    """What API Gateway is given when its event reaches a view at ``/things/{uuid}``."""
    app, blueprint = Chalice("edge"), Blueprint("edge")
    Dispatcher(lambda: Services()).routes(blueprint)("GET", "/things/{uuid}", token=False)(view)  # type: ignore[arg-type, return-value]
    app.register_blueprint(blueprint)
    event = {
        "resource": "/things/{uuid}",
        "path": "/things/7",
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
    answer: dict[str, Any] = app(event, None)
    return answer


def test_what_a_view_found_stands_in_the_envelope() -> None:
    answer = answered(lambda call: Result({"uuid": call.path["uuid"]}, status=201, info={"note": "ü"}))
    assert answer["statusCode"] == 201
    assert answer["headers"]["Content-Type"] == "application/json"
    assert json.loads(answer["body"]) == {
        "version": "1.0.2",
        "success": True,
        "info": {"note": "ü"},
        "result": {"uuid": "7"},
    }


@pytest.mark.parametrize("kind", TREE)
def test_an_error_of_the_tree_has_its_status_its_code_and_its_words(kind: type[SimilarixError]) -> None:
    def refuse(_: RequestContext) -> Result:
        raise kind("Do it otherwise.", field="file")

    answer = answered(refuse)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == kind.status
    assert (body["success"], body["result"]) == (False, {})
    assert body["info"] == {"error": kind.code, "message": "Do it otherwise.", "request_id": "r-1", "field": "file"}


@pytest.mark.parametrize("kind", [errors.Unavailable, errors.StoreUnavailable, errors.SourceUnavailable])
def test_what_is_away_for_a_moment_says_when_to_come_back(kind: type[SimilarixError], log: io.StringIO) -> None:
    def refuse(_: RequestContext) -> Result:
        raise kind("Later.") from OSError("10.0.0.7 refused the connection")

    answer = answered(refuse)
    assert answer["statusCode"] == 503
    assert int(answer["headers"]["Retry-After"]) > 0
    assert "10.0.0.7" not in answer["body"]
    assert "10.0.0.7" in log.getvalue(), "the cause is for the log"


def test_an_unexpected_error_shows_the_request_and_hides_the_trace(log: io.StringIO) -> None:
    def fail(_: RequestContext) -> Result:
        raise ZeroDivisionError("secret detail")

    answer = answered(fail)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 500
    assert (body["info"]["error"], body["info"]["request_id"]) == ("internal_error", "r-1")
    assert "secret detail" not in answer["body"]
    assert "Traceback" not in answer["body"]
    assert "ZeroDivisionError: secret detail" in log.getvalue()
    assert "Traceback" in log.getvalue()


def test_each_request_is_one_line_of_the_log(log: io.StringIO) -> None:
    answered(lambda _: Result({}))
    (line,) = log.getvalue().splitlines()
    told = json.loads(line)
    assert (told["method"], told["route"], told["status"], told["request_id"]) == ("GET", "/things/{uuid}", 200, "r-1")


class TestWhereTheApiIsReached:
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
        ids=["stage of API Gateway's own domain", "custom domain", "custom domain with a base path", "no domain told"],
    )
    def test_is_taken_from_the_request(self, context: dict[str, str], expected: str) -> None:
        answer = answered(lambda call: Result({"base": call.base_url}), **context)
        assert json.loads(answer["body"])["result"]["base"] == expected

    def test_is_as_configured_where_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Services, "config", Settings(public_url="https://api.similarix.example/"))
        answer = answered(lambda call: Result({"base": call.base_url}))
        assert json.loads(answer["body"])["result"]["base"] == "https://api.similarix.example"

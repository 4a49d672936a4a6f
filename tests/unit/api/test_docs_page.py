"""The page of the documentation: a browser applies its one style, and runs and loads nothing."""

import base64
import hashlib
import re
from typing import Any

from chalice.app import Chalice

from chalicelib.api.routes import register_routes
from tests.fakes.application import FakeAdapters, services_on


def page() -> dict[str, Any]:
    app = Chalice("docs")
    register_routes(app, lambda: services_on(FakeAdapters.fresh()))
    event = {
        "resource": "/api/docs",
        "path": "/api/docs",
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"resourcePath": "/api/docs", "httpMethod": "GET", "requestId": "r-1", "path": "/api/docs"},
        "body": None,
        "isBase64Encoded": False,
    }
    response: dict[str, Any] = app(event, None)
    return response


def test_policy_allows_the_one_style_of_the_page_and_nothing_else() -> None:
    response = page()
    (style,) = re.findall(r"<style>(.*?)</style>", response["body"], re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(part.split(" ", 1) for part in response["headers"]["Content-Security-Policy"].split("; "))
    assert policy.pop("style-src") == f"'sha256-{digest}'"
    assert set(policy) >= {"default-src", "frame-ancestors", "base-uri", "form-action"}
    assert set(policy.values()) == {"'none'"}
    assert not re.search(r"\bstyle=|<script|\bon[a-z]+=", response["body"])

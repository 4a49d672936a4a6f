"""The API on fakes: requests as API Gateway passes them on, without a network."""

import base64
import json as jsons
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from chalice.app import Chalice

from chalicelib.api.routes import register_routes
from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import NewToken, Scope, Subscription

BOUNDARY = "frontier"


class FakeApi:
    """An ``tests.isolation.Api`` on services that work in memory."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.app = Chalice("api")
        register_routes(self.app, lambda: services)

    def open_account(self, name: str) -> dict[Scope, str]:
        """The secrets of a new account's tokens, one for each scope."""
        accounts = self._services.accounts
        account = accounts.open(name, Subscription("business"))
        return {scope: accounts.issue_token(account.uuid, NewToken(scope, scope))[0] for scope in Scope}

    def __call__(
        self,
        token: str | None,
        method: str,
        route: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        picture: bytes | None = None,
        file_name: str = "a.jpg",
        json: Any = None,
    ) -> tuple[int, Any]:
        headers = {"authorization": f"Token {token}"} if token is not None else {}
        body = b""
        if picture is not None or form:
            headers["content-type"] = f"multipart/form-data; boundary={BOUNDARY}"
            fields = [part(name, value.encode()) for name, value in (form or {}).items()]
            files = [part("file", picture, file_name)] if picture is not None else []
            body = form_body([*fields, *files])
        elif json is not None:
            headers["content-type"] = "application/json"
            body = jsons.dumps(json).encode()
        query_lists = {name: [value] for name, value in (query or {}).items()}
        response = self.send(method, route, path=path, query=query_lists, headers=headers, body=body)
        return response["statusCode"], _body(response)

    def send(
        self,
        method: str,
        route: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> dict[str, Any]:
        """The response to API Gateway's event."""
        event = {
            "resource": route,
            "path": route.format(**path) if path else route,
            "httpMethod": method,
            "headers": dict(headers or {}),
            "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
            "multiValueQueryStringParameters": {name: list(values) for name, values in (query or {}).items()} or None,
            "pathParameters": dict(path or {}),
            "stageVariables": None,
            "requestContext": {
                "resourcePath": route,
                "httpMethod": method,
                "requestId": str(uuid4()),
                "path": f"/live{route}",
                "domainName": "api.example",
            },
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        response: dict[str, Any] = self.app(event, None)
        return response


def part(name: str, body: bytes, file_name: str | None = None, content_type: str | None = None) -> bytes:
    """A part of a form; ``name`` and ``file_name`` are written as they are."""
    disposition = f'; filename="{file_name}"' if file_name is not None else ""
    kind = f"Content-Type: {content_type}\r\n" if content_type is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{disposition}\r\n{kind}\r\n'
    return head.encode("utf-8", "surrogatepass") + body + b"\r\n"


def form_body(parts: Sequence[bytes]) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def _body(response: Mapping[str, Any]) -> Any:
    if response.get("isBase64Encoded") or not response["body"]:
        return {"headers": response["headers"]}
    body = jsons.loads(response["body"])
    body["info"].pop("request_id", None)
    return body

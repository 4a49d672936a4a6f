"""Assembles the OpenAPI 3.1 document of the API: https://spec.openapis.org/oas/v3.1.0"""

from collections.abc import Sequence
from typing import Any

from chalicelib.api.dispatch import API_VERSION
from chalicelib.api.openapi.builders import REQUEST_ID, Schema, obj, ref, text
from chalicelib.api.openapi.examples import example
from chalicelib.api.openapi.operation import DocumentedRoute, Operation
from chalicelib.api.openapi.schemas import SCHEMAS

INTRODUCTION = """\
Semantic image search for S3 buckets: connect a bucket, or upload pictures, and find them by text or by picture.

Every request needs a token: `Authorization: Token your_token_here`, or `Bearer your_token_here`. Every response has the same envelope: `version`, `success`,
`info` and `result`. When `success` is false, `info` says what is wrong: `error`, a stable code; `message`, a sentence that
says what to do; `request_id`; and `field`, if one parameter is at fault. Paths work with and without the slash at the end.
Another account's resources return 404, exactly as if they did not exist.
"""
# By status: what it means, and the codes that come with it.
REFUSALS = {
    400: (
        "The request must be corrected",
        ["invalid_request", "unknown_parameter", "unreadable_picture", "source_unreadable"],
    ),
    403: (
        "The token, or the link, is missing, unknown or expired, or may not do this, or a limit of the plan is reached",
        [
            "forbidden",
            "link_expired",
            "origin_forbids",
            "plan_forbids",
            "quota_exceeded",
            "read_only_token",
            "scope_forbids",
        ],
    ),
    404: ("It does not exist, or belongs to another account", ["not_found"]),
    405: ("The path has no such method", ["method_not_allowed"]),
    409: (
        "The request does not fit the present state",
        [
            "conflict",
            "sync_in_progress",
            "duplicate_collection",
            "file_exists",
            "upload_incomplete",
            "not_retriable",
            "not_downloadable",
        ],
    ),
    413: ("The file is larger than this operation accepts", ["payload_too_large"]),
    415: ("The file has a type that is not accepted", ["unsupported_media_type"]),
    429: ("Too many requests; try again after `Retry-After` seconds", ["rate_limited", "too_many_requests"]),
    500: ("Something went wrong on our side", ["internal_error"]),
    503: (
        "Not possible at the moment; try again after `Retry-After` seconds",
        [
            "unavailable",
            "store_unavailable",
            "embedder_unavailable",
            "contention",
            "source_unavailable",
            "source_denied",
        ],
    ),
}
# Of every response of a limited operation to a valid token:
# https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
RATE_HEADERS: dict[str, Schema] = {
    "RateLimit-Policy": {
        "description": "The limit by its name: `q` requests at once, and as many more in each `w` seconds",
        "schema": {"type": "string"},
        "example": '"search";q=600;w=60',
    },
    "RateLimit": {
        "description": "What is left of it: `r` requests; in `t` seconds there are more",
        "schema": {"type": "string"},
        "example": '"search";r=599;t=1',
    },
}
COMMON_ERRORS = (400, 403, 405, 429, 500, 503)  # of every operation
VERSION: Schema = {"type": "string", "const": API_VERSION}
_LOCATION: Schema = {
    "description": "Where to look at what was made or begun",
    "schema": {"type": "string", "format": "uri"},
}
_PUNCTUATION = str.maketrans("", "", " {}-_.")


def build_document(routes: Sequence[DocumentedRoute]) -> dict[str, Any]:
    """The document, with the operations in the order of their routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = f"{route.path}/" if route.operation.trailing_slash else route.path
        paths.setdefault(path, {})[route.method.lower()] = _operation(path, route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Similarix", "version": API_VERSION, "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.operation.tag for route in routes)],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Token your_token_here`",
                }
            },
            "schemas": {**SCHEMAS, "Refusal": _refusal()},
            "headers": {**RATE_HEADERS, "Location": _LOCATION},
            "responses": {f"Refusal{status}": _refusal_response(status) for status in REFUSALS},
        },
    }


def _operation(path: str, route: DocumentedRoute) -> dict[str, Any]:
    method, operation = route.method, route.operation
    errors = sorted({*COMMON_ERRORS, *operation.errors})
    entry: dict[str, Any] = {
        "operationId": f"{method.lower()} {path}".replace("/", " ").title().translate(_PUNCTUATION),
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": {
            **_successes(operation, route.rate_limited),
            **{str(status): {"$ref": f"#/components/responses/Refusal{status}"} for status in errors},
        },
    }
    if route.takes_links:
        entry["security"] = [{"token": []}, {}]
    if operation.description:
        entry["description"] = operation.description
    if operation.parameters:
        entry["parameters"] = list(operation.parameters)
    if operation.body is not None:
        entry["requestBody"] = operation.body
    return entry


def _successes(operation: Operation, rate_limited: bool) -> dict[str, Any]:
    results = list(operation.other_results)
    if operation.raw_response is None:
        results.insert(0, (operation.status, operation.result))
    headers: Schema = {name: {"$ref": f"#/components/headers/{name}"} for name in RATE_HEADERS if rate_limited}
    if operation.has_location:
        headers["Location"] = {"$ref": "#/components/headers/Location"}
    successes = {
        str(status): _success(operation, result) | ({"headers": headers} if headers else {})
        for status, result in results
    }
    return successes if operation.raw_response is None else {str(operation.status): operation.raw_response, **successes}


def _success(operation: Operation, result: Schema) -> dict[str, Any]:
    schema = obj({"version": VERSION, "success": {"const": True}, "info": operation.info, "result": result})
    return {
        "description": operation.summary,
        "content": {"application/json": {"schema": schema, "example": example(schema)}},
    }


def _refusal() -> Schema:
    info = obj(
        {
            "error": text("A stable code", "invalid_request"),
            "message": text("What to do", "limit is a whole number from 1 to 100."),
            "request_id": text("Quote it when you ask us about this response", REQUEST_ID),
            "field": text("The parameter at fault", "limit"),
            "resets_at": text("Of `quota_exceeded`: when a limit of the month counts anew", format="date-time"),
        },
        optional=("field", "resets_at"),
    )
    return obj({"version": VERSION, "success": {"const": False}, "info": info, "result": obj({})})


def _refusal_response(status: int) -> dict[str, Any]:
    meaning, codes = REFUSALS[status]
    schema = {"allOf": [ref("Refusal"), {"properties": {"info": {"properties": {"error": {"enum": codes}}}}}]}
    sample = {
        "version": API_VERSION,
        "success": False,
        "info": {"error": codes[0], "message": f"{meaning}.", "request_id": REQUEST_ID},
        "result": {},
    }
    response: dict[str, Any] = {
        "description": meaning,
        "content": {"application/json": {"schema": schema, "example": sample}},
    }
    if status in (429, 503):
        seconds = {"description": "Seconds to wait", "required": True, "schema": {"type": "integer"}}
        response["headers"] = {"Retry-After": seconds}
    if status == 429:
        response["headers"] |= {name: {"$ref": f"#/components/headers/{name}"} for name in RATE_HEADERS}
    return response

"""The OpenAPI 3.1 document of the API: https://spec.openapis.org/oas/v3.1.0"""

from functools import cache
from typing import Any

from chalicelib.api.dispatch import API_VERSION
from chalicelib.api.openapi.examples import example
from chalicelib.api.openapi.operations import OPERATIONS, Operation
from chalicelib.api.openapi.schemas import SCHEMAS, Schema, obj, ref, text

INTRODUCTION = """\
Semantic image search for S3 buckets: connect a bucket, or upload pictures, and find them by text or by picture.

Every call needs a token: `Authorization: Token your_token_here`. Every answer has the same envelope: `version`, `success`,
`info` and `result`. When `success` is false, `info` says what is wrong: `error`, a stable code; `message`, a sentence that
says what to do; `request_id`; and `field`, where one is at fault. Paths are answered with and without the slash at the end.
What is another account's is not found, like what does not exist.
"""
REFUSALS = {
    400: (
        "Something about the request must be changed",
        ["invalid_request", "unreadable_picture", "source_unreadable"],
    ),
    403: (
        "The token is missing, unknown or expired, or may not do this",
        ["forbidden", "plan_forbids", "read_only_token"],
    ),
    404: ("It does not exist, or is another account's", ["not_found"]),
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
        ],
    ),
    413: ("It is larger than is taken here", ["payload_too_large"]),
    415: ("It is of a type that is not taken", ["unsupported_media_type"]),
    429: ("An allowance is used up, or too much comes at once", ["allowance_used_up", "too_many_requests"]),
    500: ("Something went wrong on our side", ["internal_error"]),
    503: (
        "Not possible just now; try again after `Retry-After` seconds",
        [
            "unavailable",
            "contention",
            "store_unavailable",
            "embedder_unavailable",
            "source_unavailable",
            "source_denied",
        ],
    ),
}
ALWAYS = (403, 405, 429, 500, 503)
VERSION: Schema = {"type": "string", "const": API_VERSION}


@cache
def document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Similarix", "version": API_VERSION, "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in OPERATIONS)],
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
            "responses": {f"Refusal{status}": _refused(status) for status in REFUSALS},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": f"{operation.method.lower()} {operation.path}".replace("/", " ").title().translate(_NO_SIGNS),
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": {
            **_successes(operation),
            **{str(s): {"$ref": f"#/components/responses/Refusal{s}"} for s in sorted({*ALWAYS, *operation.refusals})},
        },
    }
    if operation.description:
        shown["description"] = operation.description
    if operation.parameters:
        shown["parameters"] = list(operation.parameters)
    if operation.body is not None:
        shown["requestBody"] = operation.body
    return shown


_NO_SIGNS = str.maketrans("", "", " {}-_.")


def _successes(operation: Operation) -> dict[str, Any]:
    if operation.raw is not None:
        return {str(operation.status): operation.raw}
    answers = ((operation.status, operation.result), *operation.also)
    return {str(status): _success(operation, result) for status, result in answers}


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
            "request_id": text("Tell it to us when you ask about this answer", "5b0f6c1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"),
            "field": text("The parameter at fault", "limit"),
        },
        optional=("field",),
    )
    return obj({"version": VERSION, "success": {"const": False}, "info": info, "result": obj({})})


def _refused(status: int) -> dict[str, Any]:
    words, codes = REFUSALS[status]
    schema = {"allOf": [ref("Refusal"), {"properties": {"info": {"properties": {"error": {"enum": codes}}}}}]}
    shown = {
        "version": API_VERSION,
        "success": False,
        "info": {"error": codes[0], "message": f"{words}.", "request_id": "5b0f6c1e-3c55-4f3b-8f0a-0d8a4f5b7c9e"},
        "result": {},
    }
    answer: dict[str, Any] = {
        "description": words,
        "content": {"application/json": {"schema": schema, "example": shown}},
    }
    if status in (429, 503):
        seconds = {"description": "Seconds to wait", "required": status == 503, "schema": {"type": "integer"}}
        answer["headers"] = {"Retry-After": seconds}
    return answer

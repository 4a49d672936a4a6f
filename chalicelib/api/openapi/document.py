"""Assembles the OpenAPI 3.1 document of the API: https://spec.openapis.org/oas/v3.1.0"""

from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.api.dispatch import API_VERSION
from chalicelib.api.idempotency import REPLAYED_HEADER
from chalicelib.api.openapi.builders import (
    FILE_ID,
    REQUEST_ID,
    TIMESTAMP,
    Schema,
    boolean,
    identifier,
    known_values,
    obj,
    ref,
    text,
)
from chalicelib.api.openapi.components import NamedSchemas, open_schema
from chalicelib.api.openapi.examples import example
from chalicelib.api.openapi.operation import DocumentedRoute
from chalicelib.api.openapi.request_schemas import REQUEST_SCHEMAS
from chalicelib.api.openapi.schemas import RESPONSE_SCHEMAS
from chalicelib.domain.idempotency import IDEMPOTENCY_HEADER, KEY_LIMIT

INTRODUCTION = """\
Semantic image search for S3 buckets: connect a bucket, or upload pictures, and find them by text or by picture.

Every request needs a token: `Authorization: Token your_token_here`, or `Bearer your_token_here`. Every response has the same envelope: `version`, `success`,
`info` and `result`. When `success` is false, `info` says what is wrong: `error`, a stable code; `message`, a sentence that
says what to do; `request_id`; and `field`, if one parameter is at fault. Paths work with and without the slash at the end.
Another account's resources return 404, exactly as if they did not exist.
"""
TAGS = {
    "Search": "Finds pictures by a text, by a picture, or by an indexed file.",
    "Collections": "Each is on a bucket of yours, or in our storage.",
    "Duplicates": "Files of a collection that show the same picture.",
    "Synchronization": "Brings a collection in line with its bucket.",
    "Uploads": "Puts pictures into collections in our storage.",
    "Files": "The pictures of collections, and what could not be indexed.",
    "Webhooks": "Tell a server of yours what has happened.",
    "Account": "The plan, its usage, and the tokens.",
}
# By status: what it means, and the codes that come with it.
REFUSALS = {
    400: (
        "The request must be corrected",
        ["invalid_request", "unknown_parameter", "unreadable_picture", "unreadable_url", "source_unreadable"],
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
            "idempotency_key_in_use",
        ],
    ),
    413: ("The file is larger than this operation accepts", ["payload_too_large"]),
    415: ("The body, or the file in it, has a type that is not accepted", ["unsupported_media_type"]),
    422: ("The idempotency key was used for another request", ["idempotency_key_reused"]),
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
_HEADERS: dict[str, Schema] = {
    **RATE_HEADERS,
    "Location": {
        "description": "Where to look at what was made or begun",
        "schema": {"type": "string", "format": "uri"},
    },
    "X-Request-Id": {
        "description": "Quote it when you ask us about this response",
        "schema": {"type": "string"},
        "example": REQUEST_ID,
    },
    REPLAYED_HEADER: {
        "description": "`true` if the answer is that of an earlier request with the same `Idempotency-Key`",
        "schema": {"type": "string"},
        "example": "true",
    },
}
_IDEMPOTENCY_KEY: Schema = {
    "name": IDEMPOTENCY_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LIMIT, "pattern": r"^[!#-\[\]-~]+$"},
    "description": "Makes the request safe to send again: for a day, the same key has the same answer",
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}
_SECURITY_SCHEMES: dict[str, Schema] = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token your_token_here`, with the word `Token`",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token as a bearer token: the same rights"},
}
_EITHER_SCHEME: list[dict[str, list[str]]] = [{name: []} for name in _SECURITY_SCHEMES]


def build_document(routes: Sequence[DocumentedRoute]) -> dict[str, Any]:
    """The document, with the operations in the order of their routes."""
    schemas = NamedSchemas()
    for name, schema in REQUEST_SCHEMAS.items():
        schemas.add(name, schema)
    for name, schema in RESPONSE_SCHEMAS.items():
        schemas.add(name, open_schema(schema))
    schemas.add("Refusal", open_schema(_envelope(_REFUSAL_INFO, obj({}, title="NoResult"))))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation(route, routes, schemas)
    tags = dict.fromkeys(route.operation.tag for route in routes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Similarix",
            "version": API_VERSION,
            "description": INTRODUCTION,
            "contact": {"name": "Similarix", "url": "https://similarix.com/"},
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": _EITHER_SCHEME,
        "tags": [{"name": tag, "description": TAGS[tag]} for tag in tags],
        "paths": paths,
        "components": {
            "securitySchemes": _SECURITY_SCHEMES,
            "schemas": schemas.by_name,
            "headers": _HEADERS,
            "responses": {f"Refusal{status}": _refusal_response(status) for status in REFUSALS},
        },
    }


def _path(route: DocumentedRoute) -> str:
    return f"{route.path}/" if route.operation.trailing_slash else route.path


def _operation(route: DocumentedRoute, routes: Sequence[DocumentedRoute], schemas: NamedSchemas) -> dict[str, Any]:
    operation = route.operation
    of_body, of_key = (415,) if operation.body is not None else (), (409, 422) if route.takes_key else ()
    errors = sorted({*COMMON_ERRORS, *operation.errors, *of_body, *of_key})
    entry: dict[str, Any] = {
        "operationId": route.operation_id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "responses": {
            **_successes(route, routes, schemas),
            **{str(status): {"$ref": f"#/components/responses/Refusal{status}"} for status in errors},
        },
    }
    if route.takes_links:
        entry["security"] = [*_EITHER_SCHEME, {}]
    if parameters := [*operation.parameters, *([_IDEMPOTENCY_KEY] if route.takes_key else [])]:
        entry["parameters"] = parameters
    if operation.body is not None:
        entry["requestBody"] = {**operation.body, "content": dict(_with_examples(operation.body["content"]))}
    return entry


def _with_examples(content: Schema) -> Iterator[tuple[str, Schema]]:
    for media_type, described in content.items():
        yield media_type, {**described, "example": described.get("example") or example(described["schema"])}


def _successes(
    route: DocumentedRoute, routes: Sequence[DocumentedRoute], schemas: NamedSchemas
) -> dict[str, dict[str, Any]]:
    operation = route.operation
    with_envelope = list(operation.other_statuses)
    if operation.raw_response is None:
        with_envelope.insert(0, operation.status)
    names = [*(RATE_HEADERS if route.rate_limited else ()), *(["Location"] if operation.has_location else ())]
    names += [REPLAYED_HEADER] if route.takes_key else []
    extras: dict[str, Any] = {"headers": _header_references(*names)}
    if links := dict(_links(route, routes)):
        extras["links"] = links
    successes = {str(status): _success(route, schemas) | extras for status in with_envelope}
    return successes if operation.raw_response is None else {str(operation.status): operation.raw_response, **successes}


def _success(route: DocumentedRoute, schemas: NamedSchemas) -> dict[str, Any]:
    operation = route.operation
    stem = _answer_name(route)
    info, result = (
        schema if "$ref" in schema or "title" in schema else {"title": f"{stem}{part}", **schema}
        for part, schema in (("Info", operation.info), ("Result", operation.result))
    )
    envelope = _envelope(info, result)
    return {
        "description": operation.summary,
        "content": {
            "application/json": {
                "schema": schemas.add(f"{stem}Answer", open_schema(envelope)),
                "example": example(envelope),
            }
        },
    }


def _answer_name(route: DocumentedRoute) -> str:
    if route.operation.answer:
        return route.operation.answer
    if "$ref" in route.operation.result:
        return str(route.operation.result["$ref"].rpartition("/")[2])
    return route.operation_id[0].upper() + route.operation_id[1:]


def _links(source: DocumentedRoute, routes: Sequence[DocumentedRoute]) -> Iterator[tuple[str, Schema]]:
    """The operations that take what this one's response identifies; those that delete it, only where it was made."""
    found = dict(source.operation.identifiers)
    for route in routes:
        taken = {p["name"]: p["x-identifies"] for p in route.operation.parameters if p["in"] == "path"}
        if taken and set(taken.values()) <= set(found) and (route.method != "DELETE" or source.method == "POST"):
            parameters = {name: f"$response.body#{found[kind]}" for name, kind in taken.items()}
            yield route.operation_id, {"operationId": route.operation_id, "parameters": parameters}


def _envelope(info: Schema, result: Schema) -> Schema:
    return obj(
        {
            "version": text("The version of the API", API_VERSION),
            "success": boolean("False for an error"),
            "info": info,
            "result": result,
        }
    )


_REFUSAL_INFO = obj(
    {
        "error": known_values(
            "A stable code", [code for _, codes in REFUSALS.values() for code in codes], "invalid_request"
        ),
        "message": text("What to do", "limit is a whole number from 1 to 100."),
        "request_id": text("Quote it when you ask us about this response", REQUEST_ID),
        "field": text("The parameter at fault", "limit"),
        "uuid": identifier("Of `file_exists`: the file that is there", FILE_ID),
        "md5": text("Of `file_exists`: the MD5 hash of that file", "653b6e02f13241e943e0889f0165d627"),
        "resets_at": text("Of `quota_exceeded`: when a limit of the month counts anew", TIMESTAMP, format="date-time"),
    },
    optional=("field", "uuid", "md5", "resets_at"),
    title="RefusalInfo",
)


def _refusal_response(status: int) -> dict[str, Any]:
    meaning, codes = REFUSALS[status]
    sample = {
        "version": API_VERSION,
        "success": False,
        "info": {"error": codes[0], "message": f"{meaning}.", "request_id": REQUEST_ID},
        "result": {},
    }
    headers: Schema = _header_references(*(RATE_HEADERS if status == 429 else ()))
    if status in (429, 503):
        seconds = {"type": "integer", "format": "int64"}
        headers["Retry-After"] = {"description": "Seconds to wait", "required": True, "schema": seconds}
    return {
        "description": f"{meaning}: {', '.join(f'`{code}`' for code in codes)}",
        "headers": headers,
        "content": {"application/json": {"schema": ref("Refusal"), "example": sample}},
    }


def _header_references(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}

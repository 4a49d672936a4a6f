"""Parses request headers."""

from chalice.app import Request
from multipart import parse_options_header

from chalicelib.domain.errors import InvalidRequest, UnsupportedMediaType
from chalicelib.domain.texts import excerpt

_MERGE_PATCH = "application/merge-patch+json"
# How a body begins that is still compressed: on AWS, API Gateway decompresses these two before it invokes the function.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html
_COMPRESSED = {"gzip": b"\x1f\x8b", "deflate": b"\x78"}


def has_json_body(request: Request) -> bool:
    """Whether the content type is JSON; a PATCH may call it a merge patch (RFC 7396)."""
    content_type, _ = parse_options_header(request.headers.get("content-type", ""))
    return content_type == "application/json" or (request.method == "PATCH" and content_type == _MERGE_PATCH)


def only_new(request: Request) -> bool:
    """Whether the caller wants the upload refused where a file has its path: ``If-None-Match: *``.

    Raises:
        InvalidRequest: the header has another value.
    """
    condition = request.headers.get("if-none-match")
    if condition is not None and condition.strip() != "*":
        raise InvalidRequest(
            "If-None-Match takes only '*' here: store the file if no file has its path.", field="If-None-Match"
        )
    return condition is not None


def accepts_only_json(request: Request) -> bool:
    """Whether the caller wants JSON where others are redirected: many clients accept JSON among other types."""
    accepted: str = request.headers.get("accept", "")
    return {each.partition(";")[0].strip().lower() for each in accepted.split(",")} == {"application/json"}


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether the caller has this version already: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2"""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in known or "*" in known


def check_coding(request: Request) -> None:
    """Raises UnsupportedMediaType for a body that is compressed, in a way that API Gateway does not undo."""
    coding: str = request.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return
    begin = _COMPRESSED.get(coding)
    body = request.raw_body
    if begin is None or (body if isinstance(body, bytes) else body.encode()).startswith(begin):
        raise UnsupportedMediaType(
            f"Bodies with the Content-Encoding '{excerpt(coding)}' are not taken. Send it as it is.",
            field="Content-Encoding",
        )

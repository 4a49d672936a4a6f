"""Parses request headers."""

from chalice.app import Request
from multipart import parse_options_header

from chalicelib.domain.errors import InvalidRequest


def has_json_body(request: Request) -> bool:
    """Whether the content type is JSON."""
    content_type, _ = parse_options_header(request.headers.get("content-type", ""))
    return str(content_type) == "application/json"


def only_new(request: Request) -> bool:
    """Whether the caller wants the upload refused where a file has its path: ``If-None-Match: *``.

    Raises:
        InvalidRequest: the header has another value.
    """
    condition = request.headers.get("if-none-match")
    if condition is not None and condition.strip() != "*":
        raise InvalidRequest("If-None-Match takes only '*' here: store the file if no file has its path.")
    return condition is not None


def accepts_only_json(request: Request) -> bool:
    """Whether the caller wants JSON where others are redirected: many clients accept JSON among other types."""
    accepted: str = request.headers.get("accept", "")
    return accepted.strip().lower() == "application/json"


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether the caller has this version already: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2"""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in known or "*" in known

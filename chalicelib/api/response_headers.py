"""The headers of responses that follow from the caller: its rate, and what its credentials lack."""

from collections.abc import Mapping

from chalicelib.domain.accounts import Scope
from chalicelib.domain.errors import Forbidden, RateLimited, ScopeForbids, SimilarixError
from chalicelib.domain.rates import WINDOW_SECONDS, RateStatus

RETRY_AFTER_SECONDS = 5  # with a 503: about as long as a model or a store takes to start
REALM = "Similarix"


def rate_headers(status: RateStatus) -> Mapping[str, str]:
    """The fields of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/"""
    limit = status.limit
    return {
        "RateLimit-Policy": f'"{limit.name}";q={limit.quota};w={WINDOW_SECONDS}',
        "RateLimit": f'"{limit.name}";r={status.remaining};t={status.seconds}',
    }


def retry_headers(error: SimilarixError) -> Mapping[str, str]:
    """``Retry-After`` of an error that passes."""
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.retry_after)}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status == 503 else {}


def challenge_headers(error: Forbidden, scope: Scope, authorization: str | None) -> Mapping[str, str]:
    """``WWW-Authenticate`` of a request whose credentials are missing, wrong or too narrow.

    With the errors of https://www.rfc-editor.org/rfc/rfc6750#section-3.1. RFC 9110 (11.6.1) allows the header with 403,
    which the contract has instead of 401. API Gateway renames it to ``x-amzn-Remapped-WWW-Authenticate``.

    Args:
        scope: that the route needs.
        authorization: the header of the request.
    """
    if isinstance(error, ScopeForbids):
        problem = f', error="insufficient_scope", scope="{scope}"'
    elif authorization:
        problem = ', error="invalid_token"'
    else:
        problem = ""
    return {"WWW-Authenticate": f'Token realm="{REALM}", Bearer realm="{REALM}"{problem}'}

"""Lets web pages of other origins use the API: https://fetch.spec.whatwg.org/#http-cors-protocol

A token travels in a header that a page must set itself, and there are no cookies. So a page can do no more with the API
than any other client that has the token, and every origin may be allowed.
"""

from collections.abc import Collection, Mapping, Sequence

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.origins import is_origin_of

ANY_ORIGIN = "*"
PREFLIGHT_SECONDS = 7200  # the longest that Chromium remembers a preflight
# What a page may read of a response beside its body and the headers that the standard lists.
EXPOSED_HEADERS = (
    "Location",
    "Retry-After",
    "ETag",
    "X-Request-Id",
    "RateLimit",
    "RateLimit-Policy",
    "Thumbnail-Size",
    "Idempotent-Replayed",
)


def cross_origin_headers(allowed_origins: Collection[str], origin: str | None) -> Mapping[str, str]:
    """The headers of every response to a request of ``origin``, None for a request of no page."""
    if ANY_ORIGIN in allowed_origins:
        return {"Access-Control-Allow-Origin": ANY_ORIGIN, **_EXPOSED}
    if origin in allowed_origins:
        assert origin is not None
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin", **_EXPOSED}
    return {"Vary": "Origin"}


def check_origins_allowed(allowed_origins: Collection[str], patterns: Sequence[str]) -> None:
    """Raises InvalidRequest for a pattern whose pages could not read a response, so that a token for them is of no use.

    Args:
        patterns: as ``domain.origins`` has them.
    """
    if ANY_ORIGIN in allowed_origins:
        return
    for pattern in patterns:
        if not any(is_origin_of(origin, [pattern]) for origin in allowed_origins):
            raise InvalidRequest(
                f"Pages of '{pattern}' may not use this API. It allows {', '.join(sorted(allowed_origins))}.",
                field="origins",
            )


def preflight_headers(methods: Collection[str]) -> Mapping[str, str]:
    """The headers with which a browser is told what a page may send to a path that takes these methods.

    ``*`` stands for every header but Authorization, which has to be named.
    """
    return {
        "Allow": ", ".join(methods),
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": "Authorization, *",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }


_EXPOSED = {"Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS)}

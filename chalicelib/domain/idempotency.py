"""Requests that may be sent again: the same key has the same answer, and what it makes is made once.

After https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/07/
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.errors import IdempotencyKeyInUse, IdempotencyKeyReused, InvalidRequest

IDEMPOTENCY_HEADER = "Idempotency-Key"
ANSWERS_KEPT = timedelta(hours=24)
KEY_LIMIT = 255  # characters
ANSWER_LIMIT = 256 * 1024  # bytes of an answer in UTF-8, of whatever contents, that is kept
_KEY = re.compile(rf'"?([!#-\[\]-~]{{1,{KEY_LIMIT}}})"?', re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that may be sent again.

    Args:
        key: the caller's, with the token and the route that it belongs to.
        payload: a digest of all else that the request has.
    """

    account: str
    key: str
    payload: str


def parse_idempotency_key(text: str) -> str:
    """The key of a header, which the draft writes in quotation marks; they may be left out.

    Raises:
        InvalidRequest: it is not 1 to 255 printable characters of ASCII without spaces, quotes and backslashes.
    """
    match = _KEY.fullmatch(text.strip())
    if match is None or text.strip().startswith('"') != text.strip().endswith('"'):
        raise InvalidRequest(
            f"{IDEMPOTENCY_HEADER} has 1 to {KEY_LIMIT} characters of ASCII without spaces, such as a UUID.",
            field=IDEMPOTENCY_HEADER,
        )
    return match.group(1)


def key_in_use() -> IdempotencyKeyInUse:
    return IdempotencyKeyInUse(
        "A request with this key is in progress. Send it again in a moment, for its answer.", field=IDEMPOTENCY_HEADER
    )


def key_reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused(
        "This key was used for a request with other content. Give each request a key of its own.",
        field=IDEMPOTENCY_HEADER,
    )

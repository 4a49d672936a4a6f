"""Cursors: where the next page begins, in a form that callers hand back unread.

A cursor carries a digest of the question that it continues. That keeps one from being put to another question, or to
another account's; it is no secret, and one that somebody makes up shows nothing that the account may not see.
"""

import base64
import json
from hashlib import sha256
from typing import Any

from chalicelib.domain.errors import InvalidRequest

LENGTH_LIMIT = 4096  # characters; the longest key of S3 makes about half


def encode_cursor(question: object, decode_cursor: Any) -> str:
    """The cursor for what follows ``decode_cursor``, a JSON value, among the answers to ``question``."""
    body = json.dumps([_digest(question), decode_cursor], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def decode_cursor(text: str | None, question: object) -> Any:
    """Where a cursor points to; None without one.

    Raises:
        InvalidRequest: it is none of ours, or belongs to another question.
    """
    if text is None:
        return None
    try:
        if len(text) > LENGTH_LIMIT:
            raise ValueError  # noqa: TRY301  # one refusal for all of them
        digest, found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        if digest != _digest(question):
            raise ValueError  # noqa: TRY301
    except (ValueError, TypeError, RecursionError):
        raise InvalidRequest(
            "The cursor is not one of this question's. Take next_cursor of the page before, and change nothing else.",
            field="cursor",
        ) from None
    return found


def _digest(question: object) -> str:
    return sha256(json.dumps(question, default=str).encode()).hexdigest()[:16]

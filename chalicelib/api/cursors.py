"""Cursors: opaque strings that say where the next page begins.

A cursor carries a digest of its scope: the request, without the page, and the account. So a cursor of another request
or another account is refused. The digest is not secret; a forged cursor shows nothing that the account may not see.
"""

import base64
import json
import re
from hashlib import sha256
from typing import Any, TypeGuard

from chalicelib.domain.collections import KEY_LIMIT, Collection
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.texts import is_storable

CURSOR_LENGTH_LIMIT = 4096  # characters; no key of S3 needs 3,000
# JSON has six characters for a control character, which S3 allows in keys: they are left as they are.
_ESCAPE = re.compile(r"\\(?:u(00[01][0-9a-f])|.)")


def encode_cursor(scope: object, position: Any) -> str | None:
    """The cursor for the page behind ``position``, a JSON value, among the results of ``scope``; None without one."""
    if position is None:
        return None
    escaped = json.dumps([_digest(scope), position], separators=(",", ":"), ensure_ascii=False)
    body = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[0], escaped)
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def decode_cursor(text: str | None, scope: object) -> Any:
    """The position that a cursor holds, which may be any JSON value; None without a cursor, or with an empty one.

    A form for any page sends an empty cursor for the first one.

    Raises:
        InvalidRequest: it is malformed, or belongs to another scope.
    """
    if not text:
        return None
    try:
        if len(text) > CURSOR_LENGTH_LIMIT:
            raise ValueError  # noqa: TRY301  # one refusal for all of them
        body = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        digest, position = json.loads(body, strict=False)
        if digest != _digest(scope):
            raise ValueError  # noqa: TRY301
    except (ValueError, TypeError, RecursionError):
        raise invalid_cursor() from None
    return position


def is_key(value: object, collection: Collection) -> bool:
    """Whether a cursor's position can be a key of the collection."""
    return is_key_text(value) and collection.holds(value)


def is_key_text(value: object) -> TypeGuard[str]:
    """Whether a part of a cursor's position can be a key, or a path, which is the end of one."""
    return isinstance(value, str) and value != "" and is_storable(value) and len(value.encode()) <= KEY_LIMIT


def invalid_cursor() -> InvalidRequest:
    return InvalidRequest(
        "The cursor does not belong to this request. Take next_cursor of the page before, and change nothing else.",
        field="cursor",
    )


def _digest(scope: object) -> str:
    return sha256(json.dumps(scope, default=str).encode()).hexdigest()[:16]

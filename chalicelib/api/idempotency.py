"""Requests with an idempotency key: what tells them apart, and their answers as they are kept."""

import hmac
import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from chalice.app import MultiDict, Request
from multipart import parse_options_header

from chalicelib.domain.accounts import Token
from chalicelib.domain.idempotency import IDEMPOTENCY_HEADER, KeyedRequest, parse_idempotency_key

REPLAYED_HEADER = "Idempotent-Replayed"
NONCE_BYTES = 32
SECRET_LIMIT = 64  # bytes: what one HMAC with SHA-512 masks


def keyed_request(request: Request, path: Mapping[str, str], token: Token | None) -> KeyedRequest | None:
    """What identifies a request that may be sent again; None without a key.

    The key belongs to its token, because views decide by the token what the answer may show.

    Raises:
        InvalidRequest: the key is malformed.
    """
    header = request.headers.get(IDEMPOTENCY_HEADER)
    if header is None or token is None:
        return None
    route = request.context.get("resourcePath", request.path)
    key = f"{token.id} {request.method} {route} {parse_idempotency_key(header)}"
    return KeyedRequest(token.account, key, _digest(request, path))


def kept_answer(answer: Mapping[str, Any], secret_field: str | None, bearer: str) -> str:
    """An answer as it is kept, as JSON.

    A secret in its ``result`` is masked by HMAC-SHA512 of a random nonce under the secret of the caller's own token, of
    which only the SHA-256 is stored: who reads the table alone cannot read it.
    """
    if secret_field is None:
        return json.dumps(answer, ensure_ascii=False)
    nonce = secrets.token_bytes(NONCE_BYTES)
    masked = _masked(answer["result"][secret_field].encode(), nonce, bearer)
    others = {name: value if name != secret_field else None for name, value in answer["result"].items()}
    kept = {"field": secret_field, "nonce": nonce.hex(), "masked": masked.hex()}
    return json.dumps({**answer, "result": others, "secret": kept})


def given_answer(text: str, bearer: str) -> dict[str, Any]:
    """The answer that ``kept_answer`` has made a text of, for the same caller."""
    answer: dict[str, Any] = json.loads(text)
    kept = answer.pop("secret", None)
    if kept is not None:
        secret = _masked(bytes.fromhex(kept["masked"]), bytes.fromhex(kept["nonce"]), bearer)
        answer["result"][kept["field"]] = secret.decode()
    return answer


def _masked(secret: bytes, nonce: bytes, bearer: str) -> bytes:
    if len(secret) > SECRET_LIMIT:
        raise ValueError(f"a secret has at most {SECRET_LIMIT} bytes")
    mask = hmac.digest(bearer.encode(), nonce, "sha512")
    return bytes(byte ^ other for byte, other in zip(secret, mask, strict=False))


def _digest(request: Request, path: Mapping[str, str]) -> str:
    """A digest of path, query, content type and body; a form's boundary, which clients choose anew, is left out."""
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    body = request.raw_body
    body = body.encode() if isinstance(body, str) else body
    if boundary := options.get("boundary", ""):
        # With its dashes: a short one may occur in the picture.
        body = body.replace(b"--" + boundary.encode("utf-8", "surrogateescape"), b"")
    query = request.query_params or MultiDict({})
    asked = [sorted(path.items()), sorted((name, query.getlist(name)) for name in query), str(content_type)]
    return sha256(json.dumps(asked).encode() + b"\n" + body).hexdigest()

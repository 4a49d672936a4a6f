"""Accounts and the tokens that speak for them."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

TOKEN_PREFIX = "smx_"  # noqa: S105  # lets people and secret scanners recognise one
_HEADER = re.compile(r"Token ([A-Za-z0-9_\-]{20,128})")


@dataclass(frozen=True, slots=True)
class Account:
    uuid: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A token as stored: its hash, never the token itself."""

    digest: str
    account: str
    name: str
    created_at: datetime


def new_token() -> str:
    """A fresh token: 256 random bits behind a prefix."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """SHA-256 in hex. A token has 256 bits of entropy, so a slow or salted hash would add nothing but latency."""
    return sha256(token.encode()).hexdigest()


def token_in(header: str | None) -> str | None:
    """The token of an ``Authorization: Token …`` header, or None where there is no well-formed one."""
    match = _HEADER.fullmatch(header.strip()) if header else None
    return match.group(1) if match else None

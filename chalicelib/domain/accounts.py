"""Accounts and the tokens that speak for them."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.plans import PLANS, Plan

TOKEN_PREFIX = "smx_"  # noqa: S105  # lets people and secret scanners recognise one
TOKENS_LIMIT = 20  # an account; a change of plan writes all of them in one transaction
TOKEN_NAME_LIMIT = 100
_HEADER = re.compile(r"Token ([A-Za-z0-9_\-]{20,128})")


class Scope(StrEnum):
    """What a token may do; writing includes reading."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Subscription:
    """An account's plan by name, and the allowances that were agreed with it beside the plan's own."""

    plan: str
    allowances: Mapping[str, int] = field(default_factory=dict)

    @property
    def allowed(self) -> Plan:
        return PLANS[self.plan].with_limits(self.allowances)


@dataclass(frozen=True, slots=True)
class Account:
    """``revision`` grows with every change of the terms and every new token: the lock of both."""

    uuid: str
    name: str
    terms: Subscription
    created_at: datetime
    tokens: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A token as stored: its hash, never the token itself, and its account's terms, so that one read tells all."""

    digest: str
    id: str
    account: str
    name: str
    scope: Scope
    terms: Subscription
    created_at: datetime
    expires_at: datetime | None = None
    last_used: datetime | None = None


def new_token() -> str:
    """A fresh token: 256 random bits behind a prefix."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """SHA-256 in hex. A token has 256 bits of entropy, so a slow or salted hash would add nothing but latency."""
    return sha256(token.encode()).hexdigest()


def token_from_header(header: str | None) -> str | None:
    """The token of an ``Authorization: Token …`` header, or None where there is no well-formed one."""
    match = _HEADER.fullmatch(header.strip()) if header else None
    return match.group(1) if match else None


def checked_token_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest("Give the token a name, such as where it will be used.", field="name")
    if len(value.strip()) > TOKEN_NAME_LIMIT:
        raise InvalidRequest(f"The name has at most {TOKEN_NAME_LIMIT} characters.", field="name")
    return value.strip()


def checked_scope(value: object) -> Scope:
    if not isinstance(value, str) or value not in list(Scope):
        raise InvalidRequest("The scope of a token is 'read' or 'write'; 'write' may read as well.", field="scope")
    return Scope(value)


def checked_expiry(value: object, now: datetime) -> datetime | None:
    """None, or a moment ahead of ``now``, given in ISO 8601 with its offset from UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment <= now:
        raise InvalidRequest(
            "expires_at is a moment in the future, in ISO 8601 with its offset: '2030-01-31T12:00:00+00:00'.",
            field="expires_at",
        )
    return moment

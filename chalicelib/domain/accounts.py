"""Accounts and the tokens that authenticate them."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from chalicelib.domain.collections import parse_uuid
from chalicelib.domain.errors import Forbidden, InvalidRequest, NotFound
from chalicelib.domain.origins import is_origin_of
from chalicelib.domain.plans import PLANS, Plan
from chalicelib.domain.texts import check_line
from chalicelib.domain.times import parse_time
from chalicelib.domain.vectors import COLLECTIONS_MAX

TOKEN_PREFIX = "smx_"  # noqa: S105  # lets people and secret scanners recognise a token
TOKENS_LIMIT = 20  # of an account; a change of plan writes all of them in one transaction
TOKEN_NAME_LIMIT = 100  # characters
ACCOUNT_NAME_LIMIT = 100  # characters
# What an account's export has records of: a source is a folder with its external id, an object the bytes that are
# charged for a stored file, a rate what a token has used of its requests a minute, a calibration the statistics of the
# account's pictures, and webhooks are all endpoints of the account without their secrets.
EXPORT_KINDS = (
    "account",
    "token",
    "member",
    "invitation",
    "mails",
    "collection",
    "usage",
    "source",
    "upload",
    "object",
    "rate",
    "calibration",
    "webhooks",
    "webhook-delivery",
    "file",
    "duplicates",
)
# The names of schemes are case-insensitive: https://www.rfc-editor.org/rfc/rfc9110#section-11.1
_HEADER = re.compile(r"(?:token|bearer) +([A-Za-z0-9_\-]{20,128})", re.IGNORECASE)


class Scope(StrEnum):
    """What a token may do; each includes those before it.

    ``SEARCH``: search, thumbnails and downloads. ``READ``: list and show everything but tokens. ``WRITE``: change
    collections and files. ``ADMIN``: issue and revoke tokens, export and delete the account.
    """

    SEARCH = "search"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        ranks = list(Scope)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True)
class Subscription:
    """An account's plan by name, and the limits of its own that replace the plan's."""

    plan: str
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def effective_plan(self) -> Plan:
        """Raises ValueError when one of the limits is unknown or negative."""
        return PLANS[self.plan].with_limits(self.limits)


@dataclass(frozen=True, slots=True)
class Account:
    """``revision`` grows with each change of the subscription and of the tokens, which it locks optimistically.

    ``deleted_at`` is when its deletion began; a worker deletes what belongs to it, and it last.
    """

    uuid: str
    name: str
    subscription: Subscription
    created_at: datetime
    tokens: int = 0
    revision: int = 0
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountItem:
    """What is stored with an account beside the account itself and its tokens.

    Its members and invitations, its usage, its uploads, those to search by, the external ids of folders, the bytes that
    are charged for stored files, the rates of its tokens, and the answers to requests with a key; ``key`` begins with
    the kind.
    """

    key: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Token:
    """A token as stored: its hash instead of its secret, and its account's subscription, so that one read suffices.

    Args:
        made_by: the id of the token that made it; None if administration or a user did.
        collections: the only ones that it reaches; None for all of the account.
        origins: patterns of the web pages that may send it; None for all, and for callers that are no page.
        user: who made it in the dashboard; None if nobody did there. It is revoked when the user leaves the account,
            and one that may do everything when the user is no owner any more.
    """

    digest: str
    id: str
    account: str
    name: str
    scope: Scope
    subscription: Subscription
    created_at: datetime
    expires_at: datetime | None = None
    last_used: datetime | None = None
    made_by: str | None = None
    collections: tuple[str, ...] | None = None
    origins: tuple[str, ...] | None = None
    user: str | None = None

    def admits(self, origin: str | None) -> bool:
        """Whether a request with this ``Origin`` may use it; None for a request that has none."""
        return self.origins is None or (origin is not None and is_origin_of(origin, self.origins))


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that a request acts for, its plan, and the token that the request came with.

    Args:
        session_user: who is signed in to the dashboard; None for a request with a token.
    """

    account: str
    plan: Plan
    token: Token | None = None
    session_user: str | None = None

    @property
    def user(self) -> str | None:
        """Who is signed in, or has made the token in the dashboard; None for a token of administration."""
        return self.token.user if self.token is not None else self.session_user

    @property
    def collections(self) -> tuple[str, ...] | None:
        """The only collections that the request reaches; None for all of the account."""
        return self.token.collections if self.token is not None else None

    def reaches(self, collection: str) -> bool:
        return self.collections is None or collection in self.collections


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to issue; without ``expires_at`` it never expires. Only one that searches is bound to anything."""

    name: str
    scope: Scope
    expires_at: datetime | None = None
    collections: tuple[str, ...] | None = None
    origins: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for field_name in ("collections", "origins"):
            if getattr(self, field_name) is not None and self.scope is not Scope.SEARCH:
                raise InvalidRequest(
                    f"Only a token with the scope 'search' has {field_name}: a wider one speaks for the account.",
                    field=field_name,
                )


def generate_secret() -> str:
    """A fresh token's secret: 256 random bits behind a prefix."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_digest(secret: str) -> str:
    """SHA-256 in hex. The secret has 256 bits of entropy, so a slow or salted hash would add nothing but latency."""
    return sha256(secret.encode()).hexdigest()


def token_from_header(header: str | None) -> str | None:
    """The secret of an Authorization header, ``Token …`` or ``Bearer …``; None if it is missing or malformed."""
    match = _HEADER.fullmatch(header.strip()) if header else None
    return match.group(1) if match else None


def descendants(token: Token, tokens: Sequence[Token]) -> list[Token]:
    """Those of the tokens that ``token`` has made, directly or by tokens that it made."""
    children = [child for child in tokens if child.made_by == token.id]
    return children + [descendant for child in children for descendant in descendants(child, tokens)]


def tokens_of_user(user: str, tokens: Sequence[Token], scope: Scope = Scope.SEARCH) -> list[Token]:
    """Those of the tokens that the user has made with this scope or a wider one, and all that descend from them."""
    made = [token for token in tokens if token.user == user and token.scope.includes(scope)]
    return made + [descendant for token in made for descendant in descendants(token, tokens)]


def child_of(parent: Token, new: NewToken) -> NewToken:
    """The token as its maker may issue it: without an expiry of its own it expires with its maker.

    Raises:
        Forbidden: its scope would be wider than its maker's.
        InvalidRequest: it would outlive its maker.
    """
    if not parent.scope.includes(new.scope):
        raise Forbidden(f"This token has the scope '{parent.scope}', so it cannot issue one with '{new.scope}'.")
    if parent.expires_at is None:
        return new
    if new.expires_at is not None and new.expires_at > parent.expires_at:
        raise InvalidRequest(
            f"A token expires no later than the one that issues it, {parent.expires_at.isoformat()}.",
            field="expires_at",
        )
    return replace(new, expires_at=new.expires_at or parent.expires_at)


def parse_account_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest("Give the account a name, such as that of your company.", field="name")
    if len(value.strip()) > ACCOUNT_NAME_LIMIT:
        raise InvalidRequest(f"The name has at most {ACCOUNT_NAME_LIMIT} characters.", field="name")
    return check_line(value.strip(), "name")


def parse_token_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest("Give the token a name, such as where it will be used.", field="name")
    if len(value.strip()) > TOKEN_NAME_LIMIT:
        raise InvalidRequest(f"The name has at most {TOKEN_NAME_LIMIT} characters.", field="name")
    return check_line(value.strip(), "name")


def parse_scope(value: object) -> Scope:
    if not isinstance(value, str) or value not in list(Scope):
        raise InvalidRequest(
            "The scope of a token is 'search', 'read', 'write' or 'admin'; each includes those before it.",
            field="scope",
        )
    return Scope(value)


def parse_chosen_collections(value: object) -> tuple[str, ...] | None:
    """None, or the identifiers of one to twenty collections, each once."""
    if value is None:
        return None
    if not isinstance(value, list) or not 1 <= len(value) <= COLLECTIONS_MAX:
        raise InvalidRequest(f"collections is a list of 1 to {COLLECTIONS_MAX} collections.", field="collections")
    try:
        return tuple(dict.fromkeys(parse_uuid(uuid if isinstance(uuid, str) else "") for uuid in value))
    except NotFound as error:
        raise NotFound("There is no such collection.", field="collections") from error


def parse_expiry(value: object, now: datetime) -> datetime | None:
    """None, or a moment after ``now``, given in ISO 8601 with its offset from UTC.

    A moment whose year in UTC has five digits is refused: nobody could show it.
    """
    if value is None:
        return None
    try:
        moment = parse_time(value).moment if isinstance(value, str) else None
        if moment is not None:
            moment.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None or moment <= now:
        raise InvalidRequest(
            "expires_at is a moment in the future, in ISO 8601 with its offset: '2030-01-31T12:00:00+00:00'.",
            field="expires_at",
        )
    return moment

"""The account, its plan's limits and its tokens."""

from dataclasses import dataclass, field
from datetime import datetime

from similarix_sdk.models.base import Model


@dataclass(frozen=True, kw_only=True)
class PlanLimit(Model):
    allowed: int
    used: int


@dataclass(frozen=True, kw_only=True)
class PlanLimits(Model):
    collections: PlanLimit
    files: PlanLimit
    bytes: PlanLimit
    managed_bytes: PlanLimit
    uploads_a_month: PlanLimit
    webhooks: PlanLimit | None = None


@dataclass(frozen=True, kw_only=True)
class RequestRates(Model):
    searches_a_minute: int
    uploads_a_minute: int


@dataclass(frozen=True, kw_only=True)
class Account(Model):
    uuid: str
    name: str
    plan: str
    created_at: datetime
    allowances: PlanLimits
    rates: RequestRates
    auto_sync_intervals: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AccessToken(Model):
    """``collections`` and ``origins`` are None where the token is bound to none."""

    id: str
    name: str
    scope: str
    created_at: datetime
    last_used: datetime | None
    expires_at: datetime | None
    made_by: str | None
    collections: tuple[str, ...] | None
    origins: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class CreatedToken(Model):
    """``secret`` is the token itself, which the API shows only once."""

    token: AccessToken
    secret: str = field(repr=False)

"""Webhooks, and what their receivers have answered."""

from dataclasses import dataclass, field
from datetime import datetime

from similarix_sdk.models.base import Model


@dataclass(frozen=True, kw_only=True)
class Webhook(Model):
    """``collections`` are the only ones whose events it gets; None for all. ``url`` is often a secret itself."""

    id: str
    url: str = field(repr=False)
    events: tuple[str, ...]
    collections: tuple[str, ...] | None
    description: str
    created_at: datetime
    enabled: bool
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    previous_secret_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class SecretWebhook(Model):
    """A webhook whose ``secret``, which signs, is new; the API shows it only once."""

    webhook: Webhook
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class WebhookAnswer(Model):
    """What a receiver has answered to one attempt; ``error`` says why there was no answer, or it does not count."""

    at: datetime
    milliseconds: int
    status: int | None
    error: str | None
    body: str


@dataclass(frozen=True, kw_only=True)
class WebhookDelivery(Model):
    """An event on its way, or that has arrived. ``id`` is the receiver's ``webhook-id``."""

    id: str
    webhook: str
    type: str
    collection: str | None
    at: datetime
    state: str
    attempts: int
    next_attempt: datetime | None
    answers: tuple[WebhookAnswer, ...]


@dataclass(frozen=True, kw_only=True)
class ShownDelivery(Model):
    """A delivery with the body of its request, as it is sent."""

    delivery: WebhookDelivery
    body: str

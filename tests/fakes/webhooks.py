"""Endpoints and deliveries of webhooks in memory, and the receivers that they are sent to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.webhook_deliveries import (
    DeliveryPage,
    DeliveryPosition,
    DeliveryState,
    WebhookAnswer,
    WebhookDelivery,
)
from chalicelib.domain.webhook_endpoints import WebhookEndpoints

DELETED_PER_PAGE = 2


class FakeWebhookRegistry:
    """Tests may count its ``reads``."""

    def __init__(self) -> None:
        self._stored: dict[str, WebhookEndpoints] = {}
        self.reads = 0

    def of_account(self, account: str) -> WebhookEndpoints:
        self.reads += 1
        return self._stored.get(account, WebhookEndpoints(account))

    def save(self, endpoints: WebhookEndpoints) -> None:
        if self._stored.get(endpoints.account, WebhookEndpoints(endpoints.account)).revision != endpoints.revision:
            raise StaleWrite
        self._stored[endpoints.account] = replace(endpoints, revision=endpoints.revision + 1)


class FakeWebhookDeliveries:
    """Tests may inspect ``stored`` deliveries by account, endpoint and id."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str, str], WebhookDelivery] = {}

    def add(self, delivery: WebhookDelivery) -> bool:
        key = delivery.account, delivery.endpoint, delivery.id
        return self.stored.setdefault(key, delivery) is delivery

    def get(self, account: str, endpoint: str, delivery: str) -> WebhookDelivery | None:
        return self.stored.get((account, endpoint, delivery))

    def save(self, delivery: WebhookDelivery, previous: WebhookDelivery) -> None:
        key = delivery.account, delivery.endpoint, delivery.id
        stored = self.stored.get(key)
        if stored is None or _version(stored) != _version(previous):
            raise StaleWrite
        self.stored[key] = delivery

    def page(
        self, account: str, endpoint: str, state: DeliveryState | None, *, after: str | None, limit: int
    ) -> DeliveryPage:
        ids = sorted((key[2] for key in self.stored if key[:2] == (account, endpoint)), reverse=True)
        ids = [identifier for identifier in ids if after is None or identifier < after]
        seen = [self.stored[account, endpoint, identifier] for identifier in ids[:limit]]
        deliveries = [delivery for delivery in seen if state is None or delivery.state is state]
        return DeliveryPage(deliveries, ids[limit - 1] if len(ids) > limit else None)

    def of_account(
        self, account: str, after: DeliveryPosition | None, limit: int
    ) -> tuple[list[WebhookDelivery], DeliveryPosition | None]:
        positions = sorted(key[1:] for key in self.stored if key[0] == account and (after is None or key[1:] > after))
        found = [self.stored[account, *position] for position in positions[:limit]]
        return found, positions[limit - 1] if len(positions) > limit else None

    def delete_page(self, account: str) -> bool:
        page = [key for key in self.stored if key[0] == account][:DELETED_PER_PAGE]
        for key in page:
            del self.stored[key]
        return bool(page)


@dataclass(frozen=True)
class Sent:
    """A request as a receiver gets it."""

    url: str
    message: str
    body: str
    secrets: tuple[str, ...]


class FakeReceivers:
    """Receivers that answer with ``status``, by URL; None for no answer. Keeps what was ``sent``, and answers 204."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.status: dict[str, int | None] = {}

    def send(self, url: str, message: str, body: str, secrets: Sequence[str], now: datetime) -> WebhookAnswer:
        self.sent.append(Sent(url, message, body, tuple(secrets)))
        status = self.status.get(url, 204)
        return WebhookAnswer(now, 10, status, None if status else "There was no answer within 15 seconds.")


def _version(delivery: WebhookDelivery) -> tuple[DeliveryState, int, int]:
    return delivery.state, delivery.attempts, delivery.first_attempt

"""Ports of webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.webhook_deliveries import (
    DeliveryPage,
    DeliveryPosition,
    DeliveryState,
    WebhookAnswer,
    WebhookDelivery,
)
from chalicelib.domain.webhook_endpoints import WebhookEndpoints


class WebhookRegistry(Protocol):
    """The endpoints of accounts."""

    def of_account(self, account: str) -> WebhookEndpoints:
        """Return all endpoints of the account; a read sees every write that has returned."""

    def save(self, endpoints: WebhookEndpoints) -> None:
        """Write all endpoints of an account; raises StaleWrite if they have changed since they were read."""


class WebhookDeliveries(Protocol):
    """Deliveries of events to endpoints, each kept for ``webhook_deliveries.DELIVERY_RETENTION``."""

    def add(self, delivery: WebhookDelivery) -> bool:
        """Store a new delivery; False if the endpoint has one of this id."""

    def get(self, account: str, endpoint: str, delivery: str) -> WebhookDelivery | None: ...
    def save(self, delivery: WebhookDelivery, previous: WebhookDelivery) -> None:
        """Write a delivery; raises StaleWrite if the stored one is no longer ``previous``."""

    def page(
        self, account: str, endpoint: str, state: DeliveryState | None, *, after: str | None, limit: int
    ) -> DeliveryPage:
        """Return deliveries to an endpoint, the newest first; of one state, or of any."""

    def of_account(
        self, account: str, after: DeliveryPosition | None, limit: int
    ) -> tuple[list[WebhookDelivery], DeliveryPosition | None]:
        """Return deliveries to all endpoints, deleted ones too, by endpoint and time.

        And the position after which the next page begins, if there is one. A page may be short, or empty, although
        another one follows.
        """

    def delete_page(self, account: str) -> bool:
        """Delete some of the account's deliveries; False if nothing was left."""


class WebhookSender(Protocol):
    def send(self, url: str, message: str, body: str, secrets: Sequence[str], now: datetime) -> WebhookAnswer:
        """Send a signed request to an address of the Internet; what fails is an answer, too.

        Args:
            secrets: each of them signs.
            now: the time that the signature has.
        """

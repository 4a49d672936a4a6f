"""Webhooks for callers: the endpoints of an account, and the deliveries to them."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import parse_uuid
from chalicelib.domain.errors import Conflict, NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.webhook_deliveries import DeliveryPage, DeliveryState, WebhookDelivery, parse_message_id
from chalicelib.domain.webhook_endpoints import (
    NewWebhook,
    WebhookChange,
    WebhookEndpoint,
    WebhookEndpoints,
    generate_webhook_secret,
)
from chalicelib.domain.webhook_events import trial_event
from chalicelib.services.pipeline.webhook_dispatcher import REGISTRY_WRITE_ATTEMPTS, delivery_of
from chalicelib.services.ports import Clock, Collections, Queues, WebhookDeliveries, WebhookRegistry


@dataclass(frozen=True, slots=True)
class WebhookService:
    registry: WebhookRegistry
    deliveries: WebhookDeliveries
    collections: Collections
    queues: Queues
    now: Clock

    def all(self, account: str) -> list[WebhookEndpoint]:
        """The account's endpoints, oldest first."""
        return list(self.registry.of_account(account).endpoints)

    def get(self, account: str, endpoint_id: str) -> WebhookEndpoint:
        """Raises NotFound unless the account has it."""
        return _find(self.registry.of_account(account), endpoint_id)

    def create(self, caller: Caller, new: NewWebhook, api_url: str) -> WebhookEndpoint:
        """Create an endpoint with a secret of its own.

        Raises:
            QuotaExceeded: the plan allows no more.
            NotFound: it names a collection that the account does not have.
        """
        self._check_collections(caller.account, new.collections)
        endpoint = WebhookEndpoint(
            id=str(uuid.uuid4()),
            url=new.url,
            events=new.events,
            collections=new.collections,
            description=new.description,
            api_url=api_url,
            created_at=self.now(),
            secret=generate_webhook_secret(),
        )

        def add(endpoints: WebhookEndpoints) -> tuple[WebhookEndpoints, WebhookEndpoint]:
            if len(endpoints.endpoints) >= caller.plan.webhooks:
                raise QuotaExceeded(
                    f"The plan '{caller.plan.name}' allows {caller.plan.webhooks} webhooks. Delete one that is not "
                    "needed, or change to a larger plan."
                )
            return endpoints.with_endpoint(endpoint), endpoint

        return self._write(caller.account, add)

    def change(self, caller: Caller, endpoint_id: str, change: WebhookChange) -> WebhookEndpoint:
        """Change an endpoint; an attempt that is due later goes to its new URL.

        Raises:
            QuotaExceeded: it is to be enabled, and the plan serves no more.
            NotFound: the account does not have it, or a collection that the change names.
        """
        self._check_collections(caller.account, change.collections)

        def write(endpoints: WebhookEndpoints) -> tuple[WebhookEndpoints, WebhookEndpoint]:
            endpoint = _find(endpoints, endpoint_id)
            served = caller.plan.served_webhooks
            if change.enabled and not endpoint.enabled and len(endpoints.enabled) >= served:
                raise QuotaExceeded(
                    f"The plan '{caller.plan.name}' serves {served} webhooks. Disable or delete one that is not "
                    "needed, or change to a larger plan."
                )
            changed = endpoint.changed(change, self.now())
            return endpoints.with_endpoint(changed), changed

        return self._write(caller.account, write)

    def rotate_secret(self, account: str, endpoint_id: str) -> WebhookEndpoint:
        """Give an endpoint a new secret; the present one signs, too, for ``SECRET_OVERLAP``."""
        secret = generate_webhook_secret()

        def rotate(endpoints: WebhookEndpoints) -> tuple[WebhookEndpoints, WebhookEndpoint]:
            changed = _find(endpoints, endpoint_id).with_new_secret(secret, self.now())
            return endpoints.with_endpoint(changed), changed

        return self._write(account, rotate)

    def delete(self, account: str, endpoint_id: str) -> None:
        def remove(endpoints: WebhookEndpoints) -> tuple[WebhookEndpoints, WebhookEndpoint]:
            endpoint = _find(endpoints, endpoint_id)
            return endpoints.without(endpoint.id), endpoint

        self._write(account, remove)

    def try_out(self, account: str, endpoint_id: str) -> WebhookDelivery:
        """Begin a delivery of a test event, also to a disabled endpoint."""
        endpoint = self.get(account, endpoint_id)
        delivery = delivery_of(trial_event(account, endpoint.id, self.now()), endpoint, self.now())
        if not self.deliveries.add(delivery):
            raise Conflict("A test of this webhook was begun just now. Try again in a moment.")
        self.queues.send_delivery(delivery.step)
        return delivery

    def page(
        self, account: str, endpoint_id: str, state: DeliveryState | None, *, after: str | None, limit: int
    ) -> DeliveryPage:
        """The deliveries to an endpoint, the newest first."""
        endpoint = self.get(account, endpoint_id)
        return self.deliveries.page(account, endpoint.id, state, after=after, limit=limit)

    def delivery(self, account: str, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
        """Raises NotFound unless the endpoint has it."""
        endpoint = self.get(account, endpoint_id)
        delivery = self.deliveries.get(account, endpoint.id, parse_message_id(delivery_id))
        if delivery is None:
            raise NotFound("There is no such delivery.")
        return delivery

    def replay(self, account: str, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
        """Try a delivery again that has ended, with the same id and body.

        Raises:
            Conflict: it has not ended, or its endpoint is disabled.
        """
        delivery = self.delivery(account, endpoint_id, delivery_id)
        now = self.now()
        if not self.get(account, endpoint_id).takes(delivery):
            raise Conflict("This webhook is disabled. Enable it, then replay the delivery.")
        if delivery.next_at is not None and not delivery.is_overdue(now):
            raise Conflict("This delivery is under way. Replay it when it has ended.")
        replayed = delivery.replayed(now)
        try:
            self.deliveries.save(replayed, delivery)
        except StaleWrite:
            raise Conflict("This delivery was changed by another request. Look at it again.") from None
        self.queues.send_delivery(replayed.step)
        return replayed

    def _check_collections(self, account: str, collections: tuple[str, ...] | None) -> None:
        if any(self.collections.get(account, collection) is None for collection in collections or ()):
            raise NotFound("There is no such collection.", field="collections")

    def _write(
        self, account: str, change: Callable[[WebhookEndpoints], tuple[WebhookEndpoints, WebhookEndpoint]]
    ) -> WebhookEndpoint:
        for _ in range(REGISTRY_WRITE_ATTEMPTS):
            endpoints, endpoint = change(self.registry.of_account(account))
            try:
                self.registry.save(endpoints)
            except StaleWrite:
                continue
            return endpoint
        raise Conflict("The webhooks are being changed by another request. Try again in a moment.")


def _find(endpoints: WebhookEndpoints, endpoint_id: str) -> WebhookEndpoint:
    endpoint = endpoints.get(parse_uuid(endpoint_id))
    if endpoint is None:
        raise NotFound("There is no such webhook.")
    return endpoint

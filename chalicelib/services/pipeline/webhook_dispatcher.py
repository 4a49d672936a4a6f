"""Delivers events to endpoints: at least once, each endpoint by itself, for about a day.

An event becomes a delivery for each endpoint that wants it, and each delivery a chain of messages: one for each
attempt, and one for each quarter of an hour of a longer wait, because SQS delays no message for longer. What has become
of an attempt is written before the next message is sent. A worker that dies between the two is repaired by its
redelivered message; a message that is out of date does nothing.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import next_continuation
from chalicelib.domain.webhook_deliveries import DeliveryStep, WebhookAnswer, WebhookDelivery
from chalicelib.domain.webhook_endpoints import WebhookEndpoint
from chalicelib.domain.webhook_events import WebhookEvent, event_body
from chalicelib.services.ports import Clock, Queues, WebhookDeliveries, WebhookRegistry, WebhookSender

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
MAX_DELAY_SECONDS = 900
REGISTRY_WRITE_ATTEMPTS = 5  # for endpoints that others change at the same time


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt has done. ``disabled`` is whether its endpoint was disabled because of it."""

    answer: WebhookAnswer
    disabled: bool


@dataclass(frozen=True, slots=True)
class WebhookDispatcher:
    registry: WebhookRegistry
    deliveries: WebhookDeliveries
    sender: WebhookSender
    queues: Queues
    now: Clock

    def distribute(self, event: WebhookEvent) -> None:
        """Begin a delivery for each endpoint that wants the event; again, if it was distributed before in part."""
        for endpoint in self.registry.of_account(event.account).wanting(event):
            delivery = delivery_of(event, endpoint, self.now())
            is_new = self.deliveries.add(delivery)
            stored = delivery if is_new else self.deliveries.get(event.account, endpoint.id, event.id)
            # Not tried yet: the worker that added it may have died before it sent the message.
            if stored is not None and stored.next_at is not None and stored.attempts == 0:
                self.queues.send_delivery(stored.step)

    def attempt(self, step: DeliveryStep, *, redelivered: bool) -> Attempt | None:
        """Make the attempt of a step, or wait for its time; None if none was made.

        Raises:
            ContinuationLimit: it was waited for too often.
        """
        delivery = self.deliveries.get(step.account, step.endpoint, step.delivery)
        if delivery is None or delivery.next_at is None:
            return None
        if step.attempt != delivery.attempts:
            if redelivered and step.attempt < delivery.attempts:
                self._send(delivery)  # the worker may have died before it sent the message of the next attempt
            return None
        now = self.now()
        if delivery.next_at > now:
            self._send(delivery, next_continuation(step.continuation))
            return None
        endpoint = self.registry.of_account(step.account).get(step.endpoint)
        if endpoint is None or not endpoint.takes(delivery):
            self._save(delivery.failed(), delivery)
            return None
        secrets = endpoint.secrets_at(now)
        answer = self.sender.send(endpoint.url, delivery.id, delivery.body, secrets, now)
        tried = delivery.after(answer)
        if not self._save(tried, delivery):
            return Attempt(answer, disabled=False)
        if tried.next_at is not None:
            self._send(tried)
        # An endpoint that does well, or is known to fail, costs no more.
        is_last = tried.next_at is None
        is_known = endpoint.after(answer, is_last=is_last) == endpoint
        return Attempt(answer, disabled=not is_known and self._record_health(step, answer, is_last=is_last))

    def _send(self, delivery: WebhookDelivery, continuation: int = 0) -> None:
        assert delivery.next_at is not None
        wait = math.ceil((delivery.next_at - self.now()).total_seconds())
        step = replace(delivery.step, continuation=continuation)
        self.queues.send_delivery(step, delay=max(0, min(MAX_DELAY_SECONDS, wait)))

    def _save(self, delivery: WebhookDelivery, previous: WebhookDelivery) -> bool:
        """Write a delivery; False if another worker has made the same attempt meanwhile."""
        try:
            self.deliveries.save(delivery, previous)
        except StaleWrite:
            return False
        return True

    def _record_health(self, step: DeliveryStep, answer: WebhookAnswer, *, is_last: bool) -> bool:
        """Record since when the endpoint fails, or that it does not; returns whether it was disabled."""
        for _ in range(REGISTRY_WRITE_ATTEMPTS):
            endpoints = self.registry.of_account(step.account)
            endpoint = endpoints.get(step.endpoint)
            if endpoint is None:
                return False
            changed = endpoint.after(answer, is_last=is_last)
            if changed == endpoint:
                return False
            try:
                self.registry.save(endpoints.with_endpoint(changed))
            except StaleWrite:
                continue
            return endpoint.enabled and not changed.enabled
        return False  # the next attempt records it


def delivery_of(event: WebhookEvent, endpoint: WebhookEndpoint, now: datetime) -> WebhookDelivery:
    """The delivery of an event to an endpoint, to be tried at once."""
    return WebhookDelivery(
        account=event.account,
        endpoint=endpoint.id,
        id=event.id,
        type=event.type,
        at=event.at,
        body=event_body(event, endpoint.api_url),
        collection=event.collection,
        next_at=now,
    )

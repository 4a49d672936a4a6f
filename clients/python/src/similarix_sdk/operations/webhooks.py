"""Webhooks: servers that are told of events, and the deliveries to them."""

from collections.abc import Sequence
from typing import Any

from similarix_sdk.decoding import decode, decode_all
from similarix_sdk.models import Page, SecretWebhook, ShownDelivery, Webhook, WebhookDelivery
from similarix_sdk.requests import Request, parameters, path, present
from similarix_sdk.steps import Envelope, Paging, Resource, Steps, listing, operation
from similarix_sdk.unchanged import UNCHANGED, Unchanged

WEBHOOKS = "/api/webhooks/"
WEBHOOK = "/api/webhooks/{id}/"
DELIVERIES = "/api/webhooks/{id}/deliveries/"
DELIVERY = "/api/webhooks/{id}/deliveries/{delivery}/"


class WebhookOperations(Resource):
    """They need the scope ``admin``. A webhook is named by its id."""

    @operation
    def list(self) -> Steps[tuple[Webhook, ...]]:
        """All of them, without their secrets."""
        envelope = yield from self._api.call(Request("GET", WEBHOOKS))
        return decode_all(Webhook, envelope.result.get("webhooks"))

    @operation
    def create(
        self,
        url: str,
        events: Sequence[str],
        *,
        collections: Sequence[str] | None = None,
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[SecretWebhook]:
        """Have a server told of events; the ``secret`` that signs is shown this once.

        Args:
            url: HTTPS on port 443 of a public address.
            events: such as ``sync.completed`` and ``file.failed``.
            collections: the only ones whose events it gets; all unless given.
        """
        body = present(url=url, events=events, collections=collections, description=description)
        request = Request("POST", WEBHOOKS, json=body).keyed(idempotency_key)
        return decode(SecretWebhook, (yield from self._api.call(request)).result)

    @operation
    def get(self, id: str) -> Steps[Webhook]:
        """One webhook; ``failing_since`` and ``disabled_reason`` say how its receiver does."""
        return _webhook((yield from self._api.call(Request("GET", path(WEBHOOK, id=id)))))

    @operation
    def change(
        self,
        id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        collections: Sequence[str] | Unchanged | None = UNCHANGED,
        description: str | Unchanged | None = UNCHANGED,
        enabled: bool | None = None,
    ) -> Steps[Webhook]:
        """Change what is given; ``collections=None`` stands for all, and what is not given stays."""
        body: dict[str, Any] = present(url=url, events=events, enabled=enabled)
        if not isinstance(collections, Unchanged):
            body["collections"] = None if collections is None else [*collections]
        if not isinstance(description, Unchanged):
            body["description"] = description
        return _webhook((yield from self._api.call(Request("PATCH", path(WEBHOOK, id=id), json=body))))

    @operation
    def delete(self, id: str) -> Steps[None]:
        """Send nothing more to it, and show its deliveries no longer."""
        yield from self._api.call(Request("DELETE", path(WEBHOOK, id=id)))

    @operation
    def rotate_secret(self, id: str, *, idempotency_key: str | None = None) -> Steps[SecretWebhook]:
        """A new secret; for a day the one before signs, too."""
        request = Request("POST", path(WEBHOOK + "secret/", id=id)).keyed(idempotency_key)
        return decode(SecretWebhook, (yield from self._api.call(request)).result)

    @operation
    def test(self, id: str, *, idempotency_key: str | None = None) -> Steps[WebhookDelivery]:
        """Send the event ``webhook.test``; the delivery has the answer a moment later."""
        request = Request("POST", path(WEBHOOK + "test/", id=id)).keyed(idempotency_key)
        return _delivery((yield from self._api.call(request)))

    @listing
    def deliveries(self, id: str, *, state: str | None = None, limit: int = 100) -> Paging[WebhookDelivery]:
        """What was sent within seven days, the newest first, ``limit`` a request."""

        def page(cursor: str | None) -> Steps[Page[WebhookDelivery]]:
            options = parameters(state=state, limit=limit, cursor=cursor)
            envelope = yield from self._api.call(Request("GET", path(DELIVERIES, id=id), options))
            deliveries = decode_all(WebhookDelivery, envelope.result.get("deliveries"))
            return Page(deliveries, envelope.info.get("next_cursor"), envelope.info)

        return page

    @operation
    def delivery(self, id: str, delivery: str) -> Steps[ShownDelivery]:
        """One delivery, with the body of its request."""
        envelope = yield from self._api.call(Request("GET", path(DELIVERY, id=id, delivery=delivery)))
        return decode(ShownDelivery, envelope.result)

    @operation
    def replay(self, id: str, delivery: str, *, idempotency_key: str | None = None) -> Steps[WebhookDelivery]:
        """Send one that has ended again, with the same id and body."""
        request = Request("POST", path(DELIVERY + "replay/", id=id, delivery=delivery)).keyed(idempotency_key)
        return _delivery((yield from self._api.call(request)))


def _webhook(envelope: Envelope) -> Webhook:
    return decode(Webhook, envelope.result.get("webhook"))


def _delivery(envelope: Envelope) -> WebhookDelivery:
    return decode(WebhookDelivery, envelope.result.get("delivery"))

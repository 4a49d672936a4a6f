"""The JSON Schemas of webhooks and of their deliveries."""

from chalicelib.api.openapi.builders import (
    COLLECTION_ID,
    DELIVERY_ID,
    WEBHOOK_ID,
    Schema,
    array,
    boolean,
    choice,
    identifier,
    integer,
    known_values,
    nullable,
    obj,
    text,
    timestamp,
)
from chalicelib.domain.vectors import COLLECTIONS_MAX
from chalicelib.domain.web_urls import URL_LIMIT
from chalicelib.domain.webhook_deliveries import DeliveryState
from chalicelib.domain.webhook_endpoints import DESCRIPTION_LIMIT
from chalicelib.domain.webhook_events import TEST_EVENT, EventType

_RECEIVER = "https://shop.example/hooks/similarix"
_EVENTS = {"minItems": 1, "description": "What it is told of"}
_COLLECTIONS = array(identifier("Identifier of a collection", COLLECTION_ID))
_WITHOUT_CONTROLS = r"^[^\u0000-\u001f\u007f-\u009f]*$"

_CHANGEABLE = {
    "url": text(
        "Where requests are sent: HTTPS on port 443 of a public address, without credentials",
        _RECEIVER,
        format="uri",
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]://[^\u0000- \u007f]+$",
        maxLength=URL_LIMIT,
    ),
    "events": array(choice("A type of event", EventType, EventType.SYNC_COMPLETED.value)) | _EVENTS,
    "collections": nullable(
        _COLLECTIONS
        | {
            "description": "The only collections whose events it gets; null for all",
            "minItems": 1,
            "maxItems": COLLECTIONS_MAX,
        }
    ),
    "description": nullable(
        text("What it is for", "the shop's catalogue", pattern=_WITHOUT_CONTROLS, maxLength=DESCRIPTION_LIMIT)
    ),
}
WEBHOOK_REQUEST_SCHEMAS: dict[str, Schema] = {
    "WebhookDefinition": obj(dict(_CHANGEABLE), optional=("collections", "description")),
    "WebhookChange": obj(
        {**_CHANGEABLE, "enabled": boolean("Whether events are sent to it")}, optional=(*_CHANGEABLE, "enabled")
    ),
}
WEBHOOK_SCHEMAS: dict[str, Schema] = {
    "Webhook": obj(
        {
            "id": identifier("Identifier of the webhook; not a secret", WEBHOOK_ID),
            "url": text("Where requests are sent", _RECEIVER),
            "events": array(known_values("A type of event", EventType, EventType.SYNC_COMPLETED.value)),
            "collections": nullable(_COLLECTIONS | {"description": "The only ones whose events it gets; null for all"}),
            "description": text("What it is for", "the shop's catalogue"),
            "created_at": timestamp("When it was created."),
            "enabled": boolean("Whether events are sent to it"),
            "failing_since": nullable(timestamp("Since when every attempt has failed; null while it does well.")),
            "disabled_at": nullable(timestamp("When it was disabled.")),
            "disabled_reason": nullable(text("Why it was disabled; null if its owner did that")),
            "previous_secret_until": nullable(timestamp("Until when the secret before the present one signs, too.")),
        }
    ),
    "WebhookDelivery": obj(
        {
            "id": text("Identifier of the event, which the receiver gets as `webhook-id`", DELIVERY_ID),
            "webhook": identifier("The webhook that it goes to", WEBHOOK_ID),
            "type": known_values("The type of the event", [*EventType, TEST_EVENT], EventType.SYNC_COMPLETED.value),
            "collection": nullable(identifier("Where it has happened", COLLECTION_ID)),
            "at": timestamp("When it has happened."),
            "state": known_values("Whether it has arrived", DeliveryState, DeliveryState.DELIVERED.value),
            "attempts": integer("How often it was tried", 1),
            "next_attempt": nullable(timestamp("When it is tried next; null if it is not.")),
            "answers": array(
                obj(
                    {
                        "at": timestamp("When it was tried."),
                        "milliseconds": integer("How long that took", 87),
                        "status": nullable(integer("The status that the receiver has answered", 204)),
                        "error": nullable(text("Why there was no answer, or it does not count")),
                        "body": text("The beginning of the answer's body"),
                    },
                    title="WebhookAnswer",
                )
            ),
        }
    ),
}

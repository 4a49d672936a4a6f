"""``/api/webhooks``: creates, changes and tries endpoints that are told of events, and shows what they answered.

Everything here needs the scope ``admin``: an endpoint gets names of files for as long as it exists, and a URL of a
receiver is often a secret itself.
"""

from typing import Any

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import DELIVERY_ID, WEBHOOK_ID, array, obj, ref, text
from chalicelib.api.openapi.operation import (
    CURSOR_PARAMETER,
    LIMIT_PARAMETER,
    MESSAGE,
    NEXT_CURSOR,
    Operation,
    json_body,
    path_parameter,
    query_parameter,
)
from chalicelib.api.requests.bodies import json_object, parse_new_webhook, parse_webhook_change
from chalicelib.api.requests.queries import parameter, parse_delivery_state, parse_limit
from chalicelib.domain.accounts import Scope
from chalicelib.domain.webhook_deliveries import MESSAGE_ID, DeliveryState

TAG = "Webhooks"
PATH = "/api/webhooks"
ONE, DELIVERIES = f"{PATH}/{{id}}", f"{PATH}/{{id}}/deliveries"
DELIVERY = f"{DELIVERIES}/{{delivery}}"
KEEP = "Keep the secret: it is shown only once."
_ID = path_parameter("id", "The id of the webhook", WEBHOOK_ID, identifies="webhook")
_DELIVERY_ID = path_parameter(
    "delivery",
    "The id of the delivery, which the receiver gets as `webhook-id`",
    DELIVERY_ID,
    {"type": "string", "pattern": f"^{MESSAGE_ID.pattern}$"},
    identifies="delivery",
)
_SECRET = text("The secret that signs, shown only once", "whsec_…")
_ONE = (("webhook", "/result/webhook/id"),)
_DELIVERY = (("delivery", "/result/delivery/id"), ("webhook", "/result/delivery/webhook"))
_DELIVERY_RESULT = obj({"delivery": ref("WebhookDelivery")})

LIST_WEBHOOKS = Operation(
    tag=TAG,
    summary="List webhooks",
    description="Without their secrets, oldest first. Needs a token whose scope is `admin`, as all of these do.",
    answer="WebhookList",
    result=obj({"webhooks": array(ref("Webhook"))}),
    identifiers=(("webhook", "/result/webhooks/0/id"),),
)
CREATE_WEBHOOK = Operation(
    tag=TAG,
    summary="Create a webhook",
    description=(
        "Requests are sent to `url` by POST, signed as https://www.standardwebhooks.com says, when one of `events` "
        "happens: at least once each, in any order, tried for a day. The URL is HTTPS on port 443 of a public address. "
        "It gets what happens ten seconds after its creation: workers look so often who wants to be told."
    ),
    body=json_body(ref("WebhookDefinition")),
    status=201,
    answer="CreatedWebhook",
    result=obj({"webhook": ref("Webhook"), "secret": _SECRET}),
    info=obj({"message": text("A reminder", KEEP)}),
    identifiers=_ONE,
    has_location=True,
    errors=(404, 409),
)
SHOW_WEBHOOK = Operation(
    tag=TAG,
    summary="Show a webhook",
    description="`failing_since` and `disabled_reason` say how its receiver does.",
    parameters=(_ID,),
    answer="ShownWebhook",
    result=obj({"webhook": ref("Webhook")}),
    errors=(404,),
)
CHANGE_WEBHOOK = Operation(
    tag=TAG,
    summary="Change a webhook",
    description=(
        "Fields that are left out stay. `enabled: false` stops it, `enabled: true` starts it again, also after three "
        "days of failures have disabled it. What happens while it is disabled is not sent later."
    ),
    parameters=(_ID,),
    body=json_body(ref("WebhookChange")),
    answer="ShownWebhook",
    result=obj({"webhook": ref("Webhook")}),
    errors=(404, 409),
)
DELETE_WEBHOOK = Operation(
    tag=TAG,
    summary="Delete a webhook",
    description="Nothing more is sent to it, and its deliveries are no longer shown.",
    parameters=(_ID,),
    result=MESSAGE,
    errors=(404, 409),
)
ROTATE_SECRET = Operation(
    tag=TAG,
    summary="Give a webhook a new secret",
    description=(
        "For a day requests are signed with the new secret and with the one before, so that the receiver can change "
        "over. A second rotation drops the first secret at once."
    ),
    parameters=(_ID,),
    status=201,
    answer="RotatedSecret",
    result=obj({"webhook": ref("Webhook"), "secret": _SECRET}),
    info=obj({"message": text("A reminder", KEEP)}),
    errors=(404, 409),
)
TEST_WEBHOOK = Operation(
    tag=TAG,
    summary="Test a webhook",
    description="Sends the event `webhook.test`, also to one that is disabled. Look at the delivery for the answer.",
    parameters=(_ID,),
    status=202,
    answer="StartedDelivery",
    result=_DELIVERY_RESULT,
    identifiers=_DELIVERY,
    has_location=True,
    errors=(404, 409),
)
LIST_DELIVERIES = Operation(
    tag=TAG,
    summary="List the deliveries of a webhook",
    description=(
        "The newest first, for seven days, each with its latest answers. A page may be short, or empty, although "
        "another one follows: continue until `next_cursor` is null."
    ),
    parameters=(
        _ID,
        query_parameter(
            "state",
            {"type": "string", "enum": [state.value for state in DeliveryState]},
            "Only deliveries in this state",
            "failed",
        ),
        LIMIT_PARAMETER,
        CURSOR_PARAMETER,
    ),
    answer="DeliveryList",
    result=obj({"deliveries": array(ref("WebhookDelivery"))}),
    info=obj({"next_cursor": NEXT_CURSOR}),
    identifiers=(("delivery", "/result/deliveries/0/id"), ("webhook", "/result/deliveries/0/webhook")),
    errors=(404,),
)
SHOW_DELIVERY = Operation(
    tag=TAG,
    summary="Show a delivery",
    description="With the body that is sent.",
    parameters=(_ID, _DELIVERY_ID),
    answer="ShownDelivery",
    result=obj({"delivery": ref("WebhookDelivery"), "body": text("The body of the request, as it is sent", "{…}")}),
    errors=(404,),
)
REPLAY_DELIVERY = Operation(
    tag=TAG,
    summary="Replay a delivery",
    description="Sends one that has ended again, with the same id and body, and tries for another day.",
    parameters=(_ID, _DELIVERY_ID),
    status=202,
    answer="StartedDelivery",
    result=_DELIVERY_RESULT,
    has_location=True,
    errors=(404, 409),
)


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    webhooks = Blueprint(__name__)
    route = dispatcher.routes(webhooks)

    @route("GET", PATH, scope=Scope.ADMIN, any_plan=True, operation=LIST_WEBHOOKS)
    def list_webhooks(context: RequestContext) -> Result:
        endpoints = context.services.webhooks.all(context.account)
        return Result({"webhooks": [serializers.webhook(endpoint) for endpoint in endpoints]})

    @route("POST", PATH, scope=Scope.ADMIN, operation=CREATE_WEBHOOK)
    def create_webhook(context: RequestContext) -> Result:
        services = context.services
        new = parse_new_webhook(json_object(context.request), is_local=services.config.local_webhooks)
        endpoint = services.webhooks.create(context.caller, new, context.base_url)
        return _with_secret(serializers.webhook(endpoint), endpoint.secret, f"{PATH}/{endpoint.id}/")

    @route("GET", ONE, scope=Scope.ADMIN, any_plan=True, operation=SHOW_WEBHOOK)
    def show_webhook(context: RequestContext) -> Result:
        endpoint = context.services.webhooks.get(context.account, context.path["id"])
        return Result({"webhook": serializers.webhook(endpoint)})

    @route("PATCH", ONE, scope=Scope.ADMIN, operation=CHANGE_WEBHOOK)
    def change_webhook(context: RequestContext) -> Result:
        services = context.services
        services.webhooks.get(context.account, context.path["id"])
        change = parse_webhook_change(json_object(context.request), is_local=services.config.local_webhooks)
        endpoint = services.webhooks.change(context.caller, context.path["id"], change)
        return Result({"webhook": serializers.webhook(endpoint)})

    @route("DELETE", ONE, scope=Scope.ADMIN, any_plan=True, operation=DELETE_WEBHOOK)
    def delete_webhook(context: RequestContext) -> Result:
        context.services.webhooks.delete(context.account, context.path["id"])
        return Result({"message": f"Webhook {context.path['id']} is deleted."})

    @route("POST", f"{ONE}/secret", scope=Scope.ADMIN, operation=ROTATE_SECRET)
    def rotate_secret(context: RequestContext) -> Result:
        endpoint = context.services.webhooks.rotate_secret(context.account, context.path["id"])
        return _with_secret(serializers.webhook(endpoint), endpoint.secret)

    @route("POST", f"{ONE}/test", scope=Scope.ADMIN, operation=TEST_WEBHOOK)
    def test_webhook(context: RequestContext) -> Result:
        delivery = context.services.webhooks.try_out(context.account, context.path["id"])
        return _started(serializers.webhook_delivery(delivery), delivery.endpoint, delivery.id)

    @route("GET", DELIVERIES, scope=Scope.ADMIN, any_plan=True, operation=LIST_DELIVERIES)
    def list_deliveries(context: RequestContext) -> Result:
        request, endpoint = context.request, context.path["id"]
        limit, state = parse_limit(parameter(request, "limit")), parse_delivery_state(parameter(request, "state"))
        cursor_scope = (context.account, "deliveries", endpoint, state)
        after = _position(decode_cursor(parameter(request, "cursor"), cursor_scope))
        page = context.services.webhooks.page(context.account, endpoint, state, after=after, limit=limit)
        deliveries = [serializers.webhook_delivery(delivery) for delivery in page.deliveries]
        return Result({"deliveries": deliveries}, info={"next_cursor": encode_cursor(cursor_scope, page.after)})

    @route("GET", DELIVERY, scope=Scope.ADMIN, any_plan=True, operation=SHOW_DELIVERY)
    def show_delivery(context: RequestContext) -> Result:
        names = context.path
        delivery = context.services.webhooks.delivery(context.account, names["id"], names["delivery"])
        return Result({"delivery": serializers.webhook_delivery(delivery), "body": delivery.body})

    @route("POST", f"{DELIVERY}/replay", scope=Scope.ADMIN, operation=REPLAY_DELIVERY)
    def replay_delivery(context: RequestContext) -> Result:
        names = context.path
        delivery = context.services.webhooks.replay(context.account, names["id"], names["delivery"])
        return _started(serializers.webhook_delivery(delivery), delivery.endpoint, delivery.id)

    return webhooks


def _with_secret(webhook: dict[str, Any], secret: str, location: str | None = None) -> Result:
    result = {"webhook": webhook, "secret": secret}
    return Result(result, status=201, info={"message": KEEP}, location=location, masked_field="secret")


def _started(delivery: dict[str, Any], endpoint: str, delivery_id: str) -> Result:
    location = f"{PATH}/{endpoint}/deliveries/{delivery_id}/"
    return Result({"delivery": delivery}, status=202, location=location)


def _position(position: Any) -> str | None:
    """Where a page begins, as a cursor says."""
    if position is None or (isinstance(position, str) and MESSAGE_ID.fullmatch(position)):
        return position
    raise invalid_cursor()

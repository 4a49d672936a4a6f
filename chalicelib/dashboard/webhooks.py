"""Webhooks of an account, which its owners have: listed, made, tried, switched off, deleted; and what was delivered."""

from collections.abc import Mapping
from typing import Any

from chalicelib.api.cursors import decode_cursor, encode_cursor
from chalicelib.api.requests.bodies import parse_new_webhook
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.fields import Fields
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.repetition import MadeSecret, made_once
from chalicelib.domain.errors import PlanForbids, SimilarixError
from chalicelib.domain.permissions import Permission
from chalicelib.domain.webhook_endpoints import NewWebhook, WebhookChange, WebhookEndpoint
from chalicelib.domain.webhook_events import EventType

DELIVERIES = 20  # of a page
_FIELDS = ("url", "events", "description", "collections")


def stopped_webhooks(request: PageRequest) -> list[WebhookEndpoint]:
    """Those that were disabled because they failed, for who may have webhooks: nothing else tells them."""
    if not request.session.may(Permission.WEBHOOKS):
        return []
    return [each for each in request.services.webhooks.all(request.account.uuid) if each.disabled_reason is not None]


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/account/webhooks", needs=Permission.WEBHOOKS)
    def list_webhooks(request: PageRequest) -> Page:
        webhooks = request.services.webhooks.all(request.account.uuid)
        return Page("webhooks.html", {"webhooks": webhooks, "has_api": request.plan.api_access})

    @page("/account/webhooks/new", needs=Permission.WEBHOOKS)
    def show_form(request: PageRequest) -> Page:
        _check_plan(request)
        return _form(request, Fields())

    @page("/account/webhooks/new", methods=("POST",), needs=Permission.WEBHOOKS)
    def make_webhook(request: PageRequest) -> Page:
        _check_plan(request)
        try:
            new = _new_webhook(request)
            made = made_once(
                request, lambda: _made(request.services.webhooks.create(request.caller, new, request.base_url))
            )
        except SimilarixError as error:
            if error.field is None:
                raise
            return _form(request, request.form, error)
        return _secret(request, made)

    @page("/account/webhooks/{webhook}", needs=Permission.WEBHOOKS)
    def show_webhook(request: PageRequest) -> Page:
        return Page("webhook.html", _shown(request, _webhook(request)))

    @page("/account/webhooks/{webhook}/secret", methods=("POST",), needs=Permission.WEBHOOKS)
    def rotate_secret(request: PageRequest) -> Page:
        _check_plan(request)
        account, webhook = request.account.uuid, request.path["webhook"]
        return _secret(
            request, made_once(request, lambda: _made(request.services.webhooks.rotate_secret(account, webhook)))
        )

    @page("/account/webhooks/{webhook}/test", methods=("POST",), needs=Permission.WEBHOOKS)
    def try_out(request: PageRequest) -> Redirect:
        _check_plan(request)
        request.services.webhooks.try_out(request.account.uuid, request.path["webhook"])
        return _back(request, "webhooks.tried_out")

    @page("/account/webhooks/{webhook}/switch", methods=("POST",), needs=Permission.WEBHOOKS)
    def switch(request: PageRequest) -> Redirect:
        change = WebhookChange(enabled=request.form.text("do") == "on")
        if change.enabled:
            _check_plan(request)
        request.services.webhooks.change(request.caller, request.path["webhook"], change)
        return _back(request, "webhooks.switched")

    @page("/account/webhooks/{webhook}/delete", methods=("POST",), needs=Permission.WEBHOOKS)
    def delete(request: PageRequest) -> Redirect:
        request.services.webhooks.delete(request.account.uuid, request.path["webhook"])
        return Redirect("/account/webhooks", toast="webhooks.deleted")

    @page("/account/webhooks/{webhook}/deliveries/{delivery}", methods=("POST",), needs=Permission.WEBHOOKS)
    def replay(request: PageRequest) -> Redirect:
        _check_plan(request)
        request.services.webhooks.replay(request.account.uuid, request.path["webhook"], request.path["delivery"])
        return _back(request, "webhooks.replayed")


def _made(endpoint: WebhookEndpoint) -> MadeSecret:
    return MadeSecret(endpoint.id, endpoint.secret)


def _secret(request: PageRequest, made: MadeSecret) -> Page:
    endpoint = request.services.webhooks.get(request.account.uuid, made.id)
    return Page("webhook_secret.html", {"webhook": endpoint, "secret": made.secret})


def _check_plan(request: PageRequest) -> None:
    if not request.plan.api_access:
        raise PlanForbids(f"The plan '{request.plan.name}' has no webhooks. Change to Pro, or to a larger plan.")


def _webhook(request: PageRequest) -> WebhookEndpoint:
    return request.services.webhooks.get(request.account.uuid, request.path["webhook"])


def _shown(request: PageRequest, endpoint: WebhookEndpoint) -> Mapping[str, Any]:
    """The variables of the page of a webhook: a page of its deliveries, the newest first."""
    scope = (request.account.uuid, "deliveries", endpoint.id)
    position = decode_cursor(request.query.get("cursor"), scope)
    after = position[0] if isinstance(position, list) and len(position) == 1 and isinstance(position[0], str) else None
    found = request.services.webhooks.page(request.account.uuid, endpoint.id, None, after=after, limit=DELIVERIES)
    names = {collection.uuid: collection.name for collection in request.services.collections.all(request.account.uuid)}
    return {
        "webhook": endpoint,
        "names": [names[uuid] for uuid in endpoint.collections or () if uuid in names],
        "deliveries": found.deliveries,
        "cursor": encode_cursor(scope, [found.after]) if found.after is not None else None,
    }


def _new_webhook(request: PageRequest) -> NewWebhook:
    form = request.form
    body: dict[str, Any] = {"url": form.text("url"), "events": form.all("events")}
    if form.text("description"):
        body["description"] = form.text("description")
    if form.all("collections"):
        body["collections"] = form.all("collections")
    return parse_new_webhook(body, is_local=request.services.config.local_webhooks)


def _form(request: PageRequest, fields: Fields, error: SimilarixError | None = None) -> Page:
    data = {
        "fields": fields,
        "events": list(EventType),
        "collections": request.services.collections.all(request.account.uuid),
        "wrong": {field: error.message if error is not None and error.field == field else None for field in _FIELDS},
    }
    return Page("webhook_new.html", data, status=error.status if error is not None else 200)


def _back(request: PageRequest, toast: str) -> Redirect:
    return Redirect(f"/account/webhooks/{request.path['webhook']}", toast=toast)

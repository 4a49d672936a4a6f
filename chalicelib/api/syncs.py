"""``/api/collections/{uuid}/sync``: begun, previewed, cancelled, followed; and why a file is, or is not, indexed."""

import time
from collections.abc import Callable
from typing import Any

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.requests import json_object, parameter
from chalicelib.domain.collections import Collection, Trigger
from chalicelib.domain.errors import InvalidRequest

PREVIEW_SECONDS = 20  # of the 29 that API Gateway waits
OPTIONS = ("dry_run", "confirm_removals", "retry_failed")


def blueprint(edge: Dispatcher) -> Blueprint:
    syncs = Blueprint(__name__)
    route = edge.routes(syncs)

    @route("POST", "/api/collections/{uuid}/sync")
    def sync_collection(call: RequestContext) -> Result:
        collection, wish = _collection(call), _options(call)
        if wish["dry_run"]:
            return Result({"preview": serializers.preview(call.services.syncs.preview(collection, _deadline()))})
        call.services.syncs.start(
            collection,
            Trigger.MANUAL,
            confirm_removals=wish["confirm_removals"],
            retry_failed=wish["retry_failed"],
        )
        return Result({"message": f"Sync triggered successfully for collection {collection.uuid}."}, status=202)

    @route("DELETE", "/api/collections/{uuid}/sync")
    def cancel_sync(call: RequestContext) -> Result:
        collection = _collection(call)
        call.services.syncs.cancel(collection)
        return Result({"message": f"Sync cancelled for collection {collection.uuid}."})

    @route("GET", "/api/collections/{uuid}/sync-status")
    def show_sync_status(call: RequestContext) -> Result:
        return Result(serializers.sync_status(_collection(call), call.services.now()))

    @route("GET", "/api/collections/{uuid}/explain")
    def explain_file(call: RequestContext) -> Result:
        collection = _collection(call)
        return Result(
            serializers.explanation(call.services.explanations.explain(collection, parameter(call.request, "key")))
        )

    return syncs


def _collection(call: RequestContext) -> Collection:
    return call.services.collections.get(call.account, call.path["uuid"])


def _options(call: RequestContext) -> dict[str, bool]:
    """What the body asks for; none is needed.

    Raises:
        InvalidRequest: it is no JSON object of these options, each true or false.
    """
    body: dict[str, Any] = json_object(call.request) if call.request.raw_body else {}
    for name, value in body.items():
        if name not in OPTIONS:
            raise InvalidRequest(f"A sync has no option '{name}'; it has {', '.join(OPTIONS)}.", field=name)
        if not isinstance(value, bool):
            raise InvalidRequest(f"{name} is true or false.", field=name)
    return {name: body.get(name, False) for name in OPTIONS}


def _deadline() -> Callable[[], float]:
    end = time.monotonic() + PREVIEW_SECONDS
    return lambda: end - time.monotonic()

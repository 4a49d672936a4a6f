"""``/api/collections/{uuid}/duplicates``: starts a scan for duplicates, and lists the groups it has found."""

import re
from collections.abc import Sequence
from typing import Any

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import (
    Schema,
    array,
    integer,
    known_values,
    nullable,
    obj,
    ref,
    timestamp,
)
from chalicelib.api.openapi.operation import (
    COLLECTION_PARAMETER,
    CURSOR_PARAMETER,
    LIMIT_PARAMETER,
    MESSAGE,
    NEXT_CURSOR,
    Operation,
    query_parameter,
)
from chalicelib.api.requests.queries import parameter, parameters, parse_limit
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import Collection
from chalicelib.domain.duplicate_groups import ScanStatus
from chalicelib.domain.duplicates import Tier
from chalicelib.domain.errors import InvalidRequest
from chalicelib.services.duplicates import CurrentGroup

_POSITION = re.compile(r"\d{17}#[a-z]{1,10}#[0-9a-f]{32}\.\d{1,16}", re.ASCII)
_TIERS: Schema = array({"type": "string", "enum": [tier.value for tier in Tier]}) | {"maxItems": len(Tier)}

LIST_DUPLICATES = Operation(
    tag="Duplicates",
    summary="List duplicates",
    description=(
        "Groups of files of a collection that are alike, the largest waste first, as the last scan has found them. A "
        "file may be in one group of each tier. Files that were changed or removed since are left out."
    ),
    parameters=(
        COLLECTION_PARAMETER,
        query_parameter(
            "tier", _TIERS, "Only groups of this tier; repeat the parameter for more than one", [Tier.IDENTICAL.value]
        ),
        LIMIT_PARAMETER,
        CURSOR_PARAMETER,
    ),
    result=obj(
        {
            "groups": array(
                obj(
                    {
                        "tier": known_values("How alike the files are", Tier, Tier.SAME),
                        "count": integer("Number of files of the group", 2),
                        "waste": integer("Bytes of all files but the first", 702316),
                        "files": array(ref("ListedFile"))
                        | {"description": "The first 100 of them; the first one has the most pixels and bytes"},
                    },
                    title="DuplicateGroup",
                )
            )
        }
    ),
    info=obj(
        {
            "groups_count": integer("Number of groups in this response", 1),
            "status": known_values(
                "Of the latest scan; groups are those of the last completed one",
                ScanStatus,
                ScanStatus.COMPLETED,
            ),
            "started_at": nullable(timestamp("When the latest scan was started.")),
            "finished_at": nullable(timestamp("When the last completed scan ended.")),
            "files_read": integer("Number of files that the latest scan has read", 16),
            "next_cursor": NEXT_CURSOR,
        }
    ),
    errors=(404,),
)
FIND_DUPLICATES = Operation(
    tag="Duplicates",
    summary="Find duplicates",
    description=(
        "Starts a scan for the duplicates of a collection; what the scan before has found is listed until "
        "this one has completed."
    ),
    parameters=(COLLECTION_PARAMETER,),
    status=202,
    has_location=True,
    result=MESSAGE,
    errors=(404, 409),
)


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    duplicates = Blueprint(__name__)
    route = dispatcher.routes(duplicates)

    @route("GET", "/api/collections/{uuid}/duplicates", scope=Scope.READ, operation=LIST_DUPLICATES)
    def list_duplicates(context: RequestContext) -> Result:
        collection, request = context.collection(), context.request
        tiers = _tiers(parameters(request, "tier"))
        limit = parse_limit(parameter(request, "limit"))
        scan, status = context.services.duplicates.latest(collection)
        # The groups of another scan are others: its cursors lead nowhere.
        scope = (context.account, collection.uuid, "duplicates", tiers, scan.served if scan else None)
        after = _position(decode_cursor(parameter(request, "cursor"), scope))
        page = context.services.duplicates.page(collection, scan, tiers, after, limit)
        info = {
            "groups_count": len(page.groups),
            "status": status.value,
            "started_at": serializers.time(scan.started_at) if scan else None,
            "finished_at": serializers.time(scan.finished_at) if scan else None,
            "files_read": scan.files if scan else 0,
            "next_cursor": encode_cursor(scope, page.after),
        }
        return Result({"groups": [_group(context, collection, group) for group in page.groups]}, info=info)

    @route("POST", "/api/collections/{uuid}/duplicates", scope=Scope.WRITE, operation=FIND_DUPLICATES)
    def find_duplicates(context: RequestContext) -> Result:
        collection = context.collection()
        context.services.duplicates.start(collection)
        message = f"A scan looks for the duplicates of collection {collection.uuid}."
        return Result({"message": message}, status=202, location=f"/api/collections/{collection.uuid}/duplicates/")

    return duplicates


def _tiers(values: Sequence[str]) -> tuple[Tier, ...]:
    """The tiers to list, all unless some are named; raises InvalidRequest for one that there is not."""
    for value in values:
        if value not in set(Tier):
            raise InvalidRequest(f"tier is one of {', '.join(Tier)}.", field="tier")
    return tuple(tier for tier in Tier if not values or tier in values)


def _position(decoded: object) -> str | None:
    if decoded is not None and not (isinstance(decoded, str) and _POSITION.fullmatch(decoded)):
        raise invalid_cursor()
    return decoded


def _group(context: RequestContext, collection: Collection, group: CurrentGroup) -> dict[str, Any]:
    return {
        "tier": group.tier.value,
        "count": group.count,
        "waste": group.waste,
        "files": [serializers.file(record, collection, context.links) for record in group.files],
    }

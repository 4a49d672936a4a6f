"""The sorted and filtered lists of a collection's files."""

from typing import Any

from chalicelib.api import serializers
from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor, is_key_text
from chalicelib.api.dispatch import RequestContext, Result
from chalicelib.api.openapi.operation import query_parameter
from chalicelib.api.requests.filters import stated_filter
from chalicelib.api.requests.names import without_index
from chalicelib.api.requests.queries import parameter, parameters
from chalicelib.domain.collections import Collection, is_uuid
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_queries import FilePosition, Order
from chalicelib.domain.files import FileState
from chalicelib.domain.filter_syntax import is_filter_parameter
from chalicelib.domain.filters import WILDCARD

_ORDERS = tuple(order.value for order in Order if order is not Order.MATCH)
SORTS = (*_ORDERS, *(f"-{order}" for order in _ORDERS))
SORT_PARAMETER = query_parameter(
    "sort",
    {"type": "string", "enum": list(SORTS)},
    "Only indexed files, in this order; `-` turns it round. Files of which the value is not known come last",
    "-taken",
)
LARGEST_VALUE = 2**62  # of a number or a time in a cursor


def is_sorted_or_filtered(context: RequestContext) -> bool:
    """Whether the request asks for more than the catalogue's order and the file of one path."""
    names = {without_index(name) for name in context.request.query_params or ()}
    path = parameter(context.request, "path") if "path" in names else None
    others = any(is_filter_parameter(name) for name in names - {"path"})
    return "sort" in names or others or (path is not None and (WILDCARD in path or path.endswith("/")))


def list_sorted_files(context: RequestContext, collection: Collection, state: FileState | None, limit: int) -> Result:
    """The page of a sorted or filtered list.

    Raises:
        InvalidRequest: other files than indexed ones are asked for, or a parameter is malformed.
    """
    request = context.request
    if state not in (None, FileState.INDEXED):
        raise InvalidRequest("Only indexed files are sorted and filtered: leave state out.", field="state")
    written = parameter(request, "sort") or Order.PATH.value
    if written not in SORTS:
        raise InvalidRequest(f"sort is one of {', '.join(SORTS)}.", field="sort")
    order, descending = Order(written.removeprefix("-")), written.startswith("-")
    wanted = stated_filter(request.query_params or (), lambda name: parameters(request, name))
    scope = (collection.uuid, "sorted", written, repr(wanted))
    after = _position(decode_cursor(parameter(request, "cursor"), scope), order)
    page = context.services.file_finder.page(collection, order, wanted, descending=descending, after=after, limit=limit)
    files = [serializers.file(record, collection, context.links) for record in page.records]
    next_cursor = encode_cursor(scope, list(page.after) if page.after else None)
    return Result({"files": files}, info={"files_count": len(files), "next_cursor": next_cursor})


def _position(decoded: Any, order: Order) -> FilePosition | None:
    """Where the page begins; raises InvalidRequest for what no page ended with."""
    match decoded:
        case None:
            return None
        case [value, str() as uuid] if order is Order.PATH and is_key_text(value) and is_uuid(uuid):
            return value, uuid
        case [bool(), _]:
            pass
        case [int() as number, str() as uuid] if order is not Order.PATH and abs(number) < LARGEST_VALUE:
            if is_uuid(uuid):
                return number, uuid
        case [None, str() as uuid] if order in (Order.MODIFIED, Order.TAKEN) and is_uuid(uuid):
            return None, uuid
    raise invalid_cursor()

"""Duplicates of a collection: the scan for them, and the groups that it has found."""

from collections.abc import Sequence

from similarix_sdk.decoding import decode_all
from similarix_sdk.models import DuplicateGroup, Page
from similarix_sdk.requests import Request, parameters, path
from similarix_sdk.steps import Paging, Resource, Steps, listing, operation

DUPLICATES = "/api/collections/{uuid}/duplicates/"


class DuplicateOperations(Resource):
    """A collection is named by its uuid."""

    @operation
    def find(self, collection: str, *, idempotency_key: str | None = None) -> Steps[str]:
        """Start a scan; returns the API's message. Raises Conflict while one is under way."""
        request = Request("POST", path(DUPLICATES, uuid=collection)).keyed(idempotency_key)
        return str((yield from self._api.call(request)).result.get("message"))

    @listing
    def list(self, collection: str, *, tiers: Sequence[str] = (), limit: int = 100) -> Paging[DuplicateGroup]:
        """The groups that the last completed scan has found, the largest waste first, ``limit`` a request.

        The ``info`` of each page says in ``status`` whether a scan is under way.

        Args:
            tiers: ``identical``, ``same`` and ``similar``; all of them if none is given.
        """

        def page(cursor: str | None) -> Steps[Page[DuplicateGroup]]:
            options = parameters(tier=tiers, limit=limit, cursor=cursor)
            envelope = yield from self._api.call(Request("GET", path(DUPLICATES, uuid=collection), options))
            groups = decode_all(DuplicateGroup, envelope.result.get("groups"))
            return Page(groups, envelope.info.get("next_cursor"), envelope.info)

        return page

"""Syncs of a collection with its bucket."""

from similarix_sdk.decoding import decode
from similarix_sdk.models import Page, SyncPreview, SyncState
from similarix_sdk.requests import Pause, Request, path
from similarix_sdk.steps import Paging, Resource, Sender, Steps, listing, operation

SYNC = "/api/collections/{uuid}/sync/"
STATUS = "/api/collections/{uuid}/sync-status/"
ONCE_MORE = "once more"


class SyncOperations(Resource):
    """A collection is named by its uuid."""

    @operation
    def start(
        self,
        collection: str,
        *,
        confirm_removals: bool = False,
        retry_failed: bool = False,
        idempotency_key: str | None = None,
    ) -> Steps[str]:
        """Start a sync; returns the API's message. Raises SyncAlreadyRunning while one runs.

        Args:
            confirm_removals: remove also where most of the files are gone.
            retry_failed: try files again that have failed and have not changed.
        """
        options = {"confirm_removals": confirm_removals, "retry_failed": retry_failed}
        body = {name: True for name, wanted in options.items() if wanted}
        request = Request("POST", path(SYNC, uuid=collection), json=body or None).keyed(idempotency_key)
        return str((yield from self._api.call(request)).result.get("message"))

    @operation
    def preview(self, collection: str) -> Steps[SyncPreview]:
        """What a sync would do. It changes nothing."""
        request = Request("POST", path(SYNC, uuid=collection), json={"dry_run": True}).keyed()
        return decode(SyncPreview, (yield from self._api.call(request)).result.get("preview"))

    @operation
    def cancel(self, collection: str) -> Steps[None]:
        """Cancel the sync that runs; raises Conflict where none does."""
        yield from self._api.call(Request("DELETE", path(SYNC, uuid=collection)))

    @operation
    def status(self, collection: str) -> Steps[SyncState]:
        """The state and the progress."""
        return _status(self._api, collection)

    @listing
    def follow(self, collection: str, *, seconds: float = 2.0) -> Paging[SyncState]:
        """The state every so many seconds, until no sync runs; the last one is the sync's end."""

        def look(again: str | None) -> Steps[Page[SyncState]]:
            if again is not None:
                yield Pause(seconds)
            state = yield from _status(self._api, collection)
            return Page((state,), ONCE_MORE if state.runs else None)

        return look


def _status(api: Sender, collection: str) -> Steps[SyncState]:
    envelope = yield from api.call(Request("GET", path(STATUS, uuid=collection)))
    return decode(SyncState, envelope.result)

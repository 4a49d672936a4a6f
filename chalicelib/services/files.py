"""Single files and lists of them: shown, downloaded, tried again, deleted."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.collections import Collection, CollectionType, checked_uuid
from chalicelib.domain.errors import InvalidRequest, NotFound, NotRetriable, StaleWrite, Unavailable
from chalicelib.domain.files import FilePage, FileRecord, FileState
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.uploads import UploadRef
from chalicelib.services.collections import CollectionService
from chalicelib.services.pipeline.indexer import Indexer
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage, Queues, QuotaLedger, Sources

DOWNLOAD_SECONDS = 300  # of a presigned URL that a person follows at once
REQUEST_LOCK_TIME = timedelta(seconds=60)  # longer than a request lasts


@dataclass(frozen=True, slots=True)
class FileService:
    """Raises NotFound alike for what does not exist and for what is another account's."""

    collections: CollectionService
    catalogue: Catalogue
    sources: Sources
    storage: ManagedStorage
    quota_ledger: QuotaLedger
    indexer: Indexer
    queues: Queues
    now: Clock

    def page(self, collection: Collection, state: FileState | None, *, after: str | None, limit: int) -> FilePage:
        """The collection's files in the order of their keys, those of one state if one is named."""
        return self.catalogue.page(collection.uuid, state, after=after, limit=limit)

    def get(self, account: str, file: str) -> FileRecord:
        record = self._record(account, file)
        if record.state is FileState.REMOVED:
            raise NotFound("There is no such file.")
        return record

    def indexed(self, account: str, file: str) -> FileRecord:
        """A file that can be searched."""
        record = self._record(account, file)
        if record.state is not FileState.INDEXED:
            raise NotFound("There is no such file.")
        return record

    def thumbnail(self, account: str, collection: str, file: str) -> bytes:
        """The JPEG of an indexed file."""
        record = self.indexed(account, file)
        place = record.thumbnail if record.collection == collection else None
        picture = self.storage.thumbnail(record.collection, place) if place else None
        if picture is None:
            raise NotFound("There is no such thumbnail.")
        return picture

    def download_url(self, account: str, file: str) -> str:
        """A URL that serves the original for five minutes."""
        record = self.indexed(account, file)
        source = self.sources.of(self.collections.get(account, record.collection))
        return source.presigned_get(record.key, seconds=DOWNLOAD_SECONDS, file_name=record.key.rpartition("/")[2])

    def retry(self, account: str, file: str) -> FileRecord:
        """Have a file that could not be read looked at once more.

        Raises:
            NotRetriable: it has not failed.
        """
        record = self.get(account, file)
        if record.state is not FileState.FAILED:
            raise NotRetriable(f"Only a file that has failed can be tried again; this one is {record.state}.")
        waiting = record.next_revision(self.now()).as_pending()
        try:
            self.catalogue.save(waiting, record)
        except StaleWrite:
            raise NotRetriable("The file is being looked at already.") from None
        self.queues.send_batches([IndexBatch(account, record.collection, (ObjectHint(record.key),))])
        return waiting

    def delete(self, account: str, file: str) -> None:
        """Delete a file of a managed collection, for good.

        Raises:
            InvalidRequest: the collection is a customer's bucket.
            Unavailable: an upload of that name is under way.
        """
        record = self._record(account, file)
        collection = self.collections.get(account, record.collection)
        if collection.type is not CollectionType.MANAGED:
            raise InvalidRequest("Files of your own bucket are deleted in the bucket; a sync then takes them out.")
        now, ref = self.now(), UploadRef(account, collection.uuid, "")
        claim = self.quota_ledger.lock(ref, record.key, str(uuid.uuid4()), now, now + REQUEST_LOCK_TIME)
        if claim is None:
            raise Unavailable("The file is being changed by another request. Try again in a moment.")
        settled = False
        try:
            # A deletion that did not get to its end left the file removed, and its share taken.
            if record.state is FileState.REMOVED and claim.charged is None:
                raise NotFound("There is no such file.")
            self.storage.delete(record.key)
            self.indexer.apply(IndexBatch(account, collection.uuid, (ObjectHint(record.key),)))
            if record.thumbnail is not None:
                self.storage.delete_thumbnail(collection.uuid, record.thumbnail)
            self.quota_ledger.refund_file(claim)
            settled = True
        finally:
            if not settled:
                self.quota_ledger.unlock(claim)

    def _record(self, account: str, file: str) -> FileRecord:
        record = self.catalogue.find(checked_uuid(file))
        if record is None or record.account != account:
            raise NotFound("There is no such file.")
        # The catalogue of a collection that is being deleted takes a while to clear.
        self.collections.get(account, record.collection)
        return record

"""Deletes many files of managed collections: those that a request names, or all that a filter admits.

A request deletes what it can in its time; the rest is deleted by workers, which get the keys in messages.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.collections import Collection, CollectionType, is_uuid
from chalicelib.domain.errors import InvalidRequest, NotFound, Unavailable
from chalicelib.domain.file_deletions import (
    EXAMPLES,
    KEYS_PER_MESSAGE,
    MATCHED_MAX,
    PAGE_LIMIT,
    DeletionOutcome,
    DeletionReport,
    FileOutcome,
)
from chalicelib.domain.files import FileRecord, FileState, file_uuid, just_before
from chalicelib.domain.filters import Filter
from chalicelib.domain.messages import FileDeletion
from chalicelib.domain.vectors import record_facts
from chalicelib.services.file_group_deletion import FILES_TOGETHER, Errors, FileGroupDeletion
from chalicelib.services.files import NOT_MANAGED
from chalicelib.services.ports import Catalogue, Clock, Collections, Queues

DELETED_STATES = (FileState.INDEXED, FileState.FAILED)  # an upload that is under way is no file yet
_GONE = (DeletionOutcome.DELETED, DeletionOutcome.PENDING, DeletionOutcome.MATCHED)


@dataclass(frozen=True, slots=True)
class FileDeletionService:
    group_deletion: FileGroupDeletion
    collections: Collections
    catalogue: Catalogue
    queues: Queues
    now: Clock

    def delete_named(
        self, account: str, uuids: Sequence[str], seconds_left: Callable[[], float], *, dry_run: bool
    ) -> DeletionReport:
        """Delete these files; what the time is too short for is pending, and so is a file that is being changed.

        Args:
            uuids: as the caller wrote them, none twice; what is no uuid is not found.
        """
        asked_at = self.now()  # before the first read: what is uploaded or changed after that stays
        found = {
            uuid: record
            for uuid, record in self.catalogue.find_many(list(filter(is_uuid, uuids))).items()
            if record.account == account
        }
        collections = {uuid: self.collections.get(account, uuid) for uuid in {r.collection for r in found.values()}}
        outcomes: dict[str, FileOutcome] = {}
        deleted: dict[str, list[FileRecord]] = defaultdict(list)
        for uuid in uuids:
            record = found.get(uuid)
            collection = collections[record.collection] if record is not None else None
            is_gone = record is not None and record.state is FileState.REMOVED
            if record is None or collection is None or (is_gone and (dry_run or not _is_managed(collection))):
                outcomes[uuid] = FileOutcome(uuid, DeletionOutcome.NOT_FOUND)
                continue
            path = collection.path_of(record.key)
            if not _is_managed(collection):
                outcomes[uuid] = FileOutcome(uuid, DeletionOutcome.REFUSED, path, NOT_MANAGED)
            elif dry_run:
                outcomes[uuid] = FileOutcome(uuid, DeletionOutcome.MATCHED, path)
            else:
                deleted[collection.uuid].append(record)
        for records in deleted.values():
            outcomes |= self._delete_now(collections[records[0].collection], records, seconds_left, asked_at)
        files = [outcomes[uuid] for uuid in uuids]
        return DeletionReport(sum(file.outcome in _GONE for file in files), None, files)

    def delete_matching(
        self,
        collection: Collection,
        admitted: Filter,
        after: str | None,
        seconds_left: Callable[[], float],
        *,
        dry_run: bool,
    ) -> DeletionReport:
        """Have the files that a filter admits deleted by workers, ``MATCHED_MAX`` at most.

        Args:
            after: the key up to which the request before has come.

        Raises:
            InvalidRequest: the collection is on a customer's bucket.
        """
        if not _is_managed(collection):
            raise InvalidRequest(NOT_MANAGED, field="collection")
        asked_at = self.now()  # before the first read: what is uploaded or changed after that stays
        keys, next_after = self._matching(collection, admitted, after, seconds_left)
        if not dry_run:
            self._send(collection.account, collection.uuid, keys, asked_at)
        outcome = DeletionOutcome.MATCHED if dry_run else DeletionOutcome.PENDING
        examples = [
            FileOutcome(file_uuid(collection.uuid, key), outcome, collection.path_of(key)) for key in keys[:EXAMPLES]
        ]
        return DeletionReport(len(keys), next_after, examples)

    def run(self, deletion: FileDeletion, seconds_left: Callable[[], float]) -> None:
        """Delete the files of a message, except those that were uploaded or changed since it was asked for.

        Raises:
            Unavailable: the time was too short, or a file is being changed; what is left is deleted with the message's
                next delivery.
        """
        collection = self.collections.get(deletion.account, deletion.collection)
        if collection is None or not _is_managed(collection):
            return
        asked_at = datetime.fromisoformat(deletion.asked_at)
        records = [
            record
            for record in self.catalogue.get_many(collection.uuid, deletion.keys).values()
            # A removed record may be that of a deletion that was interrupted: its quota is still charged.
            if record.state is FileState.REMOVED
            or (record.state is not FileState.PENDING and record.updated_at <= asked_at)
        ]
        errors = self._delete(collection, records, seconds_left, asked_at)
        if left := sum(isinstance(error, Unavailable) for error in errors.values()):
            raise Unavailable(f"{left} files are left to delete.")

    def _delete_now(
        self,
        collection: Collection | None,
        records: Sequence[FileRecord],
        seconds_left: Callable[[], float],
        asked_at: datetime,
    ) -> dict[str, FileOutcome]:
        """Delete files of a managed collection as a request does: what is left is sent to workers. By uuid."""
        assert collection is not None
        errors = self._delete(collection, records, seconds_left)
        outcomes: dict[str, FileOutcome] = {}
        pending: list[str] = []
        for record in records:
            outcome = _outcome(errors[record.key])
            path = None if outcome is DeletionOutcome.NOT_FOUND else collection.path_of(record.key)
            outcomes[record.uuid] = FileOutcome(record.uuid, outcome, path)
            if outcome is DeletionOutcome.PENDING:
                pending.append(record.key)
        self._send(collection.account, collection.uuid, pending, asked_at)
        return outcomes

    def _delete(
        self,
        collection: Collection,
        records: Sequence[FileRecord],
        seconds_left: Callable[[], float],
        asked_at: datetime | None = None,
    ) -> Errors:
        """Delete files of a managed collection, those for which there is time; returns the error of each, by key."""
        errors: Errors = {}
        for first in range(0, len(records), FILES_TOGETHER):
            part = records[first : first + FILES_TOGETHER]
            if seconds_left() <= 0:
                errors |= {record.key: Unavailable("There was no time left.") for record in part}
            else:
                errors |= self.group_deletion.delete(collection, part, asked_at=asked_at)
        return errors

    def _matching(
        self, collection: Collection, admitted: Filter, after: str | None, seconds_left: Callable[[], float]
    ) -> tuple[list[str], str | None]:
        """The keys of files that a filter admits, and where to go on; None if there are no more."""
        start = collection.prefix + admitted.path_prefix
        keys: list[str] = []
        after = just_before(start) if after is None else after
        while True:
            page = self.catalogue.page(collection.uuid, None, after=after, limit=PAGE_LIMIT)
            for record in page.records:
                if not record.key.startswith(start) and record.key > start:
                    return keys, None
                if record.state in DELETED_STATES and admitted.admits(record_facts(record, collection)):
                    keys.append(record.key)
                if len(keys) == MATCHED_MAX:
                    return keys, record.key
            after = page.after
            if after is None or (after > start and not after.startswith(start)):
                return keys, None
            if seconds_left() <= 0:
                return keys, after

    def _send(self, account: str, collection: str, keys: Sequence[str], asked_at: datetime) -> None:
        for first in range(0, len(keys), KEYS_PER_MESSAGE):
            part = tuple(keys[first : first + KEYS_PER_MESSAGE])
            self.queues.send_file_deletion(FileDeletion(account, collection, part, asked_at.isoformat()))


def _is_managed(collection: Collection) -> bool:
    return collection.type is CollectionType.MANAGED


def _outcome(error: NotFound | Unavailable | None) -> DeletionOutcome:
    if error is None:
        return DeletionOutcome.DELETED
    return DeletionOutcome.NOT_FOUND if isinstance(error, NotFound) else DeletionOutcome.PENDING

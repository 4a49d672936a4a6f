"""Applying changes: the one way by which any object enters, changes in or leaves the index.

Manual and scheduled syncs, S3's events and uploads all end here. For each key the record is read first, then the
object; what differs is embedded, written to the vector store and at last to the catalogue, whose write is refused if
anybody else has written the record meanwhile. Then the key is looked at again. A crash at any point leaves the
catalogue behind the vector store, never ahead of it, and the message comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.changes import Change, IndexBatch
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import EmbedderUnavailable, SourceUnavailable, StaleWrite
from chalicelib.domain.files import (
    Action,
    FileRecord,
    FileState,
    ObjectInfo,
    Picture,
    decide,
    failed,
    indexed,
    is_old_news,
    newest,
    removed,
    restored,
)
from chalicelib.domain.vectors import VectorDocument, VectorRemoval, VectorStore
from chalicelib.services.ports import (
    Catalogue,
    Clock,
    Collections,
    Embedder,
    Failure,
    ManagedStorage,
    ObjectToEmbed,
    Source,
    Sources,
)

ROUNDS = 4  # at one message, when its objects are changed or written by others while it is handled
URL_SECONDS = 900  # of a presigned URL for the embedder: longer than its function may run
VANISHED = ("vanished", "The object was gone before it could be read.")


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to write, and the one it follows."""

    record: FileRecord
    previous: FileRecord | None


@dataclass(slots=True)
class Round:
    """What one look at the objects led to: records to write, keys to look at once more, and faults that pass."""

    drafts: list[Draft] = field(default_factory=list)
    look_again: set[str] = field(default_factory=set)
    transient: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Indexing:
    collections: Collections
    catalogue: Catalogue
    sources: Sources
    storage: ManagedStorage
    embedder: Embedder
    vectors: VectorStore
    now: Clock

    def apply(self, batch: IndexBatch, *, again: bool = False) -> None:
        """Bring each object of the batch to where its bucket has it.

        Args:
            again: the message has been handled before, perhaps in part; the vector store is written even where
                the catalogue asks for nothing, because the earlier worker may have died between the two.

        Raises:
            Unavailable: the bucket, the embedder or the store did not answer; nothing is lost, try again.
        """
        collection = self.collections.get(batch.account, batch.collection)
        if collection is None:
            return  # deleted meanwhile
        changes: Sequence[Change] = batch.changes
        for _ in range(ROUNDS):
            changes = self._round(collection, changes, again=again)
            if not changes:
                return
            again = True
        raise SourceUnavailable(f"{len(changes)} objects kept changing while they were indexed.")

    def _round(self, collection: Collection, changes: Sequence[Change], *, again: bool) -> list[Change]:
        """One round over the changes; answers those to look at once more."""
        records = self.catalogue.get_many(collection.uuid, [change.key for change in changes])
        fresh = [change for change in changes if not is_old_news(records.get(change.key), change.sequencer)]
        source = self.sources.of(collection)
        found = source.look([change.key for change in fresh])
        done, to_embed = Round(), []
        for change in fresh:
            draft = Draft(self._next(collection, change, records.get(change.key)), records.get(change.key))
            seen = found[change.key]
            settled = _settled(draft, seen)
            if settled is None:
                assert isinstance(seen, ObjectInfo)
                to_embed.append(replace(draft, record=replace(draft.record, etag=seen.etag, size=seen.size)))
            else:
                done.drafts.extend(settled)
        self._embed(collection, to_embed, source, done)
        standing = _standing(records, done.drafts) if again else []
        self._project([draft.record for draft in done.drafts] + standing, collection.bucket)
        done.look_again |= {draft.record.key for draft in done.drafts if not self._save(draft)}
        if done.transient:
            # After the neighbours are safe: the message comes back, and then only these are left to do.
            raise EmbedderUnavailable("; ".join(f"{fault.code}: {fault.message}" for fault in done.transient))
        return [change for change in changes if change.key in done.look_again]

    def _next(self, collection: Collection, change: Change, record: FileRecord | None) -> FileRecord:
        """The record that would follow, before anything is known of the object."""
        blank = FileRecord(collection.account, collection.uuid, change.key, FileState.FAILED, "", 0, 0, self.now())
        base = record or blank
        return replace(
            base,
            version=base.version + 1,
            updated_at=self.now(),
            sequencer=newest(base.sequencer, change.sequencer),
        )

    def _embed(self, collection: Collection, drafts: Sequence[Draft], source: Source, done: Round) -> None:
        if not drafts:
            return
        results = self.embedder.embed_objects(
            [
                ObjectToEmbed(
                    source.url(draft.record.key, seconds=URL_SECONDS),
                    self.storage.thumbnail_upload_url(collection.uuid, draft.record.uuid, seconds=URL_SECONDS),
                )
                for draft in drafts
            ]
        )
        for draft, result in zip(drafts, results, strict=True):
            if isinstance(result, Picture):
                if result.size == draft.record.size:
                    done.drafts.append(replace(draft, record=indexed(draft.record, result)))
                else:  # overwritten between the look and the download
                    done.look_again.add(draft.record.key)
            elif result.transient:
                done.transient.append(result)
            elif result.code == "source_not_found":
                done.look_again.add(draft.record.key)
            else:
                done.drafts.append(replace(draft, record=failed(draft.record, result.code, result.message)))

    def _project(self, records: Sequence[FileRecord], bucket: str) -> None:
        """Make the vector store say what the records say."""
        documents = [_document(r, r.picture, bucket) for r in records if r.picture and r.state is FileState.INDEXED]
        removals = [VectorRemoval(r.uuid, r.version) for r in records if r.state is not FileState.INDEXED]
        if documents:
            self.vectors.upsert(documents)
        if removals:
            self.vectors.remove(removals)

    def _save(self, draft: Draft) -> bool:
        try:
            self.catalogue.save(draft.record, draft.previous)
        except StaleWrite:
            return False
        return True


def _settled(draft: Draft, found: ObjectInfo | Failure | None) -> list[Draft] | None:
    """What can be said without opening the object, as no draft or one; None where it must be embedded."""
    previous = draft.previous
    if isinstance(found, Failure):
        # What is indexed stays: a permission that is missing for an hour must not empty a collection.
        keep = previous is not None and previous.state is FileState.INDEXED
        return [] if keep else [replace(draft, record=failed(draft.record, found.code, found.message))]
    if found is None:
        if previous is None:
            return [replace(draft, record=removed(draft.record, *VANISHED))]
        action = decide(previous, found)
        return [replace(draft, record=removed(draft.record))] if action is Action.REMOVE else []
    action = decide(previous, found)
    if action is Action.RESTORE:
        return [replace(draft, record=restored(draft.record))]
    if action is Action.NOTHING:
        return []
    return None


def _standing(records: dict[str, FileRecord], drafts: Sequence[Draft]) -> list[FileRecord]:
    """Records that stay as they are, to be projected once more."""
    drafted = {draft.record.key for draft in drafts}
    return [record for key, record in records.items() if key not in drafted]


def _document(record: FileRecord, picture: Picture, bucket: str) -> VectorDocument:
    return VectorDocument(
        uuid=record.uuid,
        account=record.account,
        collection=record.collection,
        bucket=bucket,
        key=record.key,
        size=picture.size,
        md5=picture.md5,
        model=picture.model,
        version=record.version,
        vector=picture.vector,
    )

"""Applying changes: the one way by which any object enters, changes in or leaves the index.

Manual and scheduled syncs, S3's events and uploads all end here. For each key the record is read first, then the
object; what differs is embedded, written to the vector store and at last to the catalogue, whose write is refused if
anybody else has written the record meanwhile. Then the key is looked at again. A crash at any point leaves the
catalogue behind the vector store, never ahead of it, and the message comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.collections import Collection, SyncStatus
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import NotFound, QuotaExceeded, SourceUnavailable
from chalicelib.domain.files import (
    Action,
    FileRecord,
    FileState,
    PendingWrite,
    as_failed,
    as_indexed,
    as_removed,
    as_restored,
    decide,
    is_stale_event,
    latest_sequencer,
    md5_matches,
    next_revision,
    next_version,
)
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.syncs import Tally
from chalicelib.services.pipeline.embeddings import EmbeddedImage, EmbeddingRequest, EmbeddingService
from chalicelib.services.pipeline.quota import QuotaAllocator, QuotaService
from chalicelib.services.pipeline.vector_projection import VectorProjection
from chalicelib.services.ports import Catalogue, Clock, Collections, Source, Sources, VectorStore

MAX_ROUNDS = 4  # at one message, when its objects are changed or written by others while it is handled
NOTHING_EMBEDDED: Mapping[str, EmbeddedImage] = {}
VANISHED = ("vanished", "The object was gone before it could be read.")


@dataclass(slots=True)
class Round:
    """What one look at the objects led to: records to write, keys to look at once more, and faults that pass.

    ``standing`` are the records that stay as they are, ``unread`` the keys of those whose objects could not be read.
    """

    drafts: list[PendingWrite] = field(default_factory=list)
    wanted: list[EmbeddingRequest] = field(default_factory=list)
    standing: list[FileRecord] = field(default_factory=list)
    look_again: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    transient: list[ReadFailure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Indexer:
    collections: Collections
    catalogue: Catalogue
    sources: Sources
    embeddings: EmbeddingService
    vectors: VectorStore
    quota: QuotaService
    now: Clock

    def apply(
        self, batch: IndexBatch, *, again: bool = False, opened: Mapping[str, EmbeddedImage] = NOTHING_EMBEDDED
    ) -> Tally:
        """Bring each object of the batch to where its bucket has it; answers what became of them.

        Args:
            again: the message has been handled before, perhaps in part; the vector store is written even where
                the news is old, or the sync that wanted it is no more, because the earlier worker may have died
                between the two.
            opened: what the embedder has just read out of objects, by key; one that has other bytes by now is opened.

        Raises:
            Unavailable: the bucket, the embedder or the store did not answer; nothing is lost, try again.
        """
        collection = self.collections.get(batch.account, batch.collection)
        if collection is None:
            return Tally()
        changes = [change for change in batch.hints if collection.holds(change.key)]
        try:
            if not _is_idle(batch, collection):
                return self._bring_up(collection, changes, opened, again=again)
            if again:  # whoever had it before may have died between the two writes
                self._projection.repair(collection, [change.key for change in changes])
        except NotFound:
            # Deleted while this was at it: what it has written into the store must not outlive the collection.
            self.vectors.remove_collection(collection.account, collection.uuid)
        return Tally()

    def _bring_up(
        self, collection: Collection, changes: Sequence[ObjectHint], opened: Mapping[str, EmbeddedImage], *, again: bool
    ) -> Tally:
        outcomes: dict[str, str] = {}
        rounds = 0
        while changes:
            if rounds == MAX_ROUNDS:
                raise SourceUnavailable(f"{len(changes)} objects kept changing while they were indexed.")
            changes = self._round(collection, changes, outcomes, opened, again=again)
            # Where this did not do, somebody was faster, and the thumbnail has been thrown away.
            again, opened, rounds = True, NOTHING_EMBEDDED, rounds + 1
        return _tally(outcomes)

    def _round(
        self,
        collection: Collection,
        changes: Sequence[ObjectHint],
        outcomes: dict[str, str],
        opened: Mapping[str, EmbeddedImage],
        *,
        again: bool,
    ) -> list[ObjectHint]:
        """One round over the changes; answers those to look at once more."""
        records = self.catalogue.get_many(collection.uuid, [change.key for change in changes])
        source, model = self.sources.of(collection), self.embeddings.model_version()
        done = self._look(collection, changes, records, source, model, opened)
        _use(opened, done)
        ration = self.quota.of(collection)
        done.drafts = ration.admit(done.drafts, model)
        self._embed(collection, source, model, done, ration)
        if again:
            done.drafts += [PendingWrite(replace(r, version=next_version(r, self.now())), r) for r in done.standing]
        self._projection.project([draft.record for draft in done.drafts], collection.bucket)
        stale = self._save(done.drafts, ration) if done.drafts else set()
        self.embeddings.tidy(done.drafts, stale)
        written = [draft.record for draft in done.drafts if draft.record.key not in stale]
        outcomes |= {record.key: _outcome(record, done.unread) for record in (*done.standing, *written)}
        if done.transient:
            # After the neighbours are safe: the message comes back, and then only these are left to do.
            raise SourceUnavailable("; ".join(sorted({f"{f.code}: {f.message}" for f in done.transient})))
        done.look_again |= stale
        return [change for change in changes if change.key in done.look_again]

    def _look(
        self,
        collection: Collection,
        changes: Sequence[ObjectHint],
        records: dict[str, FileRecord],
        source: Source,
        model: str,
        opened: Mapping[str, EmbeddedImage],
    ) -> Round:
        """Look at the objects, now that their records have been read, and say what each asks for."""
        done = Round()
        fresh = [c for c in changes if c.retry or not is_stale_event(records.get(c.key), c.sequencer)]
        found = source.head_objects([change.key for change in fresh])
        done.standing = [records[key] for key in records.keys() - {change.key for change in fresh}]
        for change in fresh:
            record, seen = records.get(change.key), found[change.key]
            draft = PendingWrite(self._next(collection, change, record), record)
            if isinstance(seen, ReadFailure):
                _unreadable(draft, change, seen, model, done)
                continue
            action = decide(record, seen, model, retry=change.retry)
            # What has just been opened has a new thumbnail; that of a file which was deleted is gone.
            if action is Action.EMBED or (action is Action.RESTORE and change.key in opened):
                assert seen is not None
                done.wanted.append(EmbeddingRequest(draft, seen))
            elif action is Action.RESTORE:
                done.drafts.append(replace(draft, record=as_restored(draft.record)))
            elif action is Action.REMOVE:
                done.drafts.append(replace(draft, record=as_removed(draft.record)))
            elif record is None:
                # Somebody may be about to write a record of what it was: this one makes them look again.
                done.drafts.append(replace(draft, record=as_removed(draft.record, *VANISHED)))
            else:
                # Written all the same: a slower worker that saw the object otherwise must not write after this.
                done.drafts.append(replace(draft, record=replace(draft.record, updated_at=record.updated_at)))
        return done

    def _next(self, collection: Collection, change: ObjectHint, record: FileRecord | None) -> FileRecord:
        """The record that would follow, before anything is known of the object."""
        now = self.now()
        base = record or FileRecord(collection.account, collection.uuid, change.key, FileState.FAILED, "", 0, 0, now)
        sequencer = latest_sequencer(base.sequencer, change.sequencer)
        event_at = now if change.sequencer is not None and sequencer == change.sequencer else base.event_at
        return replace(next_revision(base, now), sequencer=sequencer, event_at=event_at)

    def _embed(self, collection: Collection, source: Source, model: str, done: Round, ration: QuotaAllocator) -> None:
        """Embed what there is room for; what turns out to be no picture leaves its room to those that wait."""
        admitted, waiting = ration.allocate(done.wanted)
        while admitted:
            for wanted, result in self.embeddings.embed(collection, source, model, admitted):
                if isinstance(result, FileRecord):
                    done.drafts.append(PendingWrite(result, wanted.draft.previous))
                elif result is None:  # overwritten or removed since the look
                    done.look_again.add(wanted.draft.record.key)
                elif result.transient:
                    done.transient.append(result)
                else:
                    ration.refund(wanted)
                    record = as_failed(wanted.as_found, model, result.code, result.message)
                    done.drafts.append(PendingWrite(record, wanted.draft.previous))
            admitted, waiting = ration.allocate(waiting)
        done.drafts += [ration.refused(each, model) for each in waiting]

    def _save(self, drafts: Sequence[PendingWrite], ration: QuotaAllocator) -> set[str]:
        """The keys that are to be looked at again."""
        try:
            return self.catalogue.save_all(drafts, ration.plan)
        except QuotaExceeded:  # others have taken the room that there was at the look
            return {draft.record.key for draft in drafts}

    @property
    def _projection(self) -> VectorProjection:
        return VectorProjection(self.catalogue, self.vectors, self.now)


def _use(opened: Mapping[str, EmbeddedImage], done: Round) -> None:
    """Give records the pictures that are known to be of these very bytes."""
    wanted, done.wanted = done.wanted, []
    for each in wanted:
        made = opened.get(each.found.key)
        if made is not None and md5_matches(made.embedding, each.found):
            done.drafts.append(replace(each.draft, record=as_indexed(each.as_found, made.embedding, made.thumbnail)))
        else:
            done.wanted.append(each)


def _is_idle(batch: IndexBatch, collection: Collection) -> bool:
    """Whether the sync that wanted the batch was cancelled, or another has begun and will want what is left of it."""
    if batch.sync is None:
        return False
    return collection.sync.id != batch.sync or collection.sync.status is SyncStatus.CANCELLED


def _unreadable(draft: PendingWrite, change: ObjectHint, failure: ReadFailure, model: str, done: Round) -> None:
    previous, record = draft.previous, draft.record
    if change.etag is not None and change.size is not None:
        record = replace(record, etag=change.etag, size=change.size)
    if failure.transient:
        done.transient.append(failure)
    elif previous is not None and previous.state in (FileState.INDEXED, FileState.REMOVED):
        # What is indexed stays: a permission that is missing for an hour must not empty a collection.
        done.standing.append(previous)
        done.unread.add(previous.key)
    else:
        done.drafts.append(replace(draft, record=as_failed(record, model, failure.code, failure.message)))


def _outcome(record: FileRecord, unread: set[str]) -> str:
    if record.key in unread:
        return "skipped"
    return {FileState.INDEXED: "done", FileState.FAILED: "failed"}.get(record.state, "removed")


def _tally(outcomes: dict[str, str]) -> Tally:
    counts = {name: list(outcomes.values()).count(name) for name in ("done", "failed", "removed", "skipped")}
    return Tally(**counts)

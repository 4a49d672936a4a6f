"""The plan for a batch of hints: what to write, what to embed and what to leave, by the records and the objects.

Nothing here reads or writes anything: ``services.pipeline.indexer`` reads the records first and the objects second,
has the plan made, and carries it out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.embeddings import SOURCE_UNAVAILABLE, EmbeddedImage, ReadFailure
from chalicelib.domain.errors import EmbedderUnavailable, SourceUnavailable, Unavailable
from chalicelib.domain.file_actions import Action, decide
from chalicelib.domain.files import FileRecord, FileState, ObjectInfo, PendingWrite, md5_matches
from chalicelib.domain.image_files import unreadable_size
from chalicelib.domain.messages import ObjectHint
from chalicelib.domain.metadata import Metadata
from chalicelib.domain.sequencers import is_stale_event, latest_sequencer
from chalicelib.domain.syncs import Outcome

VANISHED = ("vanished", "There was no object to index when it was looked for.")

ObjectOrFailure = ObjectInfo | ReadFailure | None
# The image; why there is none; None if the object is no longer the one that was to be embedded.
EmbeddingResult = EmbeddedImage | ReadFailure | None


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """An object to embed, and the write that waits for its embedding."""

    write: PendingWrite
    s3_object: ObjectInfo

    @property
    def key(self) -> str:
        return self.s3_object.key

    @property
    def record(self) -> FileRecord:
        """The record to write, with the object's identity and no outcome yet."""
        return replace(self.write.record, etag=self.s3_object.etag, size=self.s3_object.size)

    def indexed(self, image: EmbeddedImage) -> PendingWrite:
        return replace(self.write, record=self.record.as_indexed(image))

    def failed(self, model: str, reason: str, detail: str) -> PendingWrite:
        return replace(self.write, record=self.record.as_failed(model, reason, detail))


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What to do about the objects of a batch.

    Args:
        to_embed: objects whose records wait for an embedding.
        writes: records to write as they are.
        unchanged: records that stay as they are: their hints are stale, or their objects cannot be read.
        unreadable: keys of the latter.
        unselected: keys without a record whose objects the collection does not select.
        bucket_failures, embedder_failures: transient failures, by the system that failed.
        recheck: keys of objects that were overwritten or removed since the plan was made.
    """

    to_embed: tuple[EmbeddingRequest, ...] = ()
    writes: tuple[PendingWrite, ...] = ()
    unchanged: tuple[FileRecord, ...] = ()
    unreadable: frozenset[str] = frozenset()
    unselected: frozenset[str] = frozenset()
    bucket_failures: tuple[ReadFailure, ...] = ()
    embedder_failures: tuple[ReadFailure, ...] = ()
    recheck: frozenset[str] = frozenset()

    def with_results(
        self,
        results: Iterable[tuple[EmbeddingRequest, EmbeddingResult]],
        over_plan: Iterable[PendingWrite],
        model: str,
    ) -> "IndexPlan":
        """The plan with the embedder's results in place of ``to_embed``, and the records that had no quota left."""
        writes: list[PendingWrite] = []
        recheck: set[str] = set()
        bucket_failures: list[ReadFailure] = []
        embedder_failures: list[ReadFailure] = []
        for request, result in results:
            if result is None:
                recheck.add(request.key)
            elif isinstance(result, EmbeddedImage):
                writes.append(request.indexed(result))
            elif not result.transient:
                writes.append(request.failed(model, result.code, result.message))
            elif result.code == SOURCE_UNAVAILABLE:  # the embedder reads the bucket, too
                bucket_failures.append(result)
            else:
                embedder_failures.append(result)
        return replace(
            self,
            to_embed=(),
            writes=(*self.writes, *writes, *over_plan),
            recheck=self.recheck | recheck,
            bucket_failures=(*self.bucket_failures, *bucket_failures),
            embedder_failures=(*self.embedder_failures, *embedder_failures),
        )

    def with_unchanged_rewritten(self, now: datetime) -> "IndexPlan":
        """The plan that also writes the unchanged records, with nothing changed but their versions.

        The vector store then takes their documents in place of those of a worker that died between its two writes.
        """
        rewrites = (
            PendingWrite(replace(record, version=record.next_version(now)), record) for record in self.unchanged
        )
        return replace(self, writes=(*self.writes, *rewrites))

    def outcomes(self, stale: set[str]) -> dict[str, Outcome]:
        """What became of each object, by key; ``stale`` are the keys whose writes were refused."""
        written = (write.record for write in self.writes if write.key not in stale)
        outcomes = {record.key: self._outcome(record) for record in (*self.unchanged, *written)}
        return dict.fromkeys(self.unselected, Outcome.SKIPPED) | outcomes

    def transient_error(self) -> Unavailable | None:
        """The error that brings the message back, if an object failed transiently.

        If both the bucket and the embedder failed, the error is the bucket's: the embedder reads from the bucket, so
        the bucket may be the cause of both, and the embedder cannot. The message names every failure.
        The error is partial if other objects did not fail.
        """
        failures = (*self.bucket_failures, *self.embedder_failures)
        if not failures:
            return None
        text = "; ".join(sorted({f"{failure.code}: {failure.message}" for failure in failures}))
        error = SourceUnavailable(text) if self.bucket_failures else EmbedderUnavailable(text)
        error.is_partial = bool(self.writes or self.unchanged or self.unselected)
        return error

    def _outcome(self, record: FileRecord) -> Outcome:
        if record.key in self.unreadable:
            return Outcome.SKIPPED
        outcomes = {FileState.INDEXED: Outcome.DONE, FileState.FAILED: Outcome.FAILED}
        return outcomes.get(record.state, Outcome.REMOVED)


def current_hints(hints: Sequence[ObjectHint], records: Mapping[str, FileRecord]) -> list[ObjectHint]:
    """The hints whose objects are to be compared: all but those of stale events."""
    return [hint for hint in hints if hint.retry or not is_stale_event(records.get(hint.key), hint.sequencer)]


def plan_batch(
    collection: Collection,
    hints: Sequence[ObjectHint],
    records: Mapping[str, FileRecord],
    objects: Mapping[str, ObjectOrFailure],
    model: str,
    now: datetime,
    embedded: Mapping[str, EmbeddedImage],
    metadata: Mapping[str, Metadata] | None = None,
) -> IndexPlan:
    """Plan a batch.

    Args:
        hints: the current ones.
        records: of the whole batch, as they were read before the objects.
        objects: of the current hints whose keys the collection selects.
        model: the current model version.
        embedded: images that were just embedded, by key; one is ignored if its object's bytes have changed since.
        metadata: of managed files, by key, where it changes.
    """
    current_keys = {hint.key for hint in hints}
    plans = [IndexPlan(unchanged=tuple(record for key, record in records.items() if key not in current_keys))]
    for hint in hints:
        previous, s3_object = records.get(hint.key), _selected(collection, hint.key, objects)
        if previous is None and not collection.selects(hint.key):
            plans.append(IndexPlan(unselected=frozenset({hint.key})))
            continue
        record = _next_record(collection, hint, previous, s3_object, now)
        if metadata is not None and hint.key in metadata:
            record = replace(record, metadata=metadata[hint.key])
        write = PendingWrite(record, previous)
        if isinstance(s3_object, ReadFailure):
            plans.append(_plan_unreadable(hint, write, s3_object, model))
        else:
            plans.append(_plan_object(hint, write, s3_object, model, embedded.get(hint.key)))
    return _merged(plans)


def _selected(collection: Collection, key: str, objects: Mapping[str, ObjectOrFailure]) -> ObjectOrFailure:
    """The object, or None if the collection does not select it: it is then handled as if it did not exist."""
    s3_object = objects.get(key)
    size = s3_object.size if isinstance(s3_object, ObjectInfo) else None
    return s3_object if collection.selects(key, size) else None


def _next_record(
    collection: Collection,
    hint: ObjectHint,
    previous: FileRecord | None,
    s3_object: ObjectOrFailure,
    now: datetime,
) -> FileRecord:
    """The record to write next, before it is decided what becomes of the file."""
    base = previous or FileRecord(collection.account, collection.uuid, hint.key, FileState.FAILED, "", 0, 0, now)
    sequencer = latest_sequencer(base.sequencer, hint.sequencer)
    event_at = now if hint.sequencer is not None and sequencer == hint.sequencer else base.event_at
    record = replace(base.next_revision(now), sequencer=sequencer, event_at=event_at)
    if not isinstance(s3_object, ObjectInfo):
        return record
    record = replace(record, modified=s3_object.modified)
    # In managed storage the record is where the metadata is; the object's are our own.
    if collection.type is CollectionType.S3 and s3_object.metadata is not None:
        record = replace(record, metadata=s3_object.metadata)
    return record


def _plan_unreadable(hint: ObjectHint, write: PendingWrite, failure: ReadFailure, model: str) -> IndexPlan:
    if failure.transient:
        return IndexPlan(bucket_failures=(failure,))
    previous, record = write.previous, write.record
    if previous is not None and previous.state in (FileState.INDEXED, FileState.REMOVED):
        # An indexed file stays: a permission that is missing for an hour must not empty a collection.
        return IndexPlan(unchanged=(previous,), unreadable=frozenset({previous.key}))
    if hint.etag is not None and hint.size is not None:
        record = replace(record, etag=hint.etag, size=hint.size)
    return IndexPlan(writes=(replace(write, record=record.as_failed(model, failure.code, failure.message)),))


def _plan_object(
    hint: ObjectHint, write: PendingWrite, s3_object: ObjectInfo | None, model: str, image: EmbeddedImage | None
) -> IndexPlan:
    record, previous = write.record, write.previous
    action = decide(previous.entry if previous else None, s3_object, model, retry=hint.retry)
    if action is Action.REMOVE:
        record = record.as_removed()
    elif action is Action.NOTHING and previous is None:
        # Another worker may be about to write a record of the object as it was: this tombstone makes that write stale.
        record = record.as_removed(*VANISHED)
    elif action in (Action.NOTHING, Action.FOLLOW) and previous is not None:
        # Written all the same: a slower worker that saw the object in another state must not write after this.
        if record.metadata == previous.metadata:
            record = replace(record, updated_at=previous.updated_at)
    # A new image comes with a new thumbnail; that of a file that was deleted is gone.
    elif action is Action.RESTORE and record.embedding is not None and image is None:
        record = record.as_restored()
    else:
        assert s3_object is not None
        request = EmbeddingRequest(write, s3_object)
        if (failure := unreadable_size(s3_object.size)) is not None:
            return IndexPlan(writes=(request.failed(model, *failure),))
        return _plan_embedding(request, image)
    return IndexPlan(writes=(replace(write, record=record),))


def _plan_embedding(request: EmbeddingRequest, image: EmbeddedImage | None) -> IndexPlan:
    if image is not None and md5_matches(image.embedding, request.s3_object):
        return IndexPlan(writes=(request.indexed(image),))
    return IndexPlan(to_embed=(request,))


def _merged(plans: Sequence[IndexPlan]) -> IndexPlan:
    return IndexPlan(
        to_embed=tuple(request for plan in plans for request in plan.to_embed),
        writes=tuple(write for plan in plans for write in plan.writes),
        unchanged=tuple(record for plan in plans for record in plan.unchanged),
        unreadable=frozenset().union(*(plan.unreadable for plan in plans)),
        unselected=frozenset().union(*(plan.unselected for plan in plans)),
        bucket_failures=tuple(failure for plan in plans for failure in plan.bucket_failures),
    )

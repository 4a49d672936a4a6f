"""The plan of a batch, with plain values: what is written, embedded, left and reported."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.collections import CollectionType
from chalicelib.domain.embeddings import EmbeddedImage, ReadFailure
from chalicelib.domain.errors import EmbedderUnavailable, SourceUnavailable
from chalicelib.domain.files import FileRecord, FileState, ObjectInfo, first_version
from chalicelib.domain.index_plan import EmbeddingRequest, IndexPlan, current_hints, plan_batch
from chalicelib.domain.messages import ObjectHint
from chalicelib.domain.syncs import Outcome
from tests.factories import NOW, a_collection, a_record, an_embedding

COLLECTION = a_collection(prefix="")
MODEL = "fake-1+d1"
LATER = NOW + timedelta(minutes=1)
A = ObjectInfo("a", "0" * 32, 1000, NOW)  # the object that an_embedding() was made of
OTHER_BYTES = ObjectInfo("a", "1" * 32, 1000)
IMAGE = EmbeddedImage(an_embedding(), "a thumbnail")
BUCKET_FAILURE = ReadFailure("source_unavailable", "The bucket did not answer.", transient=True)
EMBEDDER_FAILURE = ReadFailure("internal", "The model failed.", transient=True)
NO_PICTURE = ReadFailure("not_an_image", "It is no picture.", transient=False)
DENIED = ReadFailure("access_denied", "It may not be read.", transient=False)


def a_file(**fields: Any) -> FileRecord:
    return a_record(COLLECTION, "a", **({"etag": A.etag, "size": A.size, "version": first_version(NOW)} | fields))


def planned(
    record: FileRecord | None,
    s3_object: ObjectInfo | ReadFailure | None,
    image: EmbeddedImage | None = None,
    **hint: Any,
) -> IndexPlan:
    """The plan for one object."""
    records = {record.key: record} if record else {}
    embedded = {"a": image} if image else {}
    return plan_batch(COLLECTION, [ObjectHint("a", **hint)], records, {"a": s3_object}, MODEL, LATER, embedded)


def written(plan: IndexPlan) -> FileRecord:
    """The only record that the plan writes."""
    (write,) = plan.writes
    assert (plan.to_embed, plan.unchanged) == ((), ())
    return write.record


def request_of(plan: IndexPlan) -> EmbeddingRequest:
    """The only object that the plan has embedded."""
    (request,) = plan.to_embed
    assert (plan.writes, plan.unchanged) == ((), ())
    return request


class TestObjects:
    @pytest.mark.parametrize(
        "record",
        [
            None,
            a_file(etag="another"),
            a_file(model="fake-2+d1"),
            a_file(state=FileState.PENDING, etag=""),
            a_file(state=FileState.REMOVED, embedding=None, model=MODEL),
            a_file(state=FileState.REMOVED, model="fake-2+d1"),
        ],
    )
    def test_a_new_or_changed_object_is_embedded(self, record: FileRecord | None) -> None:
        request = request_of(planned(record, A))
        assert (request.s3_object, request.write.previous) == (A, record)
        assert (request.record.etag, request.record.size) == (A.etag, A.size)

    def test_a_failed_object_is_embedded_only_for_a_retry(self) -> None:
        failed = a_file(state=FileState.FAILED, embedding=None, model=MODEL, reason="empty")
        assert written(planned(failed, A)).state is FileState.FAILED
        assert request_of(planned(failed, A, retry=True)).s3_object == A

    def test_an_unchanged_record_is_written_with_a_new_version_so_that_a_slower_write_is_stale(self) -> None:
        record = a_file()
        assert written(planned(record, A)) == replace(record, version=first_version(LATER))

    def test_an_object_without_record_that_vanished_gets_a_tombstone(self) -> None:
        record = written(planned(None, None))
        assert (record.state, record.reason, record.version) == (FileState.REMOVED, "vanished", first_version(LATER))

    def test_a_removed_object_leaves_a_tombstone_with_its_embedding(self) -> None:
        record = written(planned(a_file(), None))
        assert (record.state, record.embedding, record.reason) == (FileState.REMOVED, an_embedding(), None)

    def test_a_returned_object_is_restored_without_being_embedded(self) -> None:
        record = written(planned(a_file(state=FileState.REMOVED, reason="unfinished"), A))
        assert (record.state, record.embedding, record.reason) == (FileState.INDEXED, an_embedding(), None)

    def test_a_hint_with_a_later_sequencer_is_recorded_with_its_time(self) -> None:
        record = written(planned(a_file(sequencer="01", event_at=NOW), A, sequencer="02"))
        assert (record.sequencer, record.event_at) == ("02", LATER)
        record = written(planned(a_file(sequencer="02", event_at=NOW), A, sequencer="01", retry=True))
        assert (record.sequencer, record.event_at) == ("02", NOW)


class TestImagesThatWereJustEmbedded:
    def test_the_image_of_the_same_bytes_is_used(self) -> None:
        record = written(planned(None, A, IMAGE))
        assert (record.state, record.embedding, record.thumbnail) == (FileState.INDEXED, IMAGE.embedding, "a thumbnail")

    def test_the_image_of_other_bytes_is_ignored(self) -> None:
        assert request_of(planned(None, OTHER_BYTES, IMAGE)).s3_object == OTHER_BYTES

    def test_a_returned_object_takes_the_new_image_because_its_old_thumbnail_may_be_deleted(self) -> None:
        tombstone = a_file(state=FileState.REMOVED, thumbnail="an old thumbnail")
        assert written(planned(tombstone, A, IMAGE)).thumbnail == "a thumbnail"
        assert written(planned(tombstone, A)).thumbnail == "an old thumbnail"


class TestUnreadableObjects:
    @pytest.mark.parametrize("state", [FileState.INDEXED, FileState.REMOVED])
    def test_an_indexed_or_removed_record_stays_unchanged_and_counts_as_skipped(self, state: FileState) -> None:
        record = a_file(state=state)
        plan = planned(record, DENIED)
        assert (plan.writes, plan.unchanged, plan.unreadable) == ((), (record,), {"a"})
        assert plan.outcomes(set()) == {"a": Outcome.SKIPPED}

    @pytest.mark.parametrize(
        "record", [None, a_file(state=FileState.FAILED, embedding=None), a_file(state=FileState.PENDING)]
    )
    def test_any_other_object_is_recorded_as_failed_with_the_identity_of_the_hint(
        self, record: FileRecord | None
    ) -> None:
        failed = written(planned(record, DENIED, etag="hinted", size=7))
        assert (failed.state, failed.reason, failed.detail) == (FileState.FAILED, DENIED.code, DENIED.message)
        assert (failed.etag, failed.size, failed.model) == ("hinted", 7, MODEL)

    def test_a_transient_failure_changes_nothing(self) -> None:
        assert planned(a_file(), BUCKET_FAILURE) == IndexPlan(bucket_failures=(BUCKET_FAILURE,))


class TestStaleHints:
    def test_the_hint_of_a_stale_event_is_not_current_unless_it_is_a_retry(self) -> None:
        records = {"a": a_file(sequencer="02")}
        stale, later, retry = ObjectHint("a", "01"), ObjectHint("a", "03"), ObjectHint("a", "01", retry=True)
        of_a_sync = ObjectHint("a")
        assert current_hints([stale, later, retry, of_a_sync], records) == [later, retry, of_a_sync]

    def test_a_record_without_a_current_hint_stays_unchanged(self) -> None:
        record = a_file(sequencer="02")
        plan = plan_batch(COLLECTION, [], {"a": record}, {}, MODEL, LATER, {})
        assert plan == IndexPlan(unchanged=(record,))
        assert plan.outcomes(set()) == {"a": Outcome.DONE}

    def test_unchanged_records_can_be_written_with_new_versions_to_repair_the_store(self) -> None:
        record = a_file(sequencer="02")
        plan = IndexPlan(unchanged=(record,)).with_unchanged_rewritten(LATER)
        (write,) = plan.writes
        assert (write.record, write.previous) == (replace(record, version=first_version(LATER)), record)


class TestResults:
    REQUEST = request_of(planned(None, A))

    def test_an_image_makes_the_record_indexed(self) -> None:
        record = written(self._with(IMAGE))
        assert (record.state, record.etag, record.embedding) == (FileState.INDEXED, A.etag, IMAGE.embedding)

    def test_a_lasting_failure_makes_the_record_failed(self) -> None:
        record = written(self._with(NO_PICTURE))
        assert (record.state, record.reason, record.etag) == (FileState.FAILED, "not_an_image", A.etag)

    def test_an_object_that_has_changed_meanwhile_is_checked_again(self) -> None:
        assert self._with(None) == IndexPlan(recheck=frozenset({"a"}))

    def test_a_transient_failure_writes_nothing(self) -> None:
        assert self._with(EMBEDDER_FAILURE) == IndexPlan(embedder_failures=(EMBEDDER_FAILURE,))

    def test_records_over_the_plan_are_written(self) -> None:
        over_plan = self.REQUEST.failed(MODEL, "over_plan", "The plan allows no more.")
        plan = IndexPlan(to_embed=(self.REQUEST,)).with_results([], [over_plan], MODEL)
        assert written(plan) == over_plan.record

    def _with(self, result: EmbeddedImage | ReadFailure | None) -> IndexPlan:
        return IndexPlan(to_embed=(self.REQUEST,)).with_results([(self.REQUEST, result)], [], MODEL)


class TestTransientErrors:
    def test_a_plan_without_transient_failures_has_no_error(self) -> None:
        assert IndexPlan().transient_error() is None

    def test_a_failure_of_the_embedder_is_the_embedders(self) -> None:
        error = IndexPlan(embedder_failures=(EMBEDDER_FAILURE,)).transient_error()
        assert isinstance(error, EmbedderUnavailable)

    def test_a_bucket_that_the_embedder_cannot_read_is_the_buckets(self) -> None:
        request = request_of(planned(None, A))
        error = IndexPlan().with_results([(request, BUCKET_FAILURE)], [], MODEL).transient_error()
        assert isinstance(error, SourceUnavailable)

    def test_in_a_mixed_batch_the_buckets_failure_takes_precedence_and_the_message_names_both(self) -> None:
        request = request_of(planned(None, A))
        plan = IndexPlan(bucket_failures=(BUCKET_FAILURE,)).with_results([(request, EMBEDDER_FAILURE)], [], MODEL)
        error = plan.transient_error()
        assert isinstance(error, SourceUnavailable)
        assert error.message == ("internal: The model failed.; source_unavailable: The bucket did not answer.")


def test_a_stale_write_has_no_outcome() -> None:
    plan = planned(None, A, IMAGE)
    assert plan.outcomes(set()) == {"a": Outcome.DONE}
    assert plan.outcomes({"a"}) == {}


def test_a_batch_is_planned_object_by_object() -> None:
    records = {"gone": a_record(COLLECTION, "gone"), "stale": a_record(COLLECTION, "stale", sequencer="9")}
    hints = [ObjectHint("gone"), ObjectHint("new"), ObjectHint("broken")]
    objects = {"gone": None, "new": ObjectInfo("new", "1", 1), "broken": DENIED}
    plan = plan_batch(COLLECTION, hints, records, objects, MODEL, LATER, {})
    assert [write.key for write in plan.writes] == ["gone", "broken"]
    assert [request.key for request in plan.to_embed] == ["new"]
    assert plan.unchanged == (records["stale"],)
    assert plan.outcomes(set()) == {"stale": Outcome.DONE, "gone": Outcome.REMOVED, "broken": Outcome.FAILED}


class TestMetadata:
    def test_that_of_a_connected_object_is_followed_and_nothing_is_embedded(self):
        stored_again = replace(A, modified=LATER, metadata={"product_id": "B2"})
        record = written(planned(a_file(), stored_again))
        assert (record.metadata, record.modified, record.updated_at) == ({"product_id": "B2"}, LATER, LATER)
        assert record.embedding == an_embedding()

    def test_that_of_a_failed_file_is_followed_and_it_stays_failed(self):
        failed = a_file(state=FileState.FAILED, embedding=None, model=MODEL, reason="not_an_image", metadata={})
        record = written(planned(failed, replace(A, metadata={"a": "1"})))
        assert (record.state, record.reason, record.metadata) == (FileState.FAILED, "not_an_image", {"a": "1"})

    def test_that_of_a_new_object_comes_with_it(self):
        request = request_of(planned(None, replace(A, metadata={"a": "1"})))
        assert request.indexed(IMAGE).record.metadata == {"a": "1"}

    @pytest.mark.parametrize("s3_object", [replace(A, modified=LATER, metadata={"upload": "id"}), OTHER_BYTES])
    def test_that_of_a_managed_file_stays_whatever_its_object_has(self, s3_object: ObjectInfo):
        managed = replace(COLLECTION, type=CollectionType.MANAGED)
        image = EmbeddedImage(replace(an_embedding(), md5=s3_object.etag), "another thumbnail")
        plan = plan_batch(managed, [ObjectHint("a")], {"a": a_file()}, {"a": s3_object}, MODEL, LATER, {"a": image})
        assert written(plan).metadata == a_file().metadata

    def test_nothing_of_it_is_left_of_a_file_that_its_owner_deleted(self):
        assert a_file().as_deleted().metadata == {}
